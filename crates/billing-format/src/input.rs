//! Entries from files, into a sink: the mirror of billing-sink's `drain`.

use std::io::{Cursor, Read};

use billing_model::{BadRows, Sink, Summary, UsageEntry};

use crate::input_error::InputError;
use crate::input_format::{InputFormat, open, recognise};
use crate::json_input::JsonEntries;
use crate::ndjson_input::{NdjsonEntries, Reading};
use crate::notices::Notices;
use crate::read_error::ReadError;

/// Entries that a sink is given at once: enough for a transaction of a ledger, which then need not copy them.
const BATCH: usize = 5000;

/// Bytes of texts after which fewer entries are given at once.
const BATCH_BYTES: usize = 4 << 20;

/// Writes every entry of a file into the sink, and does not finish it: several files can go into one.
///
/// Input that is compressed with gzip or zstd is decompressed. The sink is given up to 5000 entries at a time; nothing
/// else is held, however large the file. Gives back what the entries come to. An NDJSON export without entries leaves
/// an empty file, so [`InputFormat::Auto`] reads an empty file as no entries.
///
/// ```
/// use billing_format::{InputFormat, read_entries};
///
/// let page = r#"{"nextCursor":null,"data":[{"timestamp":"2026-06-14T19:52:45.087Z","sku":"credit-purchase",
///   "pricePerUnitUsd":1,"units":25,"amount":25,"currency":"USD","notes":""}]}"#;
/// let mut sink = Vec::new();
/// let summary = read_entries(page.as_bytes(), InputFormat::Auto, &mut sink)?;
/// assert_eq!((summary.entries, sink[0].amount.to_string().as_str()), (1, "25"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ReadError`] with the faults of the input and their places, or with the error of the sink. The first twenty rows
/// that cannot be taken are named, with their timestamps where those can be read. For that, the file is read to its
/// end. The sink may have been given entries by then: drop it, do not finish it.
///
/// # What cannot be seen
/// A file that is cut off is an error, with these exceptions, where what is left is a legal file: NDJSON cut at the end
/// of a line, and JSON between two values; CSV cut at the end of a row or within the last field of one; gzip and zstd cut
/// at the end of a member; anything cut down to nothing, unless its format is named and is CSV.
pub fn read_entries<S: Sink>(
    input: impl Read,
    format: InputFormat,
    sink: &mut S,
) -> Result<Summary, ReadError<S::Error>> {
    read_entries_noting(input, format, sink, &mut Notices::default())
}

/// As [`read_entries`], and notes what is no error: what may be missing, and what was changed or passed over.
///
/// # Errors
/// As there.
pub fn read_entries_noting<S: Sink>(
    input: impl Read,
    format: InputFormat,
    sink: &mut S,
    notices: &mut Notices,
) -> Result<Summary, ReadError<S::Error>> {
    let mut input = open(input).map_err(ReadError::Input)?;
    let format = match format {
        InputFormat::Auto => {
            let (format, head) = recognise(&mut input).map_err(ReadError::Input)?;
            input = Box::new(Cursor::new(head).chain(input));
            format
        }
        named => named,
    };
    match format {
        InputFormat::Auto | InputFormat::Csv => {
            let mut entries = billing_csv::Reader::new(input).going_on();
            let summary = pour(entries.by_ref().map(|entry| entry.map_err(InputError::csv)), sink)?;
            notices.note_csv(entries.notes(), summary.entries);
            Ok(summary)
        }
        InputFormat::Ndjson => {
            let mut entries = NdjsonEntries::new(input, Reading::Lenient);
            let summary = pour(entries.by_ref(), sink)?;
            notices.note_json(entries.notes());
            Ok(summary)
        }
        InputFormat::Json => {
            let mut entries = JsonEntries::new(input);
            let summary = pour(entries.by_ref(), sink)?;
            notices.note_json(entries.notes());
            entries.pages().iter().for_each(|page| notices.note_page(*page));
            Ok(summary)
        }
    }
}

