//! One account: its entries, one pass over them, and what is kept of them.

use billing_ledger::{Checked, DifferenceKind};
use std::collections::HashSet;

use billing_model::Decimal;
use rusqlite::{OptionalExtension, Row};

use super::findings::{DIGEST_BYTES, Findings, Values, decimal};
use super::numbers::Numbers;
use super::record::{Facts, Record, Table, balance_key, count_key, rollup_key};
use super::sequences::{Seen, Sequences};
use super::words::{held, instant, length, quoted_bytes, shown};
use crate::counts::LEVELS;
use crate::strings::NO_TEXT;

/// The first account from a number on, whoever speaks of it.
const NEXT_ACCOUNT: &str = "
    SELECT min(account) FROM (
        SELECT min(id) AS account FROM accounts WHERE id >= ?1
        UNION ALL SELECT min(account) FROM entries WHERE account >= ?1
        UNION ALL SELECT min(account) FROM counts WHERE account >= ?1
        UNION ALL SELECT min(account) FROM rollups WHERE account >= ?1
        UNION ALL SELECT min(account) FROM balances WHERE account >= ?1
        UNION ALL SELECT min(account) FROM receipts WHERE account >= ?1
        UNION ALL SELECT min(account) FROM files WHERE account >= ?1
    )";

const ENTRIES: &str = "
    SELECT timestamp_ns, sequence, amount, units, price_per_unit_usd, execution_time_ms, prompt_tokens,
        completion_tokens, sku, currency, notes, api_key, request_id
    FROM entries WHERE account = ?1 ORDER BY timestamp_ns, sequence";

/// The columns of [`ENTRIES`] from [`FIRST_DETAIL`] on that are decimals, or nothing.
const DETAILS: [&str; 3] = ["execution_time_ms", "prompt_tokens", "completion_tokens"];
const FIRST_DETAIL: usize = 5;

/// Those from [`FIRST_TEXT`] on that are the numbers of texts.
const TEXTS: [&str; 4] = ["sku", "currency", "notes", "api_key"];
const FIRST_TEXT: usize = 8;

/// Numbers of texts that are remembered to be there, about 2 MiB. Beyond it they are forgotten and looked up anew.
const REMEMBERED_TEXTS: usize = 1 << 16;

