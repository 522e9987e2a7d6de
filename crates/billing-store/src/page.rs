//! Entries on their way out of the ledger, page by page.

use billing_model::{Currency, SortOrder, TimeWindow, UsageEntry};
use rusqlite::Connection;

use crate::account_id::AccountId;
use crate::counts::{Counts, Found};
use crate::day::Span;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::position::Position;
use crate::row::{self, COLUMNS, signed};
use crate::snapshot::{Present, Sequences, Snapshot};
use crate::strings::{self, Texts};

/// Hidden entries side by side after which counts are asked where others are: about as many as that costs the time of.
const MOST_HIDDEN: u32 = 200;

/// Which of an account's entries are asked for; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of this span.
    pub window: TimeWindow,
    /// Those charged in this currency.
    pub currency: Option<Currency>,
}

/// A page out of many, with how many entries all of them have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedPage {
    /// The entries, in the order asked for. None beyond the last page.
    pub entries: Vec<UsageEntry>,
    /// How many entries the filter lets through, on all pages.
    pub total: u64,
}

/// A page of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionedPage {
    /// The entries, the oldest first.
    pub entries: Vec<UsageEntry>,
    /// What the walk sees; give it to the next call.
    pub snapshot: Snapshot,
    /// Where the next page starts; `None` at the end of the walk.
    pub next: Option<Position>,
}

impl Ledger {
    /// Page number `page`, from 1, of pages of `limit` entries.
    ///
    /// Total and entries are of one moment. A page costs about the same at any depth: what comes before it is skipped by
    /// counts, down to its minute. Pages of an account into whose past entries come meanwhile shift; [`Ledger::page_by_position`] has a
    /// walk that does not.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAccount`](crate::ErrorKind::UnknownAccount), or when the ledger cannot be read.
    pub fn page_by_number(
        &self,
        account: AccountId,
        filter: &Filter,
        order: SortOrder,
        limit: u32,
        page: u32,
    ) -> Result<NumberedPage, Error> {
        let found = self.0.connections.read(|connection| {
            let Some(present) = Present::of(connection, account)? else { return Ok(None) };
            let Some(mut scan) = Scan::new(connection, account, filter, present, present.snapshot())? else {
                return Ok(Some(NumberedPage { entries: Vec::new(), total: 0 }));
            };
            let total = scan.counts().count(scan.span)?;
            let skip = u64::from(page.saturating_sub(1)) * u64::from(limit);
            scan.read(order, skip, u64::from(limit))?;
            Ok(Some(NumberedPage { entries: scan.entries, total }))
        })?;
        found.ok_or_else(|| self.unknown_account(account))
    }

    /// The page of a walk that starts after a position, or the first page.
    ///
    /// The first page takes no snapshot and gives one; with it, the pages that follow see the ledger as the first saw
    /// it, whatever was stored in between, also within the window. A `limit` of 0 is read as 1, so that a walk ends.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAccount`](crate::ErrorKind::UnknownAccount), or when the ledger cannot be read.
    pub fn page_by_position(
        &self,
        account: AccountId,
        filter: &Filter,
        snapshot: Option<Snapshot>,
        after: Option<Position>,
        limit: u32,
    ) -> Result<PositionedPage, Error> {
        let limit = limit.max(1);
        let found = self.0.connections.read(|connection| {
            let Some(present) = Present::of(connection, account)? else { return Ok(None) };
            let snapshot = snapshot.map_or(present.snapshot(), |Snapshot { end, without }| Snapshot {
                end: end.min(present.next_sequence),
                without,
            });
            let Some(mut scan) = Scan::new(connection, account, filter, present, snapshot)? else {
                return Ok(Some(PositionedPage { entries: Vec::new(), snapshot, next: None }));
            };
            if let Some(Position { timestamp_ns, sequence }) = after {
                scan.after = scan.after.max((timestamp_ns, signed(sequence)));
            }
            // One more than asked for tells whether there is a next page.
            let wanted = u64::from(limit) + 1;
            scan.read(SortOrder::Asc, 0, wanted)?;
            let has_next = scan.found() == wanted;
            if has_next {
                scan.entries.pop();
                scan.positions.pop();
            }
            let next = scan.positions.pop().filter(|_| has_next);
            Ok(Some(PositionedPage { entries: scan.entries, snapshot, next }))
        })?;
        found.ok_or_else(|| self.unknown_account(account))
    }
}

/// Reads the entries that a filter lets through, in one state of the ledger.
struct Scan<'c> {
    connection: &'c Connection,
    account: AccountId,
    span: Span,
    /// The number of the currency, when there is a filter by one.
    currency: Option<i64>,
    /// Entries at or before this place are not read.
    after: (i64, i64),
    /// Entries stored from here on are not read.
    end: i64,
    /// Neither are these: of an import that has not ended, and of one that had not when the walk began.
    hidden: [Option<Sequences>; 2],
    texts: Texts,
    entries: Vec<UsageEntry>,
    /// Of each entry.
    positions: Vec<Position>,
}

impl<'c> Scan<'c> {
    /// `None` when no entry can pass the filter.
    fn new(
        connection: &'c Connection,
        account: AccountId,
        filter: &Filter,
        present: Present,
        snapshot: Snapshot,
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
            texts: Texts::default(),
            entries: Vec::new(),
            positions: Vec::new(),
        }))
    }

    fn found(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap_or(u64::MAX)
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
    /// Without a filter by currency they stand side by side from the first one on. With one, they are read minute by
    /// minute, and what lies between is passed over by counts: an account may have a thousand others for each. So are
    /// hidden entries, which no count has, when there are many side by side.
    fn read(&mut self, order: SortOrder, skip: u64, limit: u64) -> rusqlite::Result<()> {
        let mut rest = Some(Span { first_ns: self.after.0.max(self.span.first_ns), ..self.span });
        let mut skip = skip;
        let mut is_amid_hidden = false;
        while let Some(span) = rest.filter(|_| self.found() < limit) {
            let mut within = span;
            // Nothing to skip and nothing to pass over: the table's order leads there.
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

    /// Reads entries of a part of the span until there are `limit`, after skipping some. Where too many hidden ones stand
    /// side by side it ends early, and tells the instant from which on nothing was read.
    fn read_part(
        &mut self,
        part: Span,
        order: SortOrder,
        skip: &mut u64,
        limit: u64,
    ) -> rusqlite::Result<Option<i64>> {
        let after = self.after.max((part.first_ns, -1));
        // Runs along the primary key in both directions.
        let direction = order.as_str();
        // Not asked of each entry where all are wanted.
        let currency = if self.currency.is_some() { "currency = ?6" } else { "?6 IS NULL" };
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM entries
             WHERE account = ?1 AND (timestamp_ns, sequence) > (?2, ?3) AND timestamp_ns <= ?4 AND sequence < ?5
             AND {currency}
             ORDER BY timestamp_ns {direction}, sequence {direction} LIMIT ?7 OFFSET ?8"
        ))?;
        // The engine skips and ends by itself where it may count every entry.
        let is_all_seen = self.hidden == [None; 2];
        let (most, offset) = match is_all_seen {
            true => (signed(limit - self.found()), std::mem::take(skip)),
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
                    // Only between two instants: of one instant all is read, or nothing.
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
            self.positions.push(row::position(row)?);
            self.entries.push(row::decode(row, self.connection, &mut self.texts)?);
            if self.found() == limit {
                break;
            }
        }
        Ok(None)
    }
}
