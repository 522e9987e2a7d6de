//! Entries that are taken out, amended and put in, in one transaction.

use billing_engine::{Draft, Share};
use billing_ledger::{AccountId, Amendment, Block, Change, Error, ErrorKind, LendRemoved, Position, Removed};
use billing_model::{TimeWindow, Timestamp, UsageEntry};
use rusqlite::Connection;

use crate::blocks;
use crate::connections::Connections;
use crate::error::failure;
use crate::intake::Intake;
use crate::ledger::SqliteLedger;
use crate::repair::Repair;
use crate::row::{self, COLUMNS, Scratch, TextIds, signed};
use crate::snapshot::Present;
use crate::tables::Tables;

/// Entries of one transaction that are taken out or amended.
const ENTRY: &str = "account = ?1 AND timestamp_ns = ?2 AND sequence = ?3";

/// An entry as it is kept.
struct Found {
    entry: UsageEntry,
    ids: TextIds,
}

impl SqliteLedger {
    pub(crate) fn change(&self, change: &Change) -> Result<(), Error> {
        self.change_and_repair(change, None)
    }

    pub(crate) fn repair(&self, change: &Change, window: TimeWindow) -> Result<(), Error> {
        self.change_and_repair(change, Some(window))
    }

    fn change_and_repair(&self, change: &Change, window: Option<TimeWindow>) -> Result<(), Error> {
        let writer = self.0.connections.begin()?;
        self.change_in(&writer, change, window)?;
        self.0.connections.commit(writer)
    }

    /// Makes a change in a transaction, and makes anew what is kept of a window. After an error, drop the transaction.
    fn change_in(
        &self,
        writer: &Connection,
        change: &Change,
        window: Option<TimeWindow>,
    ) -> Result<(), Error> {
        let connections = &self.0.connections;
        let fail = |cause| connections.fail(cause);
        let Change { account, at, remove, amend, add, seen, cover } = change;
        let removed_ns = at.unix_ns().ok_or_else(|| Error::timestamp(*at))?;
        let present = Present::of(writer, *account).map_err(fail)?;
        let present = present.ok_or_else(|| self.unknown_account(*account))?;
        let end = present.snapshot().end;
        if let Some(seen) = seen.filter(|seen| *seen != end) {
            let detail = format!("it was made for the state {seen}, and the state is {end}");
            return Err(failure(ErrorKind::Outdated, connections.path(), detail));
        }
        let (mut repair, present, intake) = match window {
            None => (None, present, Intake::new(*account, present.next_sequence)),
            Some(window) => {
                let (repair, intake) = Repair::begin(writer, present, change, window).map_err(fail)?;
                let present = repair.present();
                (Some(repair), present, intake)
            }
        };
        let remove = repair.as_ref().map_or(remove, Repair::remove);
        let mut step = Step {
            connections,
            writer,
            present,
            intake,
            scratch: Scratch::default(),
            is_repair: window.is_some(),
        };
        for removed in remove.chunks(usize::try_from(Block::MOST_ENTRIES).unwrap_or(usize::MAX)) {
            step.remove(removed, removed_ns)?;
        }
        let amend = repair.as_ref().map_or(amend, Repair::amend);
        amend.iter().try_for_each(|amendment| step.amend(amendment))?;
        let mut intake = step.intake;
        if let Some(repair) = &mut repair {
            repair.add_kept(writer, &mut intake).map_err(fail)?;
        }
        intake.store_packed(writer, connections.path(), add)?;
        self.cover(writer, &mut intake, cover)?;
        intake.close(writer).map_err(fail)?;
        repair.map_or(Ok(()), |repair| repair.finish(writer, removed_ns)).map_err(fail)
    }

    pub(crate) fn removed(&self, account: AccountId, lend: &mut LendRemoved<'_>) -> Result<(), Error> {
        let found = self.0.connections.read(|connection| {
            if Present::of(connection, account)?.is_none() {
                return Ok(Some(self.unknown_account(account)));
            }
            let mut select = connection.prepare_cached(&format!(
                "SELECT {COLUMNS}, removed_ns FROM removed
                 JOIN blocks ON blocks.account = removed.account AND first_sequence = removal
                 WHERE removed.account = ?1 ORDER BY removal, timestamp_ns, sequence"
            ))?;
            let mut rows = select.query([account.0])?;
            let mut scratch = Scratch::default();
            while let Some(row) = rows.next()? {
                let position = row::position(row)?;
                let removed =
                    Removed { position, removed_at: Timestamp::from_unix_ns(row.get("removed_ns")?) };
                if let Err(refused) = lend(removed, row::lend(row, position, connection, &mut scratch)?) {
                    return Ok(Some(refused));
                }
            }
            Ok(None)
        })?;
        found.map_or(Ok(()), Err)
    }
}

