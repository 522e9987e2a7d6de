//! What engines of a ledger have in common, and what has nothing to do with how one stores.
//!
//! An engine of [`billing_ledger::Ledger`] keeps sums, counts and blocks beside the entries. They are gathered here in
//! memory, so that each row is read and written once for many entries. The engine stores what it takes out. Nothing here
//! knows a table, a statement or a file.
//!
//! Texts are numbers here, and the engine says what they mean: rows of a table, or places in a list of one transaction.
//! The order of what is taken out is the order of these numbers. [`NO_TEXT`] stands for an entry without an API key.
//!
//! ```
//! use billing_engine::{Blocks, Deltas, NO_TEXT, Share, Summand};
//! use billing_ledger::Position;
//! use billing_model::UsageEntry;
//!
//! let entry = UsageEntry::from_json(r#"{"timestamp":"1970-01-02T00:00:45.087Z","units":1,"notes":"",
//!   "sku":"venice-sd35-image-unit","pricePerUnitUsd":0.01,"amount":-1e-2,"currency":"USD"}"#)?;
//! let (sku, currency) = (1, 2);
//!
//! let (mut deltas, mut blocks) = (Deltas::default(), Blocks::default());
//! for sequence in 0..3 {
//!     let timestamp_ns = entry.timestamp.unix_ns().ok_or("no ledger holds that instant")?;
//!     let (amount, units) = (entry.amount, entry.units);
//!     deltas.add(&Summand { timestamp_ns, sku, currency, api_key: NO_TEXT, amount, units });
//!     blocks.add(&Share::of(&entry, Position { timestamp_ns, sequence }, currency));
//! }
//!
//! // One row for each slot of time, one for each line of sums, one for each block.
//! let slots: Vec<_> = deltas.drain_slots().iter().map(|slot| (slot.level, slot.slot, slot.entries)).collect();
//! assert_eq!(slots, [(0, 0, 3), (1, 1, 3), (2, 24, 3), (3, 1440, 3)]);
//! let lines = deltas.drain_lines();
//! let lines: Vec<_> = lines.iter().map(|(line, sums)| (line.day.0, sums.amount.to_string())).collect();
//! assert_eq!(lines, [(1, "-0.03".to_owned())]);
//! let drafts = blocks.take_all();
//! assert_eq!(drafts.iter().map(|draft| draft.entry_set().entries()).collect::<Vec<_>>(), [3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod span;

mod counts;
mod sums;

mod blocks;

pub mod check;

pub mod repair;

pub use blocks::{Blocks, Draft, Share};
pub use counts::{Cut, Found, LEVELS, MinuteCounts, NS_PER_MINUTE, SlotChange, passes};
pub use span::{NS_PER_DAY, Span, day_of_unix_ns};
pub use sums::{Balances, Deltas, Line, NO_TEXT, Summand, Sums};