impl<F: FnMut(&Checked)> Findings<'_, F> {
    /// All accounts, also those that are in no list.
    pub(super) fn look_at_accounts(&mut self) -> rusqlite::Result<()> {
        let connection = self.connection;
        let mut next = connection.prepare(NEXT_ACCOUNT)?;
        let mut from = Some(i64::MIN);
        let mut texts = HashSet::new();
        while let Some(first) = from {
            let Some(id) = next.query_row([first], |row| row.get::<_, Option<i64>>(0))? else { break };
            self.report.checked.accounts += 1;
            let looked = self.look_at_all_of(id, &mut texts);
            self.bear("all that it has", looked)?;
            self.account = None;
            from = id.checked_add(1);
        }
        Ok(())
    }

    fn look_at_all_of(&mut self, id: i64, texts: &mut HashSet<i64>) -> rusqlite::Result<()> {
        let next = self.look_at_account(id)?;
        let numbers = Numbers::of(self.connection, id, next)?;
        let entries = self.look_at_entries(id, &numbers, texts)?;
        self.look_at_unknown_levels(id)?;
        let filed = self.look_at_files(id, &numbers)?;
        self.look_at_receipts(id, entries, filed)
    }

    /// The account's own row: the number that its next entry gets, if there is one.
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

    /// The entries, and all that is kept of them: how many there are.
    fn look_at_entries(
        &mut self,
        id: i64,
        numbers: &Numbers,
        texts: &mut HashSet<i64>,
    ) -> rusqlite::Result<u64> {
        let connection = self.connection;
        let mut selects = Vec::new();
        for at in 0..LEVELS.len() {
            selects.push(connection.prepare(Table::Counts(at).sql())?);
        }
        let mut counts = Vec::new();
        for (at, select) in selects.iter_mut().enumerate() {
            counts.push(Record::new(Table::Counts(at), count_key, select, id)?);
        }
        let mut select_rollups = connection.prepare(Table::Rollups.sql())?;
        let mut rollups = Record::new(Table::Rollups, rollup_key, &mut select_rollups, id)?;
        let mut select_balances = connection.prepare(Table::Balances.sql())?;
        let mut balances = Record::new(Table::Balances, balance_key, &mut select_balances, id)?;

        let mut sequences = Sequences::from(0);
        let mut entries = 0;
        let mut select = connection.prepare(ENTRIES)?;
        let mut rows = select.query([id])?;
        while let Some(row) = rows.next()? {
            let sequence = row.get(1)?;
            if !numbers.were_given(sequence) {
                let expected = numbers.next.map(|end| format!("one of the {end} that were given"));
                let values = Values::new("sequence", Some(sequence.to_string()), expected);
                self.add(DifferenceKind::Sequence, |_| place(row), values);
            } else if sequences.see(sequence) == Seen::Again {
                self.is_doubled(row, sequence);
            }
            let (amount, units) = self.look_at_entry(row, texts)?;
            if numbers.are_hidden(sequence) {
                self.report.checked.hidden_entries += 1;
                continue;
            }
            let facts = Facts {
                timestamp_ns: row.get(0)?,
                sku: row.get(FIRST_TEXT)?,
                currency: row.get(FIRST_TEXT + 1)?,
                api_key: row.get(FIRST_TEXT + 3)?,
                amount,
                units,
            };
            counts.iter_mut().try_for_each(|count| count.add(&facts, self))?;
            rollups.add(&facts, self)?;
            balances.add(&facts, self)?;
            entries += 1;
            self.count_entry();
        }
        drop(rows);
        for count in counts {
            count.close(self)?;
        }
        rollups.close(self)?;
        balances.close(self)?;
        if let Some(end) = numbers.next {
            self.look_at_sequences(id, sequences, end, numbers)?;
        }
        Ok(entries)
    }

    /// What of an entry stands alone: amount and units, zero where they are no numbers.
    fn look_at_entry(
        &mut self,
        row: &Row<'_>,
        texts: &mut HashSet<i64>,
    ) -> rusqlite::Result<(Decimal, Decimal)> {
        let mut numbers = [Decimal::ZERO; 3];
        for (column, field) in ["amount", "units", "price_per_unit_usd"].into_iter().enumerate() {
            let value = row.get_ref(2 + column)?;
            match decimal(value) {
                Ok(Some(number)) => numbers[column] = number,
                _ => self.is_wrong(row, field, held(value), "a decimal number"),
            }
        }
        for (column, field) in (FIRST_DETAIL..).zip(DETAILS) {
            let value = row.get_ref(column)?;
            if decimal(value).is_err() {
                self.is_wrong(row, field, held(value), "a decimal number");
            }
        }
        for (column, field) in (FIRST_TEXT..).zip(TEXTS) {
            let text: i64 = row.get(column)?;
            let is_none = field == "api_key" && text == NO_TEXT;
            if !is_none && !self.has_text(texts, text)? {
                self.is_wrong(row, field, format!("text {text}"), "a text that is there");
            }
        }
        let request_id = row.get_ref(FIRST_TEXT + TEXTS.len())?;
        if request_id.as_str_or_null().is_err() {
            self.is_wrong(row, "request_id", held(request_id), "a text in UTF-8");
        }
        Ok((numbers[0], numbers[1]))
    }

    fn is_wrong(&mut self, row: &Row<'_>, field: &'static str, held: String, expected: &str) {
        let values = Values::new(field, Some(held), Some(expected.to_owned()));
        self.add(DifferenceKind::Entry, |_| place(row), values);
    }

    fn is_doubled(&mut self, row: &Row<'_>, sequence: i64) {
        let values =
            Values::new("sequence", Some(format!("{sequence}, once more")), Some("there once".to_owned()));
        self.add(DifferenceKind::Sequence, |_| place(row), values);
    }

    fn has_text(&self, texts: &mut HashSet<i64>, id: i64) -> rusqlite::Result<bool> {
        if texts.contains(&id) {
            return Ok(true);
        }
        let mut select = self.connection.prepare_cached("SELECT 1 FROM strings WHERE id = ?1")?;
        let is_there = select.query_row([id], |_| Ok(())).optional()?.is_some();
        if texts.len() >= REMEMBERED_TEXTS {
            texts.clear();
        }
        if is_there {
            texts.insert(id);
        }
        Ok(is_there)
    }

    /// Notes the numbers that no entry has. A very long ledger takes further passes.
    fn look_at_sequences(
        &mut self,
        id: i64,
        first: Sequences,
        end: i64,
        numbers: &Numbers,
    ) -> rusqlite::Result<()> {
        let connection = self.connection;
        let sql = "SELECT timestamp_ns, sequence FROM entries WHERE account = ?1 AND sequence >= 0 AND sequence < ?2";
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
            let mut select = connection.prepare(sql)?;
            let mut rows = select.query((id, end))?;
            while let Some(row) = rows.next()? {
                let sequence = row.get(1)?;
                if sequences.see(sequence) == Seen::Again {
                    self.is_doubled(row, sequence);
                }
            }
        }
    }

    /// Counts of levels that there are not; those of the others were compared.
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

    /// Receipts speak of entries of the account, each of others and none of those of files, so together of no more than there
    /// are.
    fn look_at_receipts(&mut self, id: i64, entries: u64, filed: u64) -> rusqlite::Result<()> {
        let which = if filed == 0 { "that are there" } else { "that came in no file" };
        let entries = entries.saturating_sub(filed);
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

/// Which entry a row is: its instant and its number.
fn place(row: &Row<'_>) -> String {
    match (row.get(0), row.get::<_, i64>(1)) {
        (Ok(timestamp_ns), Ok(sequence)) => format!("{}, sequence {sequence}", instant(timestamp_ns)),
        _ => "an entry".to_owned(),
    }
}
