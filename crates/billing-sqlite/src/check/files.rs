//! Checks what an account keeps about imported files: which of its entries are theirs.

use std::ops::Range;

use billing_engine::check::{Files, HeldFile, Numbers, quoted_bytes};
use billing_ledger::Checked;

use super::findings::Findings;
use super::words::held;

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
        let mut files = Files::default();
        let has_removal = |stretch: Range<i64>| {
            let mut has_removal = connection.prepare_cached(HAS_REMOVAL)?;
            has_removal.query_row((id, stretch.start, stretch.end), |row| row.get(0))
        };
        while let Some(row) = rows.next()? {
            let name = row.get_ref(0)?;
            let file = HeldFile {
                name: quoted_bytes(name.as_bytes()?),
                no_name: name.as_str().is_err().then(|| held(name)),
                sha256_bytes: row.get(1)?,
                entries: row.get(2)?,
                first_sequence: row.get(3)?,
                copy: row.get(4)?,
                is_next_copy: row.get(5)?,
            };
            files.look_at(&file, numbers, has_removal, self)?;
        }
        Ok(files.entries())
    }
}
