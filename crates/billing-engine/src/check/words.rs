//! Kept values in words.

use std::ops::Range;

use billing_model::{Timestamp, one_line};

use crate::counts::LEVELS;
use crate::span::{NS_PER_DAY, Span};

/// The most characters that are shown of a text. A message need not quote a sku of three thousand.
const MOST_CHARS: usize = 80;

/// A text of any length and kind, made fit for a message.
pub fn shown(text: &str) -> String {
    one_line(text, MOST_CHARS)
}

/// The same in quotes.
pub fn quoted(text: &str) -> String {
    format!("`{}`", shown(text))
}

/// The same for bytes that may be no text.
pub fn quoted_bytes(bytes: &[u8]) -> String {
    quoted(&String::from_utf8_lossy(bytes))
}

/// An instant in the place of a difference, from nanoseconds since 1970.
pub fn instant(ns: i64) -> String {
    Timestamp::from_unix_ns(ns).to_string()
}

/// How many bytes something has.
pub fn length(bytes: i64) -> String {
    format!("of length {bytes}")
}

/// Which entry it is: its instant, in nanoseconds since 1970, and its number.
pub fn entry_place(timestamp_ns: i64, sequence: i64) -> String {
    format!("{}, sequence {sequence}", instant(timestamp_ns))
}

/// Which removal a number is that of.
pub fn removal_place(removal: i64) -> String {
    format!("removal {removal}")
}

/// One of them or several, by their numbers.
pub(super) fn numbered(noun: &str, numbers: &Range<i64>) -> String {
    let (first, last) = (numbers.start, numbers.end.saturating_sub(1));
    match first == last {
        true => format!("{noun} {first}"),
        false => format!("{noun}s {first} to {last}"),
    }
}

/// The side of a sum, as tables have it.
pub(super) fn side(is_credit: i64) -> String {
    match is_credit {
        0 => "charges".to_owned(),
        1 => "credits".to_owned(),
        other => format!("is_credit {other}"),
    }
}

/// The name of a slot of a level, which is given by its place in [`LEVELS`].
pub(super) fn slot_name(at: usize, slot: i64) -> String {
    const NAMES: [&str; 4] = ["64 days", "day", "hour", "minute"];
    let (name, width_ns) = match (NAMES.get(at), LEVELS.get(at)) {
        (Some(name), Some((_, width_ns))) => (*name, *width_ns),
        _ => ("slot", NS_PER_DAY),
    };
    // A damaged slot number may be far outside of all time: then this is the end of it.
    format!("{name} {slot}, from {}", instant(Span::of_slot(slot, width_ns).first_ns))
}

/// The number of a day, and its date.
pub(super) fn day_name(day: i64) -> String {
    let first = instant(Span::of_slot(day, NS_PER_DAY).first_ns);
    format!("day {day}, {}", first.split_once('T').map_or("", |(date, _)| date))
}
