//! One account: its entries, in one pass, and what is kept about them.

use billing_ledger::{Checked, DifferenceKind};
use rusqlite::Row;

use super::block::Portion;
use super::coverage::{RECORDS, Walked};
use super::entry::{Reader, place, removal_place};
use super::findings::{DIGEST_BYTES, Findings, Values, decimal};
use super::numbers::Numbers;
use super::record::{Facts, Record, Table, balance_key, count_key, rollup_key};
use super::sequences::{Seen, Sequences};
use super::words::{held, length, quoted_bytes, shown};
use crate::counts::LEVELS;
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
            self.report.checked.accounts += 1;
            let looked = self.look_at_all_of(id, &mut reader);
            self.bear("all that it has", looked)?;
            self.account = None;
            from = id.checked_add(1);
        }
        Ok(())
    }

    fn look_at_all_of(&mut self, id: i64, reader: &mut Reader<'_>) -> rusqlite::Result<()> {
        let next = self.look_at_account(id)?;
        let numbers = Numbers::of(self.connection, id, next)?;
        let (mut portion, mut sequences) =
            (Portion::from(self.connection, id, i64::MIN)?, Sequences::from(0));
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
            self.account = Some(id.to_string());
            let values = Values::new("id", None, Some(id.to_string()));
            self.add(DifferenceKind::Account, |_| "the account".to_owned(), values);
            return Ok(None);
        };
        self.account = Some(shown(&String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?)));
        let next_sequence: i64 = row.get(1)?;
        let mut wrong = |field, held: String, expected: &str| {
            let values = Values::new(field, Some(held), Some(expected.to_owned()));
            self.add(DifferenceKind::Account, |_| "the account".to_owned(), values);
        };
        if next_sequence < 0 {
            wrong("next_sequence", next_sequence.to_string(), "0 or more");
        }
        let is_allocation =
            |value| decimal(value).is_ok_and(|amount| amount.is_none_or(|amount| !amount.is_negative()));
        if let allocation = row.get_ref(2)?
            && !is_allocation(allocation)
        {
            wrong("diem_allocation", held(allocation), "a decimal number, 0 or more");
        }
        Ok(Some(next_sequence))
    }

    /// Checks the entries and what is kept about them, and gives their number. In the same pass, the first blocks are
    /// made anew.
    fn look_at_entries(
        &mut self,
        id: i64,
        numbers: &Numbers,
        reader: &mut Reader<'_>,
        portion: &mut Portion,
        sequences: &mut Sequences,
    ) -> rusqlite::Result<u64> {
        let connection = self.connection;
        let mut selects = Vec::new();
        for at in 0..LEVELS.len() {
            selects.push(connection.prepare(Table::Counts(at).sql())?);
        }
        let mut counts = Vec::new();
        for (at, select) in selects.iter_mut().enumerate() {
            counts.push(Record::new(Table::Counts(at), count_key, select, id, numbers)?);
        }
        let mut select_rollups = connection.prepare(Table::Rollups.sql())?;
        let mut rollups = Record::new(Table::Rollups, rollup_key, &mut select_rollups, id, numbers)?;
        let mut select_balances = connection.prepare(Table::Balances.sql())?;
        let mut balances = Record::new(Table::Balances, balance_key, &mut select_balances, id, numbers)?;

        let is_synced = self.look_at_source(id)?;
        let mut select_records = connection.prepare(RECORDS)?;
        let mut walked = Walked::new(id, is_synced, &mut select_records)?;

        let mut entries = 0;
        let mut select = connection.prepare(&format!(
            "SELECT {COLUMNS} FROM entries WHERE account = ?1 ORDER BY timestamp_ns, sequence"
        ))?;
        let mut rows = select.query([id])?;
        while let Some(row) = rows.next()? {
            let sequence = row.get(1)?;
            self.look_at_number(row, sequence, numbers, sequences);
            let facts = self.look_at_entry(DifferenceKind::Entry, row, reader)?;
            if numbers.are_hidden(sequence) {
                self.report.checked.hidden_entries += 1;
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

    /// Checks the sequence number of an entry: it must have been given out, and no other entry may have it.
    pub(super) fn look_at_number(
        &mut self,
        row: &Row<'_>,
        sequence: i64,
        numbers: &Numbers,
        sequences: &mut Sequences,
    ) {
        if !numbers.were_given(sequence) {
            let expected = numbers.next.map(|end| format!("one of the {end} that were given"));
            let values = Values::new("sequence", Some(sequence.to_string()), expected);
            self.add(DifferenceKind::Sequence, |_| place(row), values);
        } else if sequences.see(sequence) == Seen::Again {
            self.is_doubled(|_| place(row), sequence);
        }
    }

    /// Checks what an entry has by itself, and gives what it adds to sums.
    pub(super) fn look_at_entry(
        &mut self,
        kind: DifferenceKind,
        row: &Row<'_>,
        reader: &mut Reader<'_>,
    ) -> rusqlite::Result<Facts> {
        reader.read(row, &mut |field, held, expected| {
            self.add(kind, |_| place(row), Values::new(field, Some(held), Some(expected)));
        })
    }

    pub(super) fn is_doubled(&mut self, place: impl FnOnce(&Self) -> String, sequence: i64) {
        let values =
            Values::new("sequence", Some(format!("{sequence}, once more")), Some("there once".to_owned()));
        self.add(DifferenceKind::Sequence, place, values);
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
            pass = pass.take().and_then(|pass| {
                pass.close(end, |missing| {
                    numbers.without_free(missing, |missing| {
                        let values =
                            Values::new("entries", None, Some((missing.end - missing.start).to_string()));
                        let (first, last) = (missing.start, missing.end - 1);
                        let place = |_: &Self| match first == last {
                            true => format!("sequence {first}"),
                            false => format!("sequences {first} to {last}"),
                        };
                        self.add(DifferenceKind::Sequence, place, values);
                    });
                })
            });
            let Some(sequences) = &mut pass else { return Ok(()) };
            let mut select = connection.prepare(NUMBERS)?;
            let mut rows = select.query((id, end))?;
            while let Some(row) = rows.next()? {
                let (sequence, is_removal) = (row.get(1)?, row.get(2)?);
                if sequences.see(sequence) == Seen::Again {
                    let place = |_: &Self| if is_removal { removal_place(sequence) } else { place(row) };
                    self.is_doubled(place, sequence);
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
            self.report.checked.counts += 1;
            let (level, slot, currency): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let values = Values::new("entries", Some(row.get::<_, i64>(3)?.to_string()), None);
            let place = |findings: &Self| format!("level {level}, slot {slot}, {}", findings.text(currency));
            self.add(DifferenceKind::Count, place, values);
        }
        Ok(())
    }

    /// Checks receipts. Each is about other entries than the next one, and none about entries of files. So together
    /// they cannot have more entries than are there or were taken out.
    fn look_at_receipts(&mut self, id: i64, came: u64, filed: u64) -> rusqlite::Result<()> {
        let which = if filed == 0 { "that came" } else { "that came in no file" };
        let entries = came.saturating_sub(filed);
        let connection = self.connection;
        let sql = "SELECT idempotency_key, length(digest), entries FROM receipts WHERE account = ?1";
        let mut select = connection.prepare_cached(sql)?;
        let mut rows = select.query([id])?;
        let mut together = 0;
        while let Some(row) = rows.next()? {
            self.report.checked.receipts += 1;
            let (digest_bytes, received): (i64, i64) = (row.get(1)?, row.get(2)?);
            let key = quoted_bytes(row.get_ref(0)?.as_bytes()?);
            if digest_bytes != DIGEST_BYTES {
                let values = Values::new("digest", Some(length(digest_bytes)), Some(length(DIGEST_BYTES)));
                self.add(DifferenceKind::Receipt, |_| key.clone(), values);
            }
            match u64::try_from(received) {
                Ok(received) if received <= entries => together += u128::from(received),
                _ => self.is_too_much(key, received, (entries, which)),
            }
        }
        if together > u128::from(entries) {
            self.is_too_much("all receipts".to_owned(), together, (entries, which));
        }
        Ok(())
    }

    fn is_too_much(&mut self, place: String, received: impl ToString, (entries, which): (u64, &str)) {
        let expected = format!("from 0 to {entries}, the entries {which}");
        let values = Values::new("entries", Some(received.to_string()), Some(expected));
        self.add(DifferenceKind::Receipt, |_| place, values);
    }
}
