//! The service: the ledger behind a script.

use std::sync::{Arc, Mutex};

use billing_csv::Columns;
use billing_model::{HistoryRequest, Page, TimeWindow, Timestamp, UsageEntry, UsageQuery};
use billing_testkit::{Book, Reluctant, Reply, Request, Upstream};

use crate::fault::{Fault, Framing, Script};
use crate::order::Order;

/// The shortest window with an end that a client asks for, in nanoseconds, and what whole milliseconds add. Services are
/// known to fail on shorter ones than a quarter of an hour, so clients ask for 20 minutes.
const SHORTEST_NS: i64 = 20 * 60 * 1_000_000_000 + 2_000_000;

/// A ledger that is served, and follows a script.
pub(crate) struct Service {
    /// All that was ever recorded: what cursors lead through.
    pub(crate) book: Book,
    /// What is left of it.
    pub(crate) kept: Book,
    /// Entries before this instant are no longer in the ledger.
    pub(crate) kept_from: Option<Timestamp>,
    script: Script,
    /// What happens to the ledger before which request.
    changes: Vec<(usize, Change)>,
    pub(crate) requests: usize,
    /// The requests before which the ledger changed, and what was left of it before.
    pub(crate) changed: Vec<(usize, Book)>,
    /// The cursors that were asked for, each once.
    cursors: Vec<String>,
    /// The requests that were answered with an empty page, and to which its cursor leads.
    detours: Vec<Request>,
    /// Queries over more nanoseconds are given up.
    slow_beyond_ns: Option<i64>,
    first_ns: i64,
    /// What its clock says, all the time; it has none when nobody needs it.
    now_s: Option<u64>,
}

/// Something that happens to the ledger.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Entries are recorded, wherever in time they belong.
    Arrive(Vec<UsageEntry>),
    /// Everything before an instant is thrown away.
    Expire(Timestamp),
}

/// Starts a service.
pub(crate) async fn serve(service: Service) -> (Upstream, Arc<Mutex<Service>>) {
    let service = Arc::new(Mutex::new(service));
    let shared = Arc::clone(&service);
    (Upstream::start(move |request| shared.lock().unwrap().answer(request)).await, service)
}

impl Service {
    /// A service of a ledger, that is asked for a window.
    pub(crate) fn new(ledger: &[UsageEntry], order: &Order, script: Script) -> Self {
        let window = order.window;
        let first_ns = ledger.first().and_then(|entry| entry.timestamp.unix_ns()).unwrap_or(i64::MAX);
        // As much of the window as it searches in its time, and what whole milliseconds add.
        let slow_beyond_ns = script
            .slow_beyond
            .and_then(|parts| Some(length_ns(window, first_ns)?.div_euclid(parts) + 2_000_000));
        let book = bound(ledger.to_vec(), &script);
        Self {
            kept: book.clone(),
            book,
            kept_from: None,
            script,
            changes: Vec::new(),
            requests: 0,
            changed: Vec::new(),
            cursors: Vec::new(),
            detours: Vec::new(),
            slow_beyond_ns,
            first_ns,
            now_s: order.now_s(),
        }
    }

    /// True when it gives up on every window with an end that a client asks for. Only an open window gets through, and where a
    /// page of that fails too, nothing does.
    pub(crate) fn serves_no_window(&self) -> bool {
        self.slow_beyond_ns.is_some_and(|ns| ns < SHORTEST_NS)
    }

    /// The same, whose ledger changes.
    pub(crate) fn changing(mut self, changes: Vec<(usize, Change)>) -> Self {
        self.changes = changes;
        self
    }

    fn change(&mut self) {
        let requests = self.requests;
        let due: Vec<_> = self.changes.extract_if(.., |(at, _)| *at <= requests).collect();
        if !due.is_empty() {
            self.changed.push((requests, self.kept.clone()));
        }
        for (_, change) in due {
            match change {
                Change::Arrive(entries) => {
                    self.book.record(entries.clone());
                    self.kept.record(entries);
                }
                Change::Expire(at) => {
                    let window = TimeWindow::new(Some(at), None).unwrap();
                    self.kept = bound(self.kept.entries(window, None), &self.script);
                    self.kept_from = self.kept_from.max(Some(at));
                }
            }
        }
    }

    pub(crate) fn answer(&mut self, request: &Request) -> Reply {
        let reply = self.answer_undated(request);
        self.now_s.map_or(reply.clone(), |now_s| reply.dated(now_s))
    }

