//! Client of the billing API: pages, analytics, balance and batches, or a whole walk over either endpoint, whole and exact.
//!
//! A [`Client`] asks and does not give up at the first fault: it waits as long as the service asks, and repeats, within a
//! count and a time. What stores something ([`Client::record`]) it repeats under a key, so that it is stored once. A [`Walk`] is a whole pass over a window as a `Stream`:
//! it freezes nothing and assumes nothing that it does not check, so what comes out is every entry of the window
//! once, or an error.
//!
//! The crate prints nothing, reads neither environment nor wall clock, and knows no file format but JSON; text/csv
//! on the wire is a decoder that the caller hands in ([`Wire::Csv`]).
//!
//! ```
//! use billing_http::{ApiKey, Client, Walk};
//! use billing_model::{TimeWindow, UsageEntry};
//! use futures::TryStreamExt;
//! # use billing_testkit::{Book, Upstream, entry_at};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut book = Book::new(vec![entry_at("2026-06-14T19:52:45.087Z".parse()?, "-0.1")]);
//! # let upstream = Upstream::start(move |request| book.answer(request)).await;
//! # let base_url = upstream.base_url();
//! let client = Client::builder(base_url, ApiKey::new("admin-key")?).build()?;
//! let june = TimeWindow::new(Some("2026-06-01T00:00:00Z".parse()?), Some("2026-07-01T00:00:00Z".parse()?))?;
//! let entries: Vec<UsageEntry> = Walk::over(june).build()?.entries(&client).try_collect().await?;
//! assert_eq!(entries[0].amount.to_string(), "-0.1");
//! # Ok(())
//! # }
//! ```

mod endpoint;
mod error;

mod api_key;
mod base_url;
mod certificates;
mod clocks;
mod coding;
mod limiter;
mod proxy;
mod reply;
mod retry;
mod unanswered;
mod wire;

mod attempt;
mod client;
mod client_builder;
mod event;
mod timer;
mod tls;

mod answer;
mod batch;
mod call;
mod send;

mod analytics;
mod balance;
mod page;
mod record;

mod planner;
mod times;
mod walk;

mod broken_paging;
mod circles;
mod count;
mod pass;
mod resume;
mod walker;

mod final_count;
mod part;
mod queue;
mod tail;
mod totals;
mod trust;

mod begun;
mod windows;

pub use answer::Answer;
pub use api_key::ApiKey;
pub use base_url::with_scheme;
pub use batch::{Batch, BatchFormat, IdempotencyKey};
pub use begun::Begun;
pub use certificates::Certificates;
pub use client::{Client, Traffic};
pub use client_builder::ClientBuilder;
pub use clocks::requested_wait;
pub use endpoint::{Endpoint, Route};
pub use error::{CertificateFault, Error, ErrorKind};
pub use event::Event;
pub use proxy::Proxy;
pub use record::Recorded;
pub use retry::{Class, Decision, RetryPolicy};
pub use times::{Border, Times};
pub use walk::{RelativeWalk, Walk, WalkBuilder};
pub use wire::{CsvDecoder, Wire};
