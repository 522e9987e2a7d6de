//! What can be wrong with a file of entries, and where.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use billing_model::{BadRows, DecodeError, ServerMessage, Timestamp, timestamp_in};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Input that could not be read, with the place in it.
///
/// # What to do
/// Look at the named place: no entry is guessed and none is skipped. When [`is_cut_off`](InputError::is_cut_off) the end
/// of the input is missing: fetch it again. When [`is_io`](InputError::is_io) reading failed, and the input may be right.
/// To see every faulty row and not only the first, read it with [`rows`](crate::rows).
#[derive(Debug)]
pub struct InputError {
    kind: InputErrorKind,
    place: Option<Place>,
    field: Option<&'static str>,
    cut_off: bool,
    cause: Option<Cause>,
    // Boxed, so that a `Result` is not as large as all that an error may hold.
    details: Box<Details>,
}

/// What only few errors have.
#[derive(Debug, Default)]
struct Details {
    timestamp: Option<Timestamp>,
    /// True when the message shows the timestamp too.
    says_timestamp: bool,
    /// What the message says in the place of the cause.
    told: Option<Cause>,
}

type Cause = Box<dyn StdError + Send + Sync>;

/// The kinds of [`InputError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InputErrorKind {
    /// Reading failed; the cause says how.
    Io,
    /// Compressed data that is damaged or cut off.
    Compression,
    /// Not an entry, or one with a field that is missing or wrong; the cause says why.
    Entry,
    /// Not the JSON that belongs there.
    Syntax(&'static str),
    /// An entry of more than 16 MiB: the input is something else.
    TooLong,
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// A fault in a CSV file; the cause says which.
    Csv,
    /// A file of another kind; the text says which, and what to do.
    Foreign(&'static str),
    /// What a service answers when it fails, in the place of entries; the cause is what it said.
    Answer,
    /// So many rows that cannot be taken; the cause is the [`BadRows`], which names the first twenty.
    Rows(u64),
}

/// Where in the input, as its format counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A line, from 1, and the entry that is on it, from 1: blank lines have none.
    Line { line: u64, row: u64 },
    /// An entry, from 1.
    Entry(u64),
    /// In no entry, and before this one.
    Before(u64),
}

impl InputError {
    pub(crate) fn new(kind: InputErrorKind, place: Option<Place>) -> Self {
        Self { kind, place, field: None, cut_off: false, cause: None, details: Box::default() }
    }

