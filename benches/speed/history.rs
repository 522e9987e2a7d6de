//! What is measured on: a made-up history, the same in every run.

use billing_model::{Page, Paging, UsageEntry};
use billing_sample::History;

/// Entries on a page of `usage-history`, as large as it may be.
pub(crate) const PAGE_ENTRIES: u64 = 1000;

/// A history of so many entries, as it is made.
pub(crate) fn history(entries: u64) -> History {
    History::new(1, entries)
}

/// A history in pieces of a page.
pub(crate) fn batches(entries: u64) -> impl Iterator<Item = Vec<UsageEntry>> {
    let mut history = history(entries);
    std::iter::from_fn(move || {
        let batch: Vec<UsageEntry> = history.by_ref().take(1000).collect();
        (!batch.is_empty()).then_some(batch)
    })
}

/// One page of `usage-history`, out of the middle of a history.
pub(crate) fn page() -> Page {
    let entries = history(100_000).skip(50_000).take(1000).collect();
    Page { entries, paging: Paging::ByCursor(None), warning: None }
}

/// A page as its endpoint answers it.
pub(crate) fn json(page: &Page) -> String {
    let mut body = Vec::new();
    page.write_json(&mut body);
    String::from_utf8(body).expect("JSON is UTF-8")
}
