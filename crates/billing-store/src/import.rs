//! Entries on their way into the ledger.

use std::fmt;

use billing_model::UsageEntry;
use billing_sink::Sink;
use rusqlite::Connection;

use crate::day::Day;
use crate::error::{Error, ErrorKind};
use crate::ledger::{AccountId, Ledger, next_sequence};
use crate::rollup::{Deltas, Line};
use crate::row::{self, TextIds};
use crate::strings::{Interner, NO_TEXT};

const INSERT: &str = "INSERT INTO entries (account, timestamp_ns, sequence, sku, price_per_unit_usd, units, amount, \
     currency, notes, api_key, request_id, execution_time_ms, prompt_tokens, completion_tokens) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// An import into one account: a [`Sink`] that stores all of its entries at [`finish`](Sink::finish), or none.
///
/// Nothing of it is seen before, and nothing is left of one that is dropped. Entries may come in any order; equal ones
/// are all kept. It is the ledger's only writer while it lasts: other writers wait for some seconds and then fail with
/// [`ErrorKind::Busy`]; readers do not wait. Its memory does not grow with its length.
///
/// Its error for an entry that a ledger cannot hold is [`ErrorKind::TimestampOutOfRange`].
#[must_use = "an import that is dropped stores nothing"]
pub struct Import {
    ledger: Ledger,
    account: AccountId,
    /// In its transaction; none after a failure. Dropping it is what undoes the import.
    writer: Option<Connection>,
    interner: Interner,
    deltas: Deltas,
    next_sequence: i64,
    entries: u64,
}

impl Ledger {
    /// Begins an import.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAccount`], [`ErrorKind::Busy`] when another import does not end in time, or when the ledger
    /// cannot be written.
    pub fn import(&self, account: AccountId) -> Result<Import, Error> {
        let connections = &self.0.connections;
        let writer = connections.take_writer()?;
        let begin = || {
            writer.execute_batch("BEGIN IMMEDIATE")?;
            next_sequence(&writer, account)
        };
        let next_sequence =
            begin().map_err(|cause| connections.fail(cause))?.ok_or_else(|| self.unknown_account(account))?;
        Ok(Import {
            ledger: self.clone(),
            account,
            writer: Some(writer),
            interner: Interner::default(),
            deltas: Deltas::default(),
            next_sequence,
            entries: 0,
        })
    }
}

impl Import {
    fn store(&mut self, writer: &Connection, entries: &[UsageEntry]) -> Result<(), Error> {
        let connections = &self.ledger.0.connections;
        let fail = |cause| connections.fail(cause);
        let mut insert = writer.prepare_cached(INSERT).map_err(fail)?;
        for entry in entries {
            let timestamp_ns = entry
                .timestamp
                .unix_ns()
                .ok_or_else(|| Error::timestamp(connections.path(), entry.timestamp))?;
            let ids = text_ids(&mut self.interner, writer, entry).map_err(fail)?;
            let place = (timestamp_ns, self.next_sequence);
            row::insert(&mut insert, self.account, place, ids, entry).map_err(fail)?;
            self.next_sequence += 1;
            self.entries += 1;
            let TextIds { sku, currency, api_key, .. } = ids;
            self.deltas.add(Line { day: Day::of_unix_ns(timestamp_ns), sku, currency, api_key }, entry);
            if self.deltas.is_full() {
                self.deltas.store(writer, self.account).map_err(fail)?;
            }
        }
        Ok(())
    }

    fn commit(&mut self, writer: &Connection) -> Result<(), Error> {
        let connections = &self.ledger.0.connections;
        let fail = |cause| connections.fail(cause);
        self.deltas.store(writer, self.account).map_err(fail)?;
        let update = "UPDATE accounts SET next_sequence = ?2 WHERE id = ?1";
        writer.execute(update, (self.account.0, self.next_sequence)).map_err(fail)?;
        connections.seal(writer)?;
        writer.execute_batch("COMMIT").map_err(fail)
    }

    fn take_writer(&mut self) -> Result<Connection, Error> {
        let aborted = || Error::new(ErrorKind::Aborted, self.ledger.0.connections.path(), "");
        self.writer.take().ok_or_else(aborted)
    }
}

impl Sink for Import {
    /// How many entries were stored.
    type Output = u64;
    type Error = Error;

    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        // Given back only when all went well: half a batch is never followed by more.
        let writer = self.take_writer()?;
        self.store(&writer, entries)?;
        self.writer = Some(writer);
        Ok(())
    }

    fn finish(mut self) -> Result<u64, Error> {
        let writer = self.take_writer()?;
        self.commit(&writer)?;
        self.ledger.0.connections.keep_writer(writer);
        Ok(self.entries)
    }
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import")
            .field("account", &self.account)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
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
