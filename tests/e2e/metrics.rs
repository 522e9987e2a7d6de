//! What the server counts: an account sees its own, and whoever runs the server all of it.

use crate::billing::ndjson;
use crate::conversation::{Connection, Request};
use crate::host::Host;
use crate::ingest::post;
use crate::ledger::{Ledger, at, noted};
use billing_testkit::entry_at;

#[test]
fn an_account_sees_its_own_figures_and_the_operator_all() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "imported, so not counted")]);
    let host = Host::start(&ledger.path(), &["--metrics-listen", "127.0.0.1:0"]);
    for (account, amount) in [("default", "-0.1"), ("other", "-0.0000000000000000000000000001")] {
        let batch = ndjson(&[entry_at(at("2026-05-01T00:00:00Z"), amount)]);
        let batch = post(&ledger.key(account, "ingest"), "1", "application/x-ndjson", batch);
        assert_eq!(host.ask(&batch).status, 201);
    }
    let read = Request::get("/metrics");
    let of = |account| host.ask(&read.clone().bearing(&ledger.key(account, "admin")));
    let mut operator = Connection::open(&host.metrics_address()).unwrap();
    for (counts, entries, spend) in [
        (of("default"), 1, "0.1"),
        (of("other"), 1, "0.0000000000000000000000000001"),
        (of("third"), 0, "0"),
        (operator.ask(&read).unwrap(), 2, "0.1000000000000000000000000001"),
    ] {
        assert_eq!(counts.status, 200, "{}", counts.text());
        for line in [
            format!("billing_ingest_entries_total {entries}"),
            format!("billing_ingest_spend_usd_total {spend}"),
        ] {
            assert!(counts.text().lines().any(|other| other == line), "{line}\n{}", counts.text());
        }
    }
    assert_eq!(host.ask(&read).status, 401);
    assert_eq!(host.ask(&read.clone().bearing(&ledger.key("default", "ingest"))).status, 401);
    // A scrape that has lost its key goes on for ever, and shuts nobody out.
    for _ in 0..60 {
        assert_eq!(host.ask(&read).status, 401);
    }
    assert!(host.stop().contains("without a key"));
}

#[test]
fn metrics_beyond_this_machine_are_warned_of() {
    let ledger = Ledger::of(&[]);
    let host = Host::start(&ledger.path(), &["--metrics-listen", "0.0.0.0:0"]);
    assert!(host.stop().contains("warning: whoever reaches the metrics reads what all accounts spend"));
}
