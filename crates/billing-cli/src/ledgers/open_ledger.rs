//! A ledger that is open, in a file or in a database.

use std::ops::Deref;
use std::sync::Arc;

use billing_ledger::Ledger;
use billing_postgres::PostgresLedger;
use billing_sqlite::SqliteLedger;

/// A ledger of either engine. What both have is that of [`Ledger`].
pub(crate) enum OpenLedger {
    File(SqliteLedger),
    Database(PostgresLedger),
}

impl OpenLedger {
    /// The same ledger, for several to use.
    pub(crate) fn shared(&self) -> Arc<dyn Ledger> {
        match self {
            Self::File(ledger) => Arc::new(ledger.clone()),
            Self::Database(ledger) => Arc::new(ledger.clone()),
        }
    }

    /// Removes a file that was made for this command and of which nothing came. If that fails, an empty ledger stays; in a database it
    /// always does, because others may have found it there meanwhile.
    pub(crate) fn remove_if_unused(&self) {
        if let Self::File(ledger) = self {
            let _ = ledger.remove_if_unused();
        }
    }
}

impl Deref for OpenLedger {
    type Target = dyn Ledger;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::File(ledger) => ledger,
            Self::Database(ledger) => ledger,
        }
    }
}