    fn answer_undated(&mut self, request: &Request) -> Reply {
        self.requests += 1;
        self.change();
        if request.path.ends_with("/usage") && self.script.ends_at.is_some_and(|end| end <= self.requests) {
            return Reply::error(410, "This endpoint was removed")
                .header("link", "</api/v1/billing/usage-history>; rel=\"successor-version\"");
        }
        if request.path.ends_with("usage-history") && self.script.is_old {
            return Reply::error(404, "Not found");
        }
        let is_due = |(at, fault): &(usize, Fault)| *at <= self.requests && fault.fits(request);
        let fault =
            self.script.faults.iter().position(is_due).map(|index| self.script.faults.remove(index).1);
        let is_csv = request.header("accept").contains("text/csv");
        if let Some(Fault::EmptyPage) = fault {
            return self.detour(request, is_csv);
        }
        if let Some(refusal) = self.refusal(request) {
            return refusal;
        }
        let request = self.meant(request);
        let reply = match request.path.ends_with("/usage") {
            true => self.kept.answer(&request),
            false => {
                let reply = self.book.answer(&request);
                self.without_expired(reply)
            }
        };
        let reply = match self.script.framing {
            Framing::Gzip if request.header("accept-encoding").contains("gzip") => reply.gzip(),
            Framing::Chunked => reply.chunked(),
            _ => reply,
        };
        match fault {
            Some(fault) => fault.strike(reply, is_csv, self.now_s),
            None => reply,
        }
    }

    /// A page by cursor, which has fewer entries where some have expired.
    fn without_expired(&self, reply: Reply) -> Reply {
        let Some(from) = self.kept_from else { return reply };
        let Ok(mut page) = Page::from_history_json(str::from_utf8(reply.body()).unwrap()) else {
            return reply;
        };
        page.entries.retain(|entry| entry.timestamp >= from);
        let mut body = Vec::new();
        page.write_json(&mut body);
        reply.with_body(body)
    }

    /// What a request that an empty page led to stands for.
    fn meant(&self, request: &Request) -> Request {
        let mut meant = request;
        while let Some(number) = meant.query.strip_prefix("cursor=detour-") {
            meant = &self.detours[number.parse::<usize>().unwrap()];
        }
        Request { query: meant.query.clone(), ..request.clone() }
    }

    fn detour(&mut self, request: &Request, is_csv: bool) -> Reply {
        let cursor = format!("detour-{}", self.detours.len());
        self.detours.push(request.clone());
        if !is_csv {
            return Reply::json(200, format!(r#"{{"data":[],"nextCursor":"{cursor}"}}"#));
        }
        let mut body = Vec::new();
        billing_csv::encode(&[], Columns::Documented, &mut body);
        Reply::new(200, "text/csv", body).header("x-next-cursor", cursor)
    }

    /// What the service cannot do, however often it is asked.
    fn refusal(&mut self, request: &Request) -> Option<Reply> {
        if self.script.is_reluctant && Reluctant::new(self.kept.clone()).hangs(request) {
            return Some(Reply::error(500, "took too long"));
        }
        if let Some((_, cursor)) = request.query.split_once("cursor=") {
            if !self.cursors.iter().any(|known| known == cursor) {
                self.cursors.push(cursor.to_owned());
            }
            let (broken, status) = self.script.broken_cursor?;
            let is_broken = self.cursors.get(broken - 1).is_some_and(|known| known == cursor);
            return is_broken.then(|| Reply::error(status, "broken"));
        }
        let window = match request.path.ends_with("/usage") {
            true => UsageQuery::parse(&request.query).ok().map(|(query, _)| query.window()),
            false => match HistoryRequest::parse(&request.query).ok()? {
                HistoryRequest::First(query) => Some(query.window()),
                HistoryRequest::Next(_) => None,
            },
        };
        let is_too_much = length_ns(window?, self.first_ns)? > self.slow_beyond_ns?;
        is_too_much.then(|| Reply::error(504, "took too long"))
    }
}

fn bound(entries: Vec<UsageEntry>, script: &Script) -> Book {
    let book = Book::new(entries);
    if script.keeps_milliseconds { book.whole_milliseconds() } else { book }
}

/// How much of its ledger a service has to search for a window that has an end.
fn length_ns(window: TimeWindow, first_ns: i64) -> Option<i64> {
    let since_ns = window.since().and_then(|since| since.unix_ns()).map_or(first_ns, |ns| ns.max(first_ns));
    window.until()?.unix_ns()?.checked_sub(since_ns)
}
