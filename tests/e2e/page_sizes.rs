//! The size of a page has no influence on an export.

use billing_model::TimeWindow;

use crate::billing::ndjson;
use crate::ledger::{AFTER_REAL, Ledger, REAL, at, real_entries};

/// What lies in a window of the real ledger is exported, in every size of page.
fn check(since: &str, until: &str, sizes: &[(&str, &[&str])]) {
    let window = TimeWindow::new(Some(at(since)), Some(at(until))).unwrap();
    let expect: Vec<_> =
        real_entries().iter().filter(|entry| window.contains(entry.timestamp)).cloned().collect();
    assert!(
        expect.len() > 600 && expect.windows(2).any(|pair| pair[0] == pair[1]),
        "equal neighbours to part"
    );
    let expect = ndjson(&expect);

    let server = Ledger::from_file(REAL).serve();
    for (endpoint, sizes) in sizes {
        for size in *sizes {
            let run = server.export(&[
                "--format",
                "ndjson",
                "--since",
                since,
                "--until",
                until,
                "--endpoint",
                endpoint,
                "--page-size",
                size,
            ]);
            assert!(run.done().stdout == expect, "pages of {size} on {endpoint}");
        }
    }
}

#[test]
fn any_page_size_gives_the_same_entries() {
    check(
        "2026-05-03T00:00:00Z",
        "2026-05-04T00:00:00Z",
        &[("usage", &["1", "7", "200", "500"]), ("usage-history", &["10", "333", "1000"])],
    );
}

/// The largest sizes have gone over the whole ledger in `round_trip`.
#[test]
fn any_page_size_gives_the_same_ledger() {
    check(
        "2026-05-01T00:00:00Z",
        &format!("{AFTER_REAL}-01T00:00:00Z"),
        &[("usage", &["200"]), ("usage-history", &["333"])],
    );
}

/// `auto` takes a size for either endpoint, and both forms of a page are cut alike.
#[test]
fn any_page_size_goes_with_any_wire() {
    let entries = &real_entries()[..123];
    let server = Ledger::of(entries).serve();
    for args in [
        &["--wire", "csv", "--endpoint", "usage", "--page-size", "41"][..],
        &["--wire", "csv", "--endpoint", "usage", "--page-size", "123"],
        &["--wire", "csv", "--endpoint", "usage-history", "--page-size", "41"],
        &["--wire", "csv", "--endpoint", "usage-history", "--page-size", "123"],
        &["--page-size", "10"],
        &["--page-size", "122"],
    ] {
        let args = [args, &["--format", "ndjson", "--until", AFTER_REAL]].concat();
        assert!(server.export(&args).done().stdout == ndjson(entries), "{args:?}");
    }
}
