//! A reader that goes on: what is wrong with one record is no matter of the next.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::{self, Read};

use billing_csv::{Error, ErrorKind, Reader};
use billing_model::UsageEntry;
use proptest::prelude::*;

const HEADER: &str = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes";
const ROW: &str = "2026-06-14T19:52:45.087Z,a-sku,0.1,1,-0.1,DIEM,API Inference";

/// Records that are faulty in themselves: what is wrong, and in which column.
const FAULTY: &[(&[u8], Option<&str>, &str)] = &[
    (b"2026-06-14T19:52:45.087Z,a-sku,0.1,1,-0.1O,DIEM,x", Some("amount"), "`-0.1O` is not a decimal number"),
    (b"2026-06-14T19:52:45.087Z,a-sku,0.1,,-0.1,DIEM,x", Some("units"), "is missing"),
    (b"x", None, "1 fields where the header has 7"),
    (b"\"\"", None, "1 fields where the header has 7"),
    (b" ", None, "1 fields where the header has 7"),
    (
        b"2026-06-14T19:52:45.087Z,a-sku,0.1,1,-0.1,DIEM,\"a,\r\n\nb\",,",
        None,
        "9 fields where the header has 7",
    ),
    (
        b"2026-06-14T19:52:45.087Z,a-sku,0.1,1,\"-0.1\"5,DIEM,x",
        Some("amount"),
        "there is text after the closing quote",
    ),
    (
        b"2026-06-14T19:52:45.087Z,a-sku,0.1,1,-0.1,DIEM,\"a\nb\" \"c",
        Some("notes"),
        "there is text after the closing quote",
    ),
    (b"\"2026\"x", Some("timestamp"), "there is text after the closing quote"),
    (b"2026-06-14T19:52:45.087Z,\xff,0.1,1,-0.1,DIEM,x", Some("sku"), "is not UTF-8 text"),
    (b"\xff\xfe", Some("timestamp"), "is not UTF-8 text"),
    (b"2026-06-14T19:52:45.087Z,a-sku,0.1,1,-0.1,DIEM,\"\xc3\n\xa9\"", Some("notes"), "is not UTF-8 text"),
];

/// Gives some bytes at a time.
struct Drip<'a>(&'a [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(self.1);
        self.0.read(&mut out[..most])
    }
}

fn entry() -> UsageEntry {
    billing_csv::decode(format!("{HEADER}\n{ROW}\n").as_bytes()).unwrap().remove(0)
}

fn going_on(file: &[u8]) -> Vec<Result<UsageEntry, Error>> {
    Reader::new(file).going_on().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_record_is_read_as_if_it_were_alone(
        picks in prop::collection::vec((any::<bool>(), 0..FAULTY.len(), 1usize..3), 0..12),
        crlf: bool, ends_in_a_line_break: bool, bytes_at_once in 1usize..100,
    ) {
        let line_break: &[u8] = if crlf { b"\r\n" } else { b"\n" };
        let mut file = [HEADER.as_bytes(), line_break].concat();
        for (good, faulty, line_breaks) in &picks {
            file.extend(if *good { ROW.as_bytes() } else { FAULTY[*faulty].0 });
            file.extend(line_break.repeat(*line_breaks));
        }
        if !ends_in_a_line_break {
            file.truncate(file.trim_ascii_end().len());
            // A line with a space on it is a record, and went with the line breaks.
            prop_assume!(picks.last().is_none_or(|(good, faulty, _)| *good || FAULTY[*faulty].0 != b" "));
        }
        // Strictly: otherwise a blank record is none.
        let items: Vec<_> = Reader::new(Drip(&file, bytes_at_once)).strict().going_on().collect();
        prop_assert_eq!(items.len(), picks.len());
        for (number, (item, (good, faulty, _))) in items.into_iter().zip(picks).enumerate() {
            match item {
                Ok(found) => prop_assert!(good && found == entry(), "record {}: {:?}", number + 1, found),
                Err(error) => {
                    let (_, column, reason) = FAULTY[faulty];
                    prop_assert!(!good && !error.is_fatal(), "{:?}", error);
                    prop_assert_eq!(error.record(), Some(number as u64 + 1));
                    prop_assert_eq!((error.column(), error.reason()), (column, reason.to_owned()));
                }
            }
        }
    }
}

