//! What can be wrong with a file of entries, and where.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use billing_model::DecodeError;

/// Input that could not be read, with the place in it.
///
/// # What to do
/// Look at the named place: no entry is guessed and none is skipped. When [`is_cut_off`](InputError::is_cut_off) the end
/// of the input is missing: fetch it again. When [`is_io`](InputError::is_io) reading failed, and the input may be right.
#[derive(Debug)]
pub struct InputError {
    kind: InputErrorKind,
    place: Option<Place>,
    field: Option<&'static str>,
    cut_off: bool,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

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
}

/// Where in the input, as its format counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A line, from 1.
    Line(u64),
    /// An entry, from 1.
    Entry(u64),
}

impl InputError {
    pub(crate) fn new(kind: InputErrorKind, place: Option<Place>) -> Self {
        Self { kind, place, field: None, cut_off: false, cause: None }
    }

    /// Data that is compressed wrongly shows as an error of reading.
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

    pub(crate) fn entry(cause: DecodeError, place: Place) -> Self {
        let field = cause.field();
        Self { field, cause: Some(cause.into()), ..Self::new(InputErrorKind::Entry, Some(place)) }
    }

    pub(crate) fn csv(cause: billing_csv::Error) -> Self {
        let io = cause.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        let Some(io) = io.filter(|_| cause.is_io()) else {
            let cut_off = cause.is_cut_off();
            return Self { cut_off, cause: Some(cause.into()), ..Self::new(InputErrorKind::Csv, None) };
        };
        // Only the kind decides between a fault of reading and one of compression.
        let Self { kind, cut_off, .. } = Self::io(io.kind().into(), None);
        Self { cut_off, cause: Some(cause.into()), ..Self::new(kind, None) }
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

    /// True when reading failed: the input may be right.
    pub fn is_io(&self) -> bool {
        self.kind == InputErrorKind::Io
    }

    /// True when the input ends in the middle: cut off rather than wrong.
    pub fn is_cut_off(&self) -> bool {
        self.cut_off
    }

    fn csv_error(&self) -> Option<&billing_csv::Error> {
        self.cause.as_deref()?.downcast_ref()
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An error of the CSV reader has its own place: it stands in for this one.
        if let Some(csv) = self.csv_error() {
            return fmt::Display::fmt(csv, f);
        }
        let mut mark = ": ";
        match self.place {
            Some(Place::Line(line)) => write!(f, "line {line}")?,
            Some(Place::Entry(entry)) => write!(f, "entry {entry}")?,
            None => mark = "",
        }
        match (self.kind, self.field) {
            (InputErrorKind::Entry, Some(field)) => return write!(f, ", field `{field}`"),
            _ => f.write_str(mark)?,
        }
        f.write_str(match self.kind {
            InputErrorKind::Io | InputErrorKind::Csv => "reading failed",
            InputErrorKind::Compression => "the compressed data is damaged or cut off",
            InputErrorKind::Entry => "is not a usage entry",
            InputErrorKind::Syntax(what) => what,
            InputErrorKind::TooLong => "is longer than 16 MiB",
            InputErrorKind::NotUtf8 => "is not UTF-8 text",
        })
    }
}

impl StdError for InputError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let cause = self.cause.as_deref()?;
        // What these two say themselves is in our own text already.
        if cause.is::<billing_csv::Error>() || cause.is::<DecodeError>() {
            return cause.source();
        }
        Some(cause)
    }
}
