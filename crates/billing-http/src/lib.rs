//! Client of the billing API: one page, or a whole walk over either endpoint, whole and exact.
//!
//! A [`Client`] fetches a page and does not give up at the first fault: it waits as long as the service asks, and
//! repeats what may be repeated, within a count and a time. A [`Walk`] is a whole pass over a window as a `Stream`:
//! it freezes nothing and assumes nothing that it does not check, so what comes out is every entry of the window
//! once, or an error.
//!
//! The crate prints nothing, reads neither environment nor wall clock, and knows no file format but JSON; text/csv
//! on the wire is a decoder that the caller hands in ([`Wire::Csv`]).
//!
//! ```no_run
//! use billing_http::{ApiKey, Client, Walk};
//! use billing_model::TimeWindow;
//! use futures::TryStreamExt;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("https://api.venice.ai/api/v1", ApiKey::new("…")?).build()?;
//! let june = TimeWindow::new(Some("2026-06-01T00:00:00Z".parse()?), Some("2026-07-01T00:00:00Z".parse()?))?;
//! let mut entries = std::pin::pin!(Walk::over(june).build()?.entries(&client));
//! while let Some(entry) = entries.try_next().await? {
//!     println!("{} {} {}", entry.timestamp, entry.amount, entry.currency);
//! }
//! # Ok(())
//! # }
//! ```

mod error;

mod api_key;
mod base_url;
mod clocks;
mod reply;
mod retry;
mod wire;

mod client;
mod event;

mod resume;
mod walk;
mod walker;

pub use api_key::ApiKey;
pub use client::{Client, ClientBuilder};
pub use clocks::requested_wait;
pub use error::{Error, ErrorKind};
pub use event::Event;
pub use retry::{Class, Decision, RetryPolicy};
pub use walk::{Endpoint, Walk, WalkBuilder};
pub use wire::{CsvDecoder, Wire};
