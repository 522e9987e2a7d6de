//! Entries into the tables, within a transaction: rows, texts, sums, counts.

use std::path::Path;

use billing_model::UsageEntry;
use rusqlite::{CachedStatement, Connection};

use crate::error::{Error, ErrorKind};
use crate::ledger::{AccountId, next_sequence};
use crate::packed::PackedEntries;
use crate::rollup::{Deltas, Summand};
use crate::row::{self, TextIds};
use crate::strings::{Interner, NO_TEXT};

const INSERT: &str = "INSERT INTO entries (account, timestamp_ns, sequence, sku, price_per_unit_usd, units, amount, \
     currency, notes, api_key, request_id, execution_time_ms, prompt_tokens, completion_tokens) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// What a transaction adds to one account. Nothing of it counts before [`Intake::close`], nor before the commit.
pub(crate) struct Intake {
    account: AccountId,
    interner: Interner,
    deltas: Deltas,
    next_sequence: i64,
    entries: u64,
}

impl Intake {
    /// `None` when there is no such account.
    pub(crate) fn open(writer: &Connection, account: AccountId) -> rusqlite::Result<Option<Self>> {
        let next_sequence = next_sequence(writer, account)?;
        Ok(next_sequence.map(|next_sequence| Self {
            account,
            interner: Interner::default(),
            deltas: Deltas::default(),
            next_sequence,
            entries: 0,
        }))
    }

    /// How many entries were stored.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// Stores entries. After an error the transaction is of no further use.
    pub(crate) fn store(
        &mut self,
        writer: &Connection,
        path: &Path,
        entries: &[UsageEntry],
    ) -> Result<(), Error> {
        let mut insert = writer.prepare_cached(INSERT).map_err(|cause| Error::engine(path, cause))?;
        entries.iter().try_for_each(|entry| self.store_one(&mut insert, writer, path, entry))
    }

    /// The same for packed ones.
    pub(crate) fn store_packed(
        &mut self,
        writer: &Connection,
        path: &Path,
        entries: &PackedEntries,
    ) -> Result<(), Error> {
        let mut insert = writer.prepare_cached(INSERT).map_err(|cause| Error::engine(path, cause))?;
        let (mut rows, mut left) = (entries.rows(), entries.len());
        while let Some(entry) = rows.next() {
            self.store_one(&mut insert, writer, path, entry)?;
            left = left.wrapping_sub(1);
        }
        match left {
            0 => Ok(()),
            _ => Err(Error::new(ErrorKind::Aborted, path, "")),
        }
    }

    fn store_one(
        &mut self,
        insert: &mut CachedStatement<'_>,
        writer: &Connection,
        path: &Path,
        entry: &UsageEntry,
    ) -> Result<(), Error> {
        let fail = |cause| Error::engine(path, cause);
        let timestamp_ns =
            entry.timestamp.unix_ns().ok_or_else(|| Error::timestamp(path, entry.timestamp))?;
        let ids = text_ids(&mut self.interner, writer, entry).map_err(fail)?;
        let place = (timestamp_ns, self.next_sequence);
        row::insert(insert, self.account, place, ids, entry).map_err(fail)?;
        self.next_sequence += 1;
        self.entries += 1;
        let TextIds { sku, currency, api_key, .. } = ids;
        self.deltas.add(&Summand::of(entry, timestamp_ns, (sku, currency, api_key)));
        if self.deltas.is_full() {
            self.deltas.store(writer, self.account).map_err(fail)?;
        }
        Ok(())
    }

    /// Stores what was gathered meanwhile. The commit comes next.
    pub(crate) fn close(mut self, writer: &Connection) -> rusqlite::Result<u64> {
        self.deltas.store(writer, self.account)?;
        writer
            .prepare_cached("UPDATE accounts SET next_sequence = ?2 WHERE id = ?1")?
            .execute((self.account.0, self.next_sequence))?;
        Ok(self.entries)
    }
}

fn text_ids(interner: &mut Interner, writer: &Connection, entry: &UsageEntry) -> rusqlite::Result<TextIds> {
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
