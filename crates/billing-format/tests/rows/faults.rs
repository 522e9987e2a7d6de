//! Tables of bodies and their faults.

use std::io::{self, BufReader, Read};

use billing_format::{InputErrorKind, RowFormat, rows};
use billing_model::Timestamp;
use billing_testkit::entry_at;

use crate::bodies::{FORMATS, written};

/// A fault: its row, its field, the beginning of its reason, and whether it ends the rows.
type Fault = (Option<u64>, Option<&'static str>, &'static str, bool);

/// A fault of one row.
fn bad(row: u64, field: Option<&'static str>, reason: &'static str) -> Fault {
    (Some(row), field, reason, false)
}

/// A wrong amount.
fn wrong(row: u64) -> Fault {
    bad(row, Some("amount"), "`-0.1O` is not a decimal number")
}

/// A fault that ends the rows.
fn end(row: Option<u64>, reason: &'static str) -> Fault {
    (row, None, reason, true)
}

/// Reads a body whole and byte by byte, and checks that so many rows are good and that these are the faults.
fn check(body: &[u8], format: RowFormat, good: usize, expect: &[Fault]) {
    let text = String::from_utf8_lossy(body);
    let shown = &text[..text.floor_char_boundary(2000)];
    for bytes_at_once in [64 << 10, 1] {
        let items: Vec<_> = rows(BufReader::with_capacity(bytes_at_once, body), format).collect();
        assert_eq!(items.iter().filter(|item| item.is_ok()).count(), good, "{shown}\n{items:?}");
        let errors: Vec<_> = items.into_iter().filter_map(Result::err).collect();
        assert_eq!(errors.len(), expect.len(), "{shown}\n{errors:?}");
        for (error, (row, field, reason, fatal)) in errors.iter().zip(expect) {
            assert_eq!(
                (error.row(), error.field(), error.is_fatal()),
                (*row, *field, *fatal),
                "{shown}\n{error:?}"
            );
            assert!(error.reason().starts_with(reason), "{shown}\n{:?} is not {reason:?}", error.reason());
        }
    }
}

const GOOD: &str = r#"{"amount":-1,"currency":"USD","notes":"]},{","pricePerUnitUsd":1,"sku":"s","timestamp":"2026-06-14T19:52:45.087Z","units":1}"#;

/// A body with an entry in the place of each `+`, and an entry with a wrong amount in the place of each `-`.
fn json(body: &str) -> Vec<u8> {
    let wrong = GOOD.replace(":-1,", ":\"-0.1O\",");
    body.split_inclusive(['+', '-'])
        .map(|piece| match piece.char_indices().next_back() {
            Some((at, '+')) => format!("{}{GOOD}", &piece[..at]),
            Some((at, '-')) => format!("{}{wrong}", &piece[..at]),
            _ => piece.to_owned(),
        })
        .collect::<String>()
        .into_bytes()
}

#[test]
fn every_fault_of_an_array_is_named() {
    let no_array = "an array of entries belongs here";
    let no_comma = "a `,` or the end of the list belongs before it";
    let no_value = "a JSON value belongs here";
    let behind = "nothing belongs after the array of entries";
    let cut_off = "the JSON is cut off";
    for (body, good, expect) in [
        ("[]", 0, vec![]),
        (" [\n] \r\n\t", 0, vec![]),
        ("[+,+]\n", 2, vec![]),
        ("\u{feff}[+]", 1, vec![]),
        ("[-]", 0, vec![wrong(1)]),
        ("[-,+,-,-,+]", 2, vec![wrong(1), wrong(3), wrong(4)]),
        ("[+,{},+]", 2, vec![bad(2, Some("currency"), "is missing")]),
        ("[+, 17 ,+]", 2, vec![bad(2, None, "invalid type: integer `17`, ")]),
        (
            "[null,+,[[]],true]",
            1,
            vec![
                bad(1, None, "invalid type: null, "),
                bad(3, None, "invalid "),
                bad(4, None, "invalid type: boolean `true`, "),
            ],
        ),
        (
            "[{x},+,nul]",
            1,
            vec![bad(1, None, "key must be a string"), bad(3, None, "EOF while parsing a value")],
        ),
        ("", 0, vec![end(None, no_array)]),
        ("\u{feff} \n", 0, vec![end(None, no_array)]),
        ("+", 0, vec![end(None, no_array)]),
        ("{\"data\":[+]}", 0, vec![end(None, no_array)]),
        ("[+][+]", 1, vec![end(None, behind)]),
        ("[-]\u{feff}", 0, vec![wrong(1), end(None, behind)]),
        ("[-,+", 1, vec![wrong(1), end(Some(3), cut_off)]),
        ("[-,+,", 1, vec![wrong(1), end(Some(3), cut_off)]),
        ("[-,+,{\"a", 1, vec![wrong(1), end(Some(3), cut_off)]),
        ("[-,+ +,-]", 1, vec![wrong(1), end(Some(3), no_comma)]),
        ("[-,+,,-]", 1, vec![wrong(1), end(Some(3), no_value)]),
        ("[-,+,]", 1, vec![wrong(1), end(Some(3), no_value)]),
        ("[,+]", 0, vec![end(Some(1), no_value)]),
        ("[-}", 0, vec![wrong(1), end(Some(2), no_comma)]),
        // What follows an open bracket belongs to it.
        ("[+,{\"a\":[},+]", 1, vec![bad(2, None, "expected value"), end(Some(3), cut_off)]),
    ] {
        check(&json(body), RowFormat::JsonArray, good, &expect);
    }
    let latin = [&json("[+,")[..], b"{\"notes\":\"\xe9\"},\xff,", &json("+]")].concat();
    let not_utf8 = [bad(2, None, "is not UTF-8 text"), bad(3, None, "is not UTF-8 text")];
    check(&latin, RowFormat::JsonArray, 2, &not_utf8);
}

