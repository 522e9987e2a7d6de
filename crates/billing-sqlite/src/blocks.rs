//! Blocks of entries, on their way into the ledger.

use billing_engine::Draft;
use billing_ledger::AccountId;
use billing_model::{WholeDigest, WholeSet};
use rusqlite::Connection;

use crate::row::{parse, signed};
use crate::tables::Tables;

/// Stores blocks under the next numbers.
pub(crate) fn store_all(
    drafts: &[Draft],
    writer: &Connection,
    tables: Tables,
    account: AccountId,
) -> rusqlite::Result<()> {
    drafts.iter().try_for_each(|draft| store(draft, None, writer, tables, account))
}

/// Stores a block under a number, or under the next one.
pub(crate) fn store(
    draft: &Draft,
    number: Option<i64>,
    writer: &Connection,
    tables: Tables,
    account: AccountId,
) -> rusqlite::Result<()> {
    let (first_ns, last_ns) = draft.span_ns();
    writer
        .prepare_cached(&format!(
            "INSERT INTO {tables}blocks
             (account, first_sequence, removed_ns, entries, first_ns, last_ns, entry_set, whole_set, number)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        ))?
        .execute((
            account.0,
            signed(draft.first_sequence()),
            draft.removed_ns(),
            signed(draft.entry_set().entries()),
            first_ns,
            last_ns,
            draft.entry_set().to_string(),
            draft.whole_set().to_string(),
            number,
        ))?;
    let number = writer.last_insert_rowid();
    let mut insert = writer.prepare_cached(&format!(
        "INSERT INTO {tables}block_sums (block, currency, amount) VALUES (?1, ?2, ?3)",
    ))?;
    draft
        .sums()
        .iter()
        .try_for_each(|(currency, sum)| insert.execute((number, currency, sum.to_string())).map(drop))
}

/// Gives the blocks that an import gathered in tables of its own the next numbers of the ledger.
pub(crate) fn add_gathered(writer: &Connection) -> rusqlite::Result<()> {
    let (ledgers, gathered) = (Tables::Ledger, Tables::Gathered);
    let last: i64 = writer.query_row("SELECT COALESCE(MAX(number), 0) FROM blocks", [], |row| row.get(0))?;
    writer.execute(
        &format!(
            "INSERT INTO {ledgers}blocks
             SELECT number + ?1, account, first_sequence, removed_ns, entries, first_ns, last_ns, entry_set, whole_set
             FROM {gathered}blocks ORDER BY number"
        ),
        [last],
    )?;
    let sums = format!(
        "INSERT INTO {ledgers}block_sums SELECT block + ?1, currency, amount FROM {gathered}block_sums"
    );
    writer.execute(&sums, [last]).map(drop)
}

/// Brings the digest of an entry's block in line with the amended entry. An entry without a block is a fault of the
/// ledger.
pub(crate) fn amend(
    writer: &Connection,
    account: AccountId,
    sequence: u64,
    (was, is): (WholeDigest, WholeDigest),
) -> rusqlite::Result<()> {
    let block = writer
        .prepare_cached(
            "SELECT number, whole_set FROM (
                 SELECT number, whole_set, removed_ns, first_sequence + entries AS next_sequence FROM blocks
                 WHERE account = ?1 AND first_sequence <= ?2 ORDER BY first_sequence DESC LIMIT 1
             ) WHERE next_sequence > ?2 AND removed_ns IS NULL",
        )?
        .query_row((account.0, signed(sequence)), |row| Ok((row.get(0)?, parse(row, 1, str::parse)?)));
    let (number, mut whole_set): (i64, WholeSet) = block?;
    whole_set.remove(was);
    whole_set.add(is);
    writer
        .prepare_cached("UPDATE blocks SET whole_set = ?2 WHERE number = ?1")?
        .execute((number, whole_set.to_string()))
        .map(drop)
}
