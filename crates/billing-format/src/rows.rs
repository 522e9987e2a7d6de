//! The rows of a body, one at a time and whatever is wrong with some of them.

use std::io::{BufRead, Chain, Cursor};
use std::iter::FusedIterator;

use billing_model::UsageEntry;

use crate::input_error::InputError;
use crate::input_format::without_mark;
use crate::json_input::JsonEntries;
use crate::ndjson_input::{NdjsonEntries, Reading};

/// The form of a body whose rows are read. It is named and not guessed, and taken strictly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// One JSON array of entries, and nothing but white space around it.
    JsonArray,
    /// One JSON object a line. Blank lines are no rows.
    Ndjson,
    /// CSV with a header, as in `billing_csv`.
    Csv,
}

/// Every row of a body, good or bad, in order, for a caller that has to report all faults and not only the first.
///
/// A row that cannot be taken gives its error, and the rows behind it still come. A fault of the body itself ends the
/// iterator with its error: a bracket or comma of an array, a quote of CSV that nothing closes, the header, a row of
/// more than 16 MiB, a failed read. [`InputError::is_fatal`] tells the two apart. So the whole body was read when no
/// error is fatal, and is right when there is no error.
///
/// One row is held at a time, however large the body. A byte order mark is skipped. Nothing is decompressed.
///
/// ```
/// use billing_format::{RowFormat, rows};
///
/// let body = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n\
///     2026-06-14T19:52:45.087Z,a-sku,0.1,1,-0.1O,DIEM,\n\
///     2026-06-14T19:52:45.087Z,a-sku,0.1,1,-0.1,DIEM,\n\
///     2026-06-14T19:52:45.087Z,a-sku,0.1,,-0.1,DIEM,\n";
/// let (good, bad): (Vec<_>, Vec<_>) = rows(body.as_bytes(), RowFormat::Csv).partition(Result::is_ok);
/// assert_eq!(good.len(), 1);
/// let bad: Vec<_> = bad
///     .into_iter()
///     .filter_map(Result::err)
///     .map(|error| (error.row(), error.field(), error.reason()))
///     .collect();
/// assert_eq!(bad, [
///     (Some(1), Some("amount"), "`-0.1O` is not a decimal number".to_owned()),
///     (Some(3), Some("units"), "is missing".to_owned()),
/// ]);
/// ```
///
/// # Where a bad row ends
/// A row of NDJSON ends with its line, whatever is on it. A row of CSV ends as RFC 4180 has it, and an element of an
/// array where its brackets close. So a quote or a bracket too many or too few can pull the rows behind it into the
/// same fault. There is an error then, and the rows before it are not affected.
pub fn rows<R: BufRead>(input: R, format: RowFormat) -> Rows<R> {
    Rows { state: State::Unread(input, format), reading: Reading::Lenient }
}

/// The iterator of [`rows`].
#[derive(Debug)]
pub struct Rows<R> {
    state: State<R>,
    reading: Reading,
}

impl<R> Rows<R> {
    /// Refuses a row with another value in `unit` than in `units`, for a sender who can be asked what was meant.
    /// Without this, `units` is taken.
    ///
    /// ```
    /// use billing_format::{RowFormat, rows};
    ///
    /// let line = r#"{"timestamp":"2026-06-14T19:52:45.087Z","sku":"a","units":1,"unit":2,"amount":-1,"currency":"USD",
    ///   "pricePerUnitUsd":1,"notes":""}"#.replace('\n', "");
    /// let error = rows(line.as_bytes(), RowFormat::Ndjson).strict().next().unwrap().unwrap_err();
    /// assert_eq!(error.field(), Some("unit"));
    /// assert!(rows(line.as_bytes(), RowFormat::Ndjson).next().unwrap().is_ok());
    /// ```
    pub fn strict(self) -> Self {
        Self { reading: Reading::Strict, ..self }
    }
}

type Text<R> = Chain<Cursor<Vec<u8>>, R>;

#[derive(Debug)]
enum State<R> {
    /// Nothing is read before the first row is asked for.
    Unread(R, RowFormat),
    Json(JsonEntries<Text<R>>),
    Ndjson(NdjsonEntries<Text<R>>),
    Csv(billing_csv::Reader<R>),
    Ended,
}

impl<R: BufRead> State<R> {
    fn open(input: R, format: RowFormat, reading: Reading) -> Result<Self, InputError> {
        let text = |input| without_mark(input).map_err(|cause| InputError::io(cause, None));
        Ok(match format {
            RowFormat::JsonArray => Self::Json(JsonEntries::one_array(text(input)?, reading)),
            RowFormat::Ndjson => Self::Ndjson(NdjsonEntries::new(text(input)?, reading)),
            RowFormat::Csv => {
                let entries = billing_csv::Reader::new(input).going_on();
                Self::Csv(if reading == Reading::Strict { entries.strict() } else { entries })
            }
        })
    }
}

impl<R: BufRead> Iterator for Rows<R> {
    type Item = Result<UsageEntry, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.state, State::Unread(..))
            && let State::Unread(input, format) = std::mem::replace(&mut self.state, State::Ended)
        {
            match State::open(input, format, self.reading) {
                Ok(opened) => self.state = opened,
                Err(error) => return Some(Err(error)),
            }
        }
        let item = match &mut self.state {
            State::Json(entries) => entries.next(),
            State::Ndjson(entries) => entries.next(),
            State::Csv(entries) => entries.next().map(|entry| entry.map_err(InputError::csv)),
            State::Unread(..) | State::Ended => None,
        };
        if item.as_ref().is_none_or(|row| row.as_ref().is_err_and(InputError::is_fatal)) {
            self.state = State::Ended;
        }
        item
    }
}

impl<R: BufRead> FusedIterator for Rows<R> {}
