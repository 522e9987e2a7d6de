//! The instant of an entry, to the nanosecond.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};

use crate::error::{ValueError, ValueErrorKind};

const NS_PER_S: u32 = 1_000_000_000;
const NS_PER_MS: u32 = 1_000_000;

/// An instant in UTC, exact to the nanosecond.
///
/// Read from any RFC 3339 date-time; written as upstream writes it, with three digits of a second, and with six or
/// nine where the instant needs them.
///
/// ```
/// use billing_model::Timestamp;
/// let at: Timestamp = "2026-06-27T10:00:00.123456+02:00".parse()?;
/// assert_eq!(at.to_string(), "2026-06-27T08:00:00.123456Z");
/// # Ok::<(), billing_model::ValueError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub(crate) const EPOCH: Self = Self(DateTime::UNIX_EPOCH);

    /// From nanoseconds since 1970-01-01T00:00:00Z.
    pub fn from_unix_ns(ns: i64) -> Self {
        Self(DateTime::from_timestamp_nanos(ns))
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z, or `None` before the year 1678 and after 2262.
    pub fn unix_ns(self) -> Option<i64> {
        self.0.timestamp_nanos_opt()
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z, of any year.
    pub(crate) fn far_unix_ns(self) -> i128 {
        i128::from(self.0.timestamp()) * i128::from(NS_PER_S) + i128::from(self.0.timestamp_subsec_nanos())
    }

    /// The next instant, a nanosecond later. An inclusive end becomes an exclusive one by it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + chrono::TimeDelta::nanoseconds(1))
    }

    /// The start of the millisecond that the instant is in. Services that keep milliseconds cannot read finer borders.
    #[must_use]
    pub fn floor_ms(self) -> Self {
        let ns = i64::from(self.0.timestamp_subsec_nanos() % NS_PER_MS);
        Self(self.0 - chrono::TimeDelta::nanoseconds(ns))
    }

    /// The start of the second that the instant is in. Some services read borders to the second.
    #[must_use]
    pub fn floor_s(self) -> Self {
        Self(self.0 - chrono::TimeDelta::nanoseconds(i64::from(self.0.timestamp_subsec_nanos())))
    }

    /// The first millisecond at or after the instant. An instant within the last millisecond of the year 9999 gives
    /// that millisecond, because a later one has no text that others read.
    #[must_use]
    pub fn ceil_ms(self) -> Self {
        let floor = self.floor_ms();
        let above = Self(floor.0 + chrono::TimeDelta::milliseconds(1));
        if floor == self || (above.0.year() > 9999 && self.0.year() <= 9999) { floor } else { above }
    }

    /// Appends the instant as it is written, `2026-06-15T19:05:10.504Z`.
    pub fn write(self, out: &mut Vec<u8>) {
        let (date, time) = (self.0.date_naive(), self.0.time());
        let year = date.year();
        if !(0..=9999).contains(&year) {
            return out.extend_from_slice(self.0.to_rfc3339().as_bytes());
        }
        let seconds = time.num_seconds_from_midnight();
        let [y, c] = [year.unsigned_abs() % 100, year.unsigned_abs() / 100].map(two_digits);
        let [m, d] = [date.month(), date.day()].map(two_digits);
        let [h, n, s] = [seconds / 3600, seconds / 60 % 60, seconds % 60].map(two_digits);
        out.extend_from_slice(&[
            c[0], c[1], y[0], y[1], b'-', m[0], m[1], b'-', d[0], d[1], b'T', h[0], h[1], b':', n[0], n[1],
            b':', s[0], s[1], b'.',
        ]);
        match time.nanosecond() {
            ns if ns % 1_000_000 == 0 => {
                let [first, rest] = [ns / 1_000_000 / 100, ns / 1_000_000 % 100].map(two_digits);
                return out.extend_from_slice(&[first[1], rest[0], rest[1], b'Z']);
            }
            ns if ns % 1_000 == 0 => push_padded(out, ns / 1_000, 6),
            ns => push_padded(out, ns, 9),
        }
        out.push(b'Z');
    }
}

/// The digits of a number below a hundred.
fn two_digits(number: u32) -> [u8; 2] {
    [number / 10, number % 10].map(|digit| b'0' + u8::try_from(digit).unwrap_or_default())
}

/// Appends a number in `width` digits.
fn push_padded(out: &mut Vec<u8>, number: u32, width: usize) {
    let end = out.len() + width;
    out.resize(end, b'0');
    let mut rest = number;
    for place in out[end - width..].iter_mut().rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
}

impl From<DateTime<Utc>> for Timestamp {
    /// A leap second is the second after it, as in unix time: no text that is written tells the two apart.
    fn from(instant: DateTime<Utc>) -> Self {
        let Some(ns) = instant.nanosecond().checked_sub(NS_PER_S) else { return Self(instant) };
        Self(DateTime::from_timestamp(instant.timestamp() + 1, ns).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.0
    }
}

impl FromStr for Timestamp {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        // What upstream writes is read by hand, in a tenth of the time; every other form by chrono.
        if let Some(instant) = read_utc(text.as_bytes()) {
            return Ok(Self(instant));
        }
        let instant = DateTime::parse_from_rfc3339(text)
            .map_err(|_| ValueError::new(ValueErrorKind::NotATimestamp, text))?
            .to_utc();
        // chrono cuts the tenth digit of a second off, and writes a leap second as a second of 1000 ms and more.
        if instant.nanosecond() >= NS_PER_S || has_lost_digits(text) {
            return Err(ValueError::new(ValueErrorKind::TimestampOutOfRange, text));
        }
        Ok(Self(instant))
    }
}

