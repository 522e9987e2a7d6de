//! The copy of a ledger into another one, of whatever engine: whole, gone on with after a break, and compared.
//!
//! [`copy`] takes a ledger that can be copied and one that is being made, both of `billing-ledger`, and knows no engine. Nothing is lost or
//! doubled by a kill at any moment. It prints nothing and reads no clock: how far it is it tells as [`Event`]s.
//!
//! ```
//! use billing_copy::copy;
//! use billing_ledger::{CopyFrom, KeyKind, Ledger};
//! use billing_sqlite::{SqliteCopy, SqliteLedger};
//!
//! # let directory = tempfile::tempdir()?;
//! # let (one, other) = (directory.path().join("one.db"), directory.path().join("other.db"));
//! let ledger = SqliteLedger::open_or_create(&one)?;
//! let account = ledger.create_account("default")?;
//! let (_, key) = ledger.create_key(account, KeyKind::Admin, "books", "2026-06-15T00:00:00Z".parse()?)?;
//!
//! let copied = copy(&ledger, Box::new(SqliteCopy::begin(&other, ledger.secret())?), &|_| ())?;
//! assert_eq!((copied.unfinished, copied.accounts, copied.keys), (None, 1, 1));
//!
//! // The same key opens the copy.
//! let ledger = SqliteLedger::open(&other)?;
//! assert_eq!(ledger.authenticate(key.expose())?.map(|principal| principal.account), Some(account));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod event;

mod extent;
mod lot;
mod piped;
mod state;

mod log;
mod made;
mod pages;

mod pass;
mod proof;
mod rest;

mod job;

pub use error::{Error, ErrorKind};
pub use event::Event;
pub use job::{Copied, Unfinished, copy};
