//! The contract of the billing API, as plainly as it can be written: a sorted list, cut into pages.

use billing_csv::Columns;
use billing_model::{
    Currency, Cursor, ErrorBody, HistoryQuery, HistoryRequest, Page, Pagination, Paging, SortOrder,
    TimeWindow, Timestamp, UsageEntry, UsageQuery,
};

use crate::reply::Reply;
use crate::upstream::Request;

/// A ledger in memory that answers both endpoints, in JSON and in text/csv.
///
/// A page costs what is on it, not what the ledger has, unless a currency is asked for.
#[derive(Clone, Debug)]
pub struct Book {
    /// The rows, ascending by place.
    rows: Vec<Row>,
    /// What the cursors stand for: `cursor-0` is the first.
    cursors: Vec<(HistoryQuery, Place)>,
    whole_milliseconds: bool,
}

#[derive(Clone, Debug)]
struct Row {
    entry: UsageEntry,
    /// The number of entries that were recorded before it.
    sequence: usize,
}

/// Where a row stands: by time, and within one timestamp in the order of recording.
type Place = (Timestamp, usize);

impl Row {
    fn place(&self) -> Place {
        (self.entry.timestamp, self.sequence)
    }
}

impl Book {
    /// A ledger of these entries.
    pub fn new(entries: Vec<UsageEntry>) -> Self {
        let mut book = Self { rows: Vec::new(), cursors: Vec::new(), whole_milliseconds: false };
        book.record(entries);
        book
    }

    /// The same ledger behind a service that cuts the borders of a window to the millisecond.
    #[must_use]
    pub fn whole_milliseconds(mut self) -> Self {
        self.whole_milliseconds = true;
        self
    }

    /// Records entries, wherever in time they belong.
    pub fn record(&mut self, entries: Vec<UsageEntry>) {
        let first = self.rows.iter().map(|row| row.sequence + 1).max().unwrap_or(0);
        let recorded = entries.into_iter().zip(first..);
        self.rows.extend(recorded.map(|(entry, sequence)| Row { entry, sequence }));
        self.rows.sort_by_key(Row::place);
    }

    /// Changes what was recorded: each entry is kept, changed, unless it is `false` for it. No timestamp may change. Cursors lead on
    /// to where they led.
    pub fn change(&mut self, mut keep: impl FnMut(&mut UsageEntry) -> bool) {
        self.rows.retain_mut(|row| keep(&mut row.entry));
    }

    /// The entries of a window, ascending.
    pub fn entries(&self, window: TimeWindow, currency: Option<&Currency>) -> Vec<UsageEntry> {
        let rows = between(&self.rows, window.since(), window.until()).iter();
        rows.filter(|row| is_of(row, currency)).map(|row| row.entry.clone()).collect()
    }

    /// True when nothing that is asked for lies in the window.
    pub(crate) fn is_empty(&self, window: TimeWindow, currency: Option<&Currency>) -> bool {
        !between(&self.rows, window.since(), window.until()).iter().any(|row| is_of(row, currency))
    }

    /// Answers a request as the service would.
    pub fn answer(&mut self, request: &Request) -> Reply {
        let answer = match request.path.as_str() {
            "/api/v1/billing/usage" => {
                UsageQuery::parse(&request.query).map(|(query, page)| self.by_number(&query, page.get()))
            }
            "/api/v1/billing/usage-history" => match HistoryRequest::parse(&request.query) {
                Ok(HistoryRequest::First(query)) => Ok(self.by_cursor(query, None)),
                Ok(HistoryRequest::Next(cursor)) => match self.looked_up(&cursor) {
                    Some((query, after)) => Ok(self.by_cursor(query, Some(after))),
                    None => {
                        return Reply::error(400, "Invalid or expired cursor; restart from the first page");
                    }
                },
                Err(error) => Err(error),
            },
            _ => return Reply::error(404, "Not found"),
        };
        match answer {
            Ok(page) => reply_with(&page, request),
            Err(error) => {
                Reply::json(400, serde_json::to_vec(&ErrorBody::from(&error)).expect("an error body is JSON"))
            }
        }
    }

