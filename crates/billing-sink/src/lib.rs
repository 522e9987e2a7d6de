//! Where entries go: files that are whole or not there, and survive a kill.
//!
//! [`drain`] is the one loop between a walk and a [`Sink`](billing_model::Sink), which takes entries and makes them count
//! at once, or not at all. [`FileSink`] writes entries in a [`Format`](billing_format::Format) to a [`Target`]: an
//! [`AtomicFile`] gets its name when it is complete; so does a [`ResumableFile`], which the next run goes on with when a
//! run was killed, compressed or not; a [`Plain`] stream takes what comes. How entries stand in a file, and how they come
//! back out of one, is in `billing-format`. There is no HTTP here, and no ledger: the ledger is a sink of its own.
//!
//! ```
//! use billing_format::{Format, InputFormat, read_entries};
//! use billing_model::Sink;
//! use billing_sink::{AtomicFile, FileSink, Opened, ResumableFile};
//! use std::collections::BTreeMap;
//!
//! let directory = tempfile::tempdir()?;
//! let path = directory.path().join("usage.ndjson");
//! let csv = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n\
//!     2026-06-14T19:52:45.087Z,venice-sd35-image-unit,0.1,1,-1e-1,DIEM,API Inference\n";
//!
//! let mut sink = FileSink::new(Format::Ndjson, AtomicFile::create(&path)?);
//! let summary = read_entries(csv.as_bytes(), InputFormat::Auto, &mut sink)?;
//! sink.finish()?;
//!
//! assert_eq!(summary.entries, 1);
//! assert!(std::fs::read_to_string(&path)?.starts_with(r#"{"amount":-0.1,"apiKeyId":null,"currency":"DIEM","#));
//!
//! // Files that take hours are begun with their arguments, so that the same call can go on with them. Its own page has
//! // the whole story.
//! let asked = BTreeMap::from([("since".to_owned(), "2026-06".to_owned())]);
//! let file = match ResumableFile::open(directory.path().join("june.csv"), &asked, false)? {
//!     Opened::New(file) => file.begin(BTreeMap::new(), "2026-07-01T08:00:00Z".parse()?)?,
//!     Opened::Begun(file) => file.go_on()?,
//!     Opened::Written(file) => return Ok(file.commit()?.close()?),
//! };
//! let sink = FileSink::new(Format::Csv(billing_csv::Columns::Documented), file);
//! sink.finish()?.close()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;

mod drain;

mod file_sink;
mod target;

mod atomic_file;
mod claim;
mod destination;
mod directory;
mod part;

mod checkpoint;
mod finished;
mod members;
mod opened;
mod record;
mod resumable_file;
mod tally;

pub use atomic_file::AtomicFile;
pub use drain::{Drained, drain};
pub use error::{DrainError, Error, ErrorKind};
pub use file_sink::FileSink;
pub use finished::Finished;
pub use opened::{Begun, BegunFile, NewFile, Opened, WrittenFile};
pub use resumable_file::ResumableFile;
pub use target::{Plain, Target};
