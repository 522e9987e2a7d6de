//! Blocks of entries, on their way into the ledger.

use std::collections::BTreeMap;
use std::mem;

use billing_ledger::{AccountId, Block, Position};
use billing_model::{Decimal, EntryDigest, EntrySet, OtherFields, Total, UsageEntry, WholeDigest, WholeSet};
use rusqlite::Connection;

use crate::row::{parse, signed};
use crate::tables::Tables;

/// The most full blocks that are kept in memory: as many as twenty million entries have.
const MOST_FULL: usize = 1000;

/// The blocks of what one transaction records, or of what the transactions of an import record.
#[derive(Default)]
pub(crate) struct Blocks {
    full: Vec<Draft>,
    open: Option<Draft>,
}

/// A block that has no number yet.
pub(crate) struct Draft {
    first_sequence: u64,
    /// When its entries are taken out; `None` for entries that are recorded.
    removed_ns: Option<i64>,
    span_ns: (i64, i64),
    sums: BTreeMap<i64, Total>,
    entry_set: EntrySet,
    whole_set: WholeSet,
}

/// What an entry adds to a block.
#[derive(Clone, Copy)]
pub(crate) struct Share {
    pub(crate) position: Position,
    pub(crate) currency: i64,
    pub(crate) amount: Decimal,
    pub(crate) entry: EntryDigest,
    pub(crate) whole: WholeDigest,
}

impl Share {
    pub(crate) fn of(entry: &UsageEntry, position: Position, currency: i64) -> Self {
        let digest = EntryDigest::of(entry);
        let other_fields = entry.other_fields.as_ref().map(OtherFields::as_str);
        let whole = digest.whole(entry.api_key_id.as_deref(), other_fields);
        Self { position, currency, amount: entry.amount, entry: digest, whole }
    }
}

impl Blocks {
    /// Puts an entry into the block that is open. Its number follows that of the entry before.
    pub(crate) fn add(&mut self, share: &Share) {
        let open = self.open.get_or_insert_with(|| Draft::new(share.position.sequence, None));
        open.add(share);
        if open.entry_set.entries() == Block::MOST_ENTRIES {
            self.full.extend(self.open.take());
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full.len() >= MOST_FULL
    }

    /// Stores the full blocks.
    pub(crate) fn store_full(
        &mut self,
        writer: &Connection,
        tables: Tables,
        account: AccountId,
    ) -> rusqlite::Result<()> {
        mem::take(&mut self.full).iter().try_for_each(|draft| draft.store(writer, tables, account))
    }

    /// Stores all blocks, when no more entries come.
    pub(crate) fn store(mut self, writer: &Connection, account: AccountId) -> rusqlite::Result<()> {
        self.full.extend(self.open.take());
        self.store_full(writer, Tables::Ledger, account)
    }
}

impl Draft {
    /// An empty block whose entries begin with this number, or that is of the removal with this number.
    pub(crate) fn new(first_sequence: u64, removed_ns: Option<i64>) -> Self {
        Self {
            first_sequence,
            removed_ns,
            span_ns: (i64::MAX, i64::MIN),
            sums: BTreeMap::new(),
            entry_set: EntrySet::EMPTY,
            whole_set: WholeSet::EMPTY,
        }
    }

    pub(crate) fn add(&mut self, share: &Share) {
        let at_ns = share.position.timestamp_ns;
        self.span_ns = (self.span_ns.0.min(at_ns), self.span_ns.1.max(at_ns));
        self.sums.entry(share.currency).or_default().add(share.amount);
        self.entry_set.add(share.entry);
        self.whole_set.add(share.whole);
    }

    pub(crate) fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entry_set.entries() == 0
    }

    /// Stores the block under the next number.
    pub(crate) fn store(
        &self,
        writer: &Connection,
        tables: Tables,
        account: AccountId,
    ) -> rusqlite::Result<()> {
        self.store_as(None, writer, tables, account)
    }

    /// Stores the block under a number, or under the next one.
    pub(crate) fn store_as(
        &self,
        number: Option<i64>,
        writer: &Connection,
        tables: Tables,
        account: AccountId,
    ) -> rusqlite::Result<()> {
        writer
            .prepare_cached(&format!(
                "INSERT INTO {tables}blocks
                 (account, first_sequence, removed_ns, entries, first_ns, last_ns, entry_set, whole_set, number)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            ))?
            .execute((
                account.0,
                signed(self.first_sequence),
                self.removed_ns,
                signed(self.entry_set.entries()),
                self.span_ns.0,
                self.span_ns.1,
                self.entry_set.to_string(),
                self.whole_set.to_string(),
                number,
            ))?;
        let number = writer.last_insert_rowid();
        let mut insert = writer.prepare_cached(&format!(
            "INSERT INTO {tables}block_sums (block, currency, amount) VALUES (?1, ?2, ?3)",
        ))?;
        self.sums
            .iter()
            .try_for_each(|(currency, sum)| insert.execute((number, currency, sum.to_string())).map(drop))
    }
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
