//! Finds out by trying whether the ledger can be written. Asking for free space and permissions would not be enough, because each has
//! exceptions.

use billing_ledger::Error;

use crate::connections::Limit;
use crate::ledger::PostgresLedger;

/// How many bytes of room a row takes: four rows fill a page, and none is so long that the database compresses it.
const ROW: usize = 2048;

impl PostgresLedger {
    /// A committed transaction shows that the ledger can be written, and that its log can. It does not show that there is room for
    /// more, because a table may have room left from before. So as many bytes are written into a table that only this transaction has.
    pub(crate) fn try_writing(&self, room: usize) -> Result<(), Error> {
        let rows = i64::try_from(room.div_ceil(ROW)).unwrap_or(i64::MAX);
        self.connections().write(Limit::Patience, async |session| {
            // Some roles may not make such tables. Then room is not tried.
            let may_fill = "SELECT has_database_privilege(current_database(), 'TEMPORARY')";
            if session.row(may_fill, &[]).await?.try_get(0)? {
                // The disk of the ledger is in question, not the one that such tables are on otherwise.
                session
                    .run("SET LOCAL temp_tablespaces = ''; CREATE TEMPORARY TABLE room (filling text) ON COMMIT DROP")
                    .await?;
                // It is another table each time, so this statement is not kept.
                session
                    .run(&format!("INSERT INTO room SELECT repeat(' ', 1950) FROM generate_series(1, {rows})"))
                    .await?;
            }
            let sql = "UPDATE numbers SET last = last WHERE name = 'account'";
            session.execute(sql, &[]).await.map(drop)
        })
    }
}
