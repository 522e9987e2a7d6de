//! A made-up ledger as the bytes of its JSON. Its pages are slices of these bytes.

use std::ops::Range;

use billing_model::{
    ErrorBody, HistoryQuery, HistoryRequest, Page, Pagination, Paging, QueryError, SortOrder, TimeWindow,
    Timestamp, UsageEntry, UsageQuery,
};
use billing_sample::History;
use billing_testkit::Reply;

/// The first bytes of a page, on both endpoints.
const HEAD: &[u8] = b"{\"data\":[";

/// The days of the made-up history, whatever the number of its entries, and the days at its end that a ledger of recent
/// entries keeps.
const DAYS: u64 = 181;
const RECENT_DAYS: u64 = 151;

/// Windows below this width hang, when the upstream hangs at all.
const NARROW_NS: i64 = 15 * 60 * NS_PER_S;

const NS_PER_S: i64 = 1_000_000_000;

/// A ledger. Every entry is written as JSON once, when the ledger is made; a page is a slice of these bytes.
pub(crate) struct Ledger {
    /// The entries as JSON, oldest first, with a comma after each.
    json: Vec<u8>,
    /// The index at which each entry begins in `json`, and the one at which the last entry ends.
    starts: Vec<usize>,
    timestamps: Vec<Timestamp>,
}

impl Ledger {
    /// The entries that all benchmarks use: the made-up history of seed 1.
    pub(crate) fn new(entries: u64) -> Self {
        Self::of(History::new(1, entries))
    }

    /// So many entries of the five months up to an instant. The last entry is at this instant.
    ///
    /// They are the end of a longer history, moved as a whole, so its days keep their length and their busy hours.
    pub(crate) fn ending(entries: u64, end_unix_s: i64) -> Self {
        let longer = (entries * DAYS).div_ceil(RECENT_DAYS);
        let history = || History::new(1, longer);
        let instant_ns = |entry: &UsageEntry| entry.timestamp.unix_ns().expect("the history is of 2026");
        let ahead_ns = history().last().map_or(0, |last| end_unix_s * NS_PER_S - instant_ns(&last));
        let recent = usize::try_from(longer - entries).expect("fewer entries than fit into memory");
        Self::of(history().skip(recent).map(|entry| UsageEntry {
            timestamp: Timestamp::from_unix_ns(instant_ns(&entry) + ahead_ns),
            ..entry
        }))
    }

    fn of(entries: impl Iterator<Item = UsageEntry>) -> Self {
        let (mut json, mut starts, mut timestamps) = (Vec::new(), vec![0], Vec::new());
        for entry in entries {
            entry.write_json(&mut json);
            json.push(b',');
            starts.push(json.len());
            timestamps.push(entry.timestamp);
        }
        assert!(timestamps.is_sorted(), "a window is searched for by time");
        Self { json, starts, timestamps }
    }

    /// The borders of a window that holds all entries, and is wider by the margin at either end.
    pub(crate) fn borders(&self, margin_s: i64) -> [Timestamp; 2] {
        let border = |at: Option<&Timestamp>, away_s: i64| {
            let instant_ns = at.and_then(|at| at.unix_ns()).unwrap_or_default();
            Timestamp::from_unix_ns(instant_ns + away_s * NS_PER_S)
        };
        [border(self.timestamps.first(), -margin_s), border(self.timestamps.last(), margin_s)]
    }

    /// For each endpoint the targets of all its pages of the largest size, in curl's notation: `[1-9:2]` is every
    /// second number from 1 to 9.
    pub(crate) fn counted_targets(&self) -> [String; 2] {
        let (entries, size, limit) =
            (self.timestamps.len(), HistoryQuery::MAX_PAGE_SIZE, UsageQuery::MAX_LIMIT as usize);
        let last = entries.saturating_sub(1);
        let pages = entries.div_ceil(limit).max(1);
        [
            format!("/billing/usage-history?cursor=[0-{last}:{size}]-{entries}-{size}"),
            format!("/billing/usage?limit={limit}&page=[1-{pages}]&sortOrder=asc"),
        ]
    }

    /// The answer to a GET: a page or an error.
    pub(crate) fn answer(&self, path: &str, query: &str) -> Reply {
        let page = match path {
            "/api/v1/billing/usage-history" => self.by_cursor(query),
            "/api/v1/billing/usage" => self.by_number(query),
            _ => Err(Reply::error(404, "Not found")),
        };
        page.unwrap_or_else(|refused| refused)
    }

