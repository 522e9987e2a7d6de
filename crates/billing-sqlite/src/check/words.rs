//! What a ledger keeps, in words.

use billing_model::{Timestamp, one_line};
use rusqlite::types::ValueRef;

/// Characters that are shown of a text: an error need not quote a product of three thousand.
const MOST_CHARS: usize = 80;

/// A text of any length and kind, fit to be shown.
pub(super) fn shown(text: &str) -> String {
    one_line(text, MOST_CHARS)
}

pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

/// The same of what may be no text.
pub(super) fn quoted_bytes(bytes: &[u8]) -> String {
    quoted(&String::from_utf8_lossy(bytes))
}

/// A value as it is kept, whatever it is.
pub(super) fn held(value: ValueRef<'_>) -> String {
    match value.as_bytes() {
        Ok(bytes) => quoted_bytes(bytes),
        Err(_) => shown(&format!("{value:?}")),
    }
}

/// An instant as a place has it.
pub(super) fn instant(ns: i64) -> String {
    Timestamp::from_unix_ns(ns).to_string()
}

pub(super) fn length(count: i64) -> String {
    format!("of length {count}")
}
