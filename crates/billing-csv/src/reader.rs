//! Entries from a file, one at a time, by the names in its header.

use std::io::Read;

use billing_model::{Timestamp, UsageEntry, ValueError, parse_decimal};

use crate::columns::{UNIT, blank_entry};
use crate::error::{Error, ErrorKind};
use crate::header::{Header, MOST_NAMES, instead_of_header, is_meant_as_header, misnamed, unknown};
use crate::notes::Notes;
use crate::records::Records;

/// Reads entries from CSV, one at a time and in bounded memory.
///
/// Columns are found by name, in any order; those that the format does not know are ignored, and `apiKeyId`, `otherFields` and
/// the four `inferenceDetails.…` may be absent. An empty field of an optional column is no value. A byte order mark, LF and
/// CRLF, quotes and quoted line breaks are as RFC 4180 has them, and the last line break may be missing. Text after a
/// closing quote is an error. A quote in a field that does not start with one is taken as it is: `5" disk` says `5" disk`.
///
/// Files that were put one behind the other are one file: a header that comes again says where the columns are from there
/// on. A record whose fields are all blank is none. [`notes`](Reader::notes) has what was passed over.
///
/// After the first error the iterator ends, unless it is [`going_on`](Reader::going_on).
///
/// ```
/// # fn main() -> Result<(), billing_csv::Error> {
/// let file = "amount,currency,timestamp,sku,notes,units,pricePerUnitUsd\n\
///             -8e-7,DIEM,2026-06-14T19:52:45.087Z,search-augmentation,\"a, b\",1,0.01\n";
/// for entry in billing_csv::Reader::new(file.as_bytes()) {
///     let entry = entry?;
///     assert_eq!((entry.amount.to_string().as_str(), entry.notes.as_str()), ("-0.0000008", "a, b"));
/// }
/// # Ok(())
/// # }
/// ```
///
/// # What cannot be seen
/// RFC 4180 has no mark for the end of a file. A file that was cut at the end of a row is a shorter file, and one that
/// was cut within the last field of a row may be one with a shorter last field. Whoever fetches a file has to make sure
/// that it is whole; every other cut is an error here.
#[derive(Debug)]
pub struct Reader<R> {
    state: State<R>,
    goes_on: bool,
    is_strict: bool,
    notes: Notes,
}

#[derive(Debug)]
enum State<R> {
    /// Nothing is read before the first entry is asked for.
    Unread(R),
    Rows(Box<Rows<R>>),
    Ended,
}

impl<R: Read> Reader<R> {
    /// Reads from `source`, which need not be buffered.
    pub fn new(source: R) -> Self {
        Self { state: State::Unread(source), goes_on: false, is_strict: false, notes: Notes::default() }
    }

    /// What was passed over so far.
    ///
    /// ```
    /// let file = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes,requestId\n,,,,,,,\n";
    /// let mut reader = billing_csv::Reader::new(file.as_bytes());
    /// assert!(reader.next().is_none());
    /// assert_eq!(reader.notes().blank_rows, 1);
    /// assert_eq!(reader.notes().misnamed["requestId"], "inferenceDetails.requestId");
    /// ```
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Goes on after a record that cannot be taken, so that every fault of a file is seen and not only the first.
    ///
    /// A wrong number of fields, a field that does not hold what its column is for, bytes that are not UTF-8 and text
    /// after a closing quote are faults of one record: its error takes its place, and the next record starts where it
    /// ends. A fault of the header or of reading, a quote that nothing closes and a record that is too long end the
    /// iterator all the same: [`Error::is_fatal`] tells them. A stray quote that opens a field takes the lines up to the
    /// next quote into its record; they are not records then, and are not counted.
    ///
    /// ```
    /// let file = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n\
    ///     2026-06-14T19:52:45.087Z,a-sku,0.1,1,-0.1O,DIEM,\n\
    ///     2026-06-14T19:52:45.087Z,a-sku,0.1,1,-0.1,DIEM,\n\
    ///     2026-06-14T19:52:45.087Z,a-sku\n";
    /// let faulty: Vec<_> = billing_csv::Reader::new(file.as_bytes())
    ///     .going_on()
    ///     .filter_map(Result::err)
    ///     .map(|error| (error.record(), error.reason()))
    ///     .collect();
    /// assert_eq!(faulty, [
    ///     (Some(1), "`-0.1O` is not a decimal number".to_owned()),
    ///     (Some(3), "2 fields where the header has 7".to_owned()),
    /// ]);
    /// ```
    pub fn going_on(self) -> Self {
        Self { goes_on: true, ..self }
    }

