//! Which entries are asked for, and which page of them.

use billing_model::{Currency, SortOrder, TimeWindow};

use crate::account::AccountId;
use crate::position::{Position, Snapshot};

/// Which of an account's entries are asked for; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of this span.
    pub window: TimeWindow,
    /// Those charged in this currency.
    pub currency: Option<Currency>,
}

/// A page by its number, out of pages of `limit` entries.
#[derive(Clone, Copy, Debug)]
pub struct NumberedQuery<'q> {
    /// Whose entries.
    pub account: AccountId,
    /// Which of them.
    pub filter: &'q Filter,
    /// In which order.
    pub order: SortOrder,
    /// How many there are on a page.
    pub limit: u32,
    /// The number, from 1.
    pub page: u32,
}

/// A page of a walk, the oldest entries first.
#[derive(Clone, Copy, Debug)]
pub struct WalkQuery<'q> {
    /// Whose entries.
    pub account: AccountId,
    /// Which of them; the same on every page.
    pub filter: &'q Filter,
    /// What the first page saw; `None` for the first page.
    pub snapshot: Option<Snapshot>,
    /// Where the page before ended; `None` for the first page.
    pub after: Option<Position>,
    /// How many entries at most; 0 is read as 1, so that a walk ends.
    pub limit: u32,
}
