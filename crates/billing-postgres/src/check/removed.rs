//! Checks entries that were taken out: each must be readable and belong to one removal, and is in no sum.

use billing_engine::check::{Findings as _, Numbers, Seen, Sequences, Values, is_doubled, removal_place};
use billing_ledger::{Checked, DifferenceKind};
use tokio_postgres::Row;

use crate::failure::Failure;

use super::blocks::Portion;
use super::entry::{Reader, place, sequence};
use super::findings::Findings;
use super::tables::Tables;

impl<'m, F: FnMut(&Checked)> Findings<'m, F> {
    /// Checks the entries that were taken out, and gives their number.
    pub(super) fn look_at_removed(
        &mut self,
        id: i64,
        numbers: &Numbers,
        tables: &mut Tables<'m>,
        reader: &mut Reader,
        (portion, sequences): (&mut Portion, &mut Sequences),
    ) -> Result<u64, Failure> {
        let (mut removed, mut latest) = (0, None);
        while let Some(row) = tables.removed.next_of(id)? {
            removed += 1;
            self.notes.report.checked.removed_entries += 1;
            let (sequence, removal): (i64, i64) = (sequence(&row)?, row.try_get("removal")?);
            numbers.look_at(sequence, sequences, || place(&row), self);
            let facts = self.look_at_entry(DifferenceKind::Removed, &row, reader)?;
            portion.add_removed(sequence, removal, &reader.share_of(&facts));
            // Entries come in the order of removals, and so do removals.
            if latest.replace(removal) != Some(removal) && !is_removal(id, removal, tables)? {
                let expected = Some("the number of a removal that is there".to_owned());
                let values = Values::new("removal", Some(removal.to_string()), expected);
                self.add(DifferenceKind::Removed, |_| place(&row), values);
            }
        }
        while tables.removals.next_of(id)?.is_some() {}
        // No entry has the number of a removal.
        while let Some(row) = tables.removals_again.next_of(id)? {
            let removal = number(&row)?;
            if sequences.see(removal) == Seen::Again {
                is_doubled(removal, || removal_place(removal), self);
            }
        }
        Ok(removed)
    }
}

/// True when there is a removal with this number. Those below it are passed over.
fn is_removal(account: i64, removal: i64, tables: &mut Tables<'_>) -> Result<bool, Failure> {
    while let Some(row) = tables.removals.peek_of(account)? {
        let there = number(row)?;
        if there >= removal {
            return Ok(there == removal);
        }
        tables.removals.next()?;
    }
    Ok(false)
}

fn number(row: &Row) -> Result<i64, Failure> {
    Ok(row.try_get(1)?)
}
