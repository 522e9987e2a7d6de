//! What can be wrong with a value and with an entry, and where.

use std::fmt;

use serde::de::IgnoredAny;

use crate::bad_rows::{BadRows, timestamp_in};
use crate::one_line::one_line;

/// A text that is not the value it should be.
///
/// The text itself is kept (shortened, and on one line), so that whoever reads the message can find it in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueError {
    kind: ValueErrorKind,
    text: Box<str>,
}

/// The kinds of [`ValueError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueErrorKind {
    /// Not a decimal number in plain or exponent form.
    NotADecimal,
    /// A decimal number that cannot be held exactly: its digits without the point are 2⁹⁶ or more, or the power of ten of the last
    /// one is not from -350 to 350.
    DecimalOutOfRange,
    /// Not an RFC 3339 date-time.
    NotATimestamp,
    /// A date-time that cannot be held exactly: finer than a nanosecond, or a leap second.
    TimestampOutOfRange,
    /// Not a date of the form `YYYY-MM-DD`.
    NotADate,
    /// A window that ends before or where it starts.
    EmptyWindow,
    /// Not a page token: empty, longer than 512 characters, or with a character outside `[A-Za-z0-9_-]`.
    NotACursor,
    /// Not a JSON string where one belongs.
    NotAString,
    /// A value that must be there and is absent or null.
    Missing,
    /// A `unit` beside `units` with another value.
    NotTheUnits,
    /// Not a JSON object, or one with a field in it that is known.
    NotOtherFields,
    /// Not the text of a set of entries, or that of another version.
    NotADigestSet,
}

impl ValueError {
    pub(crate) fn new(kind: ValueErrorKind, text: &str) -> Self {
        const SHOWN: usize = 64;
        Self { kind, text: one_line(text, SHOWN).into() }
    }

    /// A required value that is not there.
    pub fn missing() -> Self {
        Self::new(ValueErrorKind::Missing, "")
    }

    /// A `unit` that is not what `units` beside it says.
    pub fn not_the_units(unit: &str) -> Self {
        Self::new(ValueErrorKind::NotTheUnits, unit)
    }

    /// What is wrong.
    pub fn kind(&self) -> ValueErrorKind {
        self.kind
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        match self.kind {
            ValueErrorKind::NotADecimal => write!(f, "`{text}` is not a decimal number"),
            ValueErrorKind::DecimalOutOfRange => write!(
                f,
                "`{text}` does not fit: an exact decimal has at most 28 to 29 digits and a power of ten from -350 to 350"
            ),
            ValueErrorKind::NotATimestamp => {
                write!(f, "`{text}` is not an RFC 3339 date-time such as 2026-06-15T19:05:10.504Z")
            }
            ValueErrorKind::TimestampOutOfRange => {
                write!(
                    f,
                    "`{text}` does not fit: a timestamp has at most nine digits of a second and no leap second"
                )
            }
            ValueErrorKind::NotADate => write!(f, "`{text}` is not a date such as 2026-06-14"),
            ValueErrorKind::EmptyWindow => write!(f, "{text}: the end must be later than the start"),
            ValueErrorKind::NotACursor => {
                write!(f, "`{text}` is not a cursor: 1 to 512 characters of A-Z, a-z, 0-9, `_` and `-`")
            }
            ValueErrorKind::NotAString => write!(f, "is not a string"),
            ValueErrorKind::Missing => write!(f, "is missing"),
            ValueErrorKind::NotTheUnits => {
                write!(f, "`{text}` is not what `units` says: give one of the two, or the same in both")
            }
            ValueErrorKind::NotOtherFields => {
                write!(f, "`{text}` is not a JSON object of fields that have no place of their own")
            }
            ValueErrorKind::NotADigestSet => {
                write!(
                    f,
                    "`{text}` is not a set of entries of version 1: v1, their number, 32 hexadecimal digits"
                )
            }
        }
    }
}

impl std::error::Error for ValueError {}

/// A body that is not what the API answers, with the entry and the field where that shows.
///
/// # What to do
/// Nothing was lost: an entry that cannot be read exactly fails the whole page. Look at the named entry in the
/// source; if the service is right and this crate wrong, report the message, it holds all that is needed.
#[derive(Debug)]
pub struct DecodeError {
    body: &'static str,
    /// Entries that cannot be read, when it is more than one: the others are those of the first.
    bad_entries: u64,
    entry: Option<usize>,
    field: Option<&'static str>,
    cut_off: bool,
    cause: Box<dyn std::error::Error + Send + Sync>,
}

/// What most bodies are.
const ENTRIES: &str = "a page of usage entries";

impl DecodeError {
    pub(crate) fn json(cause: serde_json::Error, text: &str) -> Self {
        // Asked of the text, not of the error: an object that is cut within a number is a wrong number to the parser.
        let ends_early = || serde_json::from_str::<IgnoredAny>(text).is_err_and(|error| error.is_eof());
        let cut_off = text.starts_with('{') && (!text.trim_end().ends_with('}') || ends_early());
        Self { body: ENTRIES, bad_entries: 0, entry: None, field: None, cut_off, cause: cause.into() }
    }

    pub(crate) fn value(field: &'static str, cause: ValueError) -> Self {
        Self {
            body: ENTRIES,
            bad_entries: 0,
            entry: None,
            field: Some(field),
            cut_off: false,
            cause: cause.into(),
        }
    }

    pub(crate) fn at(mut self, entry: usize) -> Self {
        self.entry = Some(entry);
        self
    }

    /// All that is wrong with the entries of a page, with their timestamps. `bad` is each with its row, from 0, and its
    /// text: of the entries that cannot be read, in order.
    pub(crate) fn of_page(bad: Vec<(usize, Self, &str)>) -> Option<Self> {
        let mut rows = BadRows::default();
        for (row, error, text) in &bad {
            rows.add(|| format!("entry {}{}", row + 1, error.told(text)));
        }
        let count = rows.count();
        let (row, first, text) = bad.into_iter().next()?;
        let cause: Box<dyn std::error::Error + Send + Sync> = match timestamp_in(text) {
            _ if count > 1 => rows.into(),
            Some(at) => format!("{} (timestamp {at})", first.cause).into(),
            None => first.cause,
        };
        Some(Self { cause, bad_entries: count, ..first }.at(row + 1))
    }

    /// What is said of an entry behind its place.
    fn told(&self, text: &str) -> String {
        let field = self.field.map(|field| format!(", field `{field}`")).unwrap_or_default();
        let at = timestamp_in(text).map(|at| format!(" (timestamp {at})")).unwrap_or_default();
        format!("{field}: {}{at}", self.cause)
    }

    /// Says what the body should be, if not entries.
    pub(crate) fn of(mut self, body: &'static str) -> Self {
        self.body = body;
        self
    }

    /// The entry's place in its page, from 1, when the fault is in one entry; of several the first. The cause names up to
    /// twenty of them, as [`BadRows`](crate::BadRows).
    pub fn entry(&self) -> Option<usize> {
        self.entry
    }

    /// The field, as the API names it, when the fault is in one.
    pub fn field(&self) -> Option<&'static str> {
        self.field
    }

    /// True when the body ends in the middle: cut off rather than wrong.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.entry, self.field) {
            _ if self.bad_entries > 1 => write!(f, "{} of its entries cannot be read", self.bad_entries),
            (Some(entry), Some(field)) => write!(f, "entry {entry}, field `{field}`"),
            (Some(entry), None) => write!(f, "entry {entry}"),
            (None, Some(field)) => write!(f, "field `{field}`"),
            (None, None) => write!(f, "the body is not {}", self.body),
        }
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.cause)
    }
}
