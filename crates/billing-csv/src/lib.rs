//! The text/csv form of the usage ledger, both ways and exactly.
//!
//! This is the file that `GET /billing/usage` and `GET /billing/usage-history` answer to `Accept: text/csv`: a header,
//! then one row an entry. It is read by the names in its header and written in the documented order. Numbers go in and
//! out as decimal text. There is no HTTP here, no file handling and no async.
//!
//! ```
//! use billing_csv::{Columns, Reader, Writer};
//!
//! let upstream = "\u{feff}timestamp,sku,pricePerUnitUsd,units,amount,currency,notes,apiKeyId\r\n\
//!     2026-06-14T19:52:45.087Z,venice-sd35-image-unit,0.1,1,-1e-1,DIEM,API Inference,\r\n";
//!
//! let mut writer = Writer::new(Vec::new(), Columns::Documented);
//! for entry in Reader::new(upstream.as_bytes()) {
//!     writer.write(&entry?)?;
//! }
//! let file = String::from_utf8(writer.finish()?)?;
//! assert!(file.ends_with("\n2026-06-14T19:52:45.087Z,venice-sd35-image-unit,0.1,1,-0.1,DIEM,API Inference,,,,\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;

mod columns;
mod decode;
mod header;
mod notes;
mod reader;
mod records;
mod writer;

pub use columns::Columns;
pub use decode::decode;
pub use error::{Error, ErrorKind};
pub use notes::Notes;
pub use reader::Reader;
pub use writer::{Writer, encode};
