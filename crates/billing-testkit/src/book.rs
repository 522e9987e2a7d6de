//! The contract of the billing API, as plainly as it can be written: a sorted list, cut into pages.

use std::collections::BTreeMap;

use billing_model::{
    Currency, ErrorBody, HistoryQuery, HistoryRequest, Page, Pagination, Paging, SortOrder, TimeWindow,
    UsageEntry, UsageQuery,
};

use crate::reply::Reply;
use crate::upstream::Request;

/// A ledger in memory that answers both endpoints in JSON.
#[derive(Clone, Debug)]
pub struct Book {
    /// Ascending by time; equal timestamps in the order of recording, which the number beside the entry says.
    rows: Vec<(UsageEntry, usize)>,
    cursors: BTreeMap<String, (HistoryQuery, Option<(UsageEntry, usize)>)>,
}

impl Book {
    /// A ledger of these entries.
    pub fn new(entries: Vec<UsageEntry>) -> Self {
        let mut book = Self { rows: Vec::new(), cursors: BTreeMap::new() };
        book.record(entries);
        book
    }

    /// Records entries, wherever in time they belong.
    pub fn record(&mut self, entries: Vec<UsageEntry>) {
        for entry in entries {
            self.rows.push((entry, self.rows.len()));
        }
        self.rows.sort_by_key(|(entry, sequence)| (entry.timestamp, *sequence));
    }

    /// The entries of a window, ascending.
    pub fn entries(&self, window: TimeWindow, currency: Option<&Currency>) -> Vec<UsageEntry> {
        self.selected(window, currency).map(|(entry, _)| entry.clone()).collect()
    }

    fn selected<'a>(
        &'a self,
        window: TimeWindow,
        currency: Option<&'a Currency>,
    ) -> impl Iterator<Item = &'a (UsageEntry, usize)> {
        self.rows.iter().filter(move |(entry, _)| {
            window.contains(entry.timestamp) && currency.is_none_or(|currency| *currency == entry.currency)
        })
    }

    /// Answers a request as the service would.
    pub fn answer(&mut self, request: &Request) -> Reply {
        let answer = match request.path.as_str() {
            "/api/v1/billing/usage" => {
                UsageQuery::parse(&request.query).map(|(query, page)| self.by_number(&query, page.get()))
            }
            "/api/v1/billing/usage-history" => match HistoryRequest::parse(&request.query) {
                Ok(HistoryRequest::First(query)) => Ok(self.by_cursor(query, None)),
                Ok(HistoryRequest::Next(cursor)) => match self.cursors.get(cursor.as_str()).cloned() {
                    Some((query, after)) => Ok(self.by_cursor(query, after)),
                    None => {
                        return Reply::error(400, "Invalid or expired cursor; restart from the first page");
                    }
                },
                Err(error) => Err(error),
            },
            _ => return Reply::error(404, "Not found"),
        };
        match answer {
            Ok(page) => {
                let mut body = Vec::new();
                page.write_json(&mut body);
                Reply::json(200, body)
            }
            Err(error) => {
                Reply::json(400, serde_json::to_vec(&ErrorBody::from(&error)).expect("an error body is JSON"))
            }
        }
    }

    fn by_number(&self, query: &UsageQuery, page: u32) -> Page {
        let mut all = self.entries(query.window(), query.currency());
        if query.sort_order() == SortOrder::Desc {
            all.reverse();
        }
        let numbers = Pagination::new(query.limit(), page, all.len() as u64);
        let limit = query.limit() as usize;
        let entries = all.into_iter().skip(limit * (page as usize - 1)).take(limit).collect();
        Page { entries, paging: Paging::ByNumber(numbers), warning: None }
    }

    fn by_cursor(&mut self, query: HistoryQuery, after: Option<(UsageEntry, usize)>) -> Page {
        let place = |(entry, sequence): &(UsageEntry, usize)| (entry.timestamp, *sequence);
        let rest: Vec<_> = self
            .selected(query.window(), query.currency())
            .filter(|row| after.as_ref().is_none_or(|after| place(row) > place(after)))
            .take(query.page_size() as usize + 1)
            .cloned()
            .collect();
        let page = &rest[..rest.len().min(query.page_size() as usize)];
        let cursor = (rest.len() > page.len()).then(|| {
            let token = format!("cursor-{}", self.cursors.len());
            self.cursors.insert(token.clone(), (query.clone(), page.last().cloned()));
            token.parse().expect("a cursor")
        });
        let entries = page.iter().map(|(entry, _)| entry.clone()).collect();
        Page { entries, paging: Paging::ByCursor(cursor), warning: None }
    }
}