#[test]
fn every_faulty_line_is_named() {
    let half = || bad(2, None, "EOF while parsing");
    for (body, good, expect) in [
        ("", 0, vec![]),
        ("\u{feff}\n \r\n", 0, vec![]),
        ("+", 1, vec![]),
        ("\u{feff}+\r\n+\n", 2, vec![]),
        ("\n\n-\n \n+\n\r\n-\n-", 1, vec![wrong(1), wrong(3), wrong(4)]),
        ("+\n{\"amount\":0\n+", 2, vec![half()]),
        ("+\n{\"amount\":[\n+\n", 2, vec![half()]),
        ("+\n{\"notes\":\"\n\n+\n{", 2, vec![half(), bad(4, None, "EOF while parsing an object")]),
        ("+\nx\n]\n+", 2, vec![bad(2, None, "expected value at line 1"), bad(3, None, "expected value")]),
        ("++\n+\n", 1, vec![bad(1, None, "trailing characters")]),
        ("{}\n[+]\n+\n", 1, vec![bad(1, Some("currency"), "is missing"), bad(2, None, "invalid ")]),
    ] {
        check(&json(body), RowFormat::Ndjson, good, &expect);
    }
    let latin = [&json("+\n")[..], b"{\"notes\":\"\xe9\"}\n\xff\n", &json("+")].concat();
    let not_utf8 = [bad(2, None, "is not UTF-8 text"), bad(3, None, "is not UTF-8 text")];
    check(&latin, RowFormat::Ndjson, 2, &not_utf8);
    let long = [&json("-\n\n")[..], &vec![b' '; 17 << 20], &json("\n+")].concat();
    check(&long, RowFormat::Ndjson, 0, &[wrong(1), end(Some(2), "is longer than 16 MiB")]);
}

#[test]
fn every_fault_of_a_csv_file_is_named() {
    const HEADER: &str = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n";
    const ROW: &str = "2026-06-14T19:52:45.087Z,s,1,1,-1,USD,";
    let after_quote = "there is text after the closing quote";
    for (body, good, expect) in [
        ("", 0, vec![]),
        ("+\n", 1, vec![]),
        ("\n-\n\r\n+\n-", 1, vec![wrong(1), wrong(3)]),
        ("+\nx\n+,\n+", 2, vec![bad(2, None, "1 fields where"), bad(3, None, "8 fields where")]),
        ("+\"a\nb\"c\n+", 1, vec![bad(1, Some("notes"), after_quote)]),
        ("+\n-\n+\"a\n+\n", 1, vec![wrong(2), end(Some(3), "the file ends within a quoted field")]),
    ] {
        let body = body.replace('-', &ROW.replace(",-1,", ",*0.1O,")).replace('+', ROW).replace('*', "-");
        check(format!("{HEADER}{body}").as_bytes(), RowFormat::Csv, good, &expect);
        check(format!("\u{feff}{HEADER}{body}").as_bytes(), RowFormat::Csv, good, &expect);
    }
    let latin = [HEADER.as_bytes(), ROW.as_bytes(), b"\xe9\n", ROW.as_bytes()].concat();
    check(&latin, RowFormat::Csv, 1, &[bad(1, Some("notes"), "is not UTF-8 text")]);
    check(b"", RowFormat::Csv, 0, &[end(None, "there is none, the file is empty")]);
    check(b"{}", RowFormat::Csv, 0, &[end(None, "columns are missing: `timestamp`, `sku`")]);
    let twice = HEADER.replace("notes", "notes,sku");
    check(twice.as_bytes(), RowFormat::Csv, 0, &[end(None, "the column `sku` is there twice")]);
}

#[test]
fn a_failure_of_reading_is_the_end() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(io::ErrorKind::ConnectionReset, "the peer has gone"))
        }
    }
    let entry = entry_at(Timestamp::from_unix_ns(0), "-1");
    for format in FORMATS {
        let body = written(format, &[entry.clone(), entry.clone()]);
        for (start, good) in [(&body[..0], 0), (&body[..1], 0), (&body[..body.len() - 9], 1)] {
            let items: Vec<_> = rows(BufReader::new(start.chain(Broken)), format).collect();
            assert_eq!(items.len(), good + 1, "{format:?}: {items:?}");
            let error = items.into_iter().next_back().unwrap().unwrap_err();
            assert!(error.is_io() && error.is_fatal(), "{format:?}: {error:?}");
            assert_eq!(error.reason(), "reading failed: the peer has gone");
            assert!(good == 0 || error.row() == Some(2), "{format:?}: {error:?}");
        }
    }
}

#[test]
fn a_compressed_body_is_no_text() {
    let error = rows(&b"\x1f\x8b\x08\0"[..], RowFormat::Ndjson).next().unwrap().unwrap_err();
    assert_eq!((error.row(), error.kind()), (Some(1), InputErrorKind::NotUtf8));
}
