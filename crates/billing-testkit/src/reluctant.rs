//! The service as it really is: narrow windows and empty ones hang, cursors do not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use billing_model::{Currency, HistoryRequest, TimeWindow, UsageQuery};

use crate::book::Book;
use crate::reply::Reply;
use crate::upstream::Request;

/// A window between two borders that is narrower than this hangs.
const NARROW: Duration = Duration::from_secs(15 * 60);

/// A [`Book`] behind a service that hangs on some *first* requests: `usage-history` without a cursor, `usage` with page 1.
///
/// It hangs when both borders are given and less than 15 minutes apart, and when nothing that is asked for lies in the
/// window. It always answers cursors and later pages, so a walk that follows them gets through. To hang means to answer
/// 500 at once, unless the test says otherwise.
///
/// ```
/// use billing_testkit::{Book, Reluctant, Request, entry_at};
/// let book = Book::new(vec![entry_at("2026-06-14T19:52:45.087Z".parse().unwrap(), "-0.1")]);
/// let mut service = Reluctant::new(book).dated(1_781_500_000);
/// let asked = service.asked();
/// let mut ask = |query: &str| {
///     let path = "/api/v1/billing/usage-history".to_owned();
///     service.answer(&Request { path, query: query.to_owned(), ..Default::default() })
/// };
/// assert!(ask("startTimestamp=2026-06-14T00:00:00Z").body().ends_with(br#""nextCursor":null}"#));
/// assert_eq!(ask("startTimestamp=2026-06-15T00:00:00Z").body(), br#"{"error":"Internal server error"}"#);
/// assert_eq!((asked.windows().len(), asked.hung().len()), (2, 1));
/// ```
#[derive(Debug)]
pub struct Reluctant {
    /// What it answers when it does not hang. A test that lets entries arrive records them here.
    pub book: Book,
    asked: Asked,
    hang: Reply,
    widest: Option<Duration>,
    only_first_page: bool,
    unix_s: Option<u64>,
}

/// What a [`Reluctant`] service was asked for first pages: a view that stays with the test when the service has moved
/// into its script.
#[derive(Clone, Debug, Default)]
pub struct Asked(Arc<Mutex<Vec<(TimeWindow, Outcome)>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Answered,
    Hung,
}

impl Asked {
    /// The window of each first request, in the order in which they came.
    pub fn windows(&self) -> Vec<TimeWindow> {
        self.those_that(|_| true)
    }

    /// The windows of those that hung.
    pub fn hung(&self) -> Vec<TimeWindow> {
        self.those_that(|outcome| outcome == Outcome::Hung)
    }

    fn those_that(&self, wanted: impl Fn(Outcome) -> bool) -> Vec<TimeWindow> {
        self.with(|asked| {
            asked.iter().filter(|(_, outcome)| wanted(*outcome)).map(|(window, _)| *window).collect()
        })
    }

