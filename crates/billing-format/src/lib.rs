//! Entries as CSV, JSON and NDJSON, both ways: files as people have them, and bodies row by row.
//!
//! A [`Writer`] writes entries in a [`Format`] to any output. [`read_entries`] gives those of a file to a
//! [`Sink`](billing_model::Sink), whatever form it has and however it is compressed; [`Notices`] say what is no error in it,
//! and [`Content`] tells by the way which file it was. [`rows`] gives every row of a body, with all that is wrong with it.
//! Everything goes over `Read` and `Write`: there are no paths, no locks and nothing durable here, and no HTTP.
//!
//! ```
//! use billing_format::{Format, InputFormat, Writer, read_entries};
//!
//! let csv = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n\
//!     2026-06-14T19:52:45.087Z,venice-sd35-image-unit,0.1,1,-1e-1,DIEM,API Inference\n";
//! let mut entries = Vec::new();
//! let summary = read_entries(csv.as_bytes(), InputFormat::Auto, &mut entries)?;
//! assert_eq!(summary.entries, 1);
//!
//! let mut writer = Writer::new(Vec::new(), Format::Ndjson);
//! entries.iter().try_for_each(|entry| writer.write(entry))?;
//! assert!(writer.finish()?.starts_with(br#"{"amount":-0.1,"apiKeyId":null,"currency":"DIEM","#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod input_error;
mod read_error;

mod format;
mod writer;

mod content;
mod foreign;
mod input;
mod input_format;
mod json_input;
mod ndjson_input;
mod notices;
mod paging;
mod rows;
mod text;

pub use content::Content;
pub use format::Format;
pub use input::{read_entries, read_entries_noting};
pub use input_error::{InputError, InputErrorKind};
pub use input_format::InputFormat;
pub use notices::{Notice, NoticeKind, Notices, Unknown};
pub use read_error::ReadError;
pub use rows::{RowFormat, Rows, rows};
pub use writer::Writer;
