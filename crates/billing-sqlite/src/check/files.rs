//! Checks what an account keeps about imported files: which of its entries are theirs.

use std::ops::Range;

use billing_ledger::{Checked, DifferenceKind};
use rusqlite::Row;

use super::findings::{DIGEST_BYTES, Findings, Values};
use super::numbers::Numbers;
use super::words::{held, length, quoted_bytes};

/// The files in the order in which their entries were stored.
const FILES: &str = "
    SELECT name, length(sha256), entries, first_sequence, copy,
        copy = 0 OR EXISTS (SELECT 1 FROM files AS others WHERE others.account = files.account
            AND others.sha256 = files.sha256 AND others.copy = files.copy - 1)
    FROM files WHERE account = ?1 ORDER BY first_sequence, entries";

/// Whether a removal has one of these numbers.
const HAS_REMOVAL: &str = "
    SELECT EXISTS (SELECT 1 FROM blocks
        WHERE account = ?1 AND first_sequence >= ?2 AND first_sequence < ?3 AND removed_ns IS NOT NULL)";

impl<F: FnMut(&Checked)> Findings<'_, F> {
    /// Checks that each file has entries, and that each entry is of one file at most. Gives how many entries came in
    /// files.
    pub(super) fn look_at_files(&mut self, id: i64, numbers: &Numbers) -> rusqlite::Result<u64> {
        let connection = self.connection;
        let mut select = connection.prepare_cached(FILES)?;
        let mut rows = select.query([id])?;
        let (mut end, mut filed) = (0, 0);
        while let Some(row) = rows.next()? {
            self.report.checked.files += 1;
            self.look_at_file_row(row)?;
            let (entries, first): (i64, i64) = (row.get(2)?, row.get(3)?);
            let stretch = first..first.saturating_add(entries);
            match u64::try_from(entries) {
                Err(_) | Ok(0) => {
                    let expected = Some("1 or more".to_owned());
                    self.is_wrong_file(row, Values::new("entries", Some(entries.to_string()), expected))?;
                }
                Ok(entries) if first >= end && self.are_of_entries(id, numbers, &stretch)? => {
                    filed += entries;
                    end = stretch.end;
                }
                Ok(_) => {
                    let held = format!("{first}, of {entries} entries");
                    let expected = Some("the first number of so many entries of this file alone".to_owned());
                    self.is_wrong_file(row, Values::new("first_sequence", Some(held), expected))?;
                }
            }
        }
        Ok(filed)
    }

    /// True when each of these numbers is that of an entry that came, even if it was taken out since.
    fn are_of_entries(&self, id: i64, numbers: &Numbers, stretch: &Range<i64>) -> rusqlite::Result<bool> {
        if !numbers.are_seen(stretch) {
            return Ok(false);
        }
        let mut has_removal = self.connection.prepare_cached(HAS_REMOVAL)?;
        Ok(!has_removal.query_row((id, stretch.start, stretch.end), |row| row.get::<_, bool>(0))?)
    }

    /// Checks what a row has by itself.
    fn look_at_file_row(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let name = row.get_ref(0)?;
        if name.as_str().is_err() {
            let values = Values::new("name", Some(held(name)), Some("a text in UTF-8".to_owned()));
            self.is_wrong_file(row, values)?;
        }
        let sha256_bytes: i64 = row.get(1)?;
        if sha256_bytes != DIGEST_BYTES {
            let values = Values::new("sha256", Some(length(sha256_bytes)), Some(length(DIGEST_BYTES)));
            self.is_wrong_file(row, values)?;
        }
        let copy: i64 = row.get(4)?;
        if !row.get::<_, bool>(5)? {
            let expected = Some("the number of times that the same was imported before".to_owned());
            self.is_wrong_file(row, Values::new("copy", Some(copy.to_string()), expected))?;
        }
        Ok(())
    }

    fn is_wrong_file(&mut self, row: &Row<'_>, values: Values) -> rusqlite::Result<()> {
        let name = quoted_bytes(row.get_ref(0)?.as_bytes()?);
        self.add(DifferenceKind::File, |_| name, values);
        Ok(())
    }
}
