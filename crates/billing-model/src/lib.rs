//! The types of Venice.ai's billing API, exact to the last digit: ledger entries, queries, pages, errors.
//!
//! This crate knows what goes over the wire and what it means. It has no I/O, no clock and no async; a client, a
//! server, a report or a test can use it alone. The facts behind it, with their sources, stand in
//! `docs/upstream-api.md`.
//!
//! ```
//! use billing_model::{Currency, Page, UsageQuery};
//!
//! // What is asked for is checked before anything is sent …
//! let query = UsageQuery::builder().currency(Currency::Diem).limit(500).build()?;
//! assert_eq!(query.query_string(1), "currency=DIEM&limit=500&page=1&sortOrder=desc");
//!
//! // … and what comes back is read without passing through binary floating point.
//! let body = r#"{"data":[{"timestamp":"2026-06-14T19:52:45.087Z","sku":"venice-sd35-image-unit",
//!   "pricePerUnitUsd":0.1,"units":1,"amount":-1e-1,"currency":"DIEM","notes":"API Inference",
//!   "inferenceDetails":null}],"pagination":{"limit":500,"page":1,"total":1,"totalPages":1}}"#;
//! let page = Page::from_usage_json(body)?;
//! assert_eq!(page.entries[0].amount.to_string(), "-0.1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod one_line;

mod currency;
mod day;
mod decimal;
mod decimal_text;
mod time_words;
mod timestamp;
mod total;
mod total_arithmetic;
mod wide_sum;
mod window;

mod bad_rows;
mod decode_error;

mod canonical;
mod digest_set;
mod entry;
mod entry_fields;
mod entry_json;
mod entry_text;
mod field_name;
mod half_characters;
mod identity;
mod lent_entry;
mod likeness;
mod other_fields;
mod plain_entry;
mod plain_json;
mod read_notes;
mod sku;
mod summary;

mod analytics_query;
mod fault;
mod history_query;
mod raw_query;
mod usage_query;

mod error_body;
mod page;
mod request;
mod server_message;
mod sink;
mod stretch;

mod analytics;
mod analytics_json;
mod balance;
mod batch_answer;
mod json_object;
mod json_text;
mod object;
mod other_amount;

#[cfg(test)]
mod both_ways;
#[cfg(test)]
mod identity_proof;

pub use analytics::{Analytics, DaySeries, DaySpend, KeySpend, ModelSpend, SpendPart};
pub use analytics_query::{AnalyticsQuery, AnalyticsQueryBuilder};
pub use bad_rows::{BadRows, timestamp_in};
pub use balance::{Balance, BalanceParts, Balances};
pub use batch_answer::{BatchIssue, BatchReceipt, ConflictingBatch, RefusedBatch};
pub use currency::Currency;
pub use day::{Day, DayRange};
pub use decimal::Decimal;
pub use decimal_text::{decimal_text, parse_decimal, write_decimal};
pub use decode_error::DecodeError;
pub use digest_set::{DigestSet, Digested, EntrySet, WholeSet};
pub use entry::{InferenceDetails, UsageEntry, is_credit};
pub use error::{ValueError, ValueErrorKind};
pub use error_body::ErrorBody;
pub use fault::{Fault, FaultCode, QueryError};
pub use field_name::meant_field;
pub use half_characters::whole_characters;
pub use history_query::{Cursor, HistoryQuery, HistoryQueryBuilder, HistoryRequest};
pub use identity::{EntryDigest, WholeDigest};
pub use lent_entry::{LentEntry, NumberText};
pub use likeness::Likeness;
pub use one_line::{is_invisible, one_line};
pub use other_amount::OtherAmount;
pub use other_fields::OtherFields;
pub use page::{HalfCharacters, Page, PageWriter, Pagination, Paging};
pub use read_notes::ReadNotes;
pub use request::{PageRequest, SequenceError};
pub use server_message::ServerMessage;
pub use sink::{Mark, Sink};
pub use sku::{ModelType, Sku, UnitType, UsageKind};
pub use stretch::Stretch;
pub use summary::{Amounts, Summary};
pub use time_words::{TimeWordError, TypedTime, TypedWindow, parse_length};
pub use timestamp::Timestamp;
pub use total::Total;
pub use usage_query::{SortOrder, UsageQuery, UsageQueryBuilder};
pub use window::TimeWindow;
