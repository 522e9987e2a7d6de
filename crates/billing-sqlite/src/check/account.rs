//! One account: its entries, in one pass, and what is kept about them.

use billing_engine::LEVELS;
use billing_engine::check::{
    Balances, Counts, Facts, Findings as _, Numbers, Portion, Receipts, Record, Rollups, Seen, Sequences,
    Values, Walked, is_doubled, is_no_account, look_at_account, quoted_bytes, removal_place, shown,
};
use billing_ledger::{Checked, DifferenceKind};
use rusqlite::Row;

use super::block::portion_from;
use super::coverage::{RECORDS, records};
use super::entry::{Reader, place};
use super::findings::{Findings, decimal};
use super::numbers::numbers_of;
use super::record::Kept;
use super::words::held;
use crate::row::COLUMNS;

/// The first account from a number on that any table refers to.
const NEXT_ACCOUNT: &str = "
    SELECT min(account) FROM (
        SELECT min(id) AS account FROM accounts WHERE id >= ?1
        UNION ALL SELECT min(account) FROM entries WHERE account >= ?1
        UNION ALL SELECT min(account) FROM counts WHERE account >= ?1
        UNION ALL SELECT min(account) FROM rollups WHERE account >= ?1
        UNION ALL SELECT min(account) FROM balances WHERE account >= ?1
        UNION ALL SELECT min(account) FROM receipts WHERE account >= ?1
        UNION ALL SELECT min(account) FROM files WHERE account >= ?1
        UNION ALL SELECT min(account) FROM removed WHERE account >= ?1
        UNION ALL SELECT min(account) FROM blocks WHERE account >= ?1
        UNION ALL SELECT min(account) FROM sources WHERE account >= ?1
        UNION ALL SELECT min(account) FROM coverage WHERE account >= ?1
        UNION ALL SELECT min(account) FROM coverage_sums WHERE account >= ?1
    )";

/// The numbers that an account's entries have, those that were taken out and those of removals, each with an instant and with
/// whether it is of a removal.
const NUMBERS: &str = "
    SELECT timestamp_ns, sequence, false FROM entries WHERE account = ?1 AND sequence >= 0 AND sequence < ?2
    UNION ALL
    SELECT timestamp_ns, sequence, false FROM removed WHERE account = ?1 AND sequence >= 0 AND sequence < ?2
    UNION ALL
    SELECT first_ns, first_sequence, true FROM blocks
    WHERE account = ?1 AND first_sequence >= 0 AND first_sequence < ?2 AND removed_ns IS NOT NULL";