    /// True for the first request of a walk whose window has no entry, or is too narrow for the real service: under 15
    /// minutes between its two borders.
    pub(crate) fn is_narrow_or_empty(&self, path: &str, query: &str) -> bool {
        let window = match path {
            "/api/v1/billing/usage-history" => match HistoryRequest::parse(query) {
                Ok(HistoryRequest::First(query)) => query.window(),
                _ => return false,
            },
            "/api/v1/billing/usage" => match UsageQuery::parse(query) {
                Ok((query, page)) if page.get() == 1 => query.window(),
                _ => return false,
            },
            _ => return false,
        };
        let ends_ns =
            window.since().and_then(Timestamp::unix_ns).zip(window.until().and_then(Timestamp::unix_ns));
        let is_narrow = ends_ns.is_some_and(|(since_ns, until_ns)| until_ns - since_ns < NARROW_NS);
        is_narrow || self.positions(window).is_empty()
    }

    fn by_number(&self, query: &str) -> Result<Reply, Reply> {
        let (query, page) = UsageQuery::parse(query).map_err(|fault| refusal(&fault))?;
        if query.currency().is_some() || query.sort_order() == SortOrder::Desc {
            return Err(Reply::error(400, "this upstream has no filter, and only sortOrder=asc"));
        }
        let all = self.positions(query.window());
        let limit = query.limit() as usize;
        let start = all.start.saturating_add((page.get() as usize - 1).saturating_mul(limit)).min(all.end);
        let end = (start + limit).min(all.end);
        let paging = Pagination::new(query.limit(), page.get(), all.len() as u64);
        Ok(self.page(start..end, Paging::ByNumber(paging)))
    }

    fn by_cursor(&self, query: &str) -> Result<Reply, Reply> {
        let (rest, size) = match HistoryRequest::parse(query).map_err(|fault| refusal(&fault))? {
            HistoryRequest::First(query) if query.currency().is_some() => {
                return Err(Reply::error(400, "this upstream has no filter"));
            }
            HistoryRequest::First(query) => (self.positions(query.window()), query.page_size() as usize),
            HistoryRequest::Next(cursor) => self
                .read_cursor(cursor.as_str())
                .ok_or_else(|| Reply::error(400, "Invalid or expired cursor; restart from the first page"))?,
        };
        let end = (rest.start + size).min(rest.end);
        let next = (end < rest.end).then(|| format!("{end}-{}-{size}", rest.end));
        let next = next.map(|token| token.parse().expect("digits and hyphens are a cursor"));
        Ok(self.page(rest.start..end, Paging::ByCursor(next)))
    }

    /// A cursor is a position, the position where its window ends, and the size of a page.
    fn read_cursor(&self, token: &str) -> Option<(Range<usize>, usize)> {
        let numbers: Result<Vec<usize>, _> = token.split('-').map(str::parse).collect();
        let [start, end, size] = numbers.ok()?[..] else { return None };
        let sizes = HistoryQuery::MIN_PAGE_SIZE as usize..=HistoryQuery::MAX_PAGE_SIZE as usize;
        let is_ours = start <= end && end <= self.timestamps.len() && sizes.contains(&size);
        is_ours.then_some((start..end, size))
    }

    /// The positions of the entries in a window.
    fn positions(&self, window: TimeWindow) -> Range<usize> {
        let first_from = |instant| self.timestamps.partition_point(|at| *at < instant);
        window.since().map_or(0, first_from)..window.until().map_or(self.timestamps.len(), first_from)
    }

    fn page(&self, positions: Range<usize>, paging: Paging) -> Reply {
        let entries = &self.json[self.starts[positions.start]..self.starts[positions.end]];
        // The bytes after the entries are those of a page without entries.
        let mut tail = Vec::new();
        Page { entries: Vec::new(), paging, warning: None }.write_json(&mut tail);
        let body = [HEAD, entries.strip_suffix(b",").unwrap_or(entries), &tail[HEAD.len()..]].concat();
        Reply::json(200, body)
    }
}

fn refusal(fault: &QueryError) -> Reply {
    Reply::json(400, serde_json::to_vec(&ErrorBody::from(fault)).expect("an error body is JSON"))
}
