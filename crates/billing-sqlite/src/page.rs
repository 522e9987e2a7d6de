//! Reads pages of entries.

use billing_engine::{Found, Span};
use billing_ledger::{
    AccountId, Error, ErrorKind, Filter, LendEntry, NumberedQuery, Position, Sequences, Snapshot, WalkPage,
    WalkQuery,
};
use billing_model::SortOrder;
use rusqlite::Connection;

use crate::counts::Counts;
use crate::error::failure;
use crate::ledger::SqliteLedger;
use crate::renumbered;
use crate::row::{self, COLUMNS, Scratch, signed};
use crate::snapshot::Present;
use crate::strings;

/// After so many hidden entries side by side, the counts are asked where visible ones are. Asking costs about as much
/// time as reading so many.
const MOST_HIDDEN: u32 = 200;

/// True when entries that a walk is still to see were taken out since it began. A removal whose number nobody gave out is
/// somebody else's, and in no order with the walk.
const IS_OUTDATED: &str = "
    SELECT EXISTS (
        SELECT 1 FROM removed
        WHERE account = ?1 AND removal >= ?2 AND removal < ?9 AND sequence < ?2 AND (timestamp_ns, sequence) > (?3, ?4)
        AND timestamp_ns <= ?5 AND (?6 IS NULL OR currency = ?6)
        AND (?7 IS NULL OR sequence NOT BETWEEN ?7 AND ?8))";

/// The statement for entries behind a place, or from it on. It runs along the primary key in either direction. A number below zero
/// is nobody's: such a row is left to the check, and does not end the reading of what could be put right.
fn rows_sql(order: SortOrder, is_at_start: bool, has_currency: bool) -> String {
    let direction = order.as_str();
    // When all currencies are wanted, the condition is not evaluated for each entry.
    let currency = if has_currency { "currency = ?6" } else { "?6 IS NULL" };
    let behind = if is_at_start { "timestamp_ns >= ?2" } else { "(timestamp_ns, sequence) > (?2, ?3)" };
    format!(
        "SELECT {COLUMNS} FROM entries
         WHERE account = ?1 AND {behind} AND timestamp_ns <= ?4 AND sequence >= 0 AND sequence < ?5
         AND {currency}
         ORDER BY timestamp_ns {direction}, sequence {direction} LIMIT ?7 OFFSET ?8"
    )
}

impl SqliteLedger {
    pub(crate) fn page_by_number(
        &self,
        query: &NumberedQuery<'_>,
        lend: &mut LendEntry<'_>,
    ) -> Result<u64, Error> {
        let NumberedQuery { account, filter, order, limit, page } = *query;
        let found = self.0.connections.read(|connection| {
            let Some(present) = Present::of(connection, account)? else { return Ok(None) };
            let scan = Scan::new(connection, account, filter, present, present.snapshot(), lend)?;
            let Some(mut scan) = scan else { return Ok(Some((0, None))) };
            let total = scan.counts().count(scan.span)?;
            let skip = u64::from(page.saturating_sub(1)) * u64::from(limit);
            scan.read(order, skip, u64::from(limit))?;
            Ok(Some((total, scan.refused)))
        })?;
        match found {
            Some((total, None)) => Ok(total),
            Some((_, Some(refused))) => Err(refused),
            None => Err(self.unknown_account(account)),
        }
    }

    pub(crate) fn page_by_position(
        &self,
        query: &WalkQuery<'_>,
        lend: &mut LendEntry<'_>,
    ) -> Result<WalkPage, Error> {
        let WalkQuery { account, filter, snapshot, after, limit } = *query;
        let found = self.0.connections.read(|connection| {
            let Some(present) = Present::of(connection, account)? else { return Ok(None) };
            let snapshot = snapshot.map_or(present.snapshot(), |Snapshot { end, without }| Snapshot {
                end: end.min(present.next_sequence),
                without,
            });
            let Some(mut scan) = Scan::new(connection, account, filter, present, snapshot, lend)? else {
                return Ok(Some((WalkPage { snapshot, next: None }, None)));
            };
            if let Some(Position { timestamp_ns, sequence }) = after {
                scan.after = scan.after.max((timestamp_ns, signed(sequence)));
            }
            if query.snapshot.is_some() && scan.is_outdated(present)? {
                let refused = Some(failure(ErrorKind::WalkOutdated, self.0.connections.path(), ""));
                return Ok(Some((WalkPage { snapshot, next: None }, refused)));
            }
            // One entry more than asked for tells whether there is a next page.
            scan.most_lent = u64::from(limit.max(1));
            scan.read(SortOrder::Asc, 0, scan.most_lent + 1)?;
            let next = scan.last.filter(|_| scan.found > scan.most_lent);
            Ok(Some((WalkPage { snapshot, next }, scan.refused)))
        })?;
        match found {
            Some((page, None)) => Ok(page),
            Some((_, Some(refused))) => Err(refused),
            None => Err(self.unknown_account(account)),
        }
    }
}