/// A change that is under way.
struct Step<'c> {
    connections: &'c Connections,
    writer: &'c Connection,
    present: Present,
    intake: Intake,
    scratch: Scratch,
    /// True when sums and blocks are made anew afterwards.
    is_repair: bool,
}

impl Step<'_> {
    /// Takes entries out, and makes a block of them that gets a sequence number of the account. By this number a walk
    /// knows whether it began before the removal.
    fn remove(&mut self, positions: &[Position], removed_ns: i64) -> Result<(), Error> {
        let removal = self.intake.take_sequence();
        let mut block = Draft::new(removal, Some(removed_ns));
        for position in positions {
            let Found { entry, ids } = self.find(*position)?;
            if !self.is_repair {
                self.intake.subtract(&entry, position.timestamp_ns, ids);
            }
            block.add(&Share::of(&entry, *position, ids.currency));
            self.move_out(*position, removal).map_err(|cause| self.connections.fail(cause))?;
        }
        let stored = blocks::store(&block, None, self.writer, Tables::Ledger, self.intake.account());
        stored.map_err(|cause| self.connections.fail(cause))
    }

    fn move_out(&self, position: Position, removal: u64) -> rusqlite::Result<()> {
        let account = self.intake.account().0;
        let (at_ns, sequence) = (position.timestamp_ns, signed(position.sequence));
        self.writer
            .prepare_cached(&format!(
                "INSERT INTO removed (account, removal, {COLUMNS})
                 SELECT account, ?4, {COLUMNS} FROM entries WHERE {ENTRY}"
            ))?
            .execute((account, at_ns, sequence, signed(removal)))?;
        self.writer
            .prepare_cached(&format!("DELETE FROM entries WHERE {ENTRY}"))?
            .execute((account, at_ns, sequence))
            .map(drop)
    }

    fn amend(&mut self, amendment: &Amendment) -> Result<(), Error> {
        let Amendment { position, api_key_id, other_fields } = amendment;
        let was = self.find(*position)?;
        let entry = UsageEntry {
            api_key_id: api_key_id.clone(),
            other_fields: other_fields.clone(),
            ..was.entry.clone()
        };
        let fail = |cause| self.connections.fail(cause);
        let ids = self.intake.text_ids(self.writer, &entry).map_err(fail)?;
        let account = self.intake.account();
        if !self.is_repair {
            let share = |entry, ids: TextIds| Share::of(entry, *position, ids.currency).whole;
            let digests = (share(&was.entry, was.ids), share(&entry, ids));
            blocks::amend(self.writer, account, position.sequence, digests).map_err(fail)?;
        }
        let other_fields = other_fields.as_ref().map(|other| other.as_str());
        self.writer
            .prepare_cached(&format!("UPDATE entries SET api_key = ?4, other_fields = ?5 WHERE {ENTRY}"))
            .and_then(|mut update| {
                let (at_ns, sequence) = (position.timestamp_ns, signed(position.sequence));
                update.execute((account.0, at_ns, sequence, ids.api_key, other_fields))
            })
            .map_err(fail)?;
        if self.is_repair {
            return Ok(());
        }
        self.intake.subtract(&was.entry, position.timestamp_ns, was.ids);
        self.intake.sum(&entry, position.timestamp_ns, ids);
        Ok(())
    }

    fn find(&mut self, position: Position) -> Result<Found, Error> {
        let is_hidden = self.present.pending.is_some_and(|pending| pending.contains(position.sequence));
        let found = match is_hidden {
            true => None,
            false => self.look_up(position).map_err(|cause| self.connections.fail(cause))?,
        };
        found.ok_or_else(|| {
            let at = Timestamp::from_unix_ns(position.timestamp_ns);
            let detail = format!("{at}, number {}", position.sequence);
            failure(ErrorKind::UnknownEntry, self.connections.path(), detail)
        })
    }

    fn look_up(&mut self, position: Position) -> rusqlite::Result<Option<Found>> {
        let mut select =
            self.writer.prepare_cached(&format!("SELECT {COLUMNS} FROM entries WHERE {ENTRY}"))?;
        let place = (self.intake.account().0, position.timestamp_ns, signed(position.sequence));
        let mut rows = select.query(place)?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let entry = row::owned(row, self.writer, &mut self.scratch)?;
        Ok(Some(Found { entry, ids: row::text_ids(row)? }))
    }
}