    /// Refuses a record with another value in a column `unit` than in `units`. Without this, `unit` beside `units` is
    /// like any column that the format does not know. A second header and a blank record are faults too.
    ///
    /// ```
    /// let file = "timestamp,sku,pricePerUnitUsd,units,unit,amount,currency,notes\n\
    ///     2026-06-14T19:52:45.087Z,a-sku,0.1,1,2,-0.1,DIEM,\n";
    /// let error = billing_csv::Reader::new(file.as_bytes()).strict().next().unwrap().unwrap_err();
    /// assert_eq!(error.column(), Some("unit"));
    /// assert!(billing_csv::decode(file.as_bytes()).is_ok());
    /// ```
    pub fn strict(self) -> Self {
        Self { is_strict: true, ..self }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<UsageEntry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut rows = match std::mem::replace(&mut self.state, State::Ended) {
            State::Unread(source) => match Rows::open(source, self.is_strict, &mut self.notes) {
                Ok(rows) => Box::new(rows),
                Err(error) => return Some(Err(error)),
            },
            State::Rows(rows) => rows,
            State::Ended => return None,
        };
        let item = rows.next_entry(&mut self.notes).transpose()?;
        if item.as_ref().err().is_none_or(|error| self.goes_on && !error.is_fatal()) {
            self.state = State::Rows(rows);
        }
        Some(item)
    }
}

impl<R: Read> std::iter::FusedIterator for Reader<R> {}

/// A file whose header was read.
#[derive(Debug)]
struct Rows<R> {
    records: Records<R>,
    header: Header,
    is_strict: bool,
}

impl<R: Read> Rows<R> {
    fn open(source: R, is_strict: bool, notes: &mut Notes) -> Result<Self, Error> {
        let mut records = Records::open(source)?;
        if !records.first()? {
            return Err(Error::new(ErrorKind::NoHeader, records.place()));
        }
        let fields = records.fields().filter(|_| records.misquoted_field().is_none());
        match fields.map(|fields| Header::of(fields, is_strict)) {
            Some(Ok(header)) => {
                notes.misnamed = fields.map(misnamed).unwrap_or_default();
                notes.unknown = fields.map(unknown).unwrap_or_default();
                Ok(Self { records, header, is_strict })
            }
            _ => Err(instead_of_header(&mut records)),
        }
    }

    fn next_entry(&mut self, notes: &mut Notes) -> Result<Option<UsageEntry>, Error> {
        while self.records.next()? {
            // A fault in the last line of the file may come from a cut.
            let error = match self.entry() {
                Ok(entry) => return Ok(Some(entry)),
                Err(error) => error.cut_off(self.records.at_end()).of_time(self.timestamp()),
            };
            if !self.is_passed_over(notes)? {
                return Err(error);
            }
        }
        Ok(None)
    }

    /// True for a record to pass over: a header that comes again, by which the next records are read, or a blank one.
    /// Only records that are no entries are asked, so reading entries costs nothing more.
    fn is_passed_over(&mut self, notes: &mut Notes) -> Result<bool, Error> {
        if self.is_strict || self.records.misquoted_field().is_some() {
            return Ok(false);
        }
        let Some(fields) = self.records.fields() else { return Ok(false) };
        if fields.iter().all(|field| field.trim_ascii().is_empty()) {
            notes.blank_rows += 1;
        } else if is_meant_as_header(fields) {
            let place = self.records.place();
            self.header = Header::of(fields, self.is_strict).map_err(|kind| {
                Error::new(kind, place).meaning(misnamed(fields)).cut_off(self.records.at_end())
            })?;
            notes.repeated_headers += 1;
            if notes.misnamed.len() < MOST_NAMES {
                notes.misnamed.extend(misnamed(fields));
            }
            if notes.unknown.len() < MOST_NAMES {
                notes.unknown.extend(unknown(fields));
            }
        } else {
            return Ok(false);
        }
        self.records.uncount();
        Ok(true)
    }