/// Reads the entries that a filter lets through, in one state of the ledger, and lends them.
struct Scan<'c, 'l> {
    connection: &'c Connection,
    account: AccountId,
    span: Span,
    /// The number of the currency; `None` without a filter.
    currency: Option<i64>,
    /// Entries at or before this place are not read.
    after: (i64, i64),
    /// Entries stored from here on are not read.
    end: i64,
    /// Entries with these numbers are not read either: of an import that has not ended, and of one that had not ended
    /// when the walk began.
    hidden: [Option<Sequences>; 2],
    scratch: Scratch,
    lend: &'l mut LendEntry<'l>,
    /// The error with which the borrower has ended the call.
    refused: Option<Error>,
    /// The most entries that are lent. Behind it: how many were found, and the place of the last one that was lent.
    most_lent: u64,
    found: u64,
    last: Option<Position>,
}

impl<'c, 'l> Scan<'c, 'l> {
    /// `None` when no entry can pass the filter.
    fn new(
        connection: &'c Connection,
        account: AccountId,
        filter: &Filter,
        present: Present,
        snapshot: Snapshot,
        lend: &'l mut LendEntry<'l>,
    ) -> rusqlite::Result<Option<Self>> {
        let Some(span) = Span::of(filter.window) else { return Ok(None) };
        let currency = match &filter.currency {
            None => None,
            Some(currency) => match strings::find(connection, currency.as_str())? {
                None => return Ok(None),
                found => found,
            },
        };
        let after = (span.first_ns, -1);
        Ok(Some(Self {
            connection,
            account,
            span,
            currency,
            after,
            end: signed(snapshot.end),
            hidden: [present.pending, snapshot.without],
            scratch: Scratch::default(),
            lend,
            refused: None,
            most_lent: u64::MAX,
            found: 0,
            last: None,
        }))
    }

    /// True when entries behind [`after`](Self::after) were taken out since the walk began. A removal has a sequence
    /// number. It came later if this number is not in the walk's snapshot. Or entries got other numbers since.
    fn is_outdated(&self, present: Present) -> rusqlite::Result<bool> {
        if renumbered::is_since(self.connection, self.account, self.end)? {
            return Ok(true);
        }
        let [_, without] = self.hidden;
        let (first, last) = without.map(|without| (signed(without.first), signed(without.last))).unzip();
        self.connection.prepare_cached(IS_OUTDATED)?.query_row(
            (
                self.account.0,
                self.end,
                self.after.0,
                self.after.1,
                self.span.last_ns,
                self.currency,
                first,
                last,
                signed(present.next_sequence),
            ),
            |row| row.get(0),
        )
    }

