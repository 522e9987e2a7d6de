//! Entries that the source does not have any more.

use std::sync::{Arc, Mutex};

use billing_sync::{Cause, Tally};
use billing_testkit::{Book, OwnedLedger as _, Reply, Upstream};

use crate::house::{House, at, client, history, run, serve, unix_s};

/// Some services are empty for a moment, and say 200.
#[tokio::test]
async fn an_answer_that_is_suddenly_empty_is_not_believed_at_once() {
    let all = history(5_000, 0);
    for house in House::both() {
        let empty = Arc::new(Mutex::new(0));
        let (left, mut book) = (Arc::clone(&empty), Book::new(all.clone()));
        let upstream = Upstream::start(move |request| {
            let mut left = left.lock().unwrap();
            let reply = match *left {
                0 => book.answer(request),
                _ => {
                    *left -= 1;
                    Reply::json(200, r#"{"data":[],"nextCursor":null}"#)
                }
            };
            reply.dated(unix_s(0))
        })
        .await;
        let client = client(&upstream);
        run(&house.sync(), &client, 0).await.0.unwrap();
        let records = house.ledger.owned_coverage(house.account).unwrap();
        for sync in [house.sync(), house.sync().full(true), house.sync().dry_run(true)] {
            *empty.lock().unwrap() = 1;
            let (synced, told) = run(&sync, &client, 0).await;
            assert_eq!((told.asked_again, synced.unwrap().done.vanished), (1, 0));
            assert_eq!((house.entries().len(), house.removed()), (5_000, 0));
        }
        assert_eq!(house.ledger.owned_coverage(house.account).unwrap(), records);
        // A proof asks once more before it says so.
        *empty.lock().unwrap() = 1;
        let verified = house.proof().repair(true).run(&client, || at(0), |_| ()).await.unwrap();
        assert!(verified.is_proven() && verified.different_windows == 0);
        assert_eq!(verified.repaired, Some(Tally::default()));
        assert_eq!((house.entries().len(), house.removed()), (5_000, 0));
        // An account that is empty for good is believed the second time, by who says so.
        *empty.lock().unwrap() = usize::MAX;
        let error = run(&house.sync().full(true), &client, 0).await.0.unwrap_err();
        assert!(matches!(error.cause(), Cause::Vanished { vanished: 5_000, held: 5_000 }), "{error}");
        assert_eq!((house.entries().len(), house.removed()), (5_000, 0));
        assert_eq!(house.ledger.owned_coverage(house.account).unwrap(), records, "it counts as it did");
        let proof = house.proof().repair(true).run(&client, || at(0), |_| ()).await.unwrap_err();
        assert!(matches!(proof.cause(), Cause::Vanished { vanished: 4_999, held: 5_000 }), "{proof}");
        let (synced, told) = run(&house.sync().full(true).accept_vanished(true), &client, 0).await;
        assert_eq!((told.asked_again, synced.unwrap().done.vanished), (1, 5_000));
        assert_eq!((house.entries().len(), house.removed()), (0, 5_000));
    }
}

#[tokio::test]
async fn what_vanished_and_came_back_is_there_once_and_what_was_taken_out_is_kept() {
    let all = history(5_000, 0);
    for house in House::both() {
        let (upstream, service) = serve(Book::new(all.clone()), 0).await;
        let client = client(&upstream);
        run(&house.sync(), &client, 0).await.0.unwrap();
        let mut number = 0;
        service.lock().unwrap().0.change(|_| {
            number += 1;
            number % 10 > 0
        });
        let (synced, told) = run(&house.sync().full(true), &client, 0).await;
        // Both windows lack entries, and lie side by side.
        assert_eq!((told.asked_again, synced.unwrap().done.vanished), (1, 500));
        assert_eq!((house.entries().len(), house.removed()), (4_500, 500));
        service.lock().unwrap().0 = Book::new(all.clone());
        let synced = run(&house.sync().full(true), &client, 0).await.0.unwrap();
        assert_eq!((synced.done.added, synced.done.vanished), (500, 0));
        assert_eq!((house.entries(), house.removed()), (all.clone(), 500));
    }
}
