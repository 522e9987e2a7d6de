//! The clocks of a service and of a machine.

use std::time::Duration;

use billing_sync::Cause;
use billing_testkit::{Book, Upstream, entry_at};

use crate::house::{DAY, HOUR, House, at, client, history, run, serve};

#[tokio::test]
async fn clocks_that_are_a_day_apart_stop_a_sync() {
    for (service, local, is_refused) in
        [(0, DAY, false), (0, -DAY, false), (0, DAY + 1, true), (0, -DAY - 1, true), (0, 400 * DAY, true)]
    {
        for house in House::both() {
            let (upstream, _) = serve(Book::new(history(40, -400 * DAY)), service).await;
            match run(&house.sync(), &client(&upstream), local).await.0 {
                Ok(synced) => assert!(!is_refused && synced.as_of == Some(at(service)), "{local}"),
                Err(error) => {
                    let Cause::Clock { service: told, local: ours } = *error.cause() else {
                        panic!("{error:?}")
                    };
                    assert!(is_refused && (told, ours) == (at(service), at(local)), "{error}");
                    // Nothing was changed, not even whose copy it is.
                    assert_eq!(house.ledger.source(house.account).unwrap(), None);
                    assert_eq!(house.entries(), []);
                }
            }
        }
    }
}

/// What was dated by the clock that ran ahead is walked to its end.
#[tokio::test]
async fn a_service_whose_clock_goes_back_loses_nothing() {
    for house in House::both() {
        let all = history(40, 0);
        let (upstream, service) = serve(Book::new(all.clone()), 0).await;
        let client = client(&upstream);
        run(&house.sync(), &client, 0).await.0.unwrap();
        service.lock().unwrap().1 = -9 * HOUR;
        for _ in 0..2 {
            let synced = run(&house.sync(), &client, 0).await.0.unwrap();
            assert_eq!(
                (synced.as_of, synced.done.walked, synced.done.vanished),
                (Some(at(-9 * HOUR)), 40, 0)
            );
        }
        assert_eq!(house.entries(), all);
        service.lock().unwrap().1 = HOUR;
        assert_eq!(run(&house.sync(), &client, HOUR).await.0.unwrap().done.walked, 40);
        assert_eq!((house.entries(), house.removed()), (all, 0));
    }
}

/// One of the two is wrong, and nobody knows which.
#[tokio::test]
async fn a_present_before_all_that_is_walked_again_stops_a_sync() {
    let house = House::in_memory();
    let all: Vec<_> = (0..9_000).map(|number| entry_at(at(number - 9_000), "-1")).collect();
    let (upstream, service) = serve(Book::new(all.clone()), 0).await;
    let client = client(&upstream);
    run(&house.sync(), &client, 0).await.0.unwrap();
    service.lock().unwrap().1 = -9 * HOUR;
    let sync = house.sync().overlap(Duration::ZERO);
    let error = run(&sync, &client, 0).await.0.unwrap_err();
    assert!(matches!(error.cause(), Cause::Clock { service, .. } if *service == at(-9 * HOUR)), "{error:?}");
    assert_eq!(house.entries(), all);
}

#[tokio::test]
async fn without_a_date_the_local_clock_is_the_present() {
    for house in House::both() {
        let mut book = Book::new(history(40, 0));
        let upstream = Upstream::start(move |request| book.answer(request)).await;
        let synced = run(&house.sync(), &client(&upstream), 0).await.0.unwrap();
        assert_eq!((synced.as_of, synced.done.added), (Some(at(0)), 40));
        let synced = run(&house.sync(), &client(&upstream), HOUR).await.0.unwrap();
        assert_eq!((synced.as_of, synced.done.added), (Some(at(HOUR)), 0));
        assert_eq!(house.ledger.source(house.account).unwrap().unwrap().synced_at, Some(at(HOUR)));
    }
}
