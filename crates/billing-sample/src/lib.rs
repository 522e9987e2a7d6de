//! Made-up usage histories of any length, realistic and repeatable.
//!
//! A history looks like a busy account's ledger: a daily rhythm with bursts, several models, requests of several
//! entries, batches of equal ones, an allowance that runs out, purchases, refunds, and every currency. The same seed
//! and length give the same entries on every machine and every day. It is made as it is read, so its length costs no
//! memory.
//!
//! It is not a model of anybody's real usage, and its prices are not an offer: do not learn from it what a model
//! costs.
//!
//! ```
//! use billing_sample::History;
//!
//! let entries: Vec<_> = History::new(7, 1_000).collect();
//! assert_eq!(entries.len(), 1_000);
//! assert!(entries.is_sorted_by_key(|entry| entry.timestamp));
//! assert!(History::new(7, 1_000).eq(entries), "the same seed, the same history");
//! ```

mod history;

mod catalogue;
mod clock;
mod purse;

pub use history::History;
