//! How much room the ledger takes.

use billing_ledger::Error;

use crate::connections::Limit;
use crate::ledger::PostgresLedger;
use crate::row;

impl PostgresLedger {
    /// The bytes of the ledger's tables and of their indexes, as the database has them on its disk.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn bytes(&self) -> Result<u64, Error> {
        self.connections().ask(Limit::Patience, async |session| {
            let sql = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
                       WHERE relnamespace = 'billing'::regnamespace AND relkind = 'r'";
            row::count(&session.row(sql, &[]).await?, 0)
        })
    }
}