/// Gives all entries to the sink, or returns an error that names the rows that are none.
fn pour<S: Sink>(
    entries: impl Iterator<Item = Result<UsageEntry, InputError>>,
    sink: &mut S,
) -> Result<Summary, ReadError<S::Error>> {
    let mut summary = Summary::default();
    let (mut batch, mut bytes) = (Vec::with_capacity(BATCH), 0);
    let (mut first, mut bad) = (None, BadRows::default());
    let mut write = |batch: &mut Vec<UsageEntry>| {
        summary.extend(&*batch);
        sink.write(batch).map_err(ReadError::Sink)?;
        batch.clear();
        Ok(())
    };
    for entry in entries {
        match entry {
            Ok(entry) if first.is_none() => {
                bytes += entry.text_bytes();
                batch.push(entry);
                if batch.len() == BATCH || bytes >= BATCH_BYTES {
                    write(&mut batch)?;
                    bytes = 0;
                }
            }
            // After a bad row, the rest is read only to find other bad ones.
            Ok(_) => {}
            Err(error) => {
                let is_fatal = error.is_fatal();
                bad.add(|| error.line_of_text());
                first.get_or_insert(error);
                if is_fatal {
                    break;
                }
            }
        }
    }
    if let Some(first) = first {
        return Err(ReadError::Input(first.of_several(bad)));
    }
    if !batch.is_empty() {
        write(&mut batch)?;
    }
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Format, InputErrorKind, Writer};
    use billing_csv::Columns;
    use billing_model::{Page, Pagination, Paging, Timestamp};
    use billing_testkit::{any_entries, entry_at};
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::error::Error as _;
    use std::io::{self, Write};

    const PAGE: &str = include_str!("../../../tests/data/pages/usage-history.json");

    const CSV: Format = Format::Csv(Columns::All);

    fn written(format: Format, entries: &[UsageEntry]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), format);
        entries.iter().for_each(|entry| writer.write(entry).unwrap());
        writer.finish().unwrap()
    }

    fn page(entries: &[UsageEntry]) -> Vec<u8> {
        let total = entries.len() as u64;
        let paging = Paging::ByNumber(Pagination::new(500, 1, total));
        let mut out = Vec::new();
        Page { entries: entries.to_vec(), paging, warning: Some("] \\ \"data\" {".into()) }
            .write_json(&mut out);
        out
    }

    fn gzip(parts: &[&[u8]]) -> Vec<u8> {
        parts
            .iter()
            .flat_map(|part| {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(part).unwrap();
                encoder.finish().unwrap()
            })
            .collect()
    }

    fn read(input: &[u8], format: InputFormat) -> Result<Vec<UsageEntry>, InputError> {
        let mut sink = Vec::new();
        match read_entries(input, format, &mut sink) {
            Ok(summary) => {
                assert_eq!(summary.entries, sink.len() as u64);
                Ok(sink)
            }
            Err(ReadError::Input(error)) => Err(error),
            Err(ReadError::Sink(never)) => match never {},
        }
    }

    fn auto(input: &[u8]) -> Result<Vec<UsageEntry>, InputError> {
        read(input, InputFormat::Auto)
    }

    /// What a person sees: the message and its causes.
    fn message(error: &InputError) -> String {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            text = format!("{text}: {cause}");
            next = cause.source();
        }
        text
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn entries_survive_every_format(entries in any_entries(30), cut in 0usize..1000) {
            for (format, named) in
                [(CSV, InputFormat::Csv), (Format::Json, InputFormat::Json), (Format::Ndjson, InputFormat::Ndjson)]
            {
                let file = written(format, &entries);
                prop_assert_eq!(&read(&file, named).unwrap(), &entries);
                prop_assert_eq!(&auto(&file).unwrap(), &entries);
                let (a, b) = file.split_at(file.len() * cut / 1000);
                prop_assert_eq!(&auto(&gzip(&[a, b])).unwrap(), &entries);
            }
            prop_assert_eq!(&auto(&page(&entries)).unwrap(), &entries);
        }

        #[test]
        fn a_damaged_array_is_read_as_serde_reads_it(
            entries in any_entries(3), place: prop::sample::Index, byte in prop::sample::select(br#"[]{}",:\ 0e-u"#.to_vec()),
        ) {
            let mut file = written(Format::Json, &entries);
            let place = place.index(file.len());
            file[place] = byte;
            let theirs = serde_json::from_slice::<Vec<UsageEntry>>(&file);
            prop_assert_eq!(read(&file, InputFormat::Json).ok(), theirs.ok());
        }
    }

    /// Two entries with line breaks, quotes and brackets in them.
    fn strange_entries() -> Vec<UsageEntry> {
        let plain = entry_at(Timestamp::from_unix_ns(0), "-8e-7");
        let strange = UsageEntry { notes: "a,\n\"]},{\\\"\r\n".into(), ..plain.clone() };
        vec![strange, plain]
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_an_error_or_whole_rows() {
        let entries = strange_entries();
        let pretty = String::from_utf8(page(&entries)).unwrap().replacen("{\"amount", "\n  {\"amount", 2);
        for (file, may_be_rows) in [
            (written(Format::Json, &entries), false),
            (page(&entries), false),
            (pretty.into_bytes(), false),
            (gzip(&[&written(Format::Json, &entries)]), false),
            (gzip(&[&written(CSV, &entries)]), false),
            (written(Format::Ndjson, &entries), true),
            (written(CSV, &entries), true),
        ] {
            assert_eq!(auto(&file).unwrap(), entries);
            let end = file.trim_ascii_end().len();
            for cut in 0..end {
                match auto(&file[..cut]) {
                    Ok(found) => {
                        assert!(may_be_rows || cut == 0, "cut at {cut}: {found:?}");
                        assert!(entries.starts_with(&found), "cut at {cut}: {found:?}");
                    }
                    // One byte of gzip's two could be anything.
                    Err(error) => assert!(error.is_cut_off() || cut == 1, "cut at {cut}: {error:?}"),
                }
            }
        }
    }

    #[test]
    fn every_form_of_a_page_is_read() {
        let entries = auto(PAGE.as_bytes()).unwrap();
        assert_eq!(entries, Page::from_history_json(PAGE).unwrap().entries);
        let array = &PAGE[PAGE.find('[').unwrap()..=PAGE.rfind(']').unwrap()];
        for file in [
            PAGE.replace("\"nextCursor\":null", "\"nextCursor\":\"abc\""),
            format!("\u{feff}\n {PAGE}"),
            PAGE.replace(",\"", " ,\n\t\""),
            format!("{{\"x\":[{{\"data\":[1]}},\"]\"],\"data\":{array},\"nextCursor\":null}}"),
            format!("{{\"data\":{array}}}"),
            array.to_owned(),
            format!("{array}[]"),
            array.replace("},{\"amount\"", "}\n{\"amount\"").trim_matches(['[', ']']).to_owned(),
            array.replace("},{\"amount\"", "}\r\n\n{\"amount\"").trim_matches(['[', ']']).to_owned(),
        ] {
            assert_eq!(auto(file.as_bytes()).unwrap(), entries, "{file}");
        }
        let twice = [entries.clone(), entries].concat();
        assert_eq!(auto(format!("{PAGE}\n{PAGE}").as_bytes()).unwrap(), twice);
        assert_eq!(read(format!("{array}{PAGE}").as_bytes(), InputFormat::Json).unwrap(), twice);
    }

    #[test]
    fn an_export_without_entries_could_not_be_imported() {
        let spaces = " ".repeat(1 << 20);
        let lines = "\r\n".repeat(1 << 20);
        for nothing in ["", "\u{feff}", "\n \n", "\u{feff}\r\n", &spaces, &lines] {
            for file in
                [nothing.as_bytes().to_vec(), gzip(&[nothing.as_bytes()]), gzip(&[b"", nothing.as_bytes()])]
            {
                assert_eq!(auto(&file).unwrap(), []);
                assert_eq!(read(&file, InputFormat::Ndjson).unwrap(), []);
                assert_eq!(read(&file, InputFormat::Json).unwrap(), []);
                let error = read(&file, InputFormat::Csv).unwrap_err();
                assert_eq!(error.kind(), InputErrorKind::Csv, "a CSV file has a header: {error:?}");
            }
        }
        for format in [CSV, Format::Json, Format::Ndjson] {
            assert_eq!(auto(&written(format, &[])).unwrap(), []);
        }
        assert_eq!(auto(b"{\"data\":[]}").unwrap(), []);
    }

    #[test]
    fn what_comes_after_much_white_space_is_not_lost() {
        let lines = written(Format::Ndjson, &strange_entries());
        for spaces in [60 << 10, 70 << 10, 200 << 10] {
            let file = [b"\n".repeat(spaces), lines.clone()].concat();
            assert_eq!(auto(&file).unwrap(), strange_entries(), "{spaces}");
        }
        let error = auto(&[b"\n".repeat(200 << 10).as_slice(), b"x"].concat()).unwrap_err();
        assert_eq!(error.to_string(), "line 204801: is not a usage entry");
    }

    #[test]
    fn an_error_names_the_place() {
        let lines = String::from_utf8(written(Format::Ndjson, &strange_entries())).unwrap();
        let json = String::from_utf8(written(Format::Json, &strange_entries())).unwrap();
        let csv = String::from_utf8(written(CSV, &strange_entries())).unwrap();
        let second = |text: &str, to: &str| {
            let at = text.rfind("-0.0000008").unwrap();
            format!("{}{to}{}", &text[..at], &text[at + 10..])
        };
        for (file, expect) in [
            (
                second(&lines, "1e400"),
                "line 2, field `amount`: `1e400` does not fit: an exact decimal has at most 28 to 29 digits and a power of ten from -350 to 350",
            ),
            (second(&json, "\"x\""), "entry 2, field `amount`: `x` is not a decimal number"),
            (second(&csv, "-0.1O"), "record 2 (line 5), column `amount`: `-0.1O` is not a decimal number"),
            (lines.replace("\n{\"amount\"", "\n\n{\"cost\""), "line 3, field `amount`: is missing"),
            (second(&lines, "]"), "line 2: is not a usage entry: expected value at line 1 column 11"),
            (format!("{lines}[]"), "line 3: is not a usage entry: "),
            (format!("{json},"), "entry 3: an entry, or an array or a page of entries belongs here"),
            (json.replace(",\n", "\n"), "entry 2: a `,` or the end of the list belongs before it"),
            (json.replace("\n]", ",]"), "entry 3: a JSON value belongs here"),
            ("[{}]".to_owned(), "entry 1, field `currency`: is missing"),
            ("[1]".to_owned(), "entry 1: is not a usage entry: "),
            (
                "{\"error\":\"no\"\n}".to_owned(),
                "entry 1: is what a service answers when it fails, and no entry: no",
            ),
            ("{\"data\":{}}".to_owned(), "entry 1: `data` is not an array"),
            ("{\"data\":[],\"data\":[]}".to_owned(), "entry 1: `data` is there twice"),
            ("{\"data\":[],\"x\":tru}".to_owned(), "entry 1: not a JSON value"),
            // If this were passed over, these entries would be lost.
            (
                format!("{{\"data\":{json},\"more\":{json}}}"),
                "entry 3: entries stand in an array `data`, and",
            ),
            (format!("{{\"usage\":{json},\"data\":[]}}"), "entry 1: entries stand in an array `data`, and"),
            (json.replacen("[\n{", "{\"data\":[],", 1), "entry 1: an object is an entry or"),
            (
                json.replacen("[\n{\"amount\"", "{\"amount\":1,\"data\":[],\"x\"", 1),
                "entry 1: an object is an entry or",
            ),
            ("{\"data\":[],\"amount\":1}".to_owned(), "entry 1: an object is an entry or"),
            ("<html>".to_owned(), "is an HTML or XML page"),
            ("x\n".to_owned(), "header (line 1): columns are missing: `timestamp`"),
        ] {
            let text = message(&auto(file.as_bytes()).unwrap_err());
            assert!(text.starts_with(expect), "{text}");
        }
        assert_eq!(auto(second(&csv, "x").as_bytes()).unwrap_err().field(), Some("amount"));
        let latin = [lines.as_bytes(), b"{\"notes\":\"\xe9\"}"].concat();
        assert_eq!(message(&auto(&latin).unwrap_err()), "line 3: is not UTF-8 text");
    }

    /// Gives some bytes, then fails; with interruptions before each.
    struct Broken<'a>(&'a [u8], bool);

    impl Read for Broken<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            match (self.1, self.0.is_empty()) {
                (true, _) => Err(io::ErrorKind::Interrupted.into()),
                (false, true) => Err(io::ErrorKind::ConnectionReset.into()),
                (false, false) => {
                    let most = out.len().min(7);
                    self.0.read(&mut out[..most])
                }
            }
        }
    }

    #[test]
    fn the_three_sides_of_a_failure_are_told_apart() {
        struct Full;
        impl Sink for Full {
            type Output = ();
            type Error = io::Error;
            fn write(&mut self, _: &[UsageEntry]) -> io::Result<()> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn finish(self) -> io::Result<()> {
                Ok(())
            }
        }
        let entries = strange_entries();
        for file in [page(&entries), written(Format::Ndjson, &entries), written(CSV, &entries)] {
            for whole in [file.clone(), gzip(&[&file])] {
                let error =
                    read_entries(Broken(&whole, false), InputFormat::Auto, &mut Vec::new()).unwrap_err();
                assert!(error.is_io() && !error.is_bad_input() && !error.is_sink(), "{error:?}");
                let error = read_entries(whole.as_slice(), InputFormat::Auto, &mut Full).unwrap_err();
                assert!(error.is_sink() && !error.is_bad_input() && !error.is_io(), "{error:?}");
            }
            let mut damaged = gzip(&[&file]);
            let checksum = damaged.len() - 6;
            damaged[checksum] ^= 1;
            let error = read_entries(damaged.as_slice(), InputFormat::Auto, &mut Vec::new()).unwrap_err();
            assert!(error.is_bad_input(), "{error:?}");
            assert!(matches!(error, ReadError::Input(error) if error.kind() == InputErrorKind::Compression));
        }
    }

    #[test]
    fn memory_is_bounded_whatever_the_file() {
        let endless = |start: &'static str, byte| start.as_bytes().chain(io::repeat(byte));
        for (start, byte, format) in [
            ("{\"", b'x', InputFormat::Auto),
            ("[", b'[', InputFormat::Auto),
            ("[{\"a\":\"", b'x', InputFormat::Json),
            ("{}\n", b'x', InputFormat::Ndjson),
        ] {
            let error = read_entries(endless(start, byte), format, &mut Vec::new()).unwrap_err();
            assert!(error.is_bad_input(), "{error:?}");
        }
    }

    #[test]
    fn a_sink_is_given_large_batches() {
        struct Batches(Vec<usize>);
        impl Sink for Batches {
            type Output = Vec<usize>;
            type Error = std::convert::Infallible;
            fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Self::Error> {
                self.0.push(entries.len());
                Ok(())
            }
            fn finish(self) -> Result<Vec<usize>, Self::Error> {
                Ok(self.0)
            }
        }
        let entry = entry_at(Timestamp::from_unix_ns(0), "-1");
        let long = UsageEntry { notes: "n".repeat(BATCH_BYTES / 2), ..entry.clone() };
        for (entry, count, batches) in [
            (&entry, 0, vec![]),
            (&entry, 5000, vec![5000]),
            (&entry, 10_001, vec![5000, 5000, 1]),
            (&long, 3, vec![2, 1]),
        ] {
            let file = written(Format::Json, &vec![entry.clone(); count]);
            let mut sink = Batches(Vec::new());
            let summary = read_entries(file.as_slice(), InputFormat::Auto, &mut sink).unwrap();
            assert_eq!((summary.entries, sink.finish().unwrap()), (count as u64, batches));
        }
    }
}