    fn entry(&self) -> Result<UsageEntry, Error> {
        let place = self.records.place();
        if let Some(field) = self.records.misquoted_field() {
            return Err(Error::text_after_quote(self.column_name(field), place));
        }
        let Some(fields) = self.records.fields() else {
            let (field, cause) = self.records.invalid_field().unzip();
            return Err(Error::utf8(field.and_then(|field| self.column_name(field)), cause, place));
        };
        if fields.len() != self.header.width {
            let kind = ErrorKind::FieldCount { expected: self.header.width, found: fields.len() };
            return Err(Error::new(kind, place));
        }
        let mut entry = blank_entry();
        for (number, column) in &self.header.layout {
            (column.read)(fields.text(*number), &mut entry)
                .map_err(|cause| Error::value(column.name, cause, place))?;
        }
        for text in self.header.unit.iter().map(|number| fields.text(*number)) {
            if !text.is_empty() && parse_decimal(text) != Ok(entry.units) {
                return Err(Error::value(UNIT, ValueError::not_the_units(text), place));
            }
        }
        Ok(entry)
    }

    /// The column of a field, when it is one that the format knows.
    fn column_name(&self, field: usize) -> Option<&'static str> {
        self.header.layout.iter().find(|(number, _)| *number == field).map(|(_, column)| column.name)
    }

    /// The timestamp of a record that is no entry, where it can be read.
    fn timestamp(&self) -> Option<Timestamp> {
        let column = self.header.layout.iter().find(|(_, column)| column.name == "timestamp");
        self.records.fields()?.text(column?.0).parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;
    use proptest::prelude::*;
    use std::error::Error as _;
    use std::io;

    const HEADER: &str = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes";
    const ROW: &str = "2026-06-14T19:52:45.087Z,a-sku,0.1,1,-0.1,DIEM,API Inference";

    fn entry() -> UsageEntry {
        decode(format!("{HEADER}\n{ROW}\n").as_bytes()).unwrap().remove(0)
    }

    /// Gives one byte at a time, with interruptions between.
    struct Drip<'a>(&'a [u8], bool);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let most = out.len().min(1);
            self.0.read(&mut out[..most])
        }
    }

    #[test]
    fn every_form_of_the_same_file_is_read_alike() {
        let crlf = |text: &str| text.replace('\n', "\r\n");
        let plain = format!("{HEADER}\n{ROW}\n{ROW}\n");
        for file in [
            plain.clone(),
            plain.trim_end().to_owned(),
            crlf(&plain),
            plain.replace('\n', "\r"),
            format!("\u{feff}{plain}"),
            format!("\u{feff}{}", plain.replacen("timestamp", "\"timestamp\"", 1)),
            format!("\n\r\n{HEADER}\n\n\n{ROW}\n\r\n{ROW}\n\n"),
            plain.replace("a-sku", "\"a-sku\"").replace("-0.1,DIEM", "\"-1e-1\",\"DIEM\""),
            plain.replace("units", "unit"),
            plain.replace("notes\n", "notes,x,x,\n").replace("Inference\n", "Inference,\"a\nb\",,\n"),
            plain.replace("notes\n", "notes,unit\n").replace("Inference\n", "Inference,mtoken\n"),
            plain
                .replace("notes\n", "notes,apiKeyId,inferenceDetails.promptTokens\n")
                .replace("ce\n", "ce,,\n"),
        ] {
            assert_eq!(decode(file.as_bytes()).unwrap(), [entry(), entry()], "{file:?}");
            let drip: Result<Vec<_>, _> = Reader::new(Drip(file.as_bytes(), false)).collect();
            assert_eq!(drip.unwrap(), [entry(), entry()], "{file:?} byte by byte");
        }
    }

    #[test]
    fn a_unit_beside_units_is_read_strictly_when_it_is_the_same() {
        let file = |unit: &str| format!("{HEADER},unit,x,unit\n{ROW},{unit},y,\n");
        for (unit, is_same) in
            [("", true), ("1", true), ("1.0", true), ("1e0", true), ("2", false), ("mtoken", false)]
        {
            let read = |reader: Reader<&[u8]>| reader.collect::<Result<Vec<_>, _>>();
            let file = file(unit);
            assert_eq!(read(Reader::new(file.as_bytes())).unwrap(), [entry()], "{unit}");
            let strict = read(Reader::new(file.as_bytes()).strict());
            assert_eq!(strict.is_ok(), is_same, "{unit}");
            if let Err(error) = strict {
                assert_eq!(error.to_string(), "record 1 (line 2), column `unit`");
            }
        }
        let alone = format!("{HEADER}\n{ROW}\n").replace("units", "unit");
        assert!(Reader::new(alone.as_bytes()).strict().all(|row| row.is_ok()));
    }

    #[test]
    fn columns_come_in_any_order() {
        let names = HEADER.split(',').rev().collect::<Vec<_>>().join(",");
        let values = ROW.split(',').rev().collect::<Vec<_>>().join(",");
        assert_eq!(decode(format!("{names}\n{values}").as_bytes()).unwrap(), [entry()]);
    }

    #[test]
    fn optional_columns_are_read_where_they_are() {
        let file = format!(
            "apiKeyId,inferenceDetails.completionTokens,{HEADER}\nkey,5e1,{ROW}\n,,{ROW}\nk,,{ROW}\n"
        );
        let entries = decode(file.as_bytes()).unwrap();
        let details = entries[0].inference_details.as_ref().unwrap();
        assert_eq!(
            (entries[0].api_key_id.as_deref(), details.completion_tokens),
            (Some("key"), Some(50.into()))
        );
        assert_eq!(details.request_id, None);
        assert_eq!(entries[1], entry());
        assert_eq!(entries[2], UsageEntry { api_key_id: Some("k".to_owned()), ..entry() });
    }

    /// What a person sees: the message and its causes.
    fn message(file: &[u8]) -> String {
        let error = Reader::new(file).find_map(Result::err).unwrap();
        match error.source() {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        }
    }

    #[test]
    fn an_error_names_the_place() {
        let with = |from: &str, to: &str| {
            assert!(ROW.contains(from), "{from}");
            format!("{HEADER}\r\n\"{}\",{}\r\n{}\r\n{ROW}", &ROW[..24], &ROW[25..], ROW.replacen(from, to, 1))
        };
        for (file, expect) in [
            (String::new(), "header (line 1): there is none, the file is empty"),
            ("\n\r\n".to_owned(), "header (line 3): there is none, the file is empty"),
            (
                "<html>\n</html>".to_owned(),
                "header (line 1): columns are missing: `timestamp`, `sku`, `pricePerUnitUsd`, `units`, `amount`, `currency`, `notes`",
            ),
            (HEADER.replace("amount,", ""), "header (line 1): a column is missing: `amount`"),
            (format!("\n{HEADER},notes\n"), "header (line 2): the column `notes` is there twice"),
            (format!("{HEADER},apiKeyId,apiKeyId"), "header (line 1): the column `apiKeyId` is there twice"),
            (with("-0.1", "-0.1O"), "record 2 (line 3), column `amount`: `-0.1O` is not a decimal number"),
            (with("-0.1", ""), "record 2 (line 3), column `amount`: is missing"),
            (with("2026-06-14T19:52:45.087Z", ""), "record 2 (line 3), column `timestamp`: is missing"),
            (
                with("2026-06-14", "14.6.2026 "),
                "record 2 (line 3), column `timestamp`: `14.6.2026 T19:52:45.087Z` is not an RFC 3339 date-time such as 2026-06-15T19:05:10.504Z",
            ),
            (with(",DIEM", ""), "record 2 (line 3): 6 fields where the header has 7"),
            (with("DIEM", "DIEM,"), "record 2 (line 3): 8 fields where the header has 7"),
            (with("API", "\"API"), "record 2 (line 3): the file ends within a quoted field"),
            (
                format!(
                    "{HEADER}\n\n{}\n\n{}",
                    ROW.replace("a-sku", "\"a\n\nsku\""),
                    ROW.replace(",1,", ",one,")
                ),
                "record 2 (line 7), column `units`: `one` is not a decimal number",
            ),
        ] {
            assert_eq!(message(file.as_bytes()), expect, "{file:?}");
        }
    }

    #[test]
    fn text_after_a_closing_quote_was_read_as_part_of_the_field() {
        let place = "record 2 (line 3), column";
        let fault = "there is text after the closing quote";
        for (from, to, expect) in [
            ("-0.1", "\"-0.1\"5", format!("{place} `amount`: {fault}")),
            ("API Inference", "\"n\" x", format!("{place} `notes`: {fault}")),
            (
                "2026-06-14T19:52:45.087Z",
                "\"2026-06-14T19:52:45.087Z\" ",
                format!("{place} `timestamp`: {fault}"),
            ),
            ("a-sku", "\"a, \"\"b\"\"\"c", format!("{place} `sku`: {fault}")),
            ("a-sku,0.1,1", "\"a\"-sku,\"0.1\"2,1", format!("{place} `sku`: {fault}")),
            ("API Inference", "n,\"x\"y", format!("{place}: {fault}").replace(", column", "")),
        ] {
            let file = format!("{HEADER}\n{ROW}\n{}\n{ROW}\n", ROW.replacen(from, to, 1));
            assert_eq!(message(file.as_bytes()), expect, "{file:?}");
            let drip = Reader::new(Drip(file.as_bytes(), false)).find_map(Result::err);
            assert_eq!(drip.map(|error| error.to_string()), Some(expect), "{file:?} byte by byte");
        }
        let header = HEADER.replacen("timestamp", "\"time\"stamp", 1);
        assert_eq!(message(header.as_bytes()), format!("header (line 1): {fault}"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn a_field_is_read_as_it_says_or_not_at_all(raw in "[\", an]{0,8}", long: bool) {
            // A long field goes over the end of the memory for a record.
            let raw = if long { raw.replace('n', &"n".repeat(1_500)) } else { raw };
            let says = match raw.strip_prefix('"') {
                Some(quoted) => quoted
                    .strip_suffix('"')
                    .filter(|inner| !inner.replace("\"\"", "").contains('"'))
                    .map(|inner| inner.replace("\"\"", "\"")),
                None => Some(raw.clone()).filter(|raw| !raw.contains(',')),
            };
            for end in ["", "\n", "\r\n"] {
                let file = format!("{HEADER}\n{},{raw}{end}", ROW.rsplit_once(',').unwrap().0);
                let read = |entries: Result<Vec<UsageEntry>, Error>| entries.ok().map(|mut all| all.remove(0).notes);
                prop_assert_eq!(&read(decode(file.as_bytes())), &says, "{:?}", end);
                prop_assert_eq!(&read(Reader::new(Drip(file.as_bytes(), false)).collect()), &says, "{:?} drip", end);
            }
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_an_error_with_their_column() {
        let mut file = format!("{HEADER}\n{ROW}\n").into_bytes();
        file.extend(b"2026-06-14T19:52:45.087Z,a,1,1,1,DIEM,\xff\n");
        assert!(message(&file).starts_with("record 2 (line 3), column `notes` is not UTF-8 text: "));
        // The two halves of one character, with a comma between.
        let halves = [HEADER.as_bytes(), b"\n2026-06-14T19:52:45.087Z,a\xc3,\xa9,1,1,DIEM,\n"].concat();
        assert!(message(&halves).starts_with("record 1 (line 2), column `sku` is not UTF-8 text: "));
        assert!(message(b"timestamp,\xff\n").starts_with("header (line 1) is not UTF-8 text: "));
    }

    #[test]
    fn after_an_error_nothing_more_is_read() {
        let file = format!("{HEADER}\n{ROW}\nx\n{ROW}\n");
        let mut reader = Reader::new(file.as_bytes());
        assert!(reader.next().unwrap().is_ok());
        assert!(reader.next().unwrap().is_err());
        assert!(reader.next().is_none());
        assert!(reader.next().is_none());
    }

    #[test]
    fn a_reading_fault_is_told_from_a_wrong_file() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let start = format!("{HEADER}\n{ROW}\n");
        let mut reader = Reader::new(start.as_bytes().chain(Broken));
        assert!(reader.next().unwrap().is_ok());
        let error = reader.next().unwrap().unwrap_err();
        assert!(error.is_io() && !error.is_cut_off(), "{error:?}");
        assert_eq!(error.to_string(), "record 2 (line 3): reading failed");
        assert!(Reader::new(Broken).next().unwrap().unwrap_err().is_io());
        assert!(!decode(b"").unwrap_err().is_io());
    }

    #[test]
    fn a_stray_quote_does_not_fill_the_memory() {
        let start = format!("{HEADER}\n\"");
        let error = Reader::new(start.as_bytes().chain(io::repeat(b'x'))).next().unwrap().unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::RecordTooLong);
        let error = Reader::new(io::repeat(b',')).next().unwrap().unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::RecordTooLong);
    }
}
