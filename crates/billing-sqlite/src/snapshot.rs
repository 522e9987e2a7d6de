//! The visible part of an account at one moment.

use billing_ledger::{AccountId, Sequences, Snapshot};
use rusqlite::{Connection, OptionalExtension};

use crate::row::{count, signed};

/// An account as the ledger has it now.
#[derive(Clone, Copy)]
pub(crate) struct Present {
    /// The number that the account's next entry gets.
    pub(crate) next_sequence: u64,
    /// The entries of an import that has not ended. Nobody sees them, and no sum or count has them.
    pub(crate) pending: Option<Sequences>,
}

impl Present {
    /// `None` when there is no such account.
    pub(crate) fn of(connection: &Connection, account: AccountId) -> rusqlite::Result<Option<Self>> {
        connection
            .prepare_cached(
                "SELECT next_sequence, first_sequence, last_sequence
                 FROM accounts LEFT JOIN imports ON imports.account = accounts.id WHERE accounts.id = ?1",
            )?
            .query_row([account.0], |row| {
                let pending = match row.get::<_, Option<i64>>(1)? {
                    Some(_) => Some(Sequences { first: count(row, 1)?, last: count(row, 2)? }),
                    None => None,
                };
                Ok(Self { next_sequence: count(row, 0)?, pending })
            })
            .optional()
    }

    /// The first and the last hidden number, as the tables have them. When none is hidden, the last is lower than the first.
    pub(crate) fn hidden(self) -> (i64, i64) {
        self.pending.map_or((0, -1), |pending| (signed(pending.first), signed(pending.last)))
    }

    /// The snapshot of a walk that begins now.
    pub(crate) fn snapshot(self) -> Snapshot {
        match self.pending {
            // Nothing was stored behind the import, so an earlier end is enough.
            Some(pending) if pending.last + 1 == self.next_sequence => {
                Snapshot { end: pending.first, without: None }
            }
            without => Snapshot { end: self.next_sequence, without },
        }
    }
}
