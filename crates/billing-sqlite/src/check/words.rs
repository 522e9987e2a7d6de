//! Kept values in words, whatever they are.

use billing_engine::check::{HeldSum, quoted_bytes, shown};
use rusqlite::types::ValueRef;

/// A value as it is kept, whatever it is.
pub(super) fn held(value: ValueRef<'_>) -> String {
    match value.as_bytes() {
        Ok(bytes) => quoted_bytes(bytes),
        Err(_) => shown(&format!("{value:?}")),
    }
}

/// A kept sum, or a description of what is there in its place.
pub(super) fn held_sum(value: ValueRef<'_>) -> HeldSum {
    let text = value.as_str().ok();
    text.and_then(|text| text.parse().ok()).ok_or_else(|| held(value))
}

/// A text for comparison, or a description of what is there in its place.
pub(super) fn held_text(value: ValueRef<'_>) -> String {
    value.as_str().map_or_else(|_| held(value), str::to_owned)
}
