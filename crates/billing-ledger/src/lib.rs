//! What a ledger promises, whatever engine keeps it.
//!
//! A ledger holds accounts, the keys that open them, and their entries in order of time. Entries come in by batches, each of
//! which is stored once however often it is sent, and by imports, each of which is stored whole or not at all. They go out by
//! pages: by number with a total, or by position, where a walk sees the ledger as its first page saw it. Sums by day, product,
//! currency and API key are there as soon as the entries are. An account is brought in line with its source by a
//! [`Change`], which takes entries out and puts others in at once; nothing is deleted without a trace. Other systems are fed
//! by [`Block`]s.
//!
//! [`Ledger`] is that contract. It is synchronous and object-safe; a server or a job takes an `Arc<dyn Ledger>` and never
//! knows the engine. Entries and sums are *lent*, one after the other: what is lent lives where the engine has it, its numbers
//! are the text that is stored, as [`write_decimal`](billing_model::write_decimal) writes it, and nothing is copied that nobody keeps.
//!
//! Everything secret is made here and not in an engine: an engine keeps a random number and digests of keys, see
//! [`KeyMaterial`].
//!
//! ```
//! use billing_ledger::{Filter, Ledger, WalkQuery};
//! use billing_model::UsageEntry;
//!
//! // An engine knows keys by their digests.
//! let material = billing_ledger::KeyMaterial::of(&[7; 32]);
//! assert_eq!(material.digest("billing-admin-…"), material.digest("billing-admin-…"));
//!
//! /// The entries of an account whose ledger may be any.
//! fn entries_of(ledger: &dyn Ledger, account: &str) -> Result<Vec<UsageEntry>, billing_ledger::Error> {
//!     let Some(account) = ledger.account(account)? else { return Ok(Vec::new()) };
//!     let mut entries = Vec::new();
//!     let filter = Filter::default();
//!     let mut query = WalkQuery { account, filter: &filter, snapshot: None, after: None, limit: 1000 };
//!     loop {
//!         let page = ledger.page_by_position(&query, &mut |_, entry| {
//!             entries.push(entry.to_entry()?);
//!             Ok(())
//!         })?;
//!         query = WalkQuery { snapshot: Some(page.snapshot), after: page.next, ..query };
//!         if query.after.is_none() {
//!             return Ok(entries);
//!         }
//!     }
//! }
//! ```

mod error;

mod account;
mod account_name;

mod batch;
mod block;
mod change;
mod filter;
mod import;
mod key;
mod key_kind;
mod key_material;
mod packed;
mod pool;
mod position;
mod source;
mod sums;

mod check;
mod difference;

mod ledger;

mod copied;
mod copy;

pub use account::{Account, AccountId, Funds};
pub use account_name::check_account_name;
pub use batch::{Batch, Receipt};
pub use block::Block;
pub use change::{Amendment, Change, Removed};
pub use check::{Checked, Report};
pub use copied::{CopiedAccount, CopiedBlock, CopiedFile, CopiedKey, CopiedReceipt, LedgerSecret, Outline};
pub use copy::{CopyFrom, CopyInto, EntriesToCopy, LendFile, LendReceipt, LendTaken, LendToCopy, Taken};
pub use difference::{Difference, DifferenceKind};
pub use error::{Error, ErrorKind};
pub use filter::{Filter, NumberedQuery, WalkQuery};
pub use import::{FileContent, Import, ImportedFile, check_timestamps};
pub use key::{Key, NewKey, Principal};
pub use key_kind::KeyKind;
pub use key_material::{KeyDigest, KeyMaterial, Secret};
pub use ledger::{Ledger, LendBlock, LendCharges, LendCoverage, LendEntry, LendRemoved, LendRollup};
pub use packed::{PackedEntries, PackedRows};
pub use pool::Pool;
pub use position::{Position, Sequences, Snapshot, WalkPage};
pub use source::{Coverage, Source, TakenTurn, Turn};
pub use sums::{Charges, Rollup};
