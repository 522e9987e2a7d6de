//! The export job: it fetches a window of the ledger from a service into a file that is whole or not there, however often
//! the program is stopped or killed.
//!
//! An [`Export`] says whose entries of which window. [Opened](Export::open) at a [`Place`], it is a [`Job`]: it settles the
//! window by the service's clock, goes on with what an earlier run left, walks again where entries arrived behind the walk, and
//! [stops](Stop) where the next run can go on. What happens it tells as [`Event`]s. `billing-http` knows how a window is
//! walked, `billing-sink` how a file survives; what is here is the job that has both. It catches no signals, prints nothing
//! and reads no wall clock: a stop that waits is timed, and the present is the caller's to tell.
//!
//! A client serves many jobs, one after the other. Jobs that run at once on one client share its limits, which is good, and its
//! counts: what [`Exported::traffic`] has, and the facts in [`Notes`], for which each needs a client of its own.
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
