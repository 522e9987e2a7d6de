//! What a service answers that fails: what passes is borne, what stays is said at once.

use billing_testkit::{Reply, Request};

use crate::billing::{export_command, ndjson};
use crate::ledger::noted;
use crate::place::Place;
use crate::process::Process;
use crate::scripted::{Scripted, history_page};

/// What Cloudflare says in front of a service that it does not reach, and what is not usual. Few enough that a client does
/// not wait because too much has failed.
const PASSING: [u16; 14] = [502, 506, 507, 508, 520, 521, 522, 523, 524, 525, 526, 527, 529, 530];

fn html(status: u16) -> Reply {
    Reply::new(status, "text/html", "<!doctype html><h1>Something is wrong</h1>")
}

/// Each of the statuses comes once, in the middle of a walk.
#[test]
fn every_status_that_passes_is_borne() {
    let entries: Vec<_> = (10..24).map(|n| noted(&format!("2026-05-01T00:00:{n}Z"), "")).collect();
    let all = entries.clone();
    let mut requests = 0;
    // A failure before each of the pages, of which each has one entry.
    let service = Scripted::start(move |_: &Request| {
        let (page, is_failure) = (requests / 2, requests % 2 == 0);
        requests += 1;
        if is_failure {
            return html(PASSING[page]);
        }
        let cursor = (page + 1 < all.len()).then(|| format!("page-{page}"));
        history_page(&all[page..=page], cursor.as_deref())
    });
    let run = service.export(&["--concurrency", "1", "--endpoint", "usage-history"]).done();
    assert_eq!(run.entries(), entries);
    assert_eq!(service.requests().len(), 2 * PASSING.len());
}

#[test]
fn what_a_service_cannot_do_is_not_asked_again() {
    for status in [501, 505, 511] {
        let service = Scripted::answering(html(status));
        let run = service.export(&["--endpoint", "usage-history"]);
        assert_eq!((run.code, service.requests().len()), (Some(5), 1), "{}", run.stderr);
    }
    let service = Scripted::answering(html(501));
    let address = service.base_url().replace("http://", "").replace("/api/v1", "");
    insta::assert_snapshot!(service.export(&[]).said(&address), @"
    error: GET http://ADDRESS/api/v1/billing/usage-history: 501 Not Implemented
    hint: check --base-url; a proxy or a login page may be in between
    exit code 5
    ");
}

#[test]
fn pages_that_come_compressed_are_read() {
    let entries = [noted("2026-05-01T00:00:00Z", "compressed"), noted("2026-05-01T00:00:01Z", "too")];
    let mut csv = Vec::new();
    billing_csv::encode(&entries, billing_csv::Columns::WithApiKeyId, &mut csv);
    for (wire, page) in [("json", history_page(&entries, None)), ("csv", Reply::new(200, "text/csv", csv))] {
        let (mut page, mut last) = (Some(page.gzip()), Vec::new());
        billing_csv::encode(&entries[1..], billing_csv::Columns::WithApiKeyId, &mut last);
        // Without a header that names a cursor it is asked what follows: the last entry, and nothing else.
        let service = Scripted::start(move |_| {
            page.take().unwrap_or_else(|| Reply::new(200, "text/csv", last.clone()).gzip())
        });
        assert_eq!(service.export(&["--wire", wire]).done().entries(), entries);
        let asked_for = if wire == "csv" { "identity" } else { "" };
        assert_eq!(service.requests()[0].header("accept-encoding"), asked_for);
    }
}

/// It takes as long as it takes for an export to say so. Where there is no terminal, these are lines of their own.
#[test]
fn how_far_it_came_and_what_is_waited_for_is_said() {
    let entries: Vec<_> = (10..20).map(|n| noted(&format!("2026-05-{n}T00:00:00Z"), "")).collect();
    let service = Scripted::start(move |request| match request.query.contains("cursor=") {
        false => history_page(&entries, Some("next")),
        true => history_page(&[], None).stalled(),
    });
    let place = Place::new();
    let arguments = ["--until", "2026-07", "--concurrency", "1", "-o", &place.path("usage.csv")];
    let mut export = Process::start(export_command(&service.base_url(), "any-key", &arguments));
    insta::assert_snapshot!(export.said_line(), @"so far: 9 entries, 0/s, at 2026-05-18T00:00:00.000Z");
    insta::assert_snapshot!(export.said_line(), @"waiting for /billing/usage-history, 15 s of at most 120 s");
    export.signal("INT");
    assert_eq!(export.end().0, Some(130));
}

/// As nginx answers; one that answers nothing that is HTTP stands in `trust.rs`.
#[test]
fn http_to_a_port_of_https_that_says_so_is_final() {
    let body = "<html><center>The plain HTTP request was sent to HTTPS port</center></html>";
    let service = Scripted::answering(Reply::new(400, "text/html", body));
    let address = service.base_url().replace("http://", "").replace("/api/v1", "");
    insta::assert_snapshot!(service.export(&[]).said(&address), @"
    error: GET http://ADDRESS/api/v1/billing/usage-history: 400 what answers there speaks https
    hint: check --base-url: https or http, and the port
    exit code 5
    ");
}

/// What was taken out or put in behind the last entry meanwhile, nobody knows.
#[test]
fn a_cursor_that_is_refused_is_borne_and_said_once() {
    let entries = ["2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z"].map(|at| noted(at, ""));
    let mut asked = 0;
    let script = {
        let entries = entries.clone();
        move |request: &Request| {
            asked += 1;
            match (asked, request.query.contains("cursor=")) {
                (_, true) => Reply::error(400, "Invalid or expired cursor; restart from the first page"),
                (1, _) => history_page(&entries[..1], Some("next")),
                _ => history_page(&entries, None),
            }
        }
    };
    let service = Scripted::start(script);
    let run = service.export(&["--format", "ndjson", "--concurrency", "1"]).done();
    assert_eq!(run.stdout, ndjson(&entries));
    assert_eq!(run.stderr.matches("the service refused a cursor").count(), 1, "{}", run.stderr);
}
