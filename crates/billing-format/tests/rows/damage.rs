//! Random bodies: without damage, with damage that stays in its rows, and with damage anywhere.

use std::io::BufReader;

use billing_format::{InputError, InputFormat, RowFormat, read_entries, rows};
use billing_model::UsageEntry;
use billing_testkit::any_entries;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::bodies::{FORMATS, joined, row_of, written};

/// The amount and the sku of a damaged row. Nothing else in a body looks like them.
const AMOUNT: &str = "-98765432109.87654321";
const SKU: &str = "the-sku-of-a-damaged-row";

/// The kinds of damage that change nothing outside of their row.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Number,
    TextOfNumber,
    MissingField,
    NotUtf8,
    Half(Index),
    AfterQuote,
}

fn any_damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::Number),
        Just(Damage::TextOfNumber),
        Just(Damage::MissingField),
        Just(Damage::NotUtf8),
        any::<Index>().prop_map(Damage::Half),
        Just(Damage::AfterQuote),
    ]
}

impl Damage {
    /// The damaged row of an entry, and the field that its error has to name.
    fn apply(self, format: RowFormat, entry: &UsageEntry) -> (Vec<u8>, Option<&'static str>) {
        let entry = UsageEntry { amount: AMOUNT.parse().unwrap(), sku: SKU.to_owned(), ..entry.clone() };
        let row = String::from_utf8(row_of(format, &entry)).unwrap();
        let with = |from: &str, to: &[u8]| {
            let (before, after) = row.split_once(from).unwrap();
            [before.as_bytes(), to, after.as_bytes()].concat()
        };
        let csv = format == RowFormat::Csv;
        match self {
            Self::Number => (with(AMOUNT, b"x"), csv.then_some("amount")),
            Self::TextOfNumber => (with(AMOUNT, b"\"x\""), Some("amount")),
            Self::MissingField if csv => (with(&format!("{SKU},"), b""), None),
            Self::MissingField => (with(&format!("\"sku\":\"{SKU}\","), b""), Some("sku")),
            Self::NotUtf8 => (with(SKU, b"a\xffb"), csv.then_some("sku")),
            // In NDJSON the end of the line ends half a row too. In other formats it would take in the rows after it.
            Self::Half(at) if format == RowFormat::Ndjson => {
                (row.as_bytes()[..1 + at.index(row.len() - 1)].to_vec(), None)
            }
            Self::Half(_) => (b"17".to_vec(), None),
            Self::AfterQuote => (with(SKU, b"\"a\n\"b"), csv.then_some("sku")),
        }
    }
}

/// A body in which some bytes were changed, put in or taken out.
fn mutated(mut body: Vec<u8>, mutations: &[(Index, Option<u8>, bool)]) -> Vec<u8> {
    for (at, byte, replace) in mutations {
        let at = at.index(body.len() + 1);
        body.splice(at..(at + usize::from(*replace || byte.is_none())).min(body.len()), *byte);
    }
    body
}

fn any_byte() -> impl Strategy<Value = u8> {
    prop_oneof![any::<u8>(), prop::sample::select(b"[]{},:\"\\\r\n 0e-\xef\xbb\xbf".to_vec())]
}

/// The entries, by the readers that stop at the first fault; `None` when there is a fault.
fn all_or_none(body: &[u8], format: RowFormat) -> Option<Vec<UsageEntry>> {
    let format = match format {
        RowFormat::JsonArray => {
            let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
            return serde_json::from_slice(text).ok();
        }
        RowFormat::Ndjson => InputFormat::Ndjson,
        RowFormat::Csv => InputFormat::Csv,
    };
    let mut entries = Vec::new();
    read_entries(body, format, &mut entries).ok().map(|_| entries)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn bad_rows_are_named_and_good_ones_come_out(
        entries in any_entries(12), damages in prop::collection::vec(prop::option::of(any_damage()), 12),
        crlf: bool, capacity in 1usize..300,
    ) {
        for format in FORMATS {
            let damaged: Vec<_> = entries.iter().zip(&damages).map(|(entry, damage)| match damage {
                // This damage has a line break, which would end the line.
                Some(Damage::AfterQuote) if format == RowFormat::Ndjson => Damage::Number.apply(format, entry),
                Some(damage) => damage.apply(format, entry),
                None => (row_of(format, entry), None),
            }).collect();
            let texts: Vec<_> = damaged.iter().map(|(text, _)| text.clone()).collect();
            let body = joined(format, &texts, if crlf { b"\r\n" } else { b"\n" });
            let items: Vec<_> = rows(BufReader::with_capacity(capacity, &body[..]), format).collect();
            prop_assert_eq!(items.len(), entries.len());
            for (number, item) in items.into_iter().enumerate() {
                match (item, damages[number]) {
                    (Ok(found), None) => prop_assert_eq!(&found, &entries[number]),
                    (Err(error), Some(damage)) => {
                        prop_assert_eq!(error.row(), Some(number as u64 + 1), "{:?} {:?}", damage, error);
                        prop_assert_eq!(error.field(), damaged[number].1, "{:?} {:?}", damage, error);
                        prop_assert!(!error.is_fatal() && !error.reason().is_empty(), "{:?} {:?}", damage, error);
                    }
                    (item, damage) => prop_assert!(false, "row {}, {:?}: {:?}", number + 1, damage, item),
                }
            }
        }
    }

    #[test]
    fn of_a_sound_body_every_row_is_what_is_read_of_a_file(entries in any_entries(30), mark: bool) {
        for format in FORMATS {
            let body = [if mark { &b"\xef\xbb\xbf"[..] } else { b"" }, &written(format, &entries)].concat();
            let mut read = Vec::new();
            read_entries(&body[..], InputFormat::Auto, &mut read).unwrap();
            let all: Result<Vec<_>, InputError> = rows(&body[..], format).collect();
            prop_assert_eq!(&all.unwrap(), &read);
            prop_assert_eq!(&read, &entries);
        }
    }

    #[test]
    fn no_bytes_are_too_strange(
        entries in any_entries(4), noise in prop::collection::vec(any_byte(), 0..200),
        mutations in prop::collection::vec((any::<Index>(), prop::option::of(any_byte()), any::<bool>()), 1..6),
    ) {
        let bodies = FORMATS.map(|format| mutated(written(format, &entries), &mutations));
        let headed = [&written(RowFormat::Csv, &[])[..], &noise].concat();
        for body in bodies.iter().chain([&noise, &headed]) {
            for format in FORMATS {
                let items: Vec<_> = rows(&body[..], format).collect();
                let fatal = |item: &Result<_, InputError>| item.as_ref().is_err_and(InputError::is_fatal);
                let in_rows = items.iter().filter(|item| !fatal(item)).count();
                prop_assert!(in_rows <= body.len(), "{} rows of {} bytes", in_rows, body.len());
                prop_assert!(!items.iter().rev().skip(1).any(fatal), "goes on after the end: {:?}", items);
                for (number, item) in items.iter().enumerate() {
                    let row = item.as_ref().err().and_then(InputError::row);
                    let expect = item.is_err().then_some(number as u64 + 1);
                    prop_assert!(row == expect || fatal(item) && row.is_none(), "{} {:?}", number, item);
                }
                let all: Option<Vec<_>> = items.into_iter().map(Result::ok).collect();
                prop_assert_eq!(all, all_or_none(body, format));
            }
        }
    }
}
