//! The sync job: an account of a ledger that is kept in step with a service, and proven against it.
//!
//! A [`SyncJob`] brings an account in line: it walks what is not held and the last of what is, compares each window with the ledger entry
//! by entry, and stores what differs in one short transaction with the record that the window was walked. A [`VerifyJob`] walks what is
//! held and proves it, or mends it. Both may be dropped or killed at any moment; nothing is lost or doubled by it.
//!
//! `billing-http` knows how a window is walked, `billing-ledger` what a ledger promises, whatever engine keeps it. What is here is the
//! job that has both. It catches no signals, prints nothing and reads no clock: what happens it tells as [`Event`]s, and the
//! local present is the caller's to tell.
//!
//! ```
//! use billing_http::{ApiKey, Client};
//! use billing_ledger::Ledger;
//! use billing_model::Timestamp;
//! use billing_sync::SyncJob;
//! use std::sync::Arc;
//! # use billing_testkit::{Book, MemoryLedger, Upstream, entry_at};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut book = Book::new(vec![entry_at("2026-06-14T19:52:45.087Z".parse()?, "-0.1")]);
//! # let upstream = Upstream::start(move |request| book.answer(request)).await;
//! # let base_url = upstream.base_url();
//! # let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new()?);
//! let account = ledger.create_account("venice")?;
//! let client = Client::builder(base_url, ApiKey::new("admin-key")?).build()?;
//! let now = || Timestamp::from(chrono::Utc::now());
//! let sync = SyncJob::of(Arc::clone(&ledger), account);
//! let synced = sync.run(&client, now, |_| ()).await?;
//! assert_eq!(synced.done.added, 1);
//!
//! // The same again changes nothing.
//! let synced = sync.run(&client, now, |_| ()).await?;
//! assert_eq!((synced.done.walked, synced.done.added), (1, 0));
//! # Ok(())
//! # }
//! ```

mod error;
mod event;
mod tally;
mod window_difference;

mod span;

mod cut;
mod difference;
mod different;
mod held;
mod plan;
mod records;

mod days;
mod key;
mod line;
mod run;
mod turn;

mod sync;
mod verify;

pub use days::{DayDifference, Days};
pub use error::{Cause, Error};
pub use event::Event;
pub use records::Records;
pub use span::Span;
pub use sync::{SyncJob, Synced};
pub use tally::Tally;
pub use verify::{Verified, VerifyJob};
pub use window_difference::WindowDifference;
