//! One account: its entries, in one pass, and what is kept about them.

use billing_engine::check::{
    Balances, Counts, Facts, Files, Findings as _, Numbers, Receipts, Record, Rollups, Seen, Sequences,
    Values, Walked, is_doubled, is_no_account, is_wrong_source, look_at_account, quoted, removal_place,
    shown,
};
use billing_ledger::{Checked, DifferenceKind};
use billing_model::parse_decimal;
use sha2::{Digest as _, Sha256};
use tokio_postgres::Row;

use crate::failure::Failure;
use crate::text::read;

use super::blocks::{Portion, portion};
use super::entry::{Reader, place, sequence};
use super::findings::{Findings, Text, Texts};
use super::kept::{Kept, file_of, hex, record_of};
use super::moment::Rows;
use super::tables::Tables;

/// The numbers that an account's entries have, those that were taken out and those of removals, each with an instant and with
/// whether it is of a removal.
const NUMBERS: &str = "
    SELECT account, timestamp_ns, sequence, false FROM entries WHERE account = $1 AND sequence >= 0 AND sequence < $2
    UNION ALL
    SELECT account, timestamp_ns, sequence, false FROM removed WHERE account = $1 AND sequence >= 0 AND sequence < $2
    UNION ALL
    SELECT account, first_ns, first_sequence, true FROM blocks
    WHERE account = $1 AND first_sequence >= 0 AND first_sequence < $2 AND removed_ns IS NOT NULL";

/// Whether a removal has one of these numbers.
const HAS_REMOVAL: &str = "
    SELECT EXISTS (SELECT FROM blocks
        WHERE account = $1 AND first_sequence >= $2 AND first_sequence < $3 AND removed_ns IS NOT NULL)";

impl<'m, F: FnMut(&Checked)> Findings<'m, F> {
    /// Checks all accounts, also those that are in no list, and gives how many rows were read of each table.
    pub(super) fn look_at_accounts(&mut self) -> Result<Vec<(&'static str, u64)>, Failure> {
        let (mut tables, mut reader) = (Tables::of(self.moment), Reader::default());
        while let Some(id) = tables.next()? {
            self.notes.report.checked.accounts += 1;
            self.look_at_all_of(id, &mut tables, &mut reader)?;
            self.notes.account = None;
        }
        Ok(tables.read())
    }

    fn look_at_all_of(
        &mut self,
        id: i64,
        tables: &mut Tables<'m>,
        reader: &mut Reader,
    ) -> Result<(), Failure> {
        let next = self.look_at_account(id, tables.accounts.next_of(id)?)?;
        let numbers = tables.numbers(id, next)?;
        let (mut portion, mut sequences) = (portion(self.most_blocks, id, tables)?, Sequences::from(0));
        let entries = self.look_at_entries(id, &numbers, tables, reader, (&mut portion, &mut sequences))?;
        let removed = self.look_at_removed(id, &numbers, tables, reader, (&mut portion, &mut sequences))?;
        if let Some(end) = numbers.next {
            self.look_at_sequences(id, sequences, end, &numbers)?;
        }
        self.look_at_blocks(id, portion, &numbers, tables, reader)?;
        while let Some(row) = tables.unknown_levels.next_of(id)? {
            self.is_of_unknown_level(&row, &mut reader.texts)?;
        }
        let filed = self.look_at_files(id, &numbers, tables)?;
        let mut receipts = Receipts::of(entries + removed, filed);
        while let Some(row) = tables.receipts.next_of(id)? {
            self.look_at_receipt(&row, &mut receipts)?;
        }
        receipts.close(self);
        Ok(())
    }

    /// Checks the account's own row, and gives the number that its next entry gets, if the row is there.
    fn look_at_account(&mut self, id: i64, row: Option<Row>) -> Result<Option<i64>, Failure> {
        let Some(row) = row else {
            is_no_account(id, self);
            return Ok(None);
        };
        self.notes.account = Some(shown(&read(row.try_get(1)?)));
        let (next_sequence, allocation): (i64, Option<&str>) = (row.try_get(2)?, row.try_get(3)?);
        let decimal = allocation.map(parse_decimal).transpose().map_err(drop);
        look_at_account(next_sequence, (allocation.map(quoted), decimal), self);
        if let Some(from) = row.try_get::<_, Option<i64>>(4)?
            && !(0..=next_sequence.max(0)).contains(&from)
        {
            let expected = format!("from 0 to {next_sequence}");
            let values = Values::new("renumbered_from", Some(from.to_string()), Some(expected));
            self.add(DifferenceKind::Account, |_| "the account".to_owned(), values);
        }
        Ok(Some(next_sequence))
    }

