//! The canonical bytes of an entry, over which its digests are made: `docs/identity.md` defines them.
//!
//! Each field is a netstring, `3:USD,`, or `-,` when it is absent. The length stands in front, so the bytes can be read
//! in one way only, and different fields never give the same bytes.

use sha2::{Digest, Sha256};

use crate::decimal::Decimal;
use crate::entry::{InferenceDetails, UsageEntry};
use crate::timestamp::Timestamp;

/// Where canonical bytes go.
pub(crate) trait Put {
    fn put(&mut self, bytes: &[u8]);
}

/// For whoever wants to see them.
impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Bytes that are gathered before they are hashed: those of nearly all entries, so that each is hashed in one piece.
const HELD_BYTES: usize = 320;

/// The first 128 bits of the hash of what `put` puts. It allocates nothing.
#[inline]
pub(crate) fn digest(put: impl FnOnce(&mut Feed)) -> [u8; 16] {
    let mut feed = Feed { held: [0; HELD_BYTES], filled: 0, before: None };
    put(&mut feed);
    let held = &feed.held[..feed.filled];
    let hash = match feed.before {
        None => Sha256::digest(held),
        Some(before) => before.chain_update(held).finalize(),
    };
    std::array::from_fn(|at| hash[at])
}

/// Gathers bytes for a hash.
pub(crate) struct Feed {
    held: [u8; HELD_BYTES],
    filled: usize,
    /// The hash of the bytes before these, once there were too many to hold.
    before: Option<Sha256>,
}

impl Put for Feed {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        match self.held.get_mut(self.filled..self.filled + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.filled += bytes.len();
            }
            None => self.overflow(bytes),
        }
    }
}

impl Feed {
    #[cold]
    fn overflow(&mut self, bytes: &[u8]) {
        let before = self.before.get_or_insert_default();
        before.update(&self.held[..self.filled]);
        before.update(bytes);
        self.filled = 0;
    }
}

/// Puts what an entry is: the eleven documented fields, in the order of their CSV.
pub(crate) fn put_entry(out: &mut impl Put, entry: &UsageEntry) {
    // All fields are named, so that this does not compile until a new field is treated here. The last two belong to the
    // other digest.
    let UsageEntry {
        timestamp,
        sku,
        price_per_unit_usd,
        units,
        amount,
        currency,
        notes,
        inference_details,
        api_key_id: _,
        other_fields: _,
    } = entry;
    out.put(b"8:entry v1,");
    put_number(out, unix_s(*timestamp));
    put_text(out, sku);
    put_number(out, *price_per_unit_usd);
    put_number(out, *units);
    put_number(out, *amount);
    put_text(out, currency.as_str());
    put_text(out, notes);
    // Details without a value are no details.
    let Some(details) = inference_details else { return out.put(b"-,-,-,-,") };
    let InferenceDetails { request_id, execution_time_ms, prompt_tokens, completion_tokens } = details;
    put_optional_text(out, request_id.as_deref());
    for number in [execution_time_ms, prompt_tokens, completion_tokens] {
        match number {
            Some(number) => put_number(out, *number),
            None => out.put(ABSENT),
        }
    }
}

/// Puts all that an entry has: the digest of what it is, its key, and the text of its other fields.
pub(crate) fn put_whole(
    out: &mut impl Put,
    entry_digest: [u8; 16],
    api_key_id: Option<&str>,
    other_fields: Option<&str>,
) {
    out.put(b"8:whole v1,32:");
    out.put(&hex(entry_digest));
    out.put(b",");
    put_optional_text(out, api_key_id);
    put_optional_text(out, other_fields);
}

/// The digits of 16 bytes, in lower case.
pub(crate) fn hex(bytes: [u8; 16]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    std::array::from_fn(|at| {
        let byte = usize::from(bytes[at / 2]);
        DIGITS[if at % 2 == 0 { byte >> 4 } else { byte & 0xf }]
    })
}

const ABSENT: &[u8] = b"-,";

fn put_optional_text(out: &mut impl Put, text: Option<&str>) {
    match text {
        Some(text) => put_text(out, text),
        None => out.put(ABSENT),
    }
}

fn put_text(out: &mut impl Put, text: &str) {
    let mut head = Backwards::new();
    head.length(text.len());
    out.put(head.bytes());
    out.put(text.as_bytes());
    out.put(b",");
}

/// Puts a number with all its digits, no exponent, and no zero that says nothing.
///
/// Elsewhere numbers with more than 28 decimal places are written with an exponent. That form may change, and this one
/// must not.
fn put_number(out: &mut impl Put, number: Decimal) {
    let Some(digits) = number.narrow_digits().filter(|_| number.is_plain()) else {
        return put_long_number(out, number);
    };
    let places = usize::try_from(number.exponent().unsigned_abs()).unwrap_or_default();
    let (whole, fraction) = match POWERS_OF_TEN.get(places) {
        Some(power) => (digits / power, digits % power),
        None => (0, digits),
    };
    let mut text = Backwards::new();
    text.push(b',');
    if places > 0 {
        text.digits(fraction, places);
        text.push(b'.');
    }
    text.digits(whole, 1);
    if number.is_negative() {
        text.push(b'-');
    }
    text.length(text.bytes().len() - 1);
    out.put(text.bytes());
}

