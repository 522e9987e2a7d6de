//! What `billing sync` and `billing verify` have in common.

mod asked;
mod failures;
mod telling;
mod words;

pub(crate) use asked::{Asked, holder};
pub(crate) use failures::{interrupted, needs_a_person, of_ledger};
pub(crate) use telling::Telling;
pub(crate) use words::{instant, requests, what_was_done};
