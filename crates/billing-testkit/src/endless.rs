//! An upstream that never ends.

use billing_model::{ErrorBody, HistoryRequest, Page, Paging, UsageEntry};

use crate::book::reply_with;
use crate::reply::Reply;
use crate::upstream::Request;

/// A service of `usage-history` that answers the same page for ever, each time with a cursor that nobody has seen.
///
/// Entries at one timestamp bring a walk no further, and neither do pages without entries, so only a limit of the
/// client's own ends its walk. A first request for a window in which the page does not lie gets an empty last page.
/// `usage` is not there.
///
/// ```
/// use billing_testkit::{Endless, Upstream, entry_at};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let entry = entry_at("2026-06-14T19:52:45.087Z".parse().unwrap(), "-0.1");
/// let mut service = Endless::new(vec![entry; 10]);
/// let upstream = Upstream::start(move |request| service.answer(request)).await;
/// assert!(upstream.requests().is_empty());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Endless {
    page: Vec<UsageEntry>,
    pages: u64,
    unix_s: Option<u64>,
}

impl Endless {
    /// A service that answers this page. A page that is right for every page size has ten entries at most.
    pub fn new(page: Vec<UsageEntry>) -> Self {
        Self { page, pages: 0, unix_s: None }
    }

    /// Every reply has this `Date`, so that a walk takes it for the present.
    #[must_use]
    pub fn dated(mut self, unix_s: u64) -> Self {
        self.unix_s = Some(unix_s);
        self
    }

    /// Answers a request with the page once more.
    pub fn answer(&mut self, request: &Request) -> Reply {
        let reply = self.undated(request);
        match self.unix_s {
            Some(unix_s) => reply.dated(unix_s),
            None => reply,
        }
    }

    fn undated(&mut self, request: &Request) -> Reply {
        if request.path != "/api/v1/billing/usage-history" {
            return Reply::error(404, "Not found");
        }
        let is_inside = match HistoryRequest::parse(&request.query) {
            Ok(HistoryRequest::First(query)) => {
                self.page.iter().all(|entry| query.window().contains(entry.timestamp))
            }
            Ok(HistoryRequest::Next(_)) => true,
            Err(error) => {
                let body = serde_json::to_vec(&ErrorBody::from(&error)).expect("an error body is JSON");
                return Reply::json(400, body);
            }
        };
        let (entries, cursor) = if is_inside {
            self.pages += 1;
            let cursor = format!("endless-{}", self.pages);
            (self.page.clone(), Some(cursor.parse().expect("a cursor")))
        } else {
            (Vec::new(), None)
        };
        reply_with(&Page { entries, paging: Paging::ByCursor(cursor), warning: None }, request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::entry_at;
    use billing_model::Cursor;
    use std::collections::BTreeSet;

    fn ask(service: &mut Endless, query: &str) -> (usize, Option<Cursor>) {
        let path = "/api/v1/billing/usage-history".to_owned();
        let reply = service.answer(&Request { path, query: query.to_owned(), ..Request::default() });
        let page = Page::from_history_json(std::str::from_utf8(reply.body()).unwrap()).unwrap();
        let Paging::ByCursor(cursor) = page.paging else { panic!("{query}") };
        (page.entries.len(), cursor)
    }

    #[test]
    fn no_page_is_the_last_and_no_cursor_comes_twice() {
        let at = "2026-06-14T19:52:45.087Z".parse().unwrap();
        for entries in [0, 10] {
            let mut service = Endless::new(vec![entry_at(at, "-0.1"); entries]);
            let mut seen = BTreeSet::new();
            let mut query = "startTimestamp=2026-06-14T00:00:00Z&pageSize=10".to_owned();
            for _ in 0..100 {
                let (found, cursor) = ask(&mut service, &query);
                let cursor = cursor.unwrap();
                query = format!("cursor={}", cursor.as_str());
                assert_eq!(found, entries);
                assert!(seen.insert(query.clone()), "{query}");
            }
        }
    }

    #[test]
    fn another_window_is_empty() {
        let at = "2026-06-14T19:52:45.087Z".parse().unwrap();
        let mut service = Endless::new(vec![entry_at(at, "-0.1")]);
        assert_eq!(ask(&mut service, "startTimestamp=2026-06-15T00:00:00Z"), (0, None));
        assert_eq!(ask(&mut service, "endTimestamp=2026-06-14T19:52:45.087Z"), (0, None));
    }
}
