//! What can be wrong with a body and the entries in it, and where.

use std::fmt;

use serde::de::IgnoredAny;

use crate::bad_rows::{BadRows, timestamp_in};
use crate::error::ValueError;

/// A body that is not what the API answers, with the entry and the field where that shows.
///
/// # What to do
/// Nothing was lost: an entry that cannot be read exactly fails the whole page. Look at the named entry in the
/// source; if the service is right and this crate wrong, report the message, it holds all that is needed.
#[derive(Debug)]
pub struct DecodeError {
    body: &'static str,
    /// How many entries cannot be read, when it is more than one. The other fields are then about the first of them.
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
        // The text is asked and not the error: to the parser, an object that is cut within a number has a wrong number. Behind
        // an object that is whole something may follow, but nothing is missing.
        let mut objects = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
        let is_missing = |error: serde_json::Error| error.is_eof() || !text.trim_end().ends_with('}');
        let cut_off =
            text.starts_with('{') && objects.next().is_some_and(|first| first.is_err_and(is_missing));
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

    /// The error of a page: it names the entries that cannot be read, with their timestamps. `bad` has each of these
    /// entries in order, with its row from 0, its error and its text.
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
