//! Walks over both routes: the same entries with any page size, and none of another account.

use billing_model::{Currency, Page, Paging, Timestamp, UsageEntry};
use billing_testkit::entry_at;

use crate::house::{HISTORY, House, USAGE, entries};

/// The pages of a whole walk by number. `between` is called after each page.
async fn walk_usage(house: &House, filters: &str, limit: u32, mut between: impl FnMut()) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    loop {
        let number = pages.len() + 1;
        let uri = format!("{USAGE}?{filters}&limit={limit}&page={number}");
        let page = house.ask(&uri, &[]).await.usage_page();
        let Paging::ByNumber(numbers) = &page.paging else { panic!("{:?}", page.paging) };
        let last = numbers.total_pages <= number as u64;
        pages.push(page);
        if last {
            return pages;
        }
        between();
    }
}

/// The pages of a whole walk by cursor. `between` is called after each page.
async fn walk_history(house: &House, filters: &str, size: u32, mut between: impl FnMut()) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut query = format!("{filters}&pageSize={size}").trim_start_matches('&').to_owned();
    loop {
        let page = house.ask(&format!("{HISTORY}?{query}"), &[]).await.history_page();
        let next = page.paging.clone();
        pages.push(page);
        match next {
            Paging::ByCursor(Some(cursor)) => query = format!("cursor={cursor}"),
            _ => return pages,
        }
        between();
    }
}

fn all(pages: Vec<Page>) -> Vec<UsageEntry> {
    pages.into_iter().flat_map(|page| page.entries).collect()
}

fn sizes(pages: &[Page]) -> Vec<usize> {
    pages.iter().map(|page| page.entries.len()).collect()
}

#[tokio::test]
async fn any_page_size_gives_the_same_entries_on_both_routes() {
    let ours = entries(1003);
    let house = House::with(&ours);
    for limit in [7, 200, 500] {
        let pages = walk_usage(&house, "sortOrder=asc", limit, || ()).await;
        assert_eq!(all(pages), ours, "limit {limit}");
    }
    let newest_first = all(walk_usage(&house, "", 500, || ()).await);
    let mut reversed = ours.clone();
    reversed.reverse();
    assert_eq!(
        newest_first, reversed,
        "descending is ascending from the other end, among equal instants too"
    );
    for size in [10, 333, 1000] {
        let pages = walk_history(&house, "", size, || ()).await;
        assert_eq!(all(pages), ours, "page size {size}");
    }
}

#[tokio::test]
async fn pages_of_one_entry_are_pages() {
    let ours = entries(40);
    let house = House::with(&ours);
    assert_eq!(all(walk_usage(&house, "sortOrder=asc", 1, || ()).await), ours);
}

#[tokio::test]
async fn a_walk_ends_without_an_empty_page() {
    for (count, expect) in [(0, vec![0]), (9, vec![9]), (10, vec![10]), (11, vec![10, 1]), (20, vec![10, 10])]
    {
        let house = House::with(&entries(count));
        assert_eq!(sizes(&walk_history(&house, "", 10, || ()).await), expect);
        assert_eq!(sizes(&walk_usage(&house, "sortOrder=asc", 10, || ()).await), expect);
    }
}

#[tokio::test]
async fn entries_of_another_account_never_appear() {
    let ours = entries(50);
    let theirs: Vec<_> = entries(60)
        .into_iter()
        .map(|entry| UsageEntry { notes: "theirs".to_owned(), currency: Currency::Usd, ..entry })
        .collect();
    let house = House::with(&ours);
    house.import("theirs", &theirs);
    assert_eq!(all(walk_usage(&house, "sortOrder=asc", 7, || ()).await), ours);
    assert_eq!(all(walk_history(&house, "", 10, || ()).await), ours);
    for (uri, pages) in [
        (USAGE.to_owned(), [&house.key, &house.other_key]),
        (format!("{USAGE}?currency=USD"), [&house.other_key, &house.key]),
        (HISTORY.to_owned(), [&house.key, &house.other_key]),
    ] {
        for key in pages {
            let body = house.ask_as(key, &uri).await.body;
            assert_eq!(body.contains("theirs"), *key == house.other_key, "{uri}");
            assert_eq!(body.contains("API Inference"), *key == house.key, "{uri}");
        }
    }
}

#[tokio::test]
async fn entries_that_arrive_during_a_walk_by_cursor_change_nothing_in_it() {
    let ours = entries(100);
    let house = House::with(&ours);
    let mut arrived = 0;
    // Entries arrive before, at and after the instants that the walk still has to see.
    let late = |at: &Timestamp| entry_at(*at, "-77");
    let instants = [ours[0].timestamp, ours[50].timestamp, ours[99].timestamp, ours[99].timestamp.next()];
    let window = format!("startTimestamp={}", ours[3].timestamp);
    let pages = walk_history(&house, &window, 10, || {
        let batch: Vec<_> = instants.iter().map(late).collect();
        house.import("ours", &batch);
        arrived += batch.len();
    })
    .await;
    assert_eq!(sizes(&pages), [10, 10, 10, 10, 10, 10, 10, 10, 10, 7]);
    assert_eq!(all(pages), ours[3..]);

    // The next walk has all of them.
    let after = all(walk_history(&house, "", 1000, || ()).await);
    assert_eq!(after.len(), ours.len() + arrived);
    assert!(after.iter().map(|entry| entry.timestamp).is_sorted());
}

#[tokio::test]
async fn a_cursor_carries_the_filters_of_its_walk() {
    let ours = entries(300);
    let house = House::with(&ours);
    let (since, until) = (ours[30].timestamp, ours[270].timestamp);
    let filters = format!("currency=USD&startTimestamp={since}&endTimestamp={until}");
    let expect: Vec<_> =
        ours[30..270].iter().filter(|entry| entry.currency == Currency::Usd).cloned().collect();
    let pages = walk_history(&house, &filters, 14, || ()).await;
    assert_eq!(sizes(&pages), [14, 14, 14, 14, 14, 8]);
    assert_eq!(all(pages), expect);
}
