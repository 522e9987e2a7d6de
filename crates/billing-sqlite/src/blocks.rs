//! Blocks of entries, on their way into the ledger and out of it.

use std::collections::BTreeMap;
use std::mem;
use std::ops::ControlFlow;

use billing_ledger::{AccountId, Block, Error, LendBlock, LendEntry, Position};
use billing_model::{
    Currency, Decimal, EntryDigest, EntrySet, OtherFields, Timestamp, Total, UsageEntry, WholeDigest,
    WholeSet,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::ledger::SqliteLedger;
use crate::row::{self, COLUMNS, count, parse, signed};
use crate::strings::Texts;
use crate::tables::Tables;

/// Blocks that are kept in memory: as many as twenty million entries have.
const MOST_FULL: usize = 1000;

/// The blocks of what one transaction records, or several of an import.
#[derive(Default)]
pub(crate) struct Blocks {
    full: Vec<Draft>,
    open: Option<Draft>,
}

/// A block that has no number yet.
pub(crate) struct Draft {
    first_sequence: u64,
    /// When its entries are taken out.
    removed_ns: Option<i64>,
    span_ns: (i64, i64),
    sums: BTreeMap<i64, Total>,
    entry_set: EntrySet,
    whole_set: WholeSet,
}

/// What of an entry goes into a block.
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

    /// Stores the blocks to which nothing more comes.
    pub(crate) fn store_full(
        &mut self,
        writer: &Connection,
        tables: Tables,
        account: AccountId,
    ) -> rusqlite::Result<()> {
        mem::take(&mut self.full).iter().try_for_each(|draft| draft.store(writer, tables, account))
    }

    /// Stores all of them: nothing more comes.
    pub(crate) fn store(mut self, writer: &Connection, account: AccountId) -> rusqlite::Result<()> {
        self.full.extend(self.open.take());
        self.store_full(writer, Tables::Ledger, account)
    }
}

impl Draft {
    /// A block from this number on, or of the removal with this number.
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

    /// Gives it the next number.
    pub(crate) fn store(
        &self,
        writer: &Connection,
        tables: Tables,
        account: AccountId,
    ) -> rusqlite::Result<()> {
        writer
            .prepare_cached(&format!(
                "INSERT INTO {tables}blocks (account, first_sequence, removed_ns, entries, first_ns, last_ns, entry_set, whole_set)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
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

/// Has the block of an entry say what the entry has by now.
pub(crate) fn amend(
    writer: &Connection,
    account: AccountId,
    sequence: u64,
    (was, is): (WholeDigest, WholeDigest),
) -> rusqlite::Result<()> {
    let block = writer
        .prepare_cached(
            "SELECT number, whole_set FROM blocks WHERE account = ?1 AND first_sequence <= ?2
             ORDER BY first_sequence DESC LIMIT 1",
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

/// Where the entries of a block stand.
struct Place {
    account: i64,
    first_sequence: i64,
    is_removal: bool,
    entries: i64,
    span_ns: (i64, i64),
}

impl SqliteLedger {
    pub(crate) fn blocks(&self, after: u64, lend: &mut LendBlock<'_>) -> Result<(), Error> {
        self.0.connections.read(|connection| {
            let mut texts = Texts::default();
            let mut select = connection.prepare_cached(
                "SELECT number, account, first_sequence, removed_ns, entry_set, whole_set FROM blocks
                 WHERE number > ?1 ORDER BY number",
            )?;
            let mut rows = select.query([signed(after)])?;
            while let Some(row) = rows.next()? {
                let block = Block {
                    number: count(row, 0)?,
                    account: AccountId(row.get(1)?),
                    first_sequence: count(row, 2)?,
                    removed_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_unix_ns),
                    sums: sums(connection, &mut texts, row.get(0)?)?,
                    entry_set: parse(row, 4, str::parse)?,
                    whole_set: parse(row, 5, str::parse)?,
                };
                if lend(&block) == ControlFlow::Break(()) {
                    break;
                }
            }
            Ok(())
        })
    }

    pub(crate) fn block_entries(&self, number: u64, lend: &mut LendEntry<'_>) -> Result<(), Error> {
        let refused = self.0.connections.read(|connection| {
            let Some(place) = place(connection, number)? else { return Ok(None) };
            lend_entries(connection, &place, lend)
        })?;
        refused.map_or(Ok(()), Err)
    }
}

fn sums(connection: &Connection, texts: &mut Texts, block: i64) -> rusqlite::Result<Vec<(Currency, Total)>> {
    let mut select = connection.prepare_cached("SELECT currency, amount FROM block_sums WHERE block = ?1")?;
    let mut rows = select.query([block])?;
    let mut sums = Vec::new();
    while let Some(row) = rows.next()? {
        let currency = Currency::from(texts.text(connection, row.get(0)?)?);
        sums.push((currency, parse(row, 1, str::parse)?));
    }
    sums.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(sums)
}

fn place(connection: &Connection, number: u64) -> rusqlite::Result<Option<Place>> {
    connection
        .prepare_cached(
            "SELECT account, first_sequence, removed_ns IS NOT NULL, entries, first_ns, last_ns FROM blocks
             WHERE number = ?1",
        )?
        .query_row([signed(number)], |row: &Row<'_>| {
            Ok(Place {
                account: row.get(0)?,
                first_sequence: row.get(1)?,
                is_removal: row.get(2)?,
                entries: row.get(3)?,
                span_ns: (row.get(4)?, row.get(5)?),
            })
        })
        .optional()
}

/// Gives the error of whoever borrows.
fn lend_entries(
    connection: &Connection,
    place: &Place,
    lend: &mut LendEntry<'_>,
) -> rusqlite::Result<Option<Error>> {
    let Place { account, first_sequence, is_removal, entries, span_ns: (first_ns, last_ns) } = *place;
    let mut select = connection.prepare_cached(&match is_removal {
        true => format!(
            "SELECT {COLUMNS} FROM removed WHERE account = ?1 AND removal = ?2
             AND timestamp_ns BETWEEN ?4 AND ?5 AND ?3 >= ?2 ORDER BY timestamp_ns, sequence"
        ),
        false => format!(
            "SELECT {COLUMNS} FROM entries WHERE account = ?1 AND sequence BETWEEN ?2 AND ?3
             AND timestamp_ns BETWEEN ?4 AND ?5
             UNION ALL
             SELECT {COLUMNS} FROM removed WHERE account = ?1 AND sequence BETWEEN ?2 AND ?3
             AND timestamp_ns BETWEEN ?4 AND ?5
             ORDER BY timestamp_ns, sequence"
        ),
    })?;
    let last_sequence = first_sequence + entries - 1;
    let mut rows = select.query(params![account, first_sequence, last_sequence, first_ns, last_ns])?;
    let mut texts = Texts::default();
    while let Some(row) = rows.next()? {
        let position = row::position(row)?;
        if let Err(refused) = lend(position, row::lend(row, connection, &mut texts)?) {
            return Ok(Some(refused));
        }
    }
    Ok(None)
}
