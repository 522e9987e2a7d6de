//! What can be wrong with a file, and where.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;

use billing_model::{BadRows, Timestamp, ValueError, one_line};

/// Characters of a name that are shown.
const SHOWN: usize = 64;

/// A file that could not be read, with record, line and column.
///
/// # What to do
/// Look at the named line. Nothing of a faulty record is guessed and none is skipped: correct the file, or fetch it
/// again when [`is_cut_off`](Error::is_cut_off) says that its end is missing. To see every faulty record of a file and
/// not only the first, read it with [`Reader::going_on`](crate::Reader::going_on).
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    place: Place,
    column: Option<&'static str>,
    cut_off: bool,
    cause: Option<Cause>,
    // Boxed, so that a `Result` is not as large as all that an error may hold.
    details: Box<Details>,
}

/// What only few errors have.
#[derive(Debug, Default)]
struct Details {
    /// Columns that look like those that are missing.
    meant: Misnamed,
    timestamp: Option<Timestamp>,
    /// True when the message shows the timestamp too.
    says_timestamp: bool,
    /// What the message says in the place of the cause.
    told: Option<Cause>,
}

type Cause = Box<dyn StdError + Send + Sync>;

/// Names of columns, each with the known column that it looks like.
pub(crate) type Misnamed = BTreeMap<String, &'static str>;

/// The kinds of [`Error`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Reading failed; the cause says how.
    Io,
    /// Not even a header.
    NoHeader,
    /// Required columns that the header does not have, all of them.
    MissingColumns(Vec<&'static str>),
    /// A column that the header has twice.
    DuplicateColumn(&'static str),
    /// A record that is longer or shorter than the header.
    FieldCount {
        /// Fields of the header.
        expected: usize,
        /// Fields of the record.
        found: usize,
    },
    /// A quoted field that the file ends in: its end is missing.
    UnclosedQuote,
    /// A quoted field that goes on after its closing quote: `"-0.1"5`.
    TextAfterQuote,
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// A field that does not hold what its column is for; the cause says why.
    Value,
    /// A record of more bytes than any entry has: probably a stray quote.
    RecordTooLong,
    /// Columns that are separated by this character, and not by commas.
    Separator(char),
    /// A line `sep=`, by which spreadsheets know the separator, in the place of the header.
    SeparatorLine(char),
    /// Lines above the header, such as a title.
    Preamble {
        /// The line of the header, from 1.
        header_line: u64,
    },
    /// Several records; the cause is the [`BadRows`](billing_model::BadRows), which names them.
    Records(u64),
}

/// Where in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The record, from 1; the header is 0.
    pub(crate) record: u64,
    /// The line on which the record starts, from 1.
    pub(crate) line: u64,
}

impl Place {
    /// The same line, as one of the header.
    pub(crate) fn in_header(self) -> Self {
        Self { record: 0, ..self }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, place: Place) -> Self {
        Self { kind, place, column: None, cut_off: false, cause: None, details: Box::default() }
    }

    pub(crate) fn meaning(mut self, meant: Misnamed) -> Self {
        self.details.meant = meant;
        self
    }

    pub(crate) fn of_time(mut self, timestamp: Option<Timestamp>) -> Self {
        self.details.timestamp = timestamp;
        self
    }

    /// The whole message on one line, with causes and timestamp.
    pub(crate) fn line_of_text(&self) -> String {
        let cause = self.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        let timestamp = self.timestamp().map(|at| format!(" (timestamp {at})")).unwrap_or_default();
        format!("{self}{cause}{timestamp}")
    }

    /// Turns this error, the first one, into the error of all bad records.
    pub(crate) fn of_several(mut self, bad: BadRows) -> Self {
        match (self.timestamp(), &self.cause) {
            _ if bad.count() > 1 => {
                self.kind = ErrorKind::Records(bad.count());
                self.details.told = Some(bad.into());
            }
            (Some(at), Some(cause)) => {
                self.details.told = Some(format!("{cause} (timestamp {at})").into());
            }
            _ => self.details.says_timestamp = true,
        }
        self
    }

