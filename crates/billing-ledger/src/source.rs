//! An account that is kept in step with a service, and what of it was walked.

use std::any::Any;
use std::fmt;
use std::time::Duration;

use billing_model::{Currency, Timestamp, Total, WholeSet};

/// The service that a synced account is a copy of.
///
/// A synced account has what its source says, and nothing else: batches and imports into it are refused, and it is only brought
/// in line by a [`Change`](crate::Change).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The base URL of the service.
    pub base_url: String,
    /// A fingerprint of the API key, by which another account's key is noticed. The key is kept nowhere.
    pub key_fingerprint: String,
    /// How long before the present entries may still arrive as a matter of course: what a walk brings of it is provisional.
    pub settle: Duration,
    /// When the account was last brought in line, by the service's clock; `None` before the first time has ended.
    pub synced_at: Option<Timestamp>,
}

impl Source {
    /// The time that entries may need as a matter of course, unless said otherwise.
    pub const SETTLE: Duration = Duration::from_secs(15 * 60);
}

/// A window that was walked whole at the source, and what the ledger has in it since.
///
/// The records of an account do not overlap. All of them, and everything that they say, can be made anew from the entries, but
/// for `as_of`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The first instant of it; `None` when it begins before every entry.
    pub since: Option<Timestamp>,
    /// The first instant after it.
    pub until: Timestamp,
    /// The present by the source's clock when the walk began that brought it.
    pub as_of: Timestamp,
    /// The exact sum of the amounts in each currency, the currencies in [`Currency`]'s order.
    pub sums: Vec<(Currency, Total)>,
    /// Which entries they are, with all that they have, and how many.
    pub whole_set: WholeSet,
}

impl Coverage {
    /// How many entries it has.
    pub fn entries(&self) -> u64 {
        self.whole_set.entries()
    }
}

/// The right to bring an account in line, which one process has at a time.
#[derive(Debug)]
pub enum Turn {
    /// It is this one's until this is dropped, or the process ends.
    Taken(TakenTurn),
    /// Another process has it: what that one says of itself.
    HeldBy(String),
}

/// A turn that was taken. It ends when this is dropped.
pub struct TakenTurn(#[expect(dead_code, reason = "it is kept for its drop")] Box<dyn Any + Send + Sync>);

impl TakenTurn {
    /// A turn that ends when `held` is dropped.
    pub fn new(held: impl Any + Send + Sync) -> Self {
        Self(Box::new(held))
    }
}

impl fmt::Debug for TakenTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TakenTurn")
    }
}