impl<F: FnMut(&Checked)> Findings<'_, F> {
    /// Checks all accounts, also those that are in no list.
    pub(super) fn look_at_accounts(&mut self) -> rusqlite::Result<()> {
        let connection = self.connection;
        let mut next = connection.prepare(NEXT_ACCOUNT)?;
        let mut from = Some(i64::MIN);
        let mut reader = Reader::new(connection);
        while let Some(first) = from {
            let Some(id) = next.query_row([first], |row| row.get::<_, Option<i64>>(0))? else { break };
            self.notes.report.checked.accounts += 1;
            let looked = self.look_at_all_of(id, &mut reader);
            self.bear("all that it has", looked)?;
            self.notes.account = None;
            from = id.checked_add(1);
        }
        Ok(())
    }

    fn look_at_all_of(&mut self, id: i64, reader: &mut Reader<'_>) -> rusqlite::Result<()> {
        let next = self.look_at_account(id)?;
        let numbers = numbers_of(self.connection, id, next)?;
        self.hidden = numbers.hidden();
        let (mut portion, mut sequences) = (portion_from(self.connection, id, i64::MIN)?, Sequences::from(0));
        let entries = self.look_at_entries(id, &numbers, reader, &mut portion, &mut sequences)?;
        let removed = self.look_at_removed(id, &numbers, reader, &mut portion, &mut sequences)?;
        if let Some(end) = numbers.next {
            self.look_at_sequences(id, sequences, end, &numbers)?;
        }
        self.look_at_blocks(id, portion, &numbers, reader)?;
        self.look_at_unknown_levels(id)?;
        self.look_at_sums_of_no_record(id)?;
        let filed = self.look_at_files(id, &numbers)?;
        self.look_at_receipts(id, entries + removed, filed)
    }

    /// Checks the account's own row, and gives the number that its next entry gets, if the row is there.
    fn look_at_account(&mut self, id: i64) -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT name, next_sequence, diem_allocation FROM accounts WHERE id = ?1";
        let connection = self.connection;
        let mut select = connection.prepare_cached(sql)?;
        let mut rows = select.query([id])?;
        let Some(row) = rows.next()? else {
            is_no_account(id, self);
            return Ok(None);
        };
        self.notes.account = Some(shown(&String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?)));
        let (next_sequence, allocation) = (row.get(1)?, row.get_ref(2)?);
        look_at_account(next_sequence, (Some(held(allocation)), decimal(allocation)), self);
        Ok(Some(next_sequence))
    }

    /// Checks the entries and what is kept about them, and gives their number. In the same pass, the first blocks are
    /// made anew.
    fn look_at_entries(
        &mut self,
        id: i64,
        numbers: &Numbers,
        reader: &mut Reader<'_>,
        portion: &mut Portion<i64>,
        sequences: &mut Sequences,
    ) -> rusqlite::Result<u64> {
        let connection = self.connection;
        let mut selects = Vec::new();
        for _ in LEVELS {
            selects.push(connection.prepare(Counts::SQL)?);
        }
        let mut counts = Vec::new();
        for (at, select) in selects.iter_mut().enumerate() {
            counts.push(Record::new(Counts(at), id, Counts(at).rows(select, id)?));
        }
        let mut select_rollups = connection.prepare(Rollups::SQL)?;
        let mut rollups = Record::new(Rollups, id, Rollups.rows(&mut select_rollups, id)?);
        let mut select_balances = connection.prepare(Balances::SQL)?;
        let mut balances = Record::new(Balances, id, Balances.rows(&mut select_balances, id)?);

        let is_synced = self.look_at_source(id)?;
        let mut select_records = connection.prepare(RECORDS)?;
        let mut walked = Walked::new(is_synced, records(connection, id, &mut select_records)?);

        let mut entries = 0;
        let mut select = connection.prepare(&format!(
            "SELECT {COLUMNS} FROM entries WHERE account = ?1 ORDER BY timestamp_ns, sequence"
        ))?;
        let mut rows = select.query([id])?;
        while let Some(row) = rows.next()? {
            let sequence = row.get(1)?;
            numbers.look_at(sequence, sequences, || place(row), self);
            let facts = self.look_at_entry(DifferenceKind::Entry, row, reader)?;
            if numbers.are_hidden(sequence) {
                self.notes.report.checked.hidden_entries += 1;
                continue;
            }
            counts.iter_mut().try_for_each(|count| count.add(&facts, self))?;
            rollups.add(&facts, self)?;
            balances.add(&facts, self)?;
            let block = portion.recorded(sequence);
            // The digests of an entry take long, and both have the same.
            if block.is_some() || walked.is_synced() {
                let share = reader.share_of(&facts);
                block.into_iter().for_each(|block| block.add(&share));
                walked.add(&share, || place(row), self)?;
            }
            entries += 1;
            self.count_entry();
        }
        drop(rows);
        for count in counts {
            count.close(self)?;
        }
        rollups.close(self)?;
        balances.close(self)?;
        walked.close(self)?;
        Ok(entries)
    }

    /// Checks what an entry has by itself, and gives what it adds to sums.
    pub(super) fn look_at_entry(
        &mut self,
        kind: DifferenceKind,
        row: &Row<'_>,
        reader: &mut Reader<'_>,
    ) -> rusqlite::Result<Facts<i64>> {
        reader.read(row, &mut |field, held, expected| {
            self.add(kind, |_| place(row), Values::new(field, Some(held), Some(expected)));
        })
    }

    /// Notes the numbers that no entry has. A very long ledger needs further passes.
    fn look_at_sequences(
        &mut self,
        id: i64,
        first: Sequences,
        end: i64,
        numbers: &Numbers,
    ) -> rusqlite::Result<()> {
        let connection = self.connection;
        let mut pass = Some(first);
        loop {
            pass = pass.take().and_then(|pass| numbers.close(pass, end, self));
            let Some(sequences) = &mut pass else { return Ok(()) };
            let mut select = connection.prepare(NUMBERS)?;
            let mut rows = select.query((id, end))?;
            while let Some(row) = rows.next()? {
                let (sequence, is_removal) = (row.get(1)?, row.get(2)?);
                if sequences.see(sequence) == Seen::Again {
                    let place = || if is_removal { removal_place(sequence) } else { place(row) };
                    is_doubled(sequence, place, self);
                }
            }
        }
    }

    /// Notes counts of levels that do not exist. Those of the others were compared before.
    fn look_at_unknown_levels(&mut self, id: i64) -> rusqlite::Result<()> {
        let connection = self.connection;
        let sql = "SELECT level, slot, currency, entries FROM counts WHERE account = ?1 AND level < ?2
                   UNION ALL SELECT level, slot, currency, entries FROM counts WHERE account = ?1 AND level > ?3";
        let mut select = connection.prepare_cached(sql)?;
        let mut rows = select.query((id, LEVELS[0].0, LEVELS[LEVELS.len() - 1].0))?;
        while let Some(row) = rows.next()? {
            self.notes.report.checked.counts += 1;
            let (level, slot, currency): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let values = Values::new("entries", Some(row.get::<_, i64>(3)?.to_string()), None);
            let place = |findings: &Self| format!("level {level}, slot {slot}, {}", findings.text(&currency));
            self.add(DifferenceKind::Count, place, values);
        }
        Ok(())
    }

    /// Checks receipts, in an account into which so many entries came, of which so many in files.
    fn look_at_receipts(&mut self, id: i64, came: u64, filed: u64) -> rusqlite::Result<()> {
        let connection = self.connection;
        let sql = "SELECT idempotency_key, length(digest), entries FROM receipts WHERE account = ?1";
        let mut select = connection.prepare_cached(sql)?;
        let mut rows = select.query([id])?;
        let mut receipts = Receipts::of(came, filed);
        while let Some(row) = rows.next()? {
            let key = quoted_bytes(row.get_ref(0)?.as_bytes()?);
            receipts.look_at(&key, row.get(1)?, row.get(2)?, self);
        }
        receipts.close(self);
        Ok(())
    }
}
