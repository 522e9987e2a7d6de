//! The export job: it fetches a window of the ledger from a service into a file that is whole or not there, however often
//! the program is stopped or killed.
//!
//! An [`Export`] says which service, key and window. [Opened](Export::open) at a [`Place`], it is a [`Job`]. The job
//! settles the window by the service's clock, continues what an earlier run left, walks again when entries arrived
//! behind the walk, and [stops](Stop) where the next run can continue. It tells what happens as [`Event`]s.
//! `billing-http` walks the window and `billing-sink` makes the file survive; this crate joins them. It catches no
//! signals, prints nothing and reads no clock.
//!
//! ```
//! use billing_export::{Event, Export, ExportFile, Stop};
//! use billing_format::Format;
//! use billing_http::{ApiKey, Client};
//! use billing_model::{TimeWindow, Timestamp};
//! # use billing_testkit::{Book, Upstream, entry_at};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut book = Book::new(vec![entry_at("2026-06-14T19:52:45.087Z".parse()?, "-0.1")]);
//! # let upstream = Upstream::start(move |request| book.answer(request)).await;
//! # let base_url = upstream.base_url();
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("june.ndjson");
//! let key = ApiKey::new("admin-key")?;
//! let june = TimeWindow::new(Some("2026-06-01T00:00:00Z".parse()?), Some("2026-07-01T00:00:00Z".parse()?))?;
//! let export = Export::of(&base_url, &key).over(june).build()?;
//! let client = Client::builder(base_url, key).build()?;
//! let stop = Stop::default(); // for the code that hears a signal
//! let job = export.open(ExportFile::new(&path, Format::Ndjson))?.stopped_by(&stop);
//! let now = || Timestamp::from(chrono::Utc::now());
//! let progress = |event: &Event<'_>| if let Event::Came { so_far, .. } = event { println!("{so_far} entries") };
//! let exported = job.run(&client, now, progress).await?;
//! exported.output.close()?;
//!
//! assert_eq!(exported.summary.entries, 1);
//! assert_eq!(std::fs::read_to_string(&path)?.lines().count(), 1);
//! # Ok(())
//! # }
//! ```

mod error;

mod event;
mod export;
mod exported;
mod mended;
mod notes;
mod place;
mod settled;
mod stop;

mod export_file;
mod manifest;

mod passing;
mod run;

mod job;

pub use error::{Cause, Error, Kept};
pub use event::Event;
pub use export::{Export, ExportBuilder};
pub use export_file::ExportFile;
pub use exported::Exported;
pub use job::Job;
pub use manifest::{AmountsByCurrency, AmountsText, Manifest, ManifestError, WindowText, amounts_text};
pub use notes::Notes;
pub use place::{Found, Place};
pub use stop::Stop;
