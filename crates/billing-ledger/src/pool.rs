//! The connections of an engine that shares a database with others.

/// The connections to a database at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// How many there may be.
    pub most: usize,
    /// How many are open.
    pub open: usize,
    /// How many of these nobody uses.
    pub idle: usize,
    /// How many calls wait for one.
    pub waiting: usize,
}
