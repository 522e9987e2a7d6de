//! Kept values in words.

use billing_model::{Timestamp, Total, one_line};
use rusqlite::types::ValueRef;

/// The most characters that are shown of a text. A message need not quote a sku of three thousand.
const MOST_CHARS: usize = 80;

/// A text of any length and kind, made fit for a message.
pub(super) fn shown(text: &str) -> String {
    one_line(text, MOST_CHARS)
}

pub(super) fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

/// The same for bytes that may be no text.
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

/// An instant in the place of a difference.
pub(super) fn instant(ns: i64) -> String {
    Timestamp::from_unix_ns(ns).to_string()
}

pub(super) fn length(count: i64) -> String {
    format!("of length {count}")
}

/// A kept sum; `None` for what is no number.
pub(super) fn total(value: ValueRef<'_>) -> Option<Total> {
    value.as_str().ok().and_then(|text| text.parse().ok())
}

/// A kept sum, or a description of what is there in its place.
pub(super) fn held_sum(value: ValueRef<'_>) -> String {
    total(value).map_or_else(|| held(value), |sum| sum.to_string())
}
