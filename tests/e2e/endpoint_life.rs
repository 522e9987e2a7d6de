//! The life of the endpoint by page number: it answers, it warns of its end, it has ended. An export gets everything
//! all the time.

use billing_model::{UsageEntry, WholeSet};
use billing_sample::History;

use crate::billing;
use crate::conversation::Request;
use crate::host::{HISTORY, Host, USAGE};
use crate::ingest::post;
use crate::ledger::{AFTER_REAL, Ledger, at, noted};
use crate::place::Place;
use crate::scripted::{Scripted, forward};

const SUCCESSOR: &str = "</api/v1/billing/usage-history>; rel=\"successor-version\"";

/// 1,200 entries of the year.
fn entries() -> Vec<UsageEntry> {
    History::new(9, 1200).collect()
}

fn whole_set(entries: &[UsageEntry]) -> WholeSet {
    entries.iter().collect()
}

/// The headers about its end: `Deprecation`, `Sunset`, `Link`.
type Life = [Option<&'static str>; 3];

const LIVE: Life = [None; 3];
const DEPRECATED: Life = [Some("@1783555200"), None, Some(SUCCESSOR)];
const SUNSET: Life = [Some("@1783555200"), Some("Wed, 16 Sep 2026 00:00:00 GMT"), Some(SUCCESSOR)];

#[test]
fn the_endpoint_says_where_it_is_in_its_life() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "")]);
    let admin = ledger.key("default", "admin");
    for (flag, status, expect, warns) in
        [("live", 200, LIVE, false), ("deprecated", 200, DEPRECATED, true), ("sunset", 410, SUNSET, false)]
    {
        let host = Host::start(&ledger.path(), &["--usage-endpoint", flag]);
        for accept in ["application/json", "text/csv"] {
            let get = |target: &str| host.ask(&Request::get(target).bearing(&admin).header("accept", accept));
            let answer = get(USAGE);
            assert_eq!(answer.status, status, "{flag}: {}", answer.text());
            assert_eq!(["deprecation", "sunset", "link"].map(|name| answer.header(name)), expect, "{flag}");
            let warning =
                r#""warningMessage":"GET /billing/usage is deprecated and ends on 16 September 2026;"#;
            assert_eq!(answer.text().contains(warning), warns && accept == "application/json", "{flag}");
            assert_eq!(answer.text().contains("warningMessage"), warns && accept == "application/json");
            // A refusal of this endpoint has the headers too, and an answer of its successor does not.
            let refused = get(&format!("{USAGE}?limit=0"));
            assert_eq!(refused.status, if flag == "sunset" { 410 } else { 400 });
            assert_eq!(["deprecation", "sunset", "link"].map(|name| refused.header(name)), expect);
            let other = get(HISTORY);
            assert_eq!(other.status, 200);
            assert_eq!(["deprecation", "sunset", "link"].map(|name| other.header(name)), LIVE);
        }
        if flag == "sunset" {
            let stranger = host.ask(&Request::get(USAGE));
            assert_eq!(stranger.status, 410, "it has ended for everybody");
            for words in ["usage-history", "pageSize", "startTimestamp and endTimestamp"] {
                assert!(stranger.text().contains(words), "{}", stranger.text());
            }
        }
    }
}

/// Batches use the same path, and recording does not end.
#[test]
fn recording_outlives_the_endpoint() {
    let ledger = Ledger::of(&[]);
    let ingest = ledger.key("default", "ingest");
    let host = Host::start(&ledger.path(), &["--usage-endpoint", "sunset"]);
    let body = billing::ndjson(&[noted("2026-05-01T00:00:00Z", "")]);
    let answer = host.ask(&post(&ingest, "batch", "application/x-ndjson", body));
    assert_eq!(answer.status, 201, "{}", answer.text());
}

#[test]
fn an_export_has_everything_all_through_the_endpoints_life() {
    let all = entries();
    let ledger = Ledger::of(&all);
    let admin = ledger.key("default", "admin");
    for flag in ["live", "deprecated", "sunset"] {
        let host = Host::start(&ledger.path(), &["--usage-endpoint", flag]);
        for (endpoint, wire) in [
            ("auto", "json"),
            ("auto", "csv"),
            ("usage", "json"),
            ("usage", "csv"),
            ("usage-history", "json"),
        ] {
            let place = Place::new();
            let path = place.path("usage.ndjson");
            let args = ["--endpoint", endpoint, "--wire", wire, "--page-size", "100", "--until", AFTER_REAL];
            let run = host.export(&admin, &[&args[..], &["-o", &path]].concat()).done();
            let found = billing::entries(&place.read("usage.ndjson"));
            assert_eq!(whole_set(&found), whole_set(&all), "{endpoint} over {wire}, {flag}");
            let said = match (endpoint, flag, wire) {
                ("usage", "sunset", _) => {
                    Some("note: the service has ended /billing/usage; going on with its successor")
                }
                // In a page of CSV there is no room for a warning.
                ("usage", "deprecated", "json") => {
                    Some("warning: the service says: GET /billing/usage is deprecated")
                }
                _ => None,
            };
            assert!(run.stderr.contains(said.unwrap_or_default()), "{endpoint}, {flag}: {}", run.stderr);
            assert_eq!(
                run.stderr.contains("usage-history"),
                said.is_some(),
                "{endpoint}, {flag}: {}",
                run.stderr
            );
        }
    }
}

/// The endpoint ends amid a walk, after any of its first requests: the walk goes on where it can.
#[test]
fn an_endpoint_that_ends_amid_a_walk_is_followed() {
    let all = entries();
    let ledger = Ledger::of(&all);
    let admin = ledger.key("default", "admin");
    let [live, sunset] =
        ["live", "sunset"].map(|life| Host::start(&ledger.path(), &["--usage-endpoint", life]));
    for (last, concurrency) in [(1, "1"), (2, "1"), (7, "1"), (23, "1"), (7, "4")] {
        let (live, sunset, admin) = (live.base_url.clone(), sunset.base_url.clone(), admin.clone());
        let mut requests = 0;
        let between = Scripted::start(move |request| {
            requests += 1;
            let mut request = request.clone();
            request.headers.insert("authorization".to_owned(), format!("Bearer {admin}"));
            forward(if requests > last { &sunset } else { &live }, &request)
        });
        let place = Place::new();
        let path = place.path("usage.ndjson");
        let args = ["--endpoint", "usage", "--page-size", "50", "--concurrency", concurrency, "-o", &path];
        let run = between.export(&args).done();
        assert!(run.stderr.contains("usage-history"), "{}", run.stderr);
        let is_in_window = |entry: &&UsageEntry| entry.timestamp < at("2026-07-01T00:00:00Z");
        let expect: WholeSet = all.iter().filter(is_in_window).collect();
        assert_eq!(
            whole_set(&billing::entries(&place.read("usage.ndjson"))),
            expect,
            "after {last} requests"
        );
    }
}
