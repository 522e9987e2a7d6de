//! A ledger in one SQLite file, embedded: an engine of [`billing_ledger::Ledger`].
//!
//! It is synchronous and knows no HTTP; call it on a thread that may block. A [`SqliteLedger`] is cheap to clone and
//! may be used from any number of threads. One of them writes at a time, and readers never wait for it. Its promises
//! are those of the contract. This crate adds what a file needs: opening, checking, backing up and restoring. No type
//! of the interface shows SQLite.
//!
//! ```
//! use billing_ledger::{Filter, KeyKind, Ledger, WalkQuery};
//! use billing_model::UsageEntry;
//! use billing_sqlite::SqliteLedger;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("ledger.db");
//! let ledger = SqliteLedger::open_or_create(&path)?;
//! let account = ledger.create_account("default")?;
//!
//! let entry = UsageEntry::from_json(r#"{"timestamp":"2026-06-14T19:52:45.087Z","units":1,"notes":"",
//!   "sku":"venice-sd35-image-unit","pricePerUnitUsd":0.01,"amount":-1e-2,"currency":"USD"}"#)?;
//! let mut import = ledger.import(account)?;
//! import.write(&[entry.clone(), entry.clone()])?; // equal entries are different ones
//! assert_eq!(import.finish()?, 2);
//!
//! let mut amounts = Vec::new();
//! let all = Filter::default();
//! let query = WalkQuery { account, filter: &all, snapshot: None, after: None, limit: 1000 };
//! let page = ledger.page_by_position(&query, &mut |_, entry| {
//!     amounts.push(entry.amount.as_str().to_owned());
//!     Ok(())
//! })?;
//! assert_eq!((amounts.join(" ").as_str(), page.next), ("-0.01 -0.01", None));
//!
//! let (_, secret) = ledger.create_key(account, KeyKind::Admin, "books", "2026-06-15T00:00:00Z".parse()?)?;
//! assert_eq!(ledger.authenticate(secret.expose())?.map(|principal| principal.account), Some(account));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;

mod contract;
mod ledger;

mod account;
mod key;
mod removal;

mod batch;
mod blocks;
mod change;
mod coverage;
mod import;
mod imported_file;
mod intake;
mod lock_file;
mod overlap;
mod pace;
mod pending;
mod repair;
mod running;
mod source;

mod feed;
mod page;
mod probe;
mod renumbered;
mod rollup;
mod snapshot;

mod counts;
mod ordered_texts;
mod row;
mod strings;
mod sums;
mod tables;

mod backup;
mod check;
mod copy_from;
mod copy_into;
mod discard;
mod restore;
mod second_names;

mod busy;
mod connections;
mod file;
mod file_id;
mod guard;
mod handles;
mod log;
mod look;
mod meta;
mod migration;
mod opening;
mod paths;
mod presence;
mod schema;
mod still;
mod watch;

pub use copy_into::SqliteCopy;
pub use ledger::SqliteLedger;
pub use migration::Migration;
pub use overlap::{Overlap, Overlaps};
