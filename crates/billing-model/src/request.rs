//! The next request is the whole state of a walk.

use std::fmt;
use std::num::NonZeroU32;

use crate::history_query::{Cursor, HistoryRequest};
use crate::page::{Page, Pagination, Paging};
use crate::usage_query::UsageQuery;

/// A request for one page, of either endpoint.
///
/// ```
/// use billing_model::{HistoryQuery, HistoryRequest, Page, PageRequest};
/// let first = PageRequest::ByCursor(HistoryRequest::First(HistoryQuery::builder().build()?));
/// let page = Page::from_history_json(r#"{"data":[],"nextCursor":"abc"}"#)?;
/// let second = first.after(&page)?.expect("an empty page is not the end");
/// assert_eq!((second.path(), second.query_string().as_str()), ("billing/usage-history", "cursor=abc"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageRequest {
    /// `GET /billing/usage`.
    ByNumber {
        /// The filters.
        query: UsageQuery,
        /// The page, from 1.
        page: NonZeroU32,
    },
    /// `GET /billing/usage-history`.
    ByCursor(HistoryRequest),
}

impl PageRequest {
    /// The path below the base URL.
    pub fn path(&self) -> &'static str {
        match self {
            Self::ByNumber { .. } => "billing/usage",
            Self::ByCursor(_) => "billing/usage-history",
        }
    }

    /// The query string, parameters in alphabetical order.
    pub fn query_string(&self) -> String {
        match self {
            Self::ByNumber { query, page } => query.query_string(page.get()),
            Self::ByCursor(request) => request.query_string(),
        }
    }

    /// The request after this one, given its answer; `None` when that was the last page.
    ///
    /// # Errors
    /// [`SequenceError`] when the answer cannot follow the request: another page than the one asked for, more entries
    /// than it says, numbers that contradict each other, the same cursor again.
    pub fn after(&self, answer: &Page) -> Result<Option<Self>, SequenceError> {
        match (self, &answer.paging) {
            (Self::ByNumber { query, page }, Paging::ByNumber(numbers)) => {
                check_numbers(*page, query.limit(), answer.entries.len(), numbers)?;
                let last = u64::from(page.get()) >= numbers.total_pages;
                let next = page.checked_add(1).filter(|_| !last);
                Ok(next.map(|page| Self::ByNumber { query: query.clone(), page }))
            }
            (Self::ByCursor(_), Paging::ByCursor(None)) => Ok(None),
            (Self::ByCursor(HistoryRequest::Next(sent)), Paging::ByCursor(Some(next))) if sent == next => {
                Err(SequenceError::RepeatedCursor(sent.clone()))
            }
            (Self::ByCursor(_), Paging::ByCursor(Some(next))) => {
                Ok(Some(Self::ByCursor(HistoryRequest::Next(next.clone()))))
            }
            _ => Err(SequenceError::OtherEndpoint),
        }
    }
}

/// The numbers of a page must agree with the request, with its entries and with each other.
fn check_numbers(
    asked: NonZeroU32,
    limit: u32,
    entries: usize,
    numbers: &Pagination,
) -> Result<(), SequenceError> {
    if numbers.page != asked.get() {
        return Err(SequenceError::OtherPage { asked: asked.get(), answered: numbers.page });
    }
    let pages = Pagination::new(numbers.limit, numbers.page, numbers.total).total_pages;
    // For an empty ledger some services count no page, and some count an empty one.
    let consistent = numbers.total_pages == pages || (numbers.total == 0 && numbers.total_pages == 1);
    if !consistent || numbers.limit == 0 || numbers.limit > limit {
        return Err(SequenceError::Contradiction(*numbers));
    }
    // A page has its limit of entries, the last one what is left.
    let before = u64::from(asked.get() - 1) * u64::from(numbers.limit);
    let expected = numbers.total.saturating_sub(before).min(u64::from(numbers.limit));
    if entries as u64 != expected {
        return Err(SequenceError::Count { page: numbers.page, expected, found: entries as u64 });
    }
    Ok(())
}

