//! A service at its worst: first and daily syncs get through.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use billing_testkit::{Book, Limit, Reluctant, Reply, Upstream, entry_at};

use crate::house::{DAY, House, at, client, history, run, unix_s};

/// Narrow windows and empty ones hang.
#[tokio::test]
async fn a_service_that_hangs_on_narrow_and_empty_windows() {
    for concurrency in [1, 4] {
        let house = House::in_memory();
        let mut all = history(5_000, 0);
        let service = Arc::new(Mutex::new((Book::new(all.clone()), 0)));
        let shared = Arc::clone(&service);
        let upstream = Upstream::start(move |request| {
            let (book, now) = &mut *shared.lock().unwrap();
            let mut reluctant = Reluctant::new(book.clone()).dated(unix_s(*now));
            let reply = reluctant.answer(request);
            // The cursors are the book's.
            *book = reluctant.book;
            reply
        })
        .await;
        let client = client(&upstream);
        let sync = house.sync().concurrency(concurrency).page_size(200);
        // On some days something is new, on others nothing is, and now and then it is asked twice within a minute.
        for (day, new) in [(0, 0), (1, 3), (2, 0), (3, 0), (3, 1), (9, 700)] {
            let now = day * DAY;
            let entries: Vec<_> =
                (0..new).map(|number| entry_at(at(now - 7_000 + number * 10), "-1")).collect();
            all.extend(entries.iter().cloned());
            all.sort_by_key(|entry| entry.timestamp);
            {
                let mut service = service.lock().unwrap();
                service.0.record(entries);
                service.1 = now;
            }
            for again in [0, 1] {
                let synced = run(&sync, &client, now + again).await.0.unwrap();
                assert_eq!(synced.as_of, Some(at(now)));
                assert_eq!(house.entries().len(), all.len(), "day {day}");
            }
        }
        assert_eq!(house.entries(), all);
    }
}

/// It answers three times a minute, and every fifth answer is an error.
#[tokio::test]
async fn a_service_that_is_tired() {
    let house = House::in_a_file();
    let all = history(3_000, 0);
    // The time passes with the requests.
    let (mut book, mut limit, mut requests) =
        (Book::new(all.clone()), Limit::new(3, Duration::from_secs(60)), 0);
    let upstream = Upstream::start(move |request| {
        requests += 1;
        let now = Duration::from_secs(unix_s(0) + requests * 9);
        limit.answer(now, || match requests % 5 {
            0 => Reply::error([500, 502, 503, 504][usize::try_from(requests / 5 % 4).unwrap()], "tired"),
            _ => book.answer(request),
        })
    })
    .await;
    let client = client(&upstream);
    let synced = run(&house.sync().page_size(100), &client, 0).await.0.unwrap();
    assert_eq!((synced.done.added, house.entries()), (3_000, all));
    assert!(synced.traffic.retries > 0);
    let synced = run(&house.sync().page_size(100), &client, 0).await.0.unwrap();
    assert_eq!((synced.done.added, synced.done.walked), (0, 3_000));
}
