//! Files in all wrappings (line ends, byte order mark, compression), and what reading them gives.

use std::error::Error;
use std::io::Write;

use billing_format::{InputError, InputFormat, Notices, ReadError, read_entries_noting};
use billing_model::UsageEntry;
use flate2::Compression;
use flate2::write::GzEncoder;

pub(crate) const HEADER: &str = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes";

/// A row of CSV by its number, with notes.
pub(crate) fn row(number: usize, notes: &str) -> String {
    format!("{},sku-{number},1,1,-{number},USD,{notes}\n", time(number))
}

pub(crate) fn time(number: usize) -> String {
    format!("2026-06-15T{:02}:{:02}:{:02}.504Z", number / 3600, number / 60 % 60, number % 60)
}

/// The same entry as a JSON object, with more members.
pub(crate) fn object(number: usize, notes: &str, more: &str) -> String {
    format!(
        r#"{{"amount":-{number},"currency":"USD","notes":{notes},"pricePerUnitUsd":1,"sku":"sku-{number}","timestamp":"{}","units":1{more}}}"#,
        time(number)
    )
}

/// An object on several lines, as `JSON.stringify(entry, null, 2)` and `jq .` write it.
pub(crate) fn pretty(object: &str) -> String {
    object.replace(",\"", ",\n  \"").replace("\":", "\": ").replacen('{', "{\n  ", 1).replace('}', "\n}")
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A text in every wrapping: line ends, byte order mark, compression. It must not have line ends within values.
pub(crate) fn wrapped(text: &str) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for (ends, text) in [("LF", text.to_owned()), ("CRLF", text.replace('\n', "\r\n"))] {
        for (mark, text) in [("plain", text.clone()), ("BOM", format!("\u{feff}{text}"))] {
            let bytes = text.into_bytes();
            let half = bytes.len() / 2;
            for (packed, bytes) in [
                ("as it is", bytes.clone()),
                ("gzip", gzip(&bytes)),
                ("zstd", zstd(&bytes)),
                ("two gzip members", [gzip(&bytes[..half]), gzip(&bytes[half..])].concat()),
                ("two zstd frames", [zstd(&bytes[..half]), zstd(&bytes[half..])].concat()),
            ] {
                all.push((format!("{ends}, {mark}, {packed}"), bytes));
            }
        }
    }
    all
}

/// Reads a file: its entries, and its notices.
pub(crate) fn read(bytes: &[u8]) -> Result<(Vec<UsageEntry>, Vec<String>), InputError> {
    let (mut entries, mut notices) = (Vec::new(), Notices::default());
    match read_entries_noting(bytes, InputFormat::Auto, &mut entries, &mut notices) {
        Ok(summary) => {
            assert_eq!(summary.entries, entries.len() as u64);
            Ok((entries, notices.list().iter().map(ToString::to_string).collect()))
        }
        Err(ReadError::Input(error)) => Err(error),
        Err(ReadError::Sink(never)) => match never {},
    }
}

/// An error as a person sees it: the message and its causes.
pub(crate) fn message(error: &InputError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Checks that every wrapping of the text has the entries with these numbers, in this order, and these notices.
#[track_caller]
pub(crate) fn check_read(text: &str, numbers: &[usize], noticed: &[&str]) {
    for (how, bytes) in wrapped(text) {
        match read(&bytes) {
            Ok((entries, notices)) => {
                let found: Vec<_> = entries.iter().map(|entry| entry.sku.clone()).collect();
                let expect: Vec<_> = numbers.iter().map(|number| format!("sku-{number}")).collect();
                assert_eq!(found, expect, "{how}: {text}");
                assert_eq!(notices, noticed, "{how}: {text}");
            }
            Err(error) => panic!("{how}: {}: {text}", message(&error)),
        }
    }
}

/// Checks that every wrapping of the text is refused with a message that begins so.
#[track_caller]
pub(crate) fn check_refused(text: &str, expect: &str) {
    for (how, bytes) in wrapped(text) {
        let error = read(&bytes).map(|(entries, _)| entries).unwrap_err();
        let message = message(&error);
        assert!(message.starts_with(expect), "{how}: {message}: {text}");
        assert!(!error.is_io(), "{how}: {message}");
    }
}
