//! Where an entry stands in its account.

/// An entry's place in its account: entries stand in the order of time, and those of one instant in the order in which
/// they were stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub timestamp_ns: i64,
    /// Its number in the order of storing.
    pub sequence: u64,
}
