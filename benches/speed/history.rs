//! The data of the benchmarks: a made-up history, the same in every run.

use billing_model::{Page, Paging, UsageEntry};
use billing_sample::History;

/// The most entries on a page of `usage-history`.
pub(crate) const PAGE_ENTRIES: u64 = 1000;

/// A history of so many entries, made while it is read.
pub(crate) fn history(entries: u64) -> History {
    History::new(1, entries)
}

/// A history in pieces of the size of a page.
pub(crate) fn batches(entries: u64) -> impl Iterator<Item = Vec<UsageEntry>> {
    let mut history = history(entries);
    std::iter::from_fn(move || {
        let batch: Vec<UsageEntry> = history.by_ref().take(1000).collect();
        (!batch.is_empty()).then_some(batch)
    })
}

/// One page of `usage-history`, from the middle of a history.
pub(crate) fn page() -> Page {
    let entries = history(100_000).skip(50_000).take(1000).collect();
    Page { entries, paging: Paging::ByCursor(None), warning: None }
}

/// A page as the body of its endpoint's answer.
pub(crate) fn json(page: &Page) -> String {
    let mut body = Vec::new();
    page.write_json(&mut body);
    String::from_utf8(body).expect("JSON is UTF-8")
}
