//! How a ledger is used.

use std::time::Duration;

/// How many connections a program may have, how long it waits, and what it puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most connections, at least 3, unless the URL says another number. Each long import, each account's turn and each check has
    /// one more of its own.
    pub connections: usize,
    /// How long a call waits for the database, all in all, before it fails with [`ErrorKind::Away`](billing_ledger::ErrorKind::Away) or
    /// [`ErrorKind::Busy`](billing_ledger::ErrorKind::Busy). Calls that pass over a whole ledger, and imports, take as long as they take.
    pub patience: Duration,
    /// True to take a schema of an older version forward. Otherwise it is
    /// [`ErrorKind::OlderVersion`](billing_ledger::ErrorKind::OlderVersion).
    pub may_migrate: bool,
    /// True to read from a standby, which may be behind. Otherwise it counts as a database that is away.
    pub may_be_standby: bool,
}

impl Settings {
    /// For a command: it waits for half a minute.
    pub const COMMAND: Self =
        Self { connections: 4, patience: Duration::from_secs(30), may_migrate: true, may_be_standby: true };

    /// For a server, whose clients wait: they hear within 5 seconds that the database is away. It reads from no standby, which may not
    /// have heard yet that a key was revoked.
    pub const SERVER: Self = Self {
        connections: 10,
        patience: Duration::from_millis(3500),
        may_migrate: true,
        may_be_standby: false,
    };
}