    /// Damaged compressed data also comes as an error of reading.
    pub(crate) fn io(cause: io::Error, place: Option<Place>) -> Self {
        let kind = match cause.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                InputErrorKind::Compression
            }
            _ => InputErrorKind::Io,
        };
        let cut_off = cause.kind() == io::ErrorKind::UnexpectedEof;
        Self { cut_off, cause: Some(cause.into()), ..Self::new(kind, place) }
    }

    /// A text that is no entry.
    pub(crate) fn entry(cause: DecodeError, place: Place, text: &str) -> Self {
        let details = Box::new(Details { timestamp: timestamp_in(text), ..Details::default() });
        let (field, cause) = (cause.field(), Some(cause.into()));
        Self { field, cause, details, ..Self::new(InputErrorKind::Entry, Some(place)) }
    }

    /// The same for a file, which may hold the error that a service answered.
    pub(crate) fn entry_of_file(cause: DecodeError, place: Place, text: &str) -> Self {
        match Likeness::of(text) {
            Likeness::Answer(said) => {
                Self { cause: Some(said.into()), ..Self::new(InputErrorKind::Answer, Some(place)) }
            }
            Likeness::Entry | Likeness::Nothing => Self::entry(cause, place, text),
        }
    }

    /// The same for an object that stands by itself, which may be meant as a page.
    pub(crate) fn of_object(self, text: &[u8]) -> Self {
        let is_nothing = |text| matches!(Likeness::of(text), Likeness::Nothing);
        if self.kind != InputErrorKind::Entry || !std::str::from_utf8(text).is_ok_and(is_nothing) {
            return self;
        }
        let what = "the object is no entry, and without an array `data` no page";
        Self::new(InputErrorKind::Syntax(what), self.place)
    }

    pub(crate) fn csv(cause: billing_csv::Error) -> Self {
        let io = cause.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        let Some(io) = io.filter(|_| cause.is_io()) else {
            let cut_off = cause.is_cut_off();
            return Self { cut_off, cause: Some(cause.into()), ..Self::new(InputErrorKind::Csv, None) };
        };
        // The kind of the I/O error alone tells a fault of reading from one of compression.
        let Self { kind, cut_off, .. } = Self::io(io.kind().into(), None);
        Self { cut_off, cause: Some(cause.into()), ..Self::new(kind, None) }
    }

    /// The whole message on one line, with causes and timestamp.
    pub(crate) fn line_of_text(&self) -> String {
        let mut text = self.to_string();
        let mut next = self.source();
        while let Some(cause) = next {
            text = format!("{text}: {cause}");
            next = cause.source();
        }
        match self.timestamp() {
            Some(at) => format!("{text} (timestamp {at})"),
            None => text,
        }
    }

    /// Turns this error, the first one, into the error of all bad rows.
    pub(crate) fn of_several(mut self, bad: BadRows) -> Self {
        match (self.timestamp(), self.source()) {
            _ if bad.count() > 1 => {
                self.field = self.field();
                self.kind = InputErrorKind::Rows(bad.count());
                self.details.told = Some(bad.into());
            }
            (Some(at), Some(cause)) => {
                self.details.told = Some(format!("{cause} (timestamp {at})").into());
            }
            _ => self.details.says_timestamp = true,
        }
        self
    }

    pub(crate) fn cut_off(self, cut_off: bool) -> Self {
        Self { cut_off: self.cut_off || cut_off, ..self }
    }

    /// What is wrong.
    pub fn kind(&self) -> InputErrorKind {
        self.kind
    }

    /// The field, as the API names it, when the fault is in one.
    pub fn field(&self) -> Option<&'static str> {
        match self.csv_error() {
            Some(csv) => csv.column(),
            None => self.field,
        }
    }

    /// The timestamp of the row that the fault is in, where it can be read.
    pub fn timestamp(&self) -> Option<Timestamp> {
        match self.csv_error() {
            Some(csv) => csv.timestamp(),
            None => self.details.timestamp,
        }
    }

    /// The row that the fault is in, from 1. What is wrong where the next row or the end of an array belongs counts as in
    /// that row; `None` when the fault is in no row, but in the header of CSV or outside an array of JSON.
    ///
    /// Every entry is a row, right or wrong. The header of CSV and blank lines are none.
    pub fn row(&self) -> Option<u64> {
        if let Some(csv) = self.csv_error() {
            return csv.record();
        }
        match self.place? {
            Place::Line { row, .. } | Place::Entry(row) => Some(row),
            Place::Before(_) => None,
        }
    }

    /// What is wrong, with the causes and without the place, for a caller that shows [`row`](InputError::row) and
    /// [`field`](InputError::field) itself.
    ///
    /// ```
    /// use billing_format::{RowFormat, rows};
    ///
    /// let line = r#"{"timestamp":"2026-06-14T19:52:45.087Z","sku":"a","units":1,"amount":"-0.1O","currency":"USD",
    ///   "pricePerUnitUsd":1,"notes":""}"#.replace('\n', "");
    /// let error = rows(line.as_bytes(), RowFormat::Ndjson).next().unwrap().unwrap_err();
    /// assert_eq!((error.row(), error.field()), (Some(1), Some("amount")));
    /// assert_eq!(error.reason(), "`-0.1O` is not a decimal number");
    /// ```
    pub fn reason(&self) -> String {
        if let Some(csv) = self.csv_error() {
            return csv.reason();
        }
        match (self.kind, self.source()) {
            // The cause says more than “not an entry” does.
            (InputErrorKind::Entry, Some(cause)) => cause.to_string(),
            (_, Some(cause)) => format!("{}: {cause}", self.fault()),
            (_, None) => self.fault().to_owned(),
        }
    }

    /// True when nothing after the fault can be read, because the fault is not in one row alone.
    ///
    /// ```
    /// use billing_format::{RowFormat, rows};
    ///
    /// let cut = b"[{}, 17, {".as_slice();
    /// let faults = rows(cut, RowFormat::JsonArray).filter_map(Result::err).map(|error| (error.row(), error.is_fatal()));
    /// assert_eq!(faults.collect::<Vec<_>>(), [(Some(1), false), (Some(2), false), (Some(3), true)]);
    /// ```
    pub fn is_fatal(&self) -> bool {
        match self.csv_error() {
            Some(csv) => csv.is_fatal(),
            None => !matches!(
                self.kind,
                InputErrorKind::Entry
                    | InputErrorKind::NotUtf8
                    | InputErrorKind::Answer
                    | InputErrorKind::Rows(_)
            ),
        }
    }

    /// True when reading failed: the input may be right.
    pub fn is_io(&self) -> bool {
        self.kind == InputErrorKind::Io
    }

    /// True when the input ends in the middle: cut off rather than wrong.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// What this error says itself, without the place and without the cause.
    fn fault(&self) -> &'static str {
        match self.kind {
            InputErrorKind::Foreign(what) => what,
            InputErrorKind::Answer => "is what a service answers when it fails, and no entry",
            InputErrorKind::Rows(_) => "several rows cannot be read",
            InputErrorKind::Io | InputErrorKind::Csv => "reading failed",
            InputErrorKind::Compression => "the compressed data is damaged or cut off",
            InputErrorKind::Entry => "is not a usage entry",
            InputErrorKind::Syntax(what) => what,
            InputErrorKind::TooLong => "is longer than 16 MiB",
            InputErrorKind::NotUtf8 => "is not UTF-8 text",
        }
    }

    fn csv_error(&self) -> Option<&billing_csv::Error> {
        self.cause.as_deref()?.downcast_ref()
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let InputErrorKind::Rows(count) = self.kind {
            return write!(f, "{count} rows cannot be read");
        }
        self.write_fault(f)?;
        match self.timestamp().filter(|_| self.details.says_timestamp) {
            Some(at) => write!(f, " (timestamp {at})"),
            None => Ok(()),
        }
    }
}

