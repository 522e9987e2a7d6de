//! Imports of files in every form: all entries or none.

use std::fs;
use std::io::Write;

use billing_model::UsageEntry;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::billing::{Run, entries, ndjson, run, run_reading};
use crate::copies;
use crate::ledger::{Ledger, noted};
use crate::place::Place;

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/pages");

const CSV_HEADER: &str = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes";

fn some() -> Vec<UsageEntry> {
    // Equal entries, and text that every format has to escape.
    ["a \"b\", c", "d\ne", "d\ne", ""].map(|notes| noted("2026-05-01T00:00:00.5Z", notes)).to_vec()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The entries of [`some`] in every form of a file.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let rows = String::from_utf8(ndjson(&some())).unwrap();
    let list = rows.trim_end().replace('\n', ",");
    let row =
        |notes: &str| format!("2026-05-01T00:00:00.500Z,{},4.84,0.000044,-0.1,USD,{notes}\n", some()[0].sku);
    let csv_rows = ["\"a \"\"b\"\", c\"", "\"d\ne\"", "\"d\ne\"", ""].map(row).concat();
    let csv = format!("{CSV_HEADER}\n{csv_rows}");
    // A line end within a field is part of it.
    let crlf = csv.replace('\n', "\r\n").replace("d\r\ne", "d\ne");
    vec![
        ("ndjson", rows.clone().into_bytes()),
        ("json", format!("[{list}]").into_bytes()),
        ("json", format!("[\n{}\n]\n", list.replace("},{", "},\n{")).into_bytes()),
        ("json", format!("{{\"data\":[{list}],\"nextCursor\":null}}").into_bytes()),
        ("json", format!("{{\"data\":[{list}],\"pagination\":{{\"limit\":500,\"page\":1,\"total\":4,\"totalPages\":1}}}}").into_bytes()),
        ("csv", csv.clone().into_bytes()),
        ("csv", format!("\u{feff}{csv}").into_bytes()),
        ("csv", crlf.clone().into_bytes()),
        ("csv", format!("\u{feff}{crlf}").into_bytes()),
    ]
}

/// What a ledger holds, as its server gives it out.
fn held(ledger: &Ledger) -> Vec<UsageEntry> {
    ledger.serve().export(&["--format", "ndjson"]).done().entries()
}

#[test]
fn every_form_is_the_same_entries() {
    let (place, ledger) = (Place::new(), Ledger::of(&[]));
    let mut times = 0;
    for (format, bytes) in forms() {
        let file = place.write("file", &bytes);
        // The content tells what the file is, and not its name.
        let compressed = place.write("file.dat", gzip(&bytes));
        for args in [
            &[file.as_str()][..],
            &[&file, "--format", format],
            &[&compressed],
            &[&compressed, "--format", format],
        ] {
            run(&[&["import", "--again", "--ledger", &ledger.path()], args].concat()).done();
            times += 1;
        }
        run_reading(&["import", "-", "--again", "--ledger", &ledger.path()], &bytes).done();
        run_reading(&["import", "-", "--again", "--ledger", &ledger.path()], &gzip(&bytes)).done();
        times += 2;
    }
    assert!(held(&ledger) == vec![some(); times].concat());
}

#[test]
fn several_files_are_one_import() {
    let (place, ledger) = (Place::new(), Ledger::of(&[]));
    let [first, second] = ["1", "2"].map(|notes| noted("2026-05-01T00:00:00Z", notes));
    let file = place.write("1.ndjson", ndjson(std::slice::from_ref(&first)));
    let page = place.write(
        "2.json",
        format!("{{\"data\":[{}]}}", String::from_utf8(ndjson(std::slice::from_ref(&second))).unwrap()),
    );
    let args = ["import", &file, &page, "-", "--ledger", &ledger.path()];
    let run = run_reading(&args, &gzip(&ndjson(&some()))).done();
    assert!(run.stdout.is_empty());
    assert!(run.stderr.starts_with("imported into account `default`: 6 entries, "), "{}", run.stderr);
    assert_eq!(held(&ledger), [vec![first, second], some()].concat());
}

/// The answers of the service that the project knows, with the awkward shapes in them.
#[test]
fn the_pages_of_the_service_are_imported_as_they_are() {
    let files = ["usage.json", "usage-history.json"].map(|name| format!("{PAGES}/{name}"));
    let ledger = Ledger::of(&[]);
    run(&["import", &files[0], &files[1], "--ledger", &ledger.path()]).done();
    let mut expect: Vec<_> = files.iter().flat_map(|file| entries(&fs::read(file).unwrap())).collect();
    expect.sort_by_key(|entry| entry.timestamp);
    assert_eq!(expect.iter().filter(|entry| entry.other_fields.is_some()).count(), 1);
    assert_eq!(held(&ledger), expect);
}

