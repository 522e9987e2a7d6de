//! An export that is told to stop keeps what can be kept.

use std::sync::atomic::{AtomicU64, Ordering};

use billing_export::{Event, Stop};
use billing_testkit::{Reply, entry_at};

use crate::support::{Diary, Place, now, second, seconds};

#[tokio::test]
async fn what_came_before_the_stop_is_kept_to_the_last_entry_before_the_place() {
    let place = Place::of(seconds(60)).await;
    let (export, stop) = (place.export().build().unwrap(), Stop::default());
    let (came, diary) = (AtomicU64::new(0), Diary::default());
    let job = export.open(place.file()).unwrap().stopped_by(&stop);
    let stops = |event: &Event<'_>| {
        diary.note(event);
        if let Event::Came { so_far, complete_until, .. } = event {
            assert!(complete_until.is_some(), "there is a place behind every page");
            came.store(*so_far, Ordering::Relaxed);
            if *so_far > 20 {
                stop.soon();
            }
        }
    };
    let error = job.run(&place.client(), now, stops).await.unwrap_err();
    assert!(error.is_stopped() && error.is_settled());
    let kept = error.kept().unwrap();
    assert_eq!((kept.entries, kept.entries), (came.load(Ordering::Relaxed), error.added()));
    assert_eq!(kept.complete_until, second(i64::try_from(kept.entries).unwrap()));
    assert!(!diary.lines().contains(&"stopping".to_owned()), "it is there at once: {:?}", diary.lines());
}

/// Among more entries of one instant than a page holds there is no place where another run can continue.
#[tokio::test]
async fn a_stop_waits_for_the_place_and_a_second_one_does_not() {
    for is_urgent in [false, true] {
        let mut ledger = seconds(15);
        ledger.extend((0..25).map(|_| entry_at(second(15), "-0.1")));
        ledger.extend((16..40).map(|at| entry_at(second(at), "-0.2")));
        let place = Place::of(ledger).await;
        let (export, stop, diary) = (place.export().build().unwrap(), Stop::default(), Diary::default());
        let job = export.open(place.file()).unwrap().stopped_by(&stop);
        let stops = |event: &Event<'_>| {
            diary.note(event);
            match event {
                Event::Came { complete_until: None, .. } => stop.soon(),
                Event::Stopping if is_urgent => stop.now(),
                _ => {}
            }
        };
        let error = job.run(&place.client(), now, stops).await.unwrap_err();
        assert!(error.is_stopped());
        assert_eq!(diary.lines().last().map(String::as_str), Some("stopping"));
        let kept = error.kept().unwrap();
        match is_urgent {
            true => assert_eq!((kept.entries, kept.complete_until), (15, second(15))),
            false => assert!(kept.entries >= 40 && kept.complete_until > second(15), "{kept:?}"),
        }
    }
}

#[tokio::test]
async fn stopped_before_the_first_page_it_leaves_nothing() {
    let place = Place::changing(seconds(60), |_, _, _| Some(Reply::json(200, "{}").stalled())).await;
    let (export, stop) = (place.export().build().unwrap(), Stop::default());
    stop.soon();
    let job = export.open(place.file()).unwrap().stopped_by(&stop);
    let error = job.run(&place.client(), now, |_| ()).await.unwrap_err();
    assert!(error.is_stopped() && error.kept().is_none() && error.added() == 0);
    assert!(place.names().is_empty(), "{:?}", place.names());
}

/// A run may also be dropped.
#[tokio::test]
async fn a_run_that_is_dropped_keeps_what_was_complete() {
    let place = Place::of(seconds(60)).await;
    let (export, client) = (place.export().build().unwrap(), place.client());
    let (given_up, came) = (tokio::sync::Notify::new(), AtomicU64::new(0));
    let observe = |event: &Event<'_>| {
        if let Event::Came { so_far: so_far @ 20.., .. } = event {
            came.store(*so_far, Ordering::Relaxed);
            given_up.notify_one();
        }
    };
    let job = export.open(place.file()).unwrap();
    tokio::select! {
        biased;
        () = given_up.notified() => {}
        _ = job.run(&client, now, observe) => panic!("it was given up"),
    }
    let left = export.open(place.file()).unwrap().left().cloned().unwrap();
    assert_eq!(left.summary.entries, came.load(Ordering::Relaxed));
}