    fn by_number(&self, query: &UsageQuery, page: u32) -> Page {
        let (mut since, mut until) = (query.window().since(), query.window().until());
        if self.whole_milliseconds {
            // The end is inclusive, so it is the last instant inside.
            let end = until.and_then(Timestamp::unix_ns).map(|ns| Timestamp::from_unix_ns(ns - 1));
            (since, until) = (since.map(Timestamp::floor_ms), end.map(|end| end.floor_ms().next()));
        }
        let rows = between(&self.rows, since, until);
        let selected: Option<Vec<&Row>> =
            query.currency().map(|currency| rows.iter().filter(|row| is_of(row, Some(currency))).collect());
        let total = selected.as_ref().map_or(rows.len(), Vec::len);
        let entry = |index: usize| selected.as_ref().map_or(&rows[index], |rows| rows[index]).entry.clone();
        let limit = query.limit() as usize;
        let start = limit.saturating_mul(page as usize - 1).min(total);
        let places = start..start.saturating_add(limit).min(total);
        let entries = match query.sort_order() {
            SortOrder::Asc => places.map(entry).collect(),
            SortOrder::Desc => places.map(|place| entry(total - 1 - place)).collect(),
        };
        let numbers = Pagination::new(query.limit(), page, total as u64);
        Page { entries, paging: Paging::ByNumber(numbers), warning: None }
    }

    fn by_cursor(&mut self, query: HistoryQuery, after: Option<Place>) -> Page {
        let (mut since, mut until) = (query.window().since(), query.window().until());
        if self.whole_milliseconds {
            (since, until) = (since.map(Timestamp::floor_ms), until.map(Timestamp::floor_ms));
        }
        let rows = between(&self.rows, since, until);
        let first = after.map_or(0, |after| rows.partition_point(|row| row.place() <= after));
        let page_size = query.page_size() as usize;
        let rest = rows[first..].iter().filter(|row| is_of(row, query.currency()));
        let mut page: Vec<&Row> = rest.take(page_size + 1).collect();
        let is_last = page.len() <= page_size;
        page.truncate(page_size);
        let entries = page.iter().map(|row| row.entry.clone()).collect();
        let last = page.last().map(|row| row.place()).filter(|_| !is_last);
        let cursor = last.map(|last| {
            self.cursors.push((query, last));
            format!("cursor-{}", self.cursors.len() - 1).parse().expect("a cursor")
        });
        Page { entries, paging: Paging::ByCursor(cursor), warning: None }
    }

    fn looked_up(&self, cursor: &Cursor) -> Option<(HistoryQuery, Place)> {
        let index: usize = cursor.as_str().strip_prefix("cursor-")?.parse().ok()?;
        self.cursors.get(index).cloned()
    }
}

fn is_of(row: &Row, currency: Option<&Currency>) -> bool {
    currency.is_none_or(|currency| *currency == row.entry.currency)
}

/// The rows from one instant up to another, without the latter.
fn between(rows: &[Row], since: Option<Timestamp>, until: Option<Timestamp>) -> &[Row] {
    let first_at = |at: Timestamp| rows.partition_point(|row| row.entry.timestamp < at);
    let end = until.map_or(rows.len(), first_at);
    // Two borders that are equal once cut have nothing between them.
    &rows[since.map_or(0, first_at).min(end)..end]
}

/// A page in the form in which it was asked for.
pub(crate) fn reply_with(page: &Page, request: &Request) -> Reply {
    if request.header("accept").contains("text/csv") {
        return csv_reply(page, request);
    }
    let mut body = Vec::new();
    page.write_json(&mut body);
    Reply::json(200, body)
}