/// Asserts that the import fails with exit code 1, says where, and leaves the ledger as it was, also without the good
/// file before the bad one.
#[track_caller]
fn check(bad: &[u8], said: &str) {
    let (place, before) = (Place::new(), some());
    let ledger = Ledger::of(&before);
    let good = place.write("good.ndjson", ndjson(&some()));
    let bad_file = place.write("bad.csv", bad);
    let refused = |run: Run| {
        run.failed(1, said);
        assert!(run.stderr.contains("hint: nothing was imported"), "{}", run.stderr);
    };
    refused(run(&["import", &good, &bad_file, &good, "--again", "--ledger", &ledger.path()]));
    refused(run_reading(&["import", &good, "-", "--again", "--ledger", &ledger.path()], bad));
    assert!(held(&ledger) == before);
}

#[test]
fn a_bad_row_is_named_and_nothing_is_imported() {
    let row = |amount: &str| format!("2026-05-01T00:00:00Z,s,1,1,{amount},USD,\"two\nlines\"\n");
    let csv = |rows: &[String]| format!("{CSV_HEADER}\n{}", rows.concat()).into_bytes();
    check(
        &csv(&[row("-1"), row("-0.1O"), row("-1")]),
        "`: record 2 (line 4), column `amount`: `-0.1O` is not a decimal number",
    );
    check(&csv(&[row("-1"), row("")]), "record 2 (line 4), column `amount`");
    check(&csv(&[row("1e400")]), "record 1 (line 2), column `amount`: `1e400` does not fit");
    // A bad row far behind good ones, some of which are already on their way into the ledger.
    let mut many = vec![row("-1"); 2_500];
    many.push(row("x"));
    check(&csv(&many), "record 2501 (line 5002), column `amount`: `x` is not a decimal number");
    check(b"timestamp,sku,units\n", "columns are missing: ");
}

#[test]
fn a_bad_entry_is_named_and_nothing_is_imported() {
    let rows = String::from_utf8(ndjson(&some())).unwrap();
    let second = rows.find("\n").unwrap() + 1;
    let spoilt =
        |from: &str, to: &str| format!("{}{}", &rows[..second], rows[second..].replacen(from, to, 1));
    check(spoilt("\"amount\":-0.1,", "").as_bytes(), "line 2, field `amount`: is missing");
    check(spoilt("-0.1", "-0.1e400").as_bytes(), "line 2, field `amount`: `-0.1e400` does not fit");
    check(spoilt("\"currency\":\"USD\",", "").as_bytes(), "line 2, field `currency`: is missing");
    check(spoilt("{", "[").as_bytes(), "line 2: is not a usage entry");
    check(&rows.as_bytes()[..rows.len() - 10], "line 4: ");
    check(b"{\"error\":\n\"Authentication failed\"}", "no entry: Authentication failed");
    check(b"<!doctype html>\n<p>Log in</p>\n", "is an HTML or XML page");
}

#[test]
fn a_compressed_file_that_is_cut_is_not_half_imported() {
    let many: Vec<_> = billing_sample::History::new(1, 3_000).collect();
    let whole = gzip(&ndjson(&many));
    for length in [whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        check(&whole[..length], "the compressed data is damaged or cut off");
    }
    let mut damaged = whole.clone();
    let checksum = damaged.len() - 6;
    damaged[checksum] ^= 1;
    check(&damaged, "the compressed data is damaged or cut off");
}

/// An export of an empty window is one of these.
#[test]
fn a_file_without_entries_is_imported_as_such() {
    let (place, ledger) = (Place::new(), Ledger::of(&some()));
    let empty = place.write("empty.ndjson", "");
    run(&["import", &empty, "--ledger", &ledger.path()]).done();
    assert!(held(&ledger) == some());
}

/// Only the line break at the end shows that the last field of a CSV file is whole.
#[test]
fn a_csv_file_that_may_be_cut_is_warned_of() {
    let row = "2026-05-01T00:00:00Z,s,1,1,-1,USD,n";
    for (text, warned) in [(format!("{CSV_HEADER}\n{row}\n"), false), (format!("{CSV_HEADER}\n{row}"), true)]
    {
        let (place, ledger) = (Place::new(), Ledger::of(&[]));
        let file = place.write("usage.csv", text);
        let run = run(&["import", &file, "--ledger", &ledger.path()]).done();
        assert_eq!(run.stderr.contains("does not end with a line break"), warned, "{}", run.stderr);
    }
}

