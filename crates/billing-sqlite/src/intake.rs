//! Puts entries into the tables: rows, texts, sums, counts, blocks.

use std::path::Path;

use billing_engine::{Blocks, Deltas, NO_TEXT, Share, Summand};
use billing_ledger::{AccountId, Error, ErrorKind, PackedEntries, Position};
use billing_model::UsageEntry;
use rusqlite::{CachedStatement, Connection};

use crate::blocks;
use crate::error::{self, failure};
use crate::row::{self, INSERT, TextIds, signed};
use crate::snapshot::Present;
use crate::strings::Interner;
use crate::sums::{self, summand};
use crate::tables::Tables;

/// Entries between two checks of how many sums are in memory.
const STEP: usize = 1000;

/// Entries that are added to one account by one transaction or several. They do not count before their sums are stored.
pub(crate) struct Intake {
    account: AccountId,
    interner: Interner,
    deltas: Deltas,
    blocks: Blocks,
    next_sequence: u64,
    entries: u64,
}

impl Intake {
    /// An intake whose entries get numbers from `next_sequence` on.
    pub(crate) fn new(account: AccountId, next_sequence: u64) -> Self {
        let (interner, deltas, blocks) = (Interner::default(), Deltas::default(), Blocks::default());
        Self { account, interner, deltas, blocks, next_sequence, entries: 0 }
    }

    /// An intake into an account; `None` when there is no such account.
    pub(crate) fn open(writer: &Connection, account: AccountId) -> rusqlite::Result<Option<Self>> {
        let present = Present::of(writer, account)?;
        Ok(present.map(|present| Self::new(account, present.next_sequence)))
    }

    pub(crate) fn account(&self) -> AccountId {
        self.account
    }

    /// How many entries were stored.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// The number that the next entry gets.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Takes the next number for something that is no entry, before any entry gets one.
    pub(crate) fn take_sequence(&mut self) -> u64 {
        self.next_sequence += 1;
        self.next_sequence - 1
    }

    /// Takes an entry back out of sums and counts.
    pub(crate) fn subtract(&mut self, entry: &UsageEntry, timestamp_ns: i64, ids: TextIds) {
        self.deltas.subtract(&summand(entry, timestamp_ns, ids));
    }

    /// Puts an entry that is stored into sums and counts.
    pub(crate) fn sum(&mut self, entry: &UsageEntry, timestamp_ns: i64, ids: TextIds) {
        self.deltas.add(&summand(entry, timestamp_ns, ids));
    }

    /// The same for an entry of which no more is known.
    pub(crate) fn sum_kept(&mut self, summand: &Summand) {
        self.deltas.add(summand);
    }

    /// Stores entries. After an error, drop the transaction.
    pub(crate) fn store(
        &mut self,
        writer: &Connection,
        path: &Path,
        entries: &[UsageEntry],
    ) -> Result<(), Error> {
        let mut insert = writer.prepare_cached(INSERT).map_err(|cause| error::engine(path, cause))?;
        entries.iter().try_for_each(|entry| self.store_one(&mut insert, writer, path, entry))
    }

    /// The same as [`Intake::store_at_once`] for packed entries.
    pub(crate) fn store_packed(
        &mut self,
        writer: &Connection,
        path: &Path,
        entries: &PackedEntries,
    ) -> Result<(), Error> {
        let mut insert = writer.prepare_cached(INSERT).map_err(|cause| error::engine(path, cause))?;
        let (mut rows, mut left) = (entries.rows(), entries.len());
        while let Some(entry) = rows.next() {
            self.store_one(&mut insert, writer, path, entry)?;
            left = left.wrapping_sub(1);
            if self.is_full() {
                self.store_sums(writer, Tables::Ledger).map_err(|cause| error::engine(path, cause))?;
            }
        }
        match left {
            0 => Ok(()),
            _ => Err(failure(ErrorKind::Aborted, path, "")),
        }
    }

    fn store_one(
        &mut self,
        insert: &mut CachedStatement<'_>,
        writer: &Connection,
        path: &Path,
        entry: &UsageEntry,
    ) -> Result<(), Error> {
        let fail = |cause| error::engine(path, cause);
        let timestamp_ns = entry.timestamp.unix_ns().ok_or_else(|| Error::timestamp(entry.timestamp))?;
        let ids = self.text_ids(writer, entry).map_err(fail)?;
        let position = Position { timestamp_ns, sequence: self.next_sequence };
        row::insert(insert, self.account, position, ids, entry).map_err(fail)?;
        self.next_sequence += 1;
        self.entries += 1;
        self.sum(entry, timestamp_ns, ids);
        self.blocks.add(&Share::of(entry, position, ids.currency));
        Ok(())
    }

    /// Stores entries, and their sums and counts in the ledger whenever there are many: memory does not grow with them.
    pub(crate) fn store_at_once(
        &mut self,
        writer: &Connection,
        path: &Path,
        entries: &[UsageEntry],
    ) -> Result<(), Error> {
        for step in entries.chunks(STEP) {
            self.store(writer, path, step)?;
            if self.is_full() {
                self.store_sums(writer, Tables::Ledger).map_err(|cause| error::engine(path, cause))?;
            }
        }
        Ok(())
    }

    /// True when so many sums, counts and blocks are in memory that it is time to store them.
    pub(crate) fn is_full(&self) -> bool {
        self.deltas.is_full() || self.blocks.is_full()
    }

    /// Stores the sums and counts of what was stored meanwhile, and the blocks that are full.
    pub(crate) fn store_sums(&mut self, writer: &Connection, tables: Tables) -> rusqlite::Result<()> {
        sums::store(&mut self.deltas, writer, tables, self.account)?;
        blocks::store_all(&self.blocks.take_full(), writer, tables, self.account)
    }

    /// Stores all sums, counts and blocks that are still in memory in the ledger. No more entries come.
    pub(crate) fn store_rest(&mut self, writer: &Connection) -> rusqlite::Result<()> {
        self.store_sums(writer, Tables::Ledger)?;
        blocks::store_all(&self.blocks.take_all(), writer, Tables::Ledger, self.account)
    }

    /// Ends an intake of one transaction. The commit comes next.
    pub(crate) fn close(mut self, writer: &Connection) -> rusqlite::Result<u64> {
        self.store_rest(writer)?;
        writer
            .prepare_cached("UPDATE accounts SET next_sequence = ?2 WHERE id = ?1")?
            .execute((self.account.0, signed(self.next_sequence)))?;
        Ok(self.entries)
    }

    /// The number of a text. A new one is stored.
    pub(crate) fn text_id(&mut self, writer: &Connection, text: &str) -> rusqlite::Result<i64> {
        self.interner.id(writer, text)
    }

    /// The numbers of an entry's texts. Those that are new are stored.
    pub(crate) fn text_ids(&mut self, writer: &Connection, entry: &UsageEntry) -> rusqlite::Result<TextIds> {
        let interner = &mut self.interner;
        Ok(TextIds {
            sku: interner.id(writer, &entry.sku)?,
            currency: interner.id(writer, entry.currency.as_str())?,
            notes: interner.id(writer, &entry.notes)?,
            api_key: match &entry.api_key_id {
                Some(key) => interner.id(writer, key)?,
                None => NO_TEXT,
            },
        })
    }
}