/// A page as text/csv. The format has no place for paging, so that is in headers.
fn csv_reply(page: &Page, request: &Request) -> Reply {
    let columns = match request.header("prefer").contains("include=apiKeyId") {
        true => Columns::WithApiKeyId,
        false => Columns::Documented,
    };
    let mut body = Vec::new();
    billing_csv::encode(&page.entries, columns, &mut body);
    let reply = Reply::new(200, "text/csv; charset=utf-8", body);
    match &page.paging {
        Paging::ByNumber(Pagination { limit, page, total, total_pages }) => reply
            .header("x-pagination-limit", limit.to_string())
            .header("x-pagination-page", page.to_string())
            .header("x-pagination-total", total.to_string())
            .header("x-pagination-total-pages", total_pages.to_string()),
        Paging::ByCursor(Some(cursor)) => reply.header("x-next-cursor", cursor.as_str()),
        Paging::ByCursor(None) => reply,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::entry_at;
    use billing_model::{HistoryQueryBuilder, PageRequest, UsageQueryBuilder};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn at(us: i64) -> Timestamp {
        Timestamp::from_unix_ns(1_750_000_000_000_000_000 + us * 1000)
    }

    /// Asks for every page of a pass, in JSON and in text/csv, and gives back what was on them.
    fn walked(book: &mut Book, first: PageRequest) -> (Vec<UsageEntry>, Option<u64>) {
        let mut all = Vec::new();
        let mut total = None;
        let mut next = Some(first);
        while let Some(request) = next {
            let ask = |accept: &str| Request {
                path: format!("/api/v1/{}", request.path()),
                query: request.query_string(),
                headers: BTreeMap::from([("accept".to_owned(), accept.to_owned())]),
                ..Request::default()
            };
            let csv = book.clone().answer(&ask("text/csv"));
            let json = book.answer(&ask("application/json"));
            let text = std::str::from_utf8(json.body()).unwrap();
            let page = match request {
                PageRequest::ByNumber { .. } => Page::from_usage_json(text).unwrap(),
                PageRequest::ByCursor(_) => Page::from_history_json(text).unwrap(),
            };
            assert_eq!(billing_csv::decode(csv.body()).unwrap(), page.entries);
            if let Paging::ByNumber(numbers) = page.paging {
                total = Some(numbers.total);
            }
            next = request.after(&page).unwrap();
            all.extend(page.entries);
        }
        (all, total)
    }

    fn by_number(query: UsageQueryBuilder) -> PageRequest {
        PageRequest::ByNumber { query: query.build().unwrap(), page: std::num::NonZeroU32::MIN }
    }

    fn by_cursor(query: HistoryQueryBuilder) -> PageRequest {
        PageRequest::ByCursor(HistoryRequest::First(query.build().unwrap()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// The pages are found by searching; the oracle looks at every entry.
        #[test]
        fn the_pages_of_a_window_are_the_window(
            rows in prop::collection::vec((0i64..12, 0u8..3), 0..80),
            late in prop::collection::vec(0i64..12, 0..10),
            (since, length) in (0i64..12, 1i64..12),
            of_usd in any::<bool>(),
            limit in 1u32..30,
        ) {
            let mut all: Vec<_> = rows.iter().map(|(us, kind)| entry_at(at(*us), ["-1", "-2", "-3"][usize::from(*kind)])).collect();
            all.iter_mut().step_by(3).for_each(|entry| entry.currency = Currency::Diem);
            let mut book = Book::new(all.clone());
            let arrived: Vec<_> = late.iter().map(|us| entry_at(at(*us), "-4")).collect();
            book.record(arrived.clone());
            all.extend(arrived);
            // Stable: equal timestamps stay in the order of recording.
            all.sort_by_key(|entry| entry.timestamp);

            let currency = of_usd.then_some(Currency::Usd);
            let inside = |entry: &&UsageEntry, end: Timestamp| {
                (at(since)..end).contains(&entry.timestamp) && currency.as_ref().is_none_or(|currency| *currency == entry.currency)
            };
            let until = at(since + length);
            let half_open: Vec<_> = all.iter().filter(|entry| inside(entry, until)).cloned().collect();
            let query = HistoryQuery::builder().currency(currency.clone()).since(at(since)).until(until).page_size(limit.max(10));
            prop_assert_eq!(walked(&mut book, by_cursor(query)).0, half_open.clone());
            let window = TimeWindow::new(Some(at(since)), Some(until)).unwrap();
            prop_assert_eq!(book.entries(window, currency.as_ref()), half_open);

            let mut inclusive: Vec<_> = all.iter().filter(|entry| inside(entry, until.next())).cloned().collect();
            let query = UsageQuery::builder().currency(currency.clone()).start_date(at(since)).end_date(until).limit(limit);
            for order in [SortOrder::Asc, SortOrder::Desc] {
                let total = inclusive.len() as u64;
                prop_assert_eq!(walked(&mut book, by_number(query.clone().sort_order(order))), (inclusive.clone(), Some(total)));
                inclusive.reverse();
            }
        }
    }

    #[test]
    fn borders_of_whole_milliseconds_lose_what_is_finer() {
        let all: Vec<_> = [0, 999, 1_000, 1_001, 2_000].map(|us| entry_at(at(us), "-1")).into();
        let mut book = Book::new(all.clone()).whole_milliseconds();
        let query = UsageQuery::builder().sort_order(SortOrder::Asc);
        let mut number = |since, end| {
            walked(&mut book, by_number(query.clone().start_date(at(since)).end_date(at(end)))).0
        };
        assert_eq!(number(1_999, 2_000), all[2..]);
        assert_eq!(number(999, 1_999), all[..3]);
        let mut cursor = |since, until| {
            walked(&mut book, by_cursor(HistoryQuery::builder().since(at(since)).until(at(until)))).0
        };
        assert_eq!(cursor(1_999, 2_000), all[2..4]);
        assert_eq!(cursor(999, 1_999), all[..2]);
        assert_eq!(cursor(1_001, 1_002), []);
    }

    #[test]
    fn a_cursor_of_nobody_is_refused() {
        let mut book = Book::new(Vec::new());
        for token in ["cursor-0", "cursor-", "x", "cursor-99999999999999999999"] {
            let query = format!("cursor={token}");
            let request =
                Request { path: "/api/v1/billing/usage-history".to_owned(), query, ..Request::default() };
            let said = String::from_utf8(book.answer(&request).body().to_vec()).unwrap();
            assert!(said.contains("Invalid or expired cursor"), "{said}");
        }
    }
}