/// An answer that cannot follow its request.
///
/// # What to do
/// Nothing was lost yet: the walk stops instead of going on wrongly. Ask again; if it happens every time, the service
/// breaks its own contract, and the message says where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SequenceError {
    /// Another page than the one asked for.
    OtherPage {
        /// The page asked for.
        asked: u32,
        /// The page that came.
        answered: u32,
    },
    /// The paging numbers contradict each other or the request.
    Contradiction(Pagination),
    /// A page with more or fewer entries than its numbers say.
    Count {
        /// The page.
        page: u32,
        /// The entries that it should have.
        expected: u64,
        /// The entries that came.
        found: u64,
    },
    /// The cursor that was just followed: going on would never end.
    RepeatedCursor(Cursor),
    /// The paging of the other endpoint.
    OtherEndpoint,
}

impl fmt::Display for SequenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherPage { asked, answered } => {
                write!(f, "page {asked} was asked for, and page {answered} came")
            }
            Self::Contradiction(Pagination { limit, page, total, total_pages }) => write!(
                f,
                "the paging contradicts itself: limit {limit}, page {page}, total {total}, total pages {total_pages}"
            ),
            Self::Count { page, expected, found } => {
                write!(f, "page {page} should have {expected} entries and has {found}")
            }
            Self::RepeatedCursor(_) => {
                f.write_str("the service answered with the cursor that was just followed")
            }
            Self::OtherEndpoint => f.write_str("the paging is not that of the endpoint that was asked"),
        }
    }
}

impl std::error::Error for SequenceError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history_query::HistoryQuery;

    fn numbered(page: u32) -> PageRequest {
        let query = UsageQuery::builder().limit(2).build().unwrap();
        PageRequest::ByNumber { query, page: NonZeroU32::new(page).unwrap() }
    }

    fn answer(entries: usize, paging: Paging) -> Page {
        let row = r#"{"timestamp":"2026-06-14T19:52:45.087Z","units":1,"sku":"s","pricePerUnitUsd":1,"amount":-1,
            "currency":"USD","notes":""}"#;
        let entry = crate::UsageEntry::from_json(row).unwrap();
        Page { entries: vec![entry; entries], paging, warning: None }
    }

    #[test]
    fn pages_by_number_end_with_the_last() {
        let by = |limit, page, total| Paging::ByNumber(Pagination::new(limit, page, total));
        assert_eq!(numbered(1).after(&answer(2, by(2, 1, 3))), Ok(Some(numbered(2))));
        assert_eq!(numbered(2).after(&answer(1, by(2, 2, 3))), Ok(None));
        assert_eq!(numbered(1).after(&answer(0, by(2, 1, 0))), Ok(None));
        let empty = Paging::ByNumber(Pagination { total_pages: 1, ..Pagination::new(2, 1, 0) });
        assert_eq!(numbered(1).after(&answer(0, empty)), Ok(None));
        assert_eq!(
            numbered(1).after(&answer(1, by(1, 1, 3))),
            Ok(Some(numbered(2))),
            "a smaller limit is obeyed"
        );
        for (request, page) in [
            (numbered(1), answer(1, by(2, 1, 3))),
            (numbered(1), answer(3, by(3, 1, 3))),
            (numbered(1), answer(2, by(2, 2, 3))),
            (numbered(2), answer(2, by(2, 2, 3))),
            (
                numbered(1),
                answer(2, Paging::ByNumber(Pagination { total_pages: 1, ..Pagination::new(2, 1, 3) })),
            ),
            (
                numbered(1),
                answer(0, Paging::ByNumber(Pagination { limit: 0, page: 1, total: 3, total_pages: 3 })),
            ),
            (numbered(1), answer(0, Paging::ByCursor(None))),
        ] {
            assert!(request.after(&page).is_err(), "{request:?} {page:?}");
        }
    }

    #[test]
    fn pages_by_cursor_end_with_the_last_cursor() {
        let cursor = |token: &str| token.parse::<Cursor>().unwrap();
        let first = PageRequest::ByCursor(HistoryRequest::First(HistoryQuery::builder().build().unwrap()));
        let next = PageRequest::ByCursor(HistoryRequest::Next(cursor("a")));
        let empty = |token: Option<&str>| answer(0, Paging::ByCursor(token.map(cursor)));
        assert_eq!(first.after(&empty(Some("a"))), Ok(Some(next.clone())));
        assert_eq!(first.after(&empty(None)), Ok(None));
        assert_eq!(next.after(&empty(Some("a"))), Err(SequenceError::RepeatedCursor(cursor("a"))));
        assert!(next.after(&answer(0, Paging::ByNumber(Pagination::new(2, 1, 0)))).is_err());
    }
}
