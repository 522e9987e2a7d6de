//! Answers that lack what is held: what is believed of them, and what becomes of a run that ends in between.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use billing_sync::{Event, Verified};
use billing_testkit::{Book, Reply, Upstream, entry_at};
use tokio::sync::Notify;

use crate::house::{DAY, House, at, client, history, run, serve, unix_s};

/// Two windows and the beginning of a third. The last entry is of the present.
const ENTRIES: i64 = 9_000;

/// A window lacks one entry and has a late one. The run ends before the service is asked for the second time, and after later windows
/// were stored. The next plain sync brings it in line, though it lies far behind the overlap.
#[tokio::test]
async fn a_doubted_window_is_walked_again_whatever_ends_the_run() {
    let all = history(ENTRIES, 0);
    for house in House::both() {
        let (upstream, service) = serve(Book::new(all.clone()), 0).await;
        let client = client(&upstream);
        run(&house.sync(), &client, 0).await.0.unwrap();
        let mut right = all.clone();
        right.remove(1_000);
        right.insert(1_000, entry_at(right[999].timestamp, "-7"));
        // Later windows have something to store too.
        right.extend((0..5_000).map(|second| entry_at(at(second), "-1")));
        *service.lock().unwrap() = (Book::new(right.clone()), DAY);
        let asked = Notify::new();
        let full = house.sync().full(true);
        let observe = |event: &Event<'_>| {
            if let Event::AskingAgain { .. } = event {
                asked.notify_one();
            }
        };
        tokio::select! {
            biased;
            () = asked.notified() => {}
            ended = full.run(&client, || at(DAY), observe) => panic!("it did not ask again: {ended:?}"),
        }
        assert_eq!(house.entries().len(), all.len() + 5_000, "later windows are stored");
        let synced = run(&house.sync(), &client, DAY).await.0.unwrap();
        assert_eq!((synced.done.added, synced.done.vanished), (1, 1));
        assert_eq!((house.entries(), house.removed()), (right, 1));
        // From then on it is as final as any other.
        let synced = run(&house.sync(), &client, DAY).await.0.unwrap();
        assert!(synced.done.walked < 7_000, "{synced:?}");
    }
}

/// What a job does about a service that has lost one entry, and whose answer to the second question is empty.
async fn after_an_empty_second_answer(house: &House, repairs: bool) -> (u32, Option<Verified>) {
    let mut all = history(ENTRIES, 0);
    let (empty, asked) = (Arc::new(AtomicU32::new(0)), AtomicU32::new(0));
    let book = Arc::new(Mutex::new(Book::new(all.clone())));
    let (left, shared) = (Arc::clone(&empty), Arc::clone(&book));
    let upstream = Upstream::start(move |request| {
        let is_empty =
            left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let reply = match is_empty {
            true => Reply::json(200, r#"{"data":[],"nextCursor":null}"#),
            false => shared.lock().unwrap().answer(request),
        };
        reply.dated(unix_s(0))
    })
    .await;
    let client = client(&upstream);
    run(&house.sync(), &client, 0).await.0.unwrap();
    all.remove(1_000);
    *book.lock().unwrap() = Book::new(all.clone());
    let observe = |event: &Event<'_>| {
        if let Event::AskingAgain { .. } = event
            && asked.fetch_add(1, Ordering::SeqCst) == 0
        {
            empty.store(1, Ordering::SeqCst);
        }
    };
    let verified = match repairs {
        true => Some(house.proof().repair(true).run(&client, || at(0), observe).await.unwrap()),
        false => {
            house.sync().full(true).run(&client, || at(0), observe).await.unwrap();
            None
        }
    };
    assert_eq!((house.entries(), house.removed()), (all, 1));
    (asked.load(Ordering::SeqCst), verified)
}

#[tokio::test]
async fn a_second_answer_that_lacks_others_is_not_believed() {
    for house in House::both() {
        // The empty answer, one that lacks the one entry, and one more that lacks just the same.
        assert_eq!(after_an_empty_second_answer(&house, false).await, (3, None));
    }
    for house in House::both() {
        let (_, verified) = after_an_empty_second_answer(&house, true).await;
        let verified = verified.unwrap();
        assert_eq!(
            (verified.done.vanished, verified.repaired.map(|repaired| repaired.vanished)),
            (1, Some(1))
        );
    }
}
