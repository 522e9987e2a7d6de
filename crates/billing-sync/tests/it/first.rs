//! The first sync, and the one after it.

use std::sync::Arc;

use billing_ledger::{Coverage, ErrorKind};
use billing_model::{Timestamp, UsageEntry};
use billing_sync::{Cause, Tally};
use billing_testkit::{Book, OwnedLedger as _, Reply, Upstream, entry_at};

use crate::house::{DAY, HOUR, House, at, client, history, run, serve, unix_s};

/// The entries are some seven months.
const ENTRIES: i64 = 30_000;

fn counts(done: Tally) -> [u64; 5] {
    [done.walked, done.added, done.late, done.changed, done.vanished]
}

#[tokio::test]
async fn a_first_sync_has_every_entry_and_the_next_one_changes_nothing() {
    let all = history(ENTRIES, 0);
    for house in House::both() {
        let (upstream, service) = serve(Book::new(all.clone()), 0).await;
        let client = client(&upstream);
        let sync = house.sync().page_size(500);
        let synced = run(&sync, &client, 0).await.0.unwrap();
        assert_eq!(house.entries(), all);
        assert_eq!(counts(synced.done), [30_000, 30_000, 0, 0, 0]);
        assert_eq!(synced.done.windows, 8);
        // A last page that is full is asked about once more.
        assert_eq!(synced.traffic.requests, 60 + 1);
        assert_eq!((synced.as_of, synced.provisional_from), (Some(at(0)), Some(at(-15 * 60))));
        let [held] = synced.held[..] else { panic!("{:?}", synced.held) };
        assert_eq!((held.since(), held.until()), (None, Some(at(0))));

        let blocks = house.ledger.owned_blocks(0).unwrap();
        let records = house.ledger.owned_coverage(house.account).unwrap();
        assert_eq!((blocks.len(), records.len()), (8, 8));
        service.lock().unwrap().1 = HOUR;
        let synced = run(&sync, &client, HOUR).await.0.unwrap();
        let last = records.last().unwrap();
        // What is walked again is what lies behind the last window but one.
        assert_eq!(counts(synced.done), [last.entries(), 0, 0, 0, 0]);
        assert_eq!(synced.traffic.requests, last.entries().div_ceil(500));
        assert_eq!(house.ledger.owned_blocks(0).unwrap(), blocks);
        let mut expected = records.clone();
        *expected.last_mut().unwrap() = Coverage { until: at(HOUR), as_of: at(HOUR), ..last.clone() };
        assert_eq!(house.ledger.owned_coverage(house.account).unwrap(), expected);
        let source = house.ledger.source(house.account).unwrap().unwrap();
        assert_eq!((source.synced_at, source.base_url), (Some(at(HOUR)), upstream.base_url()));
    }
}

/// Many walkers bring it in the same order.
#[tokio::test]
async fn walkers_side_by_side_make_the_same_copy() {
    let all = history(9_000, 0);
    for house in House::both() {
        let (upstream, _) = serve(Book::new(all.clone()), 0).await;
        let sync = house.sync().page_size(100).concurrency(8);
        let synced = run(&sync, &client(&upstream), 0).await.0.unwrap();
        assert_eq!(house.entries(), all);
        assert_eq!(counts(synced.done), [9_000, 9_000, 0, 0, 0]);
        let begun = upstream.requests().iter().filter(|request| !request.query.contains("cursor=")).count();
        assert!(begun > 8, "{begun} parts");
    }
}

/// A history may begin with all of it, with a part, and be told to the past later.
#[tokio::test]
async fn an_earlier_start_adds_what_is_earlier() {
    let house = House::in_memory();
    let all = history(1_000, 0);
    let (upstream, _) = serve(Book::new(all.clone()), 0).await;
    let client = client(&upstream);
    let from = |days: i64| Some(billing_http::Border::At(at(-days * DAY)));
    let later = |days: i64| all.iter().filter(|entry| entry.timestamp >= at(-days * DAY)).count() as u64;
    let added = |days| run_from(&house, &client, from(days));
    assert_eq!(added(2).await, later(2));
    assert_eq!(added(4).await, later(4) - later(2));
    // A later start takes nothing away.
    assert_eq!(added(1).await, 0);
    assert_eq!(house.entries().len() as u64, later(4));
    assert_eq!(
        run_from(&house, &client, Some(billing_http::Border::At(at(-300 * DAY)))).await,
        1_000 - later(4)
    );
    assert_eq!(house.entries(), all);
}

async fn run_from(house: &House, client: &billing_http::Client, since: Option<billing_http::Border>) -> u64 {
    run(&house.sync().since(since), client, 0).await.0.unwrap().done.added
}

/// Nothing of it is stored, and nothing is believed of a clock that is centuries off.
#[tokio::test]
async fn what_no_ledger_can_hold_is_an_error_that_says_so() {
    let far = || "2262-04-12T00:00:00Z".parse::<Timestamp>().unwrap();
    for house in House::both() {
        // An entry behind the window is none of the window's.
        let mut body = br#"{"data":["#.to_vec();
        UsageEntry { timestamp: far(), ..entry_at(at(0), "-1") }.write_json(&mut body);
        body.extend(br#"],"nextCursor":null}"#);
        let page = Reply::json(200, body);
        let dated = page.clone().dated(unix_s(0));
        let upstream = Upstream::start(move |_| dated.clone()).await;
        let synced = run(&house.sync(), &client(&upstream), 0).await.0.unwrap();
        assert_eq!((synced.done.walked, house.entries().len()), (0, 0));
        // Without a date the present is the local one.
        let upstream = Upstream::start(move |_| page.clone()).await;
        let other = House::of(Arc::clone(&house.ledger), "another");
        let error = other.sync().run(&client(&upstream), far, |_| ()).await.unwrap_err();
        let Cause::Ledger(cause) = error.cause() else { panic!("{error:?}") };
        assert_eq!(cause.kind(), ErrorKind::TimestampOutOfRange);
        assert!(error.to_string().contains("a ledger holds the years 1678 to 2262"), "{error}");
        assert_eq!(
            (other.entries(), other.ledger.owned_coverage(other.account).unwrap()),
            (Vec::new(), Vec::new())
        );
    }
}
