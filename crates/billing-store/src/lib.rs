//! The ledger: an embedded SQLite file that keeps every entry, once and exactly.
//!
//! A ledger holds accounts, the keys that open them, and their entries in order of time. Entries come in by imports,
//! each of which is stored whole or not at all, and go out by pages: by number with a total, or by position, where a
//! walk sees the ledger as its first page saw it, whatever is imported meanwhile. Sums by day, product, currency and
//! API key are kept as the entries come in.
//!
//! It is synchronous and knows no HTTP; wait for it on a thread that may wait. A [`Ledger`] is cheap to clone and may
//! be used from any number of threads; one of them writes at a time, and readers never wait for it. No type of its
//! interface shows the engine behind it.
//!
//! ```
//! use billing_model::{Sink, UsageEntry};
//! use billing_store::{Filter, KeyKind, Ledger};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("ledger.db");
//! let ledger = Ledger::open_or_create(&path)?;
//! let account = ledger.create_account("default")?;
//!
//! let entry = UsageEntry::from_json(r#"{"timestamp":"2026-06-14T19:52:45.087Z","units":1,"notes":"",
//!   "sku":"venice-sd35-image-unit","pricePerUnitUsd":0.01,"amount":-1e-2,"currency":"USD"}"#)?;
//! let mut import = ledger.import(account)?;
//! import.write(&[entry.clone(), entry.clone()])?; // equal entries are different ones
//! assert_eq!(import.finish()?, 2);
//!
//! let first = ledger.page_by_position(account, &Filter::default(), None, None, 1)?;
//! assert_eq!(first.entries, [entry]);
//! let last = ledger.page_by_position(account, &Filter::default(), Some(first.snapshot), first.next, 1)?;
//! assert_eq!((last.entries.len(), last.next), (1, None));
//! assert_eq!(ledger.rollups(account, None)?[0].amount.to_string(), "-0.02");
//!
//! let (_, secret) = ledger.create_key(account, KeyKind::Admin, "books", "2026-06-15T00:00:00Z".parse()?)?;
//! assert_eq!(ledger.authenticate(secret.expose())?.map(|principal| principal.account), Some(account));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;

mod ledger;

mod account;
mod account_name;
mod key;
mod removal;

mod batch;
mod import;
mod import_lock;
mod imported_file;
mod intake;
mod overlap;
mod pace;
mod packed;
mod pending;
mod rehearsal;
mod running;

mod page;
mod probe;
mod rollup;
mod snapshot;

mod counts;
mod day;
mod row;
mod strings;
mod tables;

mod backup;
mod check;
mod discard;
mod restore;

mod connections;
mod file;
mod guard;
mod handles;
mod log;
mod look;
mod meta;
mod schema;

pub use account::{Account, Funds};
pub use batch::{Batch, Receipt};
pub use check::{Checked, Difference, DifferenceKind, Report};
pub use error::{Error, ErrorKind};
pub use import::Import;
pub use imported_file::{FileContent, ImportedFile};
pub use key::{Key, KeyKind, Principal, Secret};
pub use ledger::{AccountId, Ledger};
pub use overlap::{Overlap, Overlaps};
pub use packed::{PackedEntries, PackedRows};
pub use page::{Filter, NumberedPage, Position, PositionedPage};
pub use rehearsal::Rehearsal;
pub use rollup::{Charges, Rollup};
pub use snapshot::{Sequences, Snapshot};