    fn with<T>(&self, then: impl FnOnce(&mut Vec<(TimeWindow, Outcome)>) -> T) -> T {
        then(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Reluctant {
    /// The service in front of a book.
    pub fn new(book: Book) -> Self {
        Self {
            book,
            asked: Asked::default(),
            hang: Reply::error(500, "Internal server error"),
            widest: None,
            only_first_page: false,
            unix_s: None,
        }
    }

    /// It hangs so: `Reply::error(500, "…").after(wait)`, or `Reply::json(200, "").stalled()` for ever.
    #[must_use]
    pub fn hanging(mut self, hang: Reply) -> Self {
        self.hang = hang;
        self
    }

    /// Worse: it hangs on windows that are wider than this too. One with an open border is wider than any.
    #[must_use]
    pub fn widest(mut self, widest: Duration) -> Self {
        self.widest = Some(widest);
        self
    }

    /// Worse: when it has answered one first request, it hangs on every other. Only the cursor works, on `usage` the
    /// page number.
    #[must_use]
    pub fn only_first_page(mut self) -> Self {
        self.only_first_page = true;
        self
    }

    /// Every reply has this `Date`, so that a walk takes it for the present.
    #[must_use]
    pub fn dated(mut self, unix_s: u64) -> Self {
        self.unix_s = Some(unix_s);
        self
    }

    /// A view of what it was asked so far and will be asked.
    pub fn asked(&self) -> Asked {
        self.asked.clone()
    }

    /// Answers a request, or hangs.
    pub fn answer(&mut self, request: &Request) -> Reply {
        let reply = if self.hangs(request) { self.hang.clone() } else { self.book.answer(request) };
        match self.unix_s {
            Some(unix_s) => reply.dated(unix_s),
            None => reply,
        }
    }

    /// Notes what a request asks for, and says whether it hangs: for a script that answers by itself.
    pub fn hangs(&mut self, request: &Request) -> bool {
        let Some((window, currency)) = first_of(request) else { return false };
        let outcome = self.outcome(window, currency.as_ref());
        self.asked.with(|asked| asked.push((window, outcome)));
        outcome == Outcome::Hung
    }

    fn outcome(&self, window: TimeWindow, currency: Option<&Currency>) -> Outcome {
        let width = width(window);
        let is_narrow = width.is_some_and(|width| width < NARROW);
        let is_wide = self.widest.is_some_and(|widest| width.is_none_or(|width| width > widest));
        let is_late = self.only_first_page
            && self.asked.with(|asked| asked.iter().any(|(_, outcome)| *outcome == Outcome::Answered));
        match is_narrow || is_wide || is_late || self.book.is_empty(window, currency) {
            true => Outcome::Hung,
            false => Outcome::Answered,
        }
    }
}

/// What a request asks for, when it is the first of its walk. A request that the API refuses is none.
fn first_of(request: &Request) -> Option<(TimeWindow, Option<Currency>)> {
    match request.path.as_str() {
        "/api/v1/billing/usage" => {
            let (query, page) = UsageQuery::parse(&request.query).ok()?;
            (page.get() == 1).then(|| (query.window(), query.currency().cloned()))
        }
        "/api/v1/billing/usage-history" => match HistoryRequest::parse(&request.query).ok()? {
            HistoryRequest::First(query) => Some((query.window(), query.currency().cloned())),
            HistoryRequest::Next(_) => None,
        },
        _ => None,
    }
}

/// How far apart the borders are, when there are two.
fn width(window: TimeWindow) -> Option<Duration> {
    let (since, until) = (window.since()?.unix_ns()?, window.until()?.unix_ns()?);
    Some(Duration::from_nanos(until.abs_diff(since)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::entry_at;
    use billing_model::Timestamp;
    use std::collections::BTreeMap;

    /// Seconds after a full hour.
    fn at(s: i64) -> Timestamp {
        Timestamp::from_unix_ns((1_781_460_000 + s) * 1_000_000_000)
    }

    /// Twenty-five entries, ten minutes apart, the first at the full hour.
    fn service() -> Reluctant {
        Reluctant::new(Book::new((0..25).map(|n| entry_at(at(n * 600), "-0.1")).collect()))
    }

    fn ask(service: &mut Reluctant, path: &str, query: &str) -> Reply {
        let (path, query) = (format!("/api/v1/billing/{path}"), query.to_owned());
        let headers = BTreeMap::from([("accept".to_owned(), "application/json".to_owned())]);
        service.answer(&Request { path, query, headers, ..Request::default() })
    }

    /// Whether the first request of a window hangs: on both endpoints, which must agree.
    fn hangs(service: &mut Reluctant, since: Option<i64>, until: Option<i64>, more: &str) -> bool {
        let asked = service.asked();
        let border = |name: &str, s: Option<i64>| s.map_or(String::new(), |s| format!("{name}={}&", at(s)));
        let mut hung =
            ["startTimestamp endTimestamp usage-history", "startDate endDate usage"].map(|names| {
                let mut names = names.split(' ');
                let mut next = || names.next().unwrap();
                let query = format!("{}{}{more}", border(next(), since), border(next(), until));
                let before = asked.hung().len();
                let reply = ask(service, next(), query.trim_end_matches('&'));
                let is_hang = reply.body() == Reply::error(500, "Internal server error").body();
                assert_eq!(asked.hung().len() - before, usize::from(is_hang), "{query}");
                is_hang
            });
        hung.sort_unstable();
        assert_eq!(hung[0], hung[1], "{since:?} {until:?} {more}");
        hung[0]
    }

    #[test]
    fn narrow_windows_and_empty_ones_hang() {
        let last = 24 * 600;
        for (since, until, expect) in [
            (None, None, false),
            (Some(0), Some(899), true),
            (Some(0), Some(900), false),
            (Some(last), None, false),
            (Some(last), Some(last + 7200), false),
            (Some(last + 1), None, true),
            (Some(last + 1), Some(last + 7200), true),
            (None, Some(-1), true),
            (None, Some(1), false),
            (Some(-7200), Some(-3600), true),
        ] {
            assert_eq!(hangs(&mut service(), since, until, ""), expect, "{since:?} {until:?}");
        }
        // A window without entries of the currency that is asked for is empty.
        assert!(hangs(&mut service(), None, None, "currency=DIEM"));
        assert!(hangs(&mut Reluctant::new(Book::new(Vec::new())), None, None, ""));
    }

    #[test]
    fn windows_may_be_too_wide_too() {
        let service = || service().widest(Duration::from_secs(7200));
        assert!(!hangs(&mut service(), Some(0), Some(7199), ""));
        assert!(hangs(&mut service(), Some(0), Some(7201), ""));
        assert!(hangs(&mut service(), Some(0), None, ""));
        assert!(hangs(&mut service(), None, Some(600), ""));
    }

    #[test]
    fn only_the_cursor_works_after_the_first_page() {
        let mut service = service().only_first_page();
        let asked = service.asked();
        // What hung was not a first page.
        ask(&mut service, "usage-history", &format!("startTimestamp={}&endTimestamp={}", at(0), at(60)));
        let first = ask(&mut service, "usage-history", "pageSize=10");
        let hang = ask(&mut service, "usage-history", "pageSize=10");
        assert!(first.body().ends_with(br#""nextCursor":"cursor-0"}"#), "{first:?}");
        assert_eq!(hang.body(), br#"{"error":"Internal server error"}"#);
        for _ in 0..3 {
            let next = ask(&mut service, "usage-history", "cursor=cursor-0");
            assert!(next.body().starts_with(br#"{"data":[{"#), "{next:?}");
        }
        let number = |service: &mut Reluctant, page: u32| {
            ask(service, "usage", &format!("limit=10&page={page}&sortOrder=asc")).body().to_vec()
        };
        assert_eq!(number(&mut service, 1), br#"{"error":"Internal server error"}"#);
        assert!(number(&mut service, 2).starts_with(br#"{"data":[{"#));
        let narrow = TimeWindow::new(Some(at(0)), Some(at(60))).unwrap();
        assert_eq!(asked.windows(), [narrow, TimeWindow::ALL, TimeWindow::ALL, TimeWindow::ALL]);
        assert_eq!(asked.hung(), [narrow, TimeWindow::ALL, TimeWindow::ALL]);
    }

    #[test]
    fn a_hang_is_what_the_test_says_and_has_the_same_clock() {
        let head = |reply: Reply| String::from_utf8(reply.wire().0.to_vec()).unwrap();
        let date = "date: Mon, 15 Jun 2026 05:06:40 GMT";
        let mut service = service()
            .dated(1_781_500_000)
            .hanging(Reply::error(504, "timeout").after(Duration::from_secs(30)));
        let hang = ask(&mut service, "usage-history", "currency=DIEM");
        assert_eq!(hang.wait, Duration::from_secs(30));
        assert!(head(hang.clone()).starts_with("HTTP/1.1 504") && head(hang).contains(date));
        assert!(head(ask(&mut service, "usage", "")).contains(date));
        // A request that the API refuses is not a first one, and no window.
        assert!(head(ask(&mut service, "usage-history", "pageSize=1")).starts_with("HTTP/1.1 400"));
        assert_eq!(service.asked().windows().len(), 2);
    }
}