impl InputError {
    fn write_fault(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An error of the CSV reader names its place itself, so it is shown in the place of this one.
        if let Some(csv) = self.csv_error() {
            return fmt::Display::fmt(csv, f);
        }
        let mut mark = ": ";
        match self.place {
            Some(Place::Line { line, .. }) => write!(f, "line {line}")?,
            Some(Place::Entry(entry) | Place::Before(entry)) => write!(f, "entry {entry}")?,
            None => mark = "",
        }
        match (self.kind, self.field) {
            (InputErrorKind::Entry, Some(field)) => return write!(f, ", field `{field}`"),
            _ => f.write_str(mark)?,
        }
        f.write_str(self.fault())
    }
}

impl StdError for InputError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        if let Some(told) = &self.details.told {
            return Some(&**told);
        }
        let cause = self.cause.as_deref()?;
        // The messages of these two are part of our own message already.
        if cause.is::<billing_csv::Error>() || cause.is::<DecodeError>() {
            return cause.source();
        }
        Some(cause)
    }
}

/// What an object that is no entry was probably meant to be.
enum Likeness {
    Entry,
    /// An error of a service, with its words.
    Answer(String),
    Nothing,
}

impl Likeness {
    fn of(text: &str) -> Self {
        #[derive(Deserialize)]
        struct Telling {
            timestamp: Option<IgnoredAny>,
            amount: Option<IgnoredAny>,
            sku: Option<IgnoredAny>,
            currency: Option<IgnoredAny>,
            error: Option<IgnoredAny>,
        }
        let Ok(Telling { timestamp, amount, sku, currency, error }) = serde_json::from_str(text) else {
            return Self::Entry;
        };
        if [timestamp, amount, sku, currency].iter().any(Option::is_some) {
            return Self::Entry;
        }
        match ServerMessage::from_json(text).filter(|_| error.is_some()) {
            Some(message) => Self::Answer(message.to_string()),
            None => Self::Nothing,
        }
    }
}
