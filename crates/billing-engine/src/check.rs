//! The part of a check of a ledger that every engine shares: what is kept beside the entries, made anew from them and compared.
//!
//! An engine reads its rows, in the order of its tables, and hands them in; nothing here reads anything by itself. Texts are what the
//! engine has at hand for them: [`Findings::Text`]. Memory does not grow with the ledger: a [`Record`] sums one slot of time at a
//! time, a [`Portion`] makes a limited number of blocks, and [`Sequences`] looks at a limited span of numbers.

mod words;

mod findings;
mod reader;
mod sequences;

mod account;
mod block;
mod coverage;
mod numbers;
mod table;

mod blocks;
mod record;

pub use account::{Files, HeldFile, Receipts, is_no_account, is_wrong_source, look_at_account, look_at_key};
pub use block::{Made, Place, Portion};
pub use blocks::{BlockNumbers, HeldBlock, are_in_no_block, compare_block, look_at_place};
pub use coverage::{HeldRecord, Walked, record_place};
pub use findings::{DIGEST_BYTES, Facts, Findings, HeldSum, Notes, Values};
pub use numbers::{Numbers, is_doubled};
pub use reader::{Digests, EntryReader, EntryTexts, Share, Wrong};
pub use record::{Held, Record};
pub use sequences::{Seen, Sequences};
pub use table::{Balances, Counts, Rollups, Table};
pub use words::{entry_place, instant, length, quoted, quoted_bytes, removal_place, shown};
