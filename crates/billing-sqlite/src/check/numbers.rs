//! The sequence numbers of an account's entries and removals: which were given out, which are hidden, which are free.

use std::ops::Range;

use rusqlite::{Connection, Row};

/// The numbers of an account's entries.
pub(super) struct Numbers {
    /// The number that its next entry gets, if there is such an account.
    pub(super) next: Option<i64>,
    /// The numbers of an import that has not ended: its entries are stored and do not count.
    hidden: Option<Range<i64>>,
    /// The numbers that no entry needs to have, in order: those that an import reserved and did not use, or may still
    /// use.
    free: Vec<Range<i64>>,
}

impl Numbers {
    pub(super) fn of(connection: &Connection, account: i64, next: Option<i64>) -> rusqlite::Result<Self> {
        let ranges = |table: &str| {
            let sql = format!(
                "SELECT first_sequence, last_sequence FROM {table} WHERE account = ?1 ORDER BY first_sequence"
            );
            let mut select = connection.prepare(&sql)?;
            let range = |row: &Row<'_>| Ok(row.get(0)?..row.get::<_, i64>(1)?.saturating_add(1));
            select.query_map([account], range)?.collect::<rusqlite::Result<Vec<Range<i64>>>>()
        };
        let (hidden, mut free) = (ranges("imports")?.pop(), ranges("unused")?);
        free.extend(hidden.clone());
        free.sort_by_key(|range| range.start);
        Ok(Self { next, hidden, free })
    }

    pub(super) fn were_given(&self, sequence: i64) -> bool {
        let is_free = || {
            let at = self.free.partition_point(|free| free.end <= sequence);
            self.free.get(at).is_some_and(|free| free.contains(&sequence))
        };
        self.next.is_none_or(|end| (0..end).contains(&sequence)) && (self.are_hidden(sequence) || !is_free())
    }

    /// True when each of these is the number of a removal, or of an entry that was ever visible.
    pub(super) fn are_seen(&self, stretch: &Range<i64>) -> bool {
        let at = self.free.partition_point(|free| free.end <= stretch.start);
        let is_free = self.free.get(at).is_some_and(|free| free.start < stretch.end);
        stretch.start >= 0 && self.next.is_none_or(|end| stretch.end <= end) && !is_free
    }

    pub(super) fn are_hidden(&self, sequence: i64) -> bool {
        self.hidden.as_ref().is_some_and(|hidden| hidden.contains(&sequence))
    }

    /// The first and the last hidden number. When none is hidden, the last is lower than the first.
    pub(super) fn hidden(&self) -> (i64, i64) {
        self.hidden.as_ref().map_or((0, -1), |hidden| (hidden.start, hidden.end - 1))
    }

    /// The parts of a stretch that some entry or removal should have.
    pub(super) fn without_free(&self, stretch: Range<i64>, mut part: impl FnMut(Range<i64>)) {
        let mut from = stretch.start;
        for free in &self.free {
            if free.start > from && free.start < stretch.end {
                part(from..free.start);
            }
            if free.start < stretch.end {
                from = from.max(free.end);
            }
        }
        if from < stretch.end {
            part(from..stretch.end);
        }
    }
}
