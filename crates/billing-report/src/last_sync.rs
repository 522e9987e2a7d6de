//! When a ledger was last brought in line with the services that it is a copy of.

use billing_model::Timestamp;

/// When the synced accounts were last brought in line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastSync {
    /// No account is synced.
    #[default]
    None,
    /// All of them were by then: it is the time of the account that waits longest for a sync.
    At(Timestamp),
    /// The first sync of an account has not ended, so that entries of any time may be missing.
    NotEnded,
}

impl LastSync {
    /// Takes in a synced account, by when it was last brought in line; `None` where its first sync has not ended.
    ///
    /// ```
    /// use billing_report::LastSync;
    /// let [old, new] = ["2026-06-15T08:00:00Z", "2026-06-15T09:00:00Z"].map(|at| at.parse().ok());
    /// let all = LastSync::default().and(new).and(old);
    /// assert_eq!(Some(all), old.map(LastSync::At));
    /// assert_eq!(all.and(None).and(new), LastSync::NotEnded);
    /// ```
    #[must_use]
    pub fn and(self, synced: Option<Timestamp>) -> Self {
        match (self, synced) {
            (Self::NotEnded, _) | (_, None) => Self::NotEnded,
            (Self::None, Some(at)) => Self::At(at),
            (Self::At(other), Some(at)) => Self::At(other.min(at)),
        }
    }
}