    fn counts(&self) -> Counts<'c> {
        Counts {
            connection: self.connection,
            account: self.account,
            currency: self.currency,
            pending: self.hidden[0],
        }
    }

    /// Reads up to `limit` entries of the span in this order, after skipping some.
    ///
    /// Without a filter by currency, the entries stand side by side. With one, they are read minute by minute, and
    /// counts lead over what lies between: an account may have a thousand other entries for each. Many hidden entries
    /// side by side are passed over in the same way, because they are in no count.
    fn read(&mut self, order: SortOrder, skip: u64, limit: u64) -> rusqlite::Result<()> {
        let mut rest = Some(Span { first_ns: self.after.0.max(self.span.first_ns), ..self.span });
        let mut skip = skip;
        let mut is_amid_hidden = false;
        while let Some(span) = rest.filter(|_| self.found < limit && self.refused.is_none()) {
            let mut within = span;
            // There is nothing to skip and nothing to pass over, so the entries are read in the table's order.
            if skip > 0 || self.currency.is_some() || is_amid_hidden {
                let Some(found) = self.counts().locate(span, order, skip)? else { break };
                Found { within, skip } = found;
            }
            let part = match (order, self.currency) {
                (_, Some(_)) => within,
                (SortOrder::Asc, None) => Span { last_ns: span.last_ns, ..within },
                (SortOrder::Desc, None) => Span { first_ns: span.first_ns, ..within },
            };
            let unread_ns = self.read_part(part.and(span), order, &mut skip, limit)?;
            is_amid_hidden = unread_ns.is_some();
            rest = match (order, unread_ns) {
                (SortOrder::Asc, Some(first_ns)) => Some(Span { first_ns, ..span }),
                (SortOrder::Desc, Some(last_ns)) => Some(Span { last_ns, ..span }),
                (SortOrder::Asc, None) => {
                    Span::between(i128::from(part.last_ns) + 1, i128::from(span.last_ns) + 1)
                }
                (SortOrder::Desc, None) => {
                    Span::between(i128::from(span.first_ns), i128::from(part.first_ns))
                }
            };
        }
        Ok(())
    }

    /// Reads up to `limit` entries of a part of the span, after skipping some. When too many hidden ones stand side by
    /// side, it ends early and returns the instant from which on nothing was read.
    fn read_part(
        &mut self,
        part: Span,
        order: SortOrder,
        skip: &mut u64,
        limit: u64,
    ) -> rusqlite::Result<Option<i64>> {
        let after = self.after.max((part.first_ns, -1));
        if after.1 < 0 {
            return self.read_rows(part, after, order, skip, limit);
        }
        // The rest of the first instant is read by itself. To compare each entry with a pair of time and number costs
        // more than all else at its place.
        let instant = Span { first_ns: after.0, last_ns: after.0 };
        self.read_rows(instant.and(part), after, order, skip, limit)?;
        // Behind the last possible instant there is nothing.
        let rest_ns = after.0.checked_add(1).filter(|rest_ns| *rest_ns <= part.last_ns);
        match rest_ns.filter(|_| self.found < limit && self.refused.is_none()) {
            Some(first_ns) => self.read_rows(Span { first_ns, ..part }, (first_ns, -1), order, skip, limit),
            None => Ok(None),
        }
    }

    /// The same, only for entries behind a place.
    fn read_rows(
        &mut self,
        part: Span,
        after: (i64, i64),
        order: SortOrder,
        skip: &mut u64,
        limit: u64,
    ) -> rusqlite::Result<Option<i64>> {
        let sql = rows_sql(order, after.1 < 0, self.currency.is_some());
        let mut select = self.connection.prepare_cached(&sql)?;
        // The engine itself may skip and stop when it may count every entry.
        let is_all_seen = self.hidden == [None; 2];
        let (most, offset) = match is_all_seen {
            true => (signed(limit - self.found), std::mem::take(skip)),
            false => (-1, 0),
        };
        let mut rows = select.query((
            self.account.0,
            after.0,
            after.1,
            part.last_ns,
            self.end,
            self.currency,
            most,
            signed(offset),
        ))?;
        let (mut hidden, mut last_ns) = (0, None);
        while let Some(row) = rows.next()? {
            if !is_all_seen {
                let Position { timestamp_ns: at_ns, sequence } = row::position(row)?;
                if self.hidden.iter().flatten().any(|hidden| hidden.contains(sequence)) {
                    // It ends only between two instants, so that an instant is read as a whole or not at all.
                    if hidden >= MOST_HIDDEN && last_ns.is_some_and(|last_ns| last_ns != at_ns) {
                        return Ok(Some(at_ns));
                    }
                    (hidden, last_ns) = (hidden + 1, Some(at_ns));
                    continue;
                }
                (hidden, last_ns) = (0, Some(at_ns));
                if *skip > 0 {
                    *skip -= 1;
                    continue;
                }
            }
            self.found += 1;
            if self.found <= self.most_lent {
                let position = row::position(row)?;
                let entry = row::lend(row, position, self.connection, &mut self.scratch)?;
                self.refused = (self.lend)(position, entry).err();
                self.last = Some(position);
            }
            if self.found == limit || self.refused.is_some() {
                break;
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use billing_ledger::Ledger;
    use billing_model::Timestamp;
    use billing_testkit::entry_at;
    use rusqlite::StatementStatus;

    use super::*;

    /// If the engine planned a statement anew for each value, that would take as long as half a page.
    #[test]
    fn the_statements_of_a_walk_are_planned_once() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open_or_create(&directory.path().join("ledger.db")).unwrap();
        let account = ledger.create_account("walked").unwrap();
        let entries: Vec<_> =
            (0..50).map(|second| entry_at(Timestamp::from_unix_ns(second * 1_000_000_000), "-1")).collect();
        let mut import = Ledger::import(&ledger, account).unwrap();
        import.write(&entries).unwrap();
        import.finish().unwrap();
        let filter = Filter::default();
        let (mut snapshot, mut after, mut pages) = (None, None, 0);
        loop {
            let query = WalkQuery { account, filter: &filter, snapshot, after, limit: 5 };
            let page = ledger.page_by_position(&query, &mut |_, _| Ok(())).unwrap();
            (snapshot, after, pages) = (Some(page.snapshot), page.next, pages + 1);
            if after.is_none() {
                break;
            }
        }
        assert_eq!(pages, 10);
        let planned_anew = ledger.0.connections.read(|connection| {
            let status = |sql: &str| -> rusqlite::Result<_> {
                let statement = connection.prepare_cached(sql)?;
                let of = |status| statement.get_status(status);
                Ok((of(StatementStatus::Run), of(StatementStatus::RePrepare)))
            };
            let sql = rows_sql(SortOrder::Asc, false, false);
            Ok([status(&sql)?, status(IS_OUTDATED)?])
        });
        assert_eq!(
            planned_anew.unwrap(),
            [(9, 0), (9, 0)],
            "times that it ran, and that it was planned anew"
        );
    }
}
