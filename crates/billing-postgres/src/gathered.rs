//! What a long import has gathered: temporary tables of a connection of its own. Nobody else sees them, they are in no log, and they
//! go with the connection.

use std::borrow::Cow;

use billing_ledger::{AccountId, Error};
use billing_model::UsageEntry;
use deadpool_postgres::ClientWrapper;
use futures::future::try_join3;

use crate::connections::{Connections, Limit};
use crate::entry_copy::EntryCopy;
use crate::failure::Failure;
use crate::imported_file::{self, FileEntries};
use crate::intake::{self, Intake};
use crate::row::{COPY, REST, signed};
use crate::session::Session;
use crate::source;

/// The tables have the form of the ledger's. Sequence numbers begin at 0, and those of blocks at 1.
const CREATE: &str = "
    CREATE TEMPORARY TABLE gathered_entries (LIKE billing.entries);
    CREATE TEMPORARY TABLE gathered_counts (LIKE billing.counts INCLUDING INDEXES);
    CREATE TEMPORARY TABLE gathered_rollups (LIKE billing.rollups INCLUDING INDEXES);
    CREATE TEMPORARY TABLE gathered_balances (LIKE billing.balances INCLUDING INDEXES);
    CREATE TEMPORARY TABLE gathered_blocks (LIKE billing.blocks)";

const ADD_COUNTS: &str = "
    INSERT INTO billing.counts AS kept SELECT * FROM pg_temp.gathered_counts
    ON CONFLICT (account, level, slot, currency) DO UPDATE SET entries = kept.entries + excluded.entries";

const ADD_ROLLUPS: &str = "
    INSERT INTO billing.rollups AS kept SELECT * FROM pg_temp.gathered_rollups
    ON CONFLICT (account, day, line) DO UPDATE SET entries = kept.entries + excluded.entries,
        amount = kept.amount + excluded.amount, units = kept.units + excluded.units";

const ADD_BALANCES: &str = "
    INSERT INTO billing.balances AS kept SELECT * FROM pg_temp.gathered_balances
    ON CONFLICT (account, indexed_currency, is_credit) DO UPDATE SET
        entries = kept.entries + excluded.entries, amount = kept.amount + excluded.amount";

const ADD_BLOCKS: &str = "
    WITH given AS (
        UPDATE numbers SET last = last + (SELECT count(*) FROM pg_temp.gathered_blocks) WHERE name = 'block' RETURNING last
    )
    INSERT INTO billing.blocks (number, account, first_sequence, removed_ns, entries, first_ns, last_ns, currencies, amounts,
        entry_set, whole_set)
    SELECT given.last - (SELECT count(*) FROM pg_temp.gathered_blocks) + number, account, first_sequence + $1, removed_ns,
        entries, first_ns, last_ns, currencies, amounts, entry_set, whole_set
    FROM given, pg_temp.gathered_blocks";

/// A long import from its first entries on.
pub(crate) struct Gathered {
    client: ClientWrapper,
    intake: Intake,
}

impl Gathered {
    /// Begins, on a connection of its own.
    pub(crate) fn begin(connections: &Connections, account: AccountId) -> Result<Self, Error> {
        let client = connections.take()?;
        connections.on(Limit::Patience, Session(&client).run(CREATE))?;
        Ok(Self { client, intake: Intake::new(account, 0) })
    }

    /// Takes entries behind those that it has.
    pub(crate) fn store(&mut self, connections: &Connections, entries: &[UsageEntry]) -> Result<(), Error> {
        let Self { client, intake } = self;
        connections.on(Limit::None, async {
            let session = Session(client);
            let sql = COPY.replacen("entries", "pg_temp.gathered_entries", 1);
            let mut copy = EntryCopy::new(session, Cow::Owned(sql));
            for entry in entries {
                let position = intake.take(entry)?;
                copy.write(intake.account(), position, entry).await?;
                if intake.is_full() {
                    copy.end().await?;
                    intake.gather(session, false).await?;
                }
            }
            copy.end().await
        })
    }

    /// Puts all of it into the ledger, in one transaction. Returns how many entries it has.
    pub(crate) fn finish(&mut self, connections: &Connections, files: &[FileEntries]) -> Result<u64, Error> {
        let Self { client, intake } = self;
        connections.on(Limit::None, intake.gather(Session(client), true))?;
        let account = intake.account();
        connections.write_on(client, Limit::None, async |session| {
            let next =
                intake::lock(session, account).await?.ok_or_else(|| Failure::unknown_account(account))?;
            source::refuse_synced(session, account).await?;
            imported_file::record(session, account, next, files).await?;
            let first = signed(next);
            add_entries(session, first).await?;
            try_join3(
                session.execute(ADD_COUNTS, &[]),
                session.execute(ADD_ROLLUPS, &[]),
                session.execute(ADD_BALANCES, &[]),
            )
            .await?;
            let sql = "UPDATE accounts SET next_sequence = $2 WHERE id = $1";
            session.execute(sql, &[&account.0, &(first + signed(intake.entries()))]).await?;
            session.execute(ADD_BLOCKS, &[&first]).await?;
            Ok(intake.entries())
        })
    }
}

async fn add_entries(session: Session<'_>, first: i64) -> Result<(), Failure> {
    let sql = format!(
        "INSERT INTO billing.entries (account, timestamp_ns, sequence, {REST})
         SELECT account, timestamp_ns, sequence + $1, {REST} FROM pg_temp.gathered_entries"
    );
    session.execute(&sql, &[&first]).await.map(drop)
}
