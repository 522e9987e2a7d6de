//! Others: a second sync, and somebody who changes the account.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use billing_ledger::{Change, ErrorKind, Ledger, Turn};
use billing_sync::Cause;
use billing_testkit::{Book, MemoryLedger, Moment, WatchedLedger, entry_at};

use crate::house::{House, at, client, history, run, serve};

#[tokio::test]
async fn one_sync_of_an_account_runs_at_a_time() {
    for house in House::both() {
        let (upstream, _) = serve(Book::new(history(40, 0)), 0).await;
        let client = client(&upstream);
        {
            let turn = house.ledger.take_turn(house.account, "process 4711").unwrap();
            assert!(matches!(turn, Turn::Taken(_)), "{turn:?}");
            for held in [run(&house.sync(), &client, 0).await.0.unwrap_err().into_cause(), {
                let proof = house.proof().repair(true);
                proof.run(&client, || at(0), |_| ()).await.unwrap_err().into_cause()
            }] {
                assert!(matches!(&held, Cause::Held(holder) if holder == "process 4711"), "{held:?}");
            }
            // A dry run changes nothing, so it keeps nobody waiting and need not wait.
            run(&house.sync().dry_run(true), &client, 0).await.0.unwrap();
        }
        assert_eq!(run(&house.sync(), &client, 0).await.0.unwrap().done.added, 40);
        // It has given its turn back.
        assert!(matches!(house.ledger.take_turn(house.account, "another").unwrap(), Turn::Taken(_)));
        assert_eq!(house.entries().len(), 40);
        assert_eq!(run(&house.sync(), &client, 0).await.0.unwrap().done.added, 0);
    }
}

/// Somebody has changed the account between the comparison and the commit.
#[tokio::test]
async fn a_change_for_another_state_is_not_stored() {
    let memory: Arc<dyn Ledger> = Arc::new(MemoryLedger::new().unwrap());
    let (theirs, is_armed) = (Arc::clone(&memory), Arc::new(AtomicBool::new(true)));
    let armed = Arc::clone(&is_armed);
    let watched = WatchedLedger::new(memory, move |moment| {
        if moment == Moment::Before && armed.swap(false, Ordering::Relaxed) {
            let account = theirs.account("copy")?.unwrap();
            let add = vec![entry_at(at(-600), "-77")].into();
            theirs.change(&Change { add, ..Change::of(account, at(0)) })?;
        }
        Ok(())
    });
    let house = House::of(Arc::new(watched), "copy");
    let all = history(40, 0);
    let (upstream, _) = serve(Book::new(all.clone()), 0).await;
    let client = client(&upstream);
    let error = run(&house.sync(), &client, 0).await.0.unwrap_err();
    assert!(
        matches!(error.cause(), Cause::Ledger(error) if error.kind() == ErrorKind::Outdated),
        "{error:?}"
    );
    assert_eq!(error.done().added, 0);
    assert_eq!(house.entries(), [entry_at(at(-600), "-77")]);
    // The next one takes out what the source does not have, and nothing is lost.
    let synced = run(&house.sync(), &client, 0).await.0.unwrap();
    assert_eq!((synced.done.added, synced.done.vanished), (40, 1));
    assert_eq!((house.entries(), house.removed()), (all, 1));
}

#[tokio::test]
async fn an_account_is_the_copy_of_one_service() {
    let house = House::in_memory();
    let (upstream, _) = serve(Book::new(history(40, 0)), 0).await;
    let (other, _) = serve(Book::new(history(40, 0)), 0).await;
    let proof = house.proof().run(&client(&upstream), || at(0), |_| ()).await;
    assert!(matches!(proof.unwrap_err().into_cause(), Cause::NotSynced));
    run(&house.sync(), &client(&upstream), 0).await.0.unwrap();
    let refused = run(&house.sync(), &client(&other), 0).await.0.unwrap_err().into_cause();
    let Cause::OtherService { held, asked } = &refused else { panic!("{refused:?}") };
    assert_eq!((held, asked), (&upstream.base_url(), &other.base_url()));
    let refused = house.proof().run(&client(&other), || at(0), |_| ()).await.unwrap_err().into_cause();
    assert!(matches!(refused, Cause::OtherService { .. }));
    assert_eq!(other.requests().len(), 0);
}
