//! What can be wrong with a value.

use std::fmt;

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
