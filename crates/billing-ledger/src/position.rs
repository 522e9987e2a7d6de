//! Where a walk stands, and what it sees.

/// An entry's place in its account: entries stand in the order of time, and those of one instant in the order in which
/// they were stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub timestamp_ns: i64,
    /// Its sequence: the number in the account's order of storing, from 0 on. A number that no entry has belongs to a
    /// removal, or was left by an import that did not end.
    pub sequence: u64,
}

/// The state of an account at one moment, by the numbers of its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Snapshot {
    /// Entries of this number and greater ones are not part of it.
    pub end: u64,
    /// These are not part of it either: the numbers of an import that had begun and had not ended.
    pub without: Option<Sequences>,
}

/// Numbers of entries in the order of storing, the first and the last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequences {
    /// The lowest one.
    pub first: u64,
    /// The highest one.
    pub last: u64,
}

impl Sequences {
    /// True when a number is one of these.
    pub fn contains(self, sequence: u64) -> bool {
        (self.first..=self.last).contains(&sequence)
    }
}

impl Snapshot {
    /// True when the entry with this number is part of it.
    pub fn has(self, sequence: u64) -> bool {
        sequence < self.end && !self.without.is_some_and(|without| without.contains(sequence))
    }
}

/// Where a page of a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkPage {
    /// What the walk sees; give it to the next call.
    pub snapshot: Snapshot,
    /// Where the next page starts; `None` at the end of the walk.
    pub next: Option<Position>,
}
