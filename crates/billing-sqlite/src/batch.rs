//! Batches of entries that come with an idempotency key: each is stored once, however often it is sent.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use billing_ledger::{AccountId, Batch, Error, Receipt};
use rusqlite::{Connection, OptionalExtension};

use crate::error;
use crate::intake::Intake;
use crate::ledger::SqliteLedger;
use crate::row::{count, signed};
use crate::source;

impl SqliteLedger {
    /// Stores batches, of any accounts, in one transaction: when it returns, all of them are durable, whole and once.
    ///
    /// Which batches were stored is written in the transaction that stores them. So at no moment is a batch there
    /// without its key, or the key without the batch: a sender who did not hear of the outcome just sends the batch
    /// again. Receipts are kept as long as the ledger. Making all of them durable costs as much as for one batch.
    ///
    /// # Errors
    /// [`UnknownAccount`](crate::ErrorKind::UnknownAccount), [`TimestampOutOfRange`](crate::ErrorKind::TimestampOutOfRange),
    /// [`Busy`](crate::ErrorKind::Busy) when another writer does not end in time, or when the ledger cannot be written. Then
    /// none of them is stored.
    pub(crate) fn store_batches(&self, batches: &[Batch]) -> Result<Vec<Receipt>, Error> {
        let connections = &self.0.connections;
        let writer = connections.begin()?;
        // By account, so that the blocks of one call have the same numbers each time.
        let mut intakes = BTreeMap::new();
        let receipts = batches
            .iter()
            .map(|batch| self.store_batch(&writer, &mut intakes, batch))
            .collect::<Result<Vec<_>, _>>()?;
        for intake in intakes.into_values() {
            intake.close(&writer).map_err(|cause| connections.fail(cause))?;
        }
        connections.commit(writer)?;
        Ok(receipts)
    }

    /// How many entries the batch with this key and this digest has, if it is stored. A caller that would refuse the
    /// batch now asks first: a stored batch is not refused when it is sent again.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn find_batch(
        &self,
        account: AccountId,
        idempotency_key: &str,
        digest: &[u8; 32],
    ) -> Result<Option<u64>, Error> {
        let found = self.0.connections.read(|reader| find_receipt(reader, account, idempotency_key))?;
        Ok(found.and_then(|(stored, entries)| (stored == *digest).then_some(entries)))
    }

    fn store_batch(
        &self,
        writer: &Connection,
        intakes: &mut BTreeMap<AccountId, Intake>,
        batch: &Batch,
    ) -> Result<Receipt, Error> {
        let path = self.0.connections.path();
        let fail = |cause| error::engine(path, cause);
        let found = find_receipt(writer, batch.account, &batch.idempotency_key).map_err(fail)?;
        if let Some((digest, entries)) = found {
            return Ok(if digest == batch.digest { Receipt::Repeated(entries) } else { Receipt::Conflict });
        }
        if source::is_synced(writer, batch.account).map_err(fail)? {
            return Ok(Receipt::Synced);
        }
        let received_ns = batch.received_at.unix_ns().ok_or_else(|| Error::timestamp(batch.received_at))?;
        let intake = match intakes.entry(batch.account) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => {
                let intake = Intake::open(writer, batch.account).map_err(fail)?;
                place.insert(intake.ok_or_else(|| self.unknown_account(batch.account))?)
            }
        };
        intake.store_packed(writer, path, &batch.entries)?;
        let entries = batch.entries.len();
        writer
            .prepare_cached(
                "INSERT INTO receipts (account, idempotency_key, digest, entries, received_ns)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut insert| {
                insert.execute((
                    batch.account.0,
                    &batch.idempotency_key,
                    batch.digest,
                    signed(entries),
                    received_ns,
                ))
            })
            .map_err(fail)?;
        Ok(Receipt::Stored(entries))
    }
}

/// The digest and the number of entries that were stored under a key.
fn find_receipt(
    connection: &Connection,
    account: AccountId,
    idempotency_key: &str,
) -> rusqlite::Result<Option<([u8; 32], u64)>> {
    connection
        .prepare_cached("SELECT digest, entries FROM receipts WHERE account = ?1 AND idempotency_key = ?2")?
        .query_row((account.0, idempotency_key), |row| Ok((row.get(0)?, count(row, 1)?)))
        .optional()
}
