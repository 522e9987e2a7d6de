//! Where entries go: files that are whole or not there, as CSV, JSON or NDJSON; and the way back out of them.
//!
//! A [`Sink`] takes entries and makes them count at once, or not at all. [`drain`] is the one loop between the pages of
//! a walk and a sink; [`read_entries`] is the same for a file. [`FileSink`] writes to a [`Target`]: an [`AtomicFile`] gets
//! its name when it is complete, a [`Plain`] stream takes what comes. There is no HTTP here, and no ledger: the ledger is
//! a sink of its own.
//!
//! ```
//! use billing_sink::{AtomicFile, FileSink, Format, InputFormat, Sink, read_entries};
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
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;

mod drain;
mod sink;

mod atomic_file;
mod file_sink;
mod format;
mod part;
mod target;

mod input;
mod input_error;
mod input_format;
mod json_input;
mod ndjson_input;

pub use atomic_file::AtomicFile;
pub use drain::{Drained, drain};
pub use error::{DrainError, Error, ErrorKind, ReadError};
pub use file_sink::FileSink;
pub use format::Format;
pub use input::read_entries;
pub use input_error::{InputError, InputErrorKind};
pub use input_format::InputFormat;
pub use sink::Sink;
pub use target::{Plain, Target};