/// A slip in a name leaves no trace, not even an empty ledger.
#[test]
fn a_file_that_is_not_there_is_found_out_first() {
    let place = Place::new();
    let (good, ledger) = (place.write("good.ndjson", ndjson(&some())), place.path("ledger.db"));
    run(&["import", &good, &place.path("missing.csv"), "--ledger", &ledger])
        .failed(1, "missing.csv`: No such file");
    run(&["import", &good, &place.path(""), "--ledger", &ledger]).failed(1, "is a directory");
    run(&["import", "--ledger", &ledger]).failed(2, "<FILE>...");
    assert_eq!(place.names(), ["good.ndjson"]);
    run(&["import", &good, "--ledger", &place.path("missing/ledger.db")]).failed(1, "missing/ledger.db`");
}

/// Whatever the import had stored: a new ledger is removed again, and one that had something in it stays.
#[test]
fn a_failed_import_leaves_no_ledger_behind_that_was_not_there() {
    let place = Place::new();
    let path = place.path("ledger.db");
    for rows in [0, 3, 25_000] {
        let good: Vec<_> = billing_sample::History::new(1, rows).collect();
        let bad = place.write("bad.ndjson", [ndjson(&good), b"{\n".to_vec()].concat());
        run(&["import", &bad, "--ledger", &path]).failed(1, "bad.ndjson`");
        assert_eq!(place.names(), ["bad.ndjson"]);
    }
    let bad = place.path("bad.ndjson");
    run(&["import", &bad, "--ledger", &path, "--account", " "]).failed(2, "is no name");
    assert_eq!(place.names(), ["bad.ndjson"]);
    run(&["keys", "create", "--ledger", &path]).done();
    run(&["import", &bad, "--ledger", &path]).failed(1, "bad.ndjson`");
    assert_eq!(place.names(), ["bad.ndjson", "ledger.db"]);
    run(&["keys", "list", "--ledger", &path]).done();
}

/// The commands that open a ledger refuse this file, and leave it as it is.
#[track_caller]
fn check_refused(place: &Place, name: &str, said: &str) {
    let (before, path) = (place.read(name), place.path(name));
    let good = place.write("good.ndjson", ndjson(&some()));
    for args in [
        &["import", &good][..],
        &["keys", "create"],
        &["keys", "list"],
        &["keys", "revoke", "0123456789abcdef"],
        &["serve", "--listen", "127.0.0.1:0"],
    ] {
        run(&[args, &["--ledger", &path]].concat()).failed(1, said);
        assert!(place.read(name) == before, "{args:?} wrote to it");
    }
    assert_eq!(place.names().len(), 2, "nothing stands beside it: {:?}", place.names());
}

#[test]
fn a_ledger_from_a_newer_version_is_refused() {
    let ledger = Ledger::of(&some());
    let place = Place::new();
    fs::copy(ledger.path(), place.path("ledger.db")).unwrap();
    let mut bytes = place.read("ledger.db");
    // The `user_version` of an SQLite file: a big-endian number at byte 60.
    assert_eq!(bytes[60..64], [0, 0, 0, 6]);
    bytes[60..64].copy_from_slice(&99u32.to_be_bytes());
    place.write("ledger.db", bytes);
    check_refused(&place, "ledger.db", "is from a newer version of this program");
}

#[test]
fn a_file_that_is_no_ledger_is_refused() {
    for bytes in
        [b"timestamp,sku\n".to_vec(), b"SQLite format 3\0 and then something else".repeat(100), gzip(b"x")]
    {
        let place = Place::new();
        place.write("notes.db", bytes);
        check_refused(&place, "notes.db", "notes.db`");
    }
}

#[test]
fn an_account_that_is_a_copy_of_a_service_takes_no_file() {
    let (ledger, place) = (Ledger::of(&some()), Place::new());
    copies::make(&ledger, "copy", &[], &[]);
    let before = ledger.listed("accounts").accounts.len();
    let file = place.write("may.ndjson", ndjson(&some()));
    let path = ledger.path();
    for flags in [&[][..], &["--again"], &["--dry-run"], &["--dry-run", "--json"]] {
        let args = [&["import", &file, "--ledger", &path, "--account", "copy"], flags].concat();
        insta::allow_duplicates!(insta::assert_snapshot!(run(&args).said("NOWHERE"), @"
        error: the account `copy` is kept in step with https://api.venice.ai/api/v1 by `billing sync`
        hint: nothing was imported; import into another --account
        exit code 1
        "));
    }
    let accounts = ledger.listed("accounts").accounts;
    let entries: Vec<_> = accounts.iter().map(|account| (account.name.as_str(), account.entries)).collect();
    assert_eq!((entries, before), (vec![("copy", 0), ("default", 4)], 2));
}