    pub(crate) fn io(cause: std::io::Error, place: Place) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(ErrorKind::Io, place) }
    }

    pub(crate) fn value(column: &'static str, cause: ValueError, place: Place) -> Self {
        Self { column: Some(column), cause: Some(cause.into()), ..Self::new(ErrorKind::Value, place) }
    }

    pub(crate) fn utf8(
        column: Option<&'static str>,
        cause: Option<std::str::Utf8Error>,
        place: Place,
    ) -> Self {
        Self { column, cause: cause.map(Into::into), ..Self::new(ErrorKind::NotUtf8, place) }
    }

    pub(crate) fn text_after_quote(column: Option<&'static str>, place: Place) -> Self {
        Self { column, ..Self::new(ErrorKind::TextAfterQuote, place) }
    }

    pub(crate) fn cut_off(self, cut_off: bool) -> Self {
        Self { cut_off, ..self }
    }

    /// What is wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The record, from 1; `None` in the header.
    pub fn record(&self) -> Option<u64> {
        Some(self.place.record).filter(|record| *record > 0)
    }

    /// The line on which the record starts, from 1. A quoted line break ends a line too.
    pub fn line(&self) -> u64 {
        self.place.line
    }

    /// The column, as the format names it, when the fault is in one.
    pub fn column(&self) -> Option<&'static str> {
        self.column
    }

    /// The timestamp of the record, where it can be read.
    pub fn timestamp(&self) -> Option<Timestamp> {
        self.details.timestamp
    }

    /// What is wrong, without the place.
    ///
    /// ```
    /// let file = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n\
    ///     2026-06-14T19:52:45.087Z,a-sku,0.1,1,-0.1O,DIEM,\n";
    /// let error = billing_csv::decode(file.as_bytes()).unwrap_err();
    /// assert_eq!(error.to_string(), "record 1 (line 2), column `amount`");
    /// assert_eq!(error.reason(), "`-0.1O` is not a decimal number");
    /// ```
    pub fn reason(&self) -> String {
        match (&self.kind, &self.cause) {
            (ErrorKind::Value, Some(cause)) => cause.to_string(),
            (ErrorKind::Io, Some(cause)) => format!("{}: {cause}", self.fault()),
            _ => self.fault(),
        }
    }

    /// True when nothing after the fault can be read: one of the header, of reading, of a quote that nothing closes, or
    /// of a record without end. Every other fault is in one record, and the next one starts where the faulty one ends.
    pub fn is_fatal(&self) -> bool {
        let in_one_record = matches!(
            self.kind,
            ErrorKind::FieldCount { .. } | ErrorKind::TextAfterQuote | ErrorKind::NotUtf8 | ErrorKind::Value
        );
        !in_one_record || self.record().is_none()
    }

    /// True when reading failed: the file may be right.
    pub fn is_io(&self) -> bool {
        self.kind == ErrorKind::Io
    }

    /// True when the fault is in a record that the file ends in the middle of: cut off rather than wrong.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    /// What this error says itself, without the place and without the cause.
    fn fault(&self) -> String {
        match &self.kind {
            ErrorKind::Io => "reading failed".to_owned(),
            ErrorKind::NoHeader => "there is none, the file is empty".to_owned(),
            ErrorKind::MissingColumns(names) => {
                let what = if names.len() == 1 { "a column is" } else { "columns are" };
                let name =
                    |name: &&'static str| match self.details.meant.iter().find(|(_, meant)| *meant == name) {
                        Some((found, _)) => {
                            format!("`{name}` (`{}` looks like it: rename it)", one_line(found, SHOWN))
                        }
                        None => format!("`{name}`"),
                    };
                format!("{what} missing: {}", names.iter().map(name).collect::<Vec<_>>().join(", "))
            }
            ErrorKind::DuplicateColumn(name) => format!("the column `{name}` is there twice"),
            ErrorKind::FieldCount { expected, found } => {
                format!("{found} fields where the header has {expected}")
            }
            ErrorKind::UnclosedQuote => "the file ends within a quoted field".to_owned(),
            ErrorKind::TextAfterQuote => "there is text after the closing quote".to_owned(),
            ErrorKind::NotUtf8 => "is not UTF-8 text".to_owned(),
            ErrorKind::Value => "does not hold what its column is for".to_owned(),
            ErrorKind::Separator(';') => {
                "the columns are separated by `;`, as spreadsheets write CSV where numbers have \
                                          decimal commas: save it with `,` between columns and `.` in numbers"
                    .to_owned()
            }
            ErrorKind::Separator('\t') => {
                "the columns are separated by tabs: save it with `,` between columns".to_owned()
            }
            ErrorKind::Separator(separator) => {
                format!("the columns are separated by `{separator}`: save it with `,` between columns")
            }
            ErrorKind::SeparatorLine(',') => "the line `sep=,` is for spreadsheets: remove it".to_owned(),
            ErrorKind::SeparatorLine(_) => {
                "the line `sep=` is for spreadsheets: remove it, and save the file with `,` between columns"
                    .to_owned()
            }
            ErrorKind::Preamble { header_line } => {
                format!("is no header, but line {header_line} is: remove what stands above that")
            }
            ErrorKind::Records(count) => format!("{count} of its records cannot be read"),
            ErrorKind::RecordTooLong => "is longer than 16 MiB; is a quote opened and not closed?".to_owned(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let ErrorKind::Records(_) = self.kind {
            return f.write_str(&self.fault());
        }
        match self.place {
            Place { record: 0, line } => write!(f, "header (line {line})")?,
            Place { record, line } => write!(f, "record {record} (line {line})")?,
        }
        if let Some(column) = self.column {
            write!(f, ", column `{column}`")?;
        }
        match self.kind {
            // The cause says it all.
            ErrorKind::Value => Ok(()),
            ErrorKind::NotUtf8 => write!(f, " {}", self.fault()),
            _ => write!(f, ": {}", self.fault()),
        }?;
        match self.timestamp().filter(|_| self.details.says_timestamp) {
            Some(at) => write!(f, " (timestamp {at})"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.details.told.as_deref().or(self.cause.as_deref()).map(|cause| cause as _)
    }
}