/// The powers of ten that 64 bits hold.
const POWERS_OF_TEN: [u64; 20] = {
    let mut powers = [1; 20];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Puts a number of any length.
#[cold]
fn put_long_number(out: &mut impl Put, number: Decimal) {
    // The most that a power of ten can ask for is 350.
    const ZEROS: &[u8] = &[b'0'; 400];
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number.mantissa().unsigned_abs()).as_bytes();
    let sign: &[u8] = if number.is_negative() { b"-" } else { b"" };
    let power = number.exponent();
    let places = usize::try_from(power.unsigned_abs()).unwrap_or_default();
    let parts: [&[u8]; 4] = match digits.len().checked_sub(places) {
        _ if power >= 0 => [sign, digits, &ZEROS[..places], b""],
        Some(whole @ 1..) => [sign, &digits[..whole], b".", &digits[whole..]],
        _ => [sign, b"0.", &ZEROS[..places - digits.len()], digits],
    };
    let mut head = Backwards::new();
    head.length(parts.iter().map(|part| part.len()).sum());
    out.put(head.bytes());
    parts.into_iter().for_each(|part| out.put(part));
    out.put(b",");
}

/// A short text that is written from its end, because its length is known last and stands first.
struct Backwards {
    bytes: [u8; Self::ROOM],
    start: usize,
}

impl Backwards {
    /// A plain number has a sign, 20 digits of 64 bits or `0.` and 28 places, and its length and two marks.
    const ROOM: usize = 40;

    fn new() -> Self {
        Self { bytes: [0; Self::ROOM], start: Self::ROOM }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        self.start -= 1;
        self.bytes[self.start] = byte;
    }

    /// Puts a number in front, filled up with zeros to `least` digits.
    #[inline]
    fn digits(&mut self, mut number: u64, least: usize) {
        let start = self.start - least;
        while number >= 10 {
            // Two at a time, because each division waits for the one before.
            self.start -= 2;
            let pair = [b'0' + (number % 100 / 10) as u8, b'0' + (number % 10) as u8];
            self.bytes[self.start..self.start + 2].copy_from_slice(&pair);
            number /= 100;
        }
        if number > 0 {
            self.push(b'0' + (number % 10) as u8);
        }
        while self.start > start {
            self.push(b'0');
        }
    }

    /// Puts the length of a netstring in front.
    fn length(&mut self, length: usize) {
        self.push(b':');
        self.digits(length as u64, 1);
    }
}

/// The seconds since 1970-01-01T00:00:00Z, exact.
fn unix_s(at: Timestamp) -> Decimal {
    const PLACES: i16 = 9;
    const NS_PER_MS: u64 = 1_000_000;
    let ns = at.far_unix_ns();
    let Ok(mut digits) = u64::try_from(ns.unsigned_abs()) else {
        // The seconds of any year that chrono has are below 10^13.
        return Decimal::from_parts(ns, (-PLACES).into()).unwrap_or_default();
    };
    let mut exponent = -PLACES;
    if digits.is_multiple_of(NS_PER_MS) {
        // Nearly all timestamps are whole milliseconds.
        (digits, exponent) = (digits / NS_PER_MS, -3);
    }
    while exponent < 0 && digits.is_multiple_of(10) {
        (digits, exponent) = (digits / 10, exponent + 1);
    }
    Decimal::short(ns < 0, digits, exponent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Utc};

    #[test]
    fn seconds_since_1970_are_exact() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", "0"),
            ("2026-06-26T13:11:34.193+02:00", "1782472294.193"),
            ("2026-06-15T00:00:00Z", "1781481600"),
            ("2026-06-15T00:00:00.1Z", "1781481600.1"),
            ("2026-06-15T00:00:00.120000009Z", "1781481600.120000009"),
            ("1969-12-31T23:59:59.25Z", "-0.75"),
            ("1969-12-31T23:59:58Z", "-2"),
            ("0001-01-01T00:00:00Z", "-62135596800"),
            ("9999-12-31T23:59:59.999999999Z", "253402300799.999999999"),
        ] {
            assert_eq!(unix_s(text.parse().unwrap()).to_string(), seconds, "{text}");
        }
        let (first, last) = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
        let ends = [first, last].map(|instant| unix_s(Timestamp::from(instant)));
        assert_eq!(ends.map(|end| end.exponent()), [0, -9]);
    }
}