    /// Checks the entries and what is kept about them, and gives their number. In the same pass, the first blocks are
    /// made anew.
    fn look_at_entries(
        &mut self,
        id: i64,
        numbers: &Numbers,
        tables: &mut Tables<'m>,
        reader: &mut Reader,
        (portion, sequences): (&mut Portion, &mut Sequences),
    ) -> Result<u64, Failure> {
        let is_synced = self.look_at_source(id, tables.sources.next_of(id)?)?;
        // Each has texts of its own at hand: they are read in turns.
        let mut counts = Vec::new();
        for (at, rows) in tables.counts.iter_mut().enumerate() {
            counts.push(Record::new(Counts(at), id, held(rows, id, Counts::held)));
        }
        let mut rollups = Record::new(Rollups, id, held(&mut tables.rollups, id, Rollups::held));
        let mut balances = Record::new(Balances, id, held(&mut tables.balances, id, Balances::held));
        let mut walked = Walked::new(is_synced, held(&mut tables.coverage, id, record_of));
        let mut entries = 0;
        while let Some(row) = tables.entries.next_of(id)? {
            let sequence = sequence(&row)?;
            numbers.look_at(sequence, sequences, || place(&row), self);
            let facts = self.look_at_entry(DifferenceKind::Entry, &row, reader)?;
            counts.iter_mut().try_for_each(|count| count.add(&facts, self))?;
            rollups.add(&facts, self)?;
            balances.add(&facts, self)?;
            let block = portion.recorded(sequence);
            // The digests of an entry take long, and both have the same.
            if block.is_some() || walked.is_synced() {
                let share = reader.share_of(&facts);
                block.into_iter().for_each(|block| block.add(&share));
                walked.add(&share, || place(&row), self)?;
            }
            entries += 1;
            self.count_entry();
        }
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
        row: &Row,
        reader: &mut Reader,
    ) -> Result<Facts<Text>, Failure> {
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
    ) -> Result<(), Failure> {
        let mut pass = Some(first);
        loop {
            pass = pass.take().and_then(|pass| numbers.close(pass, end, self));
            let Some(sequences) = &mut pass else { return Ok(()) };
            let moment = self.moment;
            moment.each(NUMBERS, &[&id, &end], |row| {
                let (sequence, is_removal) = (sequence(row)?, row.try_get(3)?);
                if sequences.see(sequence) == Seen::Again {
                    let place = || if is_removal { removal_place(sequence) } else { place(row) };
                    is_doubled(sequence, place, self);
                }
                Ok(())
            })?;
        }
    }

    /// Checks where an account comes from, and gives whether it is a copy of a service.
    fn look_at_source(&mut self, id: i64, row: Option<Row>) -> Result<bool, Failure> {
        let Some(row) = row else { return Ok(false) };
        self.notes.report.checked.sources += 1;
        if !row.try_get::<_, bool>(1)? {
            is_wrong_source("account", format!("account {id}"), "an account that is there", self);
        }
        for (field, column) in [("receipts", 2), ("files", 3)] {
            let count: i64 = row.try_get(column)?;
            if count != 0 {
                is_wrong_source(field, count.to_string(), "0, because it takes nothing from elsewhere", self);
            }
        }
        Ok(true)
    }

    fn is_of_unknown_level(&mut self, row: &Row, texts: &mut Texts) -> Result<(), Failure> {
        self.notes.report.checked.counts += 1;
        let (level, slot, entries): (i16, i64, i64) = (row.try_get(1)?, row.try_get(2)?, row.try_get(4)?);
        let currency = texts.text(row.try_get(3)?);
        let values = Values::new("entries", Some(entries.to_string()), None);
        let place = |findings: &Self| format!("level {level}, slot {slot}, {}", findings.text(&currency));
        self.add(DifferenceKind::Count, place, values);
        Ok(())
    }

    /// Checks files, and gives how many entries came in them.
    fn look_at_files(&mut self, id: i64, numbers: &Numbers, tables: &mut Tables<'m>) -> Result<u64, Failure> {
        let (mut files, moment) = (Files::default(), self.moment);
        while let Some(row) = tables.files.next_of(id)? {
            let file = file_of(&row)?;
            let has_removal = |stretch: std::ops::Range<i64>| {
                Ok(moment.row(HAS_REMOVAL, &[&id, &stretch.start, &stretch.end])?.try_get(0)?)
            };
            files.look_at(&file, numbers, has_removal, self)?;
        }
        Ok(files.entries())
    }

    fn look_at_receipt(&mut self, row: &Row, receipts: &mut Receipts) -> Result<(), Failure> {
        let (key, key_sha256): (_, &[u8]) = (read(row.try_get(1)?), row.try_get(4)?);
        let made = Sha256::digest(&*key);
        if key_sha256 != made.as_slice() {
            let values = Values::new("key_sha256", Some(hex(key_sha256)), Some(hex(&made)));
            self.add(DifferenceKind::Receipt, |_| quoted(&key), values);
        }
        receipts.look_at(&quoted(&key), row.try_get(2)?, row.try_get(3)?, self);
        Ok(())
    }
}

/// The rows of an account, as they are compared.
fn held<'r, T>(
    rows: &'r mut Rows<'_>,
    account: i64,
    make: impl Fn(&Row, &mut Texts) -> Result<T, Failure> + 'r,
) -> impl Iterator<Item = Result<T, Failure>> + 'r {
    let mut texts = Texts::default();
    std::iter::from_fn(move || match rows.next_of(account) {
        Ok(row) => row.map(|row| make(&row, &mut texts)),
        Err(failure) => Some(Err(failure)),
    })
}
