//! Places that fail or forget: what is kept is said, or that it is not known.

use billing_export::{Cause, Event, Stop};

use crate::support::{Place, now, seconds};
use crate::table::Table;

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
