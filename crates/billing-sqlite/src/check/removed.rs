//! Checks entries that were taken out: each must be readable and belong to one removal, and is in no sum.

use billing_engine::check::{
    Findings as _, Numbers, Portion, Seen, Sequences, Values, is_doubled, removal_place,
};
use billing_ledger::{Checked, DifferenceKind};

use super::entry::{Reader, place};
use super::findings::Findings;
use crate::row::COLUMNS;

/// Whether there is a removal with a number.
const IS_REMOVAL: &str = "
    SELECT EXISTS (SELECT 1 FROM blocks WHERE account = ?1 AND first_sequence = ?2 AND removed_ns IS NOT NULL)";

/// The numbers that removals have.
const REMOVALS: &str = "SELECT first_sequence FROM blocks WHERE account = ?1 AND removed_ns IS NOT NULL";

impl<F: FnMut(&Checked)> Findings<'_, F> {
    /// Checks the entries that were taken out, and gives their number.
    pub(super) fn look_at_removed(
        &mut self,
        id: i64,
        numbers: &Numbers,
        reader: &mut Reader<'_>,
        portion: &mut Portion<i64>,
        sequences: &mut Sequences,
    ) -> rusqlite::Result<u64> {
        let connection = self.connection;
        let mut is_removal = connection.prepare_cached(IS_REMOVAL)?;
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS}, removal FROM removed WHERE account = ?1 ORDER BY removal, timestamp_ns, sequence"
        ))?;
        let mut rows = select.query([id])?;
        let (mut removed, mut latest) = (0, None);
        while let Some(row) = rows.next()? {
            removed += 1;
            self.notes.report.checked.removed_entries += 1;
            let (sequence, removal): (i64, i64) = (row.get(1)?, row.get("removal")?);
            numbers.look_at(sequence, sequences, || place(row), self);
            let facts = self.look_at_entry(DifferenceKind::Removed, row, reader)?;
            portion.add_removed(sequence, removal, &reader.share_of(&facts));
            // This is asked once for all entries of a removal.
            if latest.replace(removal) != Some(removal)
                && !is_removal.query_row((id, removal), |row| row.get(0))?
            {
                let expected = Some("the number of a removal that is there".to_owned());
                let values = Values::new("removal", Some(removal.to_string()), expected);
                self.add(DifferenceKind::Removed, |_| place(row), values);
            }
        }
        self.look_at_removals(id, sequences)?;
        Ok(removed)
    }

    /// Checks that no entry has the number of a removal.
    fn look_at_removals(&mut self, id: i64, sequences: &mut Sequences) -> rusqlite::Result<()> {
        let connection = self.connection;
        let mut select = connection.prepare_cached(REMOVALS)?;
        let mut rows = select.query([id])?;
        while let Some(row) = rows.next()? {
            let removal = row.get(0)?;
            if sequences.see(removal) == Seen::Again {
                is_doubled(removal, || removal_place(removal), self);
            }
        }
        Ok(())
    }
}