/// `YYYY-MM-DDTHH:MM:SS[.f]Z` with up to nine digits of a second, or `None` for any other form.
fn read_utc(bytes: &[u8]) -> Option<DateTime<Utc>> {
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
        rest @ ..,
        b'Z',
    ] = bytes
    else {
        return None;
    };
    let year = number(&[*y1, *y2, *y3, *y4])?;
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, number(&[*m1, *m2])?, number(&[*d1, *d2])?)?;
    let nanosecond = match rest {
        [] => 0,
        [b'.', fraction @ ..] if (1..=9).contains(&fraction.len()) => {
            number(fraction)? * 10u32.pow(9 - u32::try_from(fraction.len()).ok()?)
        }
        _ => return None,
    };
    let time =
        date.and_hms_nano_opt(number(&[*h1, *h2])?, number(&[*n1, *n2])?, number(&[*s1, *s2])?, nanosecond)?;
    Some(time.and_utc())
}

/// The number that a few digits are, or `None` when they are not all digits.
pub(crate) fn number(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0u32, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

/// True when the text has a digit other than zero after the ninth of its second.
fn has_lost_digits(text: &str) -> bool {
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    fraction.bytes().take_while(u8::is_ascii_digit).skip(9).any(|digit| digit != b'0')
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(30);
        self.write(&mut out);
        f.pad(std::str::from_utf8(&out).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expect: Result<&str, ValueErrorKind>) {
        let found = text.parse::<Timestamp>().map(|at| at.to_string()).map_err(|error| error.kind());
        assert_eq!(found, expect.map(str::to_owned), "{text}");
    }

    #[test]
    fn date_times_keep_every_digit() {
        use ValueErrorKind::{NotATimestamp, TimestampOutOfRange};
        for (text, written) in [
            ("2026-06-15T19:05:10.504Z", "2026-06-15T19:05:10.504Z"),
            ("2026-06-27T08:00:00Z", "2026-06-27T08:00:00.000Z"),
            ("2026-06-27T08:00:00.5Z", "2026-06-27T08:00:00.500Z"),
            ("2026-06-27T08:00:00.123456Z", "2026-06-27T08:00:00.123456Z"),
            ("2026-06-27T08:00:00.123456789Z", "2026-06-27T08:00:00.123456789Z"),
            ("2026-06-27T08:00:00.1234567890000Z", "2026-06-27T08:00:00.123456789Z"),
            ("2026-06-27T10:00:00.25+02:00", "2026-06-27T08:00:00.250Z"),
            ("2024-02-29T23:59:59.999z", "2024-02-29T23:59:59.999Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            check(text, Ok(written));
        }
        check("2026-06-27T08:00:00.1234567891Z", Err(TimestampOutOfRange));
        check("2016-12-31T23:59:60Z", Err(TimestampOutOfRange));
        for text in
            ["", "2026-06-27", "2026-02-30T00:00:00Z", "2026-06-27T08:00:00", "2026-06-27T24:00:00Z", "x"]
        {
            check(text, Err(NotATimestamp));
        }
    }

    #[test]
    fn whole_milliseconds_enclose_an_instant() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let fine = at("2026-06-27T08:00:00.123456Z");
        assert_eq!(fine.floor_ms(), at("2026-06-27T08:00:00.123Z"));
        assert_eq!(fine.ceil_ms(), at("2026-06-27T08:00:00.124Z"));
        assert_eq!(fine.floor_ms().ceil_ms(), fine.floor_ms());
        let last = at("9999-12-31T23:59:59.999Z");
        assert_eq!(at("9999-12-31T23:59:59.9995Z").ceil_ms(), last);
        assert_eq!(last.ceil_ms(), last);
        assert_eq!(at("1969-12-31T23:59:59.9999Z").floor_ms(), at("1969-12-31T23:59:59.999Z"));
    }

    #[test]
    fn a_leap_second_of_another_clock_is_the_next_second() {
        let leap = DateTime::<Utc>::from_timestamp(1_483_228_799, 1_250_000_000).unwrap();
        assert_eq!(Timestamp::from(leap), "2017-01-01T00:00:00.25Z".parse().unwrap());
        assert_eq!(Timestamp::from(leap).to_string(), "2017-01-01T00:00:00.250Z");
    }

    proptest! {
        #[test]
        fn survive_their_text(ns: i64) {
            let at = Timestamp::from_unix_ns(ns);
            prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
            prop_assert_eq!(at.unix_ns(), Some(ns));
            prop_assert_eq!(DateTime::parse_from_rfc3339(&at.to_string()).unwrap().to_utc(), at.0);
        }
    }
}
