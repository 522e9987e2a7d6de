//! A currency that the service does not have. Only the service knows which ones there are.

use billing_testkit::Reply;

use crate::billing::{Run, export_command, finish};
use crate::place::Place;
use crate::scripted::{Scripted, history_page};

const ENDED: &str = "</api/v1/billing/usage-history>; rel=\"successor-version\"";

/// What an export of a currency says. It must be the same for a fixed window and for one that depends on the present,
/// and leave nothing behind.
#[track_caller]
fn said(service: &Scripted, currency: &str) -> String {
    let place = Place::new();
    let path = place.path("usage.csv");
    let said = [["--month", "2026-05"], ["--since", "yesterday"]].map(|window| {
        let args = [&window[..], &["--currency", currency, "-o", &path]].concat();
        let run: Run = finish(export_command(&service.base_url(), "any-key", &args), b"");
        run.said(service.base_url().trim_end_matches("/api/v1"))
    });
    assert_eq!(said[0], said[1]);
    assert!(place.names().is_empty(), "{:?}", place.names());
    said[0].clone()
}

#[test]
fn a_service_that_refuses_a_currency_is_quoted() {
    let body = r#"{"error":"Invalid request parameters","details":{"_errors":[],"currency":{"_errors":
        ["Invalid enum value. Expected 'USD' | 'DIEM', received 'EARNED_CREDITS'"]}}}"#;
    let service = Scripted::answering(Reply::json(400, body));
    insta::assert_snapshot!(said(&service, "EARNED_CREDITS"), @"
    error: GET ADDRESS/api/v1/billing/usage-history: 400 Invalid request parameters: currency: Invalid enum value. Expected 'USD' | 'DIEM', received 'EARNED_CREDITS'
    hint: the service does not take --currency EARNED_CREDITS; without it all entries come
    exit code 2
    ");
    let service = Scripted::answering(Reply::error(422, "no"));
    insta::assert_snapshot!(said(&service, "usd"), @"
    error: GET ADDRESS/api/v1/billing/usage-history: 422 no
    hint: the service may not take --currency USD; without it all entries come
    exit code 2
    ");
}

/// Each of the two currencies is known to one endpoint only, and that one is not there.
#[test]
fn a_currency_of_the_endpoint_that_is_missing_is_a_wrong_question() {
    for reply in [Reply::error(404, "no"), Reply::error(410, "ended").header("link", ENDED)] {
        let service = Scripted::answering(reply);
        insta::allow_duplicates! {
            insta::assert_snapshot!(said(&service, "VCU"), @"
            error: the service has no endpoint usage, and usage-history does not take this currency: `VCU` is not one of USD, DIEM, BUNDLED_CREDITS, EARNED_CREDITS
            hint: give another --currency, or none: then all entries come
            exit code 2
            ");
        }
        assert!(service.requests().iter().all(|request| request.path == "/api/v1/billing/usage"));
    }
    let service = Scripted::answering(Reply::error(404, "no"));
    insta::assert_snapshot!(said(&service, "EARNED_CREDITS"), @"
    error: the service has no endpoint usage-history, and usage does not take this currency: `EARNED_CREDITS` is not one of USD, VCU, DIEM, BUNDLED_CREDITS
    hint: give another --currency, or none: then all entries come
    exit code 2
    ");
}

#[test]
fn a_currency_without_entries_is_an_export_of_nothing() {
    let service = Scripted::answering(history_page(&[], None));
    assert!(service.export(&["--currency", "DIEM"]).done().entries().is_empty());
}
