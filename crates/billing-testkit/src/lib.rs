//! For tests only: strange entries, an upstream that follows a script, and tests that a machine cannot run.
//!
//! [`ledger_suite!`] holds an engine to the contract of a ledger, and [`MemoryLedger`] is the plainest one. A [`WatchedLedger`] tells of each change.
//!
//! The [`Upstream`] is a real server on a real socket, so a client under test goes through everything that it goes
//! through in life; the script says which [`Reply`] comes when, what its paging claims, and where its connection breaks.
//! Its other side is [`wire`]: any bytes are sent, and answers are read as they stand on the wire.
//! The [`Book`] is the contract itself, written as plainly as it can be: the oracle that clever code is compared with.
//! The [`Limit`] is how often it may be asked; the [`Reluctant`] service hangs where the real one does, and the
//! [`Endless`] one has no last page. A test that [`need`]s a program is left out where that is missing, and the
//! run says so. A [`Postgres`] is a database server of a test's own, and a [`Proxy`] the network before it.
//!
//! ```
//! use billing_testkit::{Book, Upstream, entry_at};
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let mut book = Book::new(vec![entry_at("2026-06-14T19:52:45.087Z".parse().unwrap(), "-0.1")]);
//! let upstream = Upstream::start(move |request| book.answer(request)).await;
//! assert!(upstream.base_url().starts_with("http://127.0.0.1:"));
//! assert_eq!(upstream.requests().len(), 0);
//! # }
//! ```

mod entries;

mod reply;

mod delivery;
mod upstream;

pub mod wire;

mod book;
mod limit;

mod endless;
mod reluctant;

#[doc(hidden)]
#[allow(missing_docs, reason = "the name of a test says what it holds")]
#[allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
pub mod ledger_suite;
mod memory_ledger;
mod owned_ledger;
mod watched_ledger;

#[doc(hidden)]
#[allow(missing_docs, reason = "it is for the tests of the engines alone")]
#[allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]
pub mod check_cases;

mod left_out;
#[cfg(unix)]
mod nobody;
#[cfg(unix)]
mod pipe;
#[cfg(unix)]
mod postgres;
#[cfg(unix)]
mod proxy;

pub use book::Book;
pub use endless::Endless;
pub use entries::{
    any_decimal, any_documented_entries, any_documented_entry, any_entries, any_entry, any_timestamp,
    entry_at,
};
pub use left_out::{leave_out, need, need_at};
pub use limit::Limit;
pub use memory_ledger::MemoryLedger;
#[cfg(unix)]
pub use nobody::run_as_nobody;
pub use owned_ledger::{NumberedPage, OwnedBlock, OwnedLedger, OwnedRollup, PositionedPage};
#[cfg(unix)]
pub use pipe::make_pipe;
#[cfg(unix)]
pub use postgres::{Held, Postgres, Stop};
#[cfg(unix)]
pub use proxy::{Cut, Proxy, Way};
pub use reluctant::{Asked, Reluctant};
pub use reply::Reply;
pub use upstream::{Request, Upstream};
pub use watched_ledger::{Moment, WatchedLedger};