#[test]
fn a_fault_of_the_file_is_the_end_of_it() {
    let faulty = |start: &str, end: &str| format!("{start}\n{ROW}\nx\n{ROW}\n{end}");
    for (file, before, record, reason) in [
        (String::new(), 0, None, "there is none, the file is empty"),
        (faulty("x,\"y\"z", ""), 0, None, "there is text after the closing quote"),
        (
            faulty(&HEADER.replace("amount,sku", "").replace("units,amount", "units"), ""),
            0,
            None,
            "a column is missing: `amount`",
        ),
        (faulty(&format!("{HEADER},sku"), ""), 0, None, "the column `sku` is there twice"),
        (faulty(HEADER, &format!("\"{ROW}\n{ROW}\n")), 3, Some(4), "the file ends within a quoted field"),
        (
            faulty(HEADER, &format!("\"{}\n{ROW}\n", "x".repeat(17 << 20))),
            3,
            Some(4),
            "is longer than 16 MiB; is a quote opened and not closed?",
        ),
    ] {
        let mut items = going_on(file.as_bytes());
        let last = items.pop().unwrap().unwrap_err();
        assert_eq!((items.len(), last.record(), last.reason().as_str()), (before, record, reason));
        assert!(last.is_fatal(), "{last:?}");
        assert!(items.into_iter().filter_map(Result::err).all(|error| !error.is_fatal()));
    }
    let header = going_on(b"timestamp,\xff\nx\n");
    assert!(matches!(&header[..], [Err(error)] if error.is_fatal() && *error.kind() == ErrorKind::NotUtf8));
}

#[test]
fn a_failure_of_reading_is_not_tried_again() {
    /// Gives its bytes, fails, and would have more.
    struct Broken<'a>(&'a [u8], bool);
    impl Read for Broken<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() && !std::mem::replace(&mut self.1, true) {
                return Err(io::Error::new(io::ErrorKind::ConnectionReset, "the peer has gone"));
            }
            if self.1 { b"\nx\n".as_slice().read(out) } else { self.0.read(out) }
        }
    }
    let start = format!("{HEADER}\nx\n{ROW}");
    let items: Vec<_> = Reader::new(Broken(start.as_bytes(), false)).going_on().collect();
    let [Err(first), Err(last)] = &items[..] else { panic!("{items:?}") };
    assert_eq!((first.record(), first.is_fatal()), (Some(1), false));
    assert_eq!((last.record(), last.is_fatal(), last.is_io()), (Some(2), true, true));
    assert_eq!(last.reason(), "reading failed: the peer has gone");
}

#[test]
fn a_stray_quote_takes_the_lines_up_to_the_next_one() {
    let stray = ROW.replace("API", "\"API");
    let file = format!("{HEADER}\n{stray}\n{ROW}\n{stray}\n{ROW}\nx\n");
    let read: Vec<_> = going_on(file.as_bytes())
        .into_iter()
        .map(|item| item.map_err(|error| (error.record(), error.line(), error.reason())))
        .collect();
    let fault = |record, line, reason: &str| Err((Some(record), line, reason.to_owned()));
    assert_eq!(
        read,
        [
            fault(1, 2, "there is text after the closing quote"),
            Ok(entry()),
            fault(3, 6, "1 fields where the header has 7"),
        ]
    );
}

#[test]
fn without_it_the_first_error_is_the_last() {
    let file = format!("{HEADER}\nx\n{ROW}\n");
    assert_eq!(Reader::new(file.as_bytes()).count(), 1);
    assert_eq!(going_on(file.as_bytes()).len(), 2);
}
