//! The ways in which pages contradict the request or each other.

use billing_model::Timestamp;

use crate::error::one_line;

#[derive(Debug, thiserror::Error)]
#[error("entry {entry}, at {at}, is earlier than the one before it")]
pub(crate) struct OutOfOrder {
    pub(crate) entry: usize,
    pub(crate) at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "a full page has no `x-next-cursor`, and asking again brings the same one: was the header lost on the way?"
)]
pub(crate) struct LostCursor;

#[derive(Debug, thiserror::Error)]
#[error("pages of {first} entries became pages of {now}")]
pub(crate) struct OtherLimit {
    pub(crate) first: u32,
    pub(crate) now: u32,
}

#[derive(Debug, thiserror::Error)]
#[error("{asked} entries a page were asked for, and {found} came")]
pub(crate) struct TooManyEntries {
    pub(crate) asked: u32,
    pub(crate) found: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("entry {entry}, at {at}, lies outside the window that was asked for")]
pub(crate) struct OutsideWindow {
    pub(crate) entry: usize,
    pub(crate) at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
#[error("entry {entry} was charged in {}, and {asked} was asked for", one_line(found))]
pub(crate) struct OtherCurrency {
    pub(crate) entry: usize,
    pub(crate) asked: String,
    pub(crate) found: String,
}
