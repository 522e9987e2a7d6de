//! Places that fail or forget: what is kept is said, or that it is not known.

use billing_export::{Cause, Error, Event, Stop};
use billing_http::Endpoint;

use crate::support::{Place, now, seconds};
use crate::table::{Failed, Table};

/// A run that is stopped when its first page has come.
async fn stopped(place: &Place, table: &Table) {
    let (export, stop) = (place.export().build().unwrap(), Stop::default());
    let job = export.open(table.clone()).unwrap().stopped_by(&stop);
    let stops = |event: &Event<'_>| {
        if let Event::Came { .. } = event {
            stop.soon();
        }
    };
    let error = job.run(&place.client(), now, stops).await.unwrap_err();
    assert!(error.is_stopped() && error.kept().is_some());
    assert_eq!(error.kept(), table.kept());
}

/// Named after what broke: without its end, the window was taken for the whole ledger.
#[tokio::test]
async fn a_place_that_forgot_the_window_got_the_whole_ledger() {
    let place = Place::of(seconds(60)).await;
    let table = Table::default();
    table.rows().loses_window = true;
    stopped(&place, &table).await;
    let (before, requests) = (table.rows().entries.clone(), place.upstream.requests().len());
    let export = place.export().build().unwrap();
    let error = export.open(table.clone()).unwrap().run(&place.client(), now, |_| ()).await.unwrap_err();
    assert!(matches!(error.cause(), Cause::Settled(None)), "{error:?}");
    assert!(!error.is_settled());
    assert_eq!(table.rows().entries, before);
    assert_eq!(place.upstream.requests().len(), requests, "nothing is fetched");
    // Begun anew, it is the window again.
    table.rows().loses_window = false;
    let job = export.open_anew(table.clone()).unwrap();
    job.run(&place.client(), now, |_| ()).await.unwrap();
    assert_eq!(table.rows().entries, place.ledger());
}

/// How the next run of June into the table fails, when one that it goes on with has been stopped.
async fn failed(place: &Place, table: &Table) -> Error<Failed> {
    let export = place.export().endpoint(Endpoint::Usage).build().unwrap();
    export.open(table.clone()).unwrap().run(&place.client(), now, |_| ()).await.unwrap_err()
}

#[track_caller]
fn at(step: &str, error: &Error<Failed>) {
    assert!(matches!(error.cause(), Cause::Sink(Failed(failed)) if *failed == step), "{error:?}");
}

/// Named after what broke: it said that nothing was kept.
#[tokio::test]
async fn a_place_that_is_not_gone_on_with_still_keeps_what_was_left() {
    let place = Place::of(seconds(60)).await;
    let table = Table::default().fails("go on", 0);
    stopped(&place, &table).await;
    let error = failed(&place, &table).await;
    at("go on", &error);
    assert!(error.kept().is_some() && error.kept() == table.kept() && !error.is_kept_known());
    // Written, and not closed.
    let export = place.export().build().unwrap();
    export.open(table.clone()).unwrap().run(&place.client(), now, |_| ()).await.unwrap();
    let error = failed(&place, &table.clone().fails("close", 0)).await;
    at("close", &error);
    assert_eq!(error.kept().map(|kept| kept.entries), Some(60));
}

/// Named after what broke: there was something, and the error said that there was nothing.
#[tokio::test]
async fn what_cannot_be_looked_up_is_not_known() {
    let place = Place::of(seconds(60)).await;
    // It is opened to be run, and then to look what is kept.
    let table = Table::default().fails("write", 3).fails("open", 1);
    let error = failed(&place, &table).await;
    at("write", &error);
    assert!(table.kept().is_some());
    assert!(error.kept().is_none() && !error.is_kept_known(), "{error:?}");
    // Looked up in vain, there is nothing.
    let error = failed(&place, &Table::default().fails("write", 0)).await;
    assert!(error.kept().is_none() && error.is_kept_known(), "{error:?}");
    let error = failed(&place, &Table::default().fails("begin", 0)).await;
    at("begin", &error);
    assert!(!error.is_kept_known(), "{error:?}");
}

#[tokio::test]
async fn a_place_that_is_not_opened_anew_may_keep_what_is_not_the_ledger() {
    for (step, after) in [("open anew", 0), ("begin", 1)] {
        let place = Place::with_late_entry().await;
        let table = Table::default().fails(step, after);
        let error = failed(&place, &table).await;
        at(step, &error);
        assert!(error.kept().is_none() && !error.is_kept_known(), "{error:?}");
        assert!(table.kept().is_some());
    }
}
