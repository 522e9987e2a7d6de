//! Decimal numbers, exact both ways: number text in, number text out, never through binary floating point.

use std::fmt;
use std::ops::Neg;
use std::str::FromStr;

use crate::error::{ValueError, ValueErrorKind};

/// The most decimal places that plain form has.
pub(crate) const PLAIN_PLACES: i32 = 28;

/// The digits of a [`Decimal`] without its point are below 2⁹⁶: all numbers of 28 digits, and some of 29.
const MAX_MANTISSA: u128 = (1 << 96) - 1;

/// The power of ten of a [`Decimal`] is from -350 to 350. The doubles of JavaScript need those from -340 to 308.
const MAX_POWER: i64 = 350;

/// A decimal number, kept exactly: a whole number below 2⁹⁶, its sign, and a power of ten from -350 to 350.
///
/// That is every number that a JavaScript engine prints, and every one of up to 28 digits that a ledger is likely to hold.
/// Numbers are equal when their values are: `1.50`, `1.5` and `15e-1` give the same bits, and `-0` is zero. There is no
/// arithmetic, because results would have to be rounded: [`Total`](crate::Total) adds up exactly.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Decimal {
    low: u64,
    high: u32,
    /// Zero for a whole number below 2⁹⁶. Otherwise the last digit is not a zero.
    exponent: i16,
    is_negative: bool,
}

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self { low: 0, high: 0, exponent: 0, is_negative: false };

    /// One.
    pub const ONE: Self = Self { low: 1, ..Self::ZERO };

    /// `mantissa × 10^exponent`, or `None` when that does not fit.
    ///
    /// ```
    /// # use billing_model::Decimal;
    /// assert_eq!(Decimal::from_parts(-1_500, -3).unwrap().to_string(), "-1.5");
    /// assert!(Decimal::from_parts(1, 351).is_none());
    /// ```
    pub fn from_parts(mantissa: i128, exponent: i32) -> Option<Self> {
        Self::place(mantissa < 0, mantissa.unsigned_abs(), exponent.into())
    }

    /// The number without its power of ten: its digits, and its sign.
    pub fn mantissa(self) -> i128 {
        let digits = i128::from(self.high) << 64 | i128::from(self.low);
        if self.is_negative { -digits } else { digits }
    }

    /// The power of ten that the [`mantissa`](Self::mantissa) is to be multiplied by. Zero for a whole number below 2⁹⁶.
    pub fn exponent(self) -> i32 {
        self.exponent.into()
    }

    /// True for zero.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// True below zero.
    pub fn is_negative(self) -> bool {
        self.is_negative
    }

    /// True above zero.
    pub fn is_positive(self) -> bool {
        !self.is_negative && !self.is_zero()
    }

    /// True for a number without a fraction.
    pub fn is_whole(self) -> bool {
        self.exponent >= 0
    }

    /// The one representation of a value.
    fn place(is_negative: bool, mut mantissa: u128, mut exponent: i64) -> Option<Self> {
        if mantissa == 0 {
            return Some(Self::ZERO);
        }
        while mantissa.is_multiple_of(10) {
            mantissa /= 10;
            exponent = exponent.saturating_add(1);
        }
        let whole = power_of_ten(exponent).and_then(|power| mantissa.checked_mul(power));
        if let Some(whole) = whole.filter(|whole| *whole <= MAX_MANTISSA) {
            (mantissa, exponent) = (whole, 0);
        }
        let is_fit = mantissa <= MAX_MANTISSA && (-MAX_POWER..=MAX_POWER).contains(&exponent);
        let low = u64::try_from(mantissa & u128::from(u64::MAX)).ok()?;
        let (high, exponent) = (u32::try_from(mantissa >> 64).ok()?, i16::try_from(exponent).ok()?);
        is_fit.then_some(Self { low, high, exponent, is_negative })
    }

    /// Whether it is written without a power of ten.
    pub(crate) fn is_plain(self) -> bool {
        (-PLAIN_PLACES..=0).contains(&self.exponent())
    }
}

/// Reads a number in plain or exponent form (`-0.0023000000000000004`, `-8e-7`) exactly, or not at all.
///
/// ```
/// # use billing_model::parse_decimal;
/// assert_eq!(parse_decimal("-8e-7")?.to_string(), "-0.0000008");
/// assert_eq!(parse_decimal("1.50")?, parse_decimal("15e-1")?);
/// assert!(parse_decimal("1e400").is_err(), "what does not fit is an error, never a rounding");
/// # Ok::<(), billing_model::ValueError>(())
/// ```
///
/// # Errors
/// [`ValueErrorKind::NotADecimal`] when the text is not of the JSON grammar for numbers,
/// [`ValueErrorKind::DecimalOutOfRange`] when the number cannot be held exactly.
pub fn parse_decimal(text: &str) -> Result<Decimal, ValueError> {
    if let Some(short) = Short::leading(text.as_bytes()).filter(|short| short.length == text.len()) {
        return Ok(short.decimal());
    }
    let fail = |kind| ValueError::new(kind, text);
    let (is_negative, mantissa, exponent) =
        scan(text.as_bytes()).ok_or_else(|| fail(ValueErrorKind::NotADecimal))?;
    mantissa
        .and_then(|mantissa| Decimal::place(is_negative, mantissa, exponent))
        .ok_or_else(|| fail(ValueErrorKind::DecimalOutOfRange))
}

/// A number in plain form whose digits fit 64 bits, as nearly all do.
pub(crate) struct Short {
    is_negative: bool,
    digits: u64,
    exponent: i16,
    /// Bytes of its text.
    pub(crate) length: usize,
}

impl Short {
    /// The number at the start of a text. What follows it may make it another one: the caller looks.
    pub(crate) fn leading(bytes: &[u8]) -> Option<Self> {
        const MAX_LENGTH: usize = 18;
        let is_negative = bytes.first() == Some(&b'-');
        let start = usize::from(is_negative);
        let (mut digits, mut length) = take_digits(0, bytes, start);
        let whole = length;
        if bytes.get(whole) == Some(&b'.') {
            (digits, length) = take_digits(digits, bytes, whole + 1);
        }
        // A digit before the point, and one after it.
        if whole == start || length == whole + 1 || length - start > MAX_LENGTH {
            return None;
        }
        let mut exponent = -i16::try_from((length - whole).saturating_sub(1)).ok()?;
        while exponent < 0 && digits % 10 == 0 {
            digits /= 10;
            exponent += 1;
        }
        // `-0` is zero.
        Some(Self { is_negative: is_negative && digits > 0, digits, exponent, length })
    }

    /// A step of its own, and inlined, so that the decimal is made where it is kept: one that is written in parts and
    /// at once moved as a whole has the processor wait.
    #[inline]
    pub(crate) fn decimal(&self) -> Decimal {
        let Self { is_negative, digits, exponent, .. } = *self;
        Decimal { low: digits, high: 0, exponent, is_negative }
    }
}

/// Appends the digits that start at `at` to a number, and says where they end. Too many of them give any number.
fn take_digits(mut value: u64, bytes: &[u8], mut at: usize) -> (u64, usize) {
    while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    (value, at)
}

/// Sign, digits without trailing zeros, and power of ten. The digits are `None` when there are too many of them.
fn scan(bytes: &[u8]) -> Option<(bool, Option<u128>, i64)> {
    let (negative, mut rest) = match bytes.split_first()? {
        (b'-', rest) => (true, rest),
        _ => (false, bytes),
    };
    let mut digits = Digits::default();
    rest = digits.take(rest)?;
    let mut exponent = 0i64;
    if let [b'.', fraction @ ..] = rest {
        rest = digits.take(fraction)?;
        exponent -= i64::try_from(fraction.len() - rest.len()).ok()?;
    }
    if let [b'e' | b'E', signed @ ..] = rest {
        let (sign, power) = match signed {
            [b'-', power @ ..] => (-1, power),
            [b'+', power @ ..] => (1, power),
            power => (1, power),
        };
        if power.is_empty() || !power.iter().all(u8::is_ascii_digit) {
            return None;
        }
        // A power beyond any number that fits is as good as a very large one.
        let power = power.iter().fold(0i64, |p, d| p.saturating_mul(10).saturating_add(i64::from(d - b'0')));
        exponent = exponent.saturating_add(sign * power.min(i64::MAX / 4));
        rest = &[];
    }
    let exponent = exponent.saturating_add(digits.zeros_held_back);
    rest.is_empty().then_some((negative, digits.value, exponent))
}

/// Reads digits into a number, holding back zeros until another digit shows that they are not trailing ones.
struct Digits {
    value: Option<u128>,
    zeros_held_back: i64,
}

impl Default for Digits {
    fn default() -> Self {
        Self { value: Some(0), zeros_held_back: 0 }
    }
}

impl Digits {
    /// Takes one digit or more off the front.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let count = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = bytes.split_at(count);
        for digit in digits {
            match digit - b'0' {
                0 => self.zeros_held_back += 1,
                digit => {
                    let shift = power_of_ten(self.zeros_held_back + 1);
                    self.zeros_held_back = 0;
                    self.value = self.value.and_then(|value| append(value, shift, digit));
                }
            }
        }
        (count > 0).then_some(rest)
    }
}

/// `value × shift + digit`, or `None` when that is not below 2⁹⁶. Zero takes any shift.
fn append(value: u128, shift: Option<u128>, digit: u8) -> Option<u128> {
    let shifted = match (value, shift) {
        (0, _) => 0,
        (value, Some(shift)) => value.checked_mul(shift)?,
        (_, None) => return None,
    };
    shifted.checked_add(u128::from(digit)).filter(|value| *value <= MAX_MANTISSA)
}

fn power_of_ten(power: i64) -> Option<u128> {
    10u128.checked_pow(u32::try_from(power).ok()?)
}

/// Appends the number, all its digits and no more: in plain form where that takes at most 28 decimal places and no zeros in the
/// place of digits, otherwise with a power of ten, as JavaScript writes one.
///
/// ```
/// # use billing_model::{parse_decimal, write_decimal};
/// let mut out = Vec::new();
/// for text in ["-5.852e-5", "-0.00000000000000005551115123125783", "1e300"] {
///     write_decimal(&mut out, parse_decimal(text)?);
///     out.push(b' ');
/// }
/// assert_eq!(out, b"-0.00005852 -5.551115123125783e-17 1e+300 ");
/// # Ok::<(), billing_model::ValueError>(())
/// ```
pub fn write_decimal(out: &mut Vec<u8>, number: Decimal) {
    if number.is_negative {
        out.push(b'-');
    }
    let mantissa = number.mantissa().unsigned_abs();
    if number.is_plain() {
        return write_scaled(out, mantissa, number.exponent.unsigned_abs().into());
    }
    let start = out.len();
    write_scaled(out, mantissa, 0);
    put_power(out, start, number.exponent.into());
}

/// Makes of the whole number that stands from `start` on, times a power of ten, one in exponent form.
pub(crate) fn put_power(out: &mut Vec<u8>, start: usize, exponent: i64) {
    let more = out.len() - start - 1;
    if more > 0 {
        out.insert(start + 1, b'.');
    }
    let power = exponent + i64::try_from(more).unwrap_or(i64::MAX);
    out.extend_from_slice(if power < 0 { b"e-" } else { b"e+" });
    write_scaled(out, power.unsigned_abs().into(), 0);
}

/// Appends `mantissa / 10^scale` in plain form. The mantissa has at most 39 digits, the scale is at most 28.
pub(crate) fn write_scaled(out: &mut Vec<u8>, mantissa: u128, scale: usize) {
    let mut buffer = [b'0'; 40];
    let mut at = buffer.len();
    // Most numbers fit 64 bits, where a division costs a tenth.
    let mut wide = mantissa;
    let mut narrow = loop {
        if let Ok(narrow) = u64::try_from(wide) {
            break narrow;
        }
        at -= 1;
        buffer[at] = digit(wide % 10);
        wide /= 10;
    };
    while narrow > 0 {
        at -= 1;
        buffer[at] = digit(u128::from(narrow % 10));
        narrow /= 10;
    }
    // At least one digit before the point.
    let at = at.min(buffer.len() - scale - 1);
    let (whole, fraction) = buffer[at..].split_at(buffer.len() - at - scale);
    out.extend_from_slice(whole);
    if scale > 0 {
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a digit is below ten")]
fn digit(value: u128) -> u8 {
    b'0' + value as u8
}

/// The number as [`write_decimal`] writes it.
pub fn decimal_text(number: Decimal) -> String {
    let mut out = Vec::with_capacity(24);
    write_decimal(&mut out, number);
    String::from_utf8(out).unwrap_or_default()
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&decimal_text(*self))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Decimal {
    type Err = ValueError;

    /// As [`parse_decimal`].
    fn from_str(text: &str) -> Result<Self, ValueError> {
        parse_decimal(text)
    }
}

impl Neg for Decimal {
    type Output = Self;

    fn neg(self) -> Self {
        Self { is_negative: !self.is_negative && !self.is_zero(), ..self }
    }
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        Self { low: number, ..Self::ZERO }
    }
}

impl From<u32> for Decimal {
    fn from(number: u32) -> Self {
        u64::from(number).into()
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self { low: number.unsigned_abs(), is_negative: number < 0, ..Self::ZERO }
    }
}

impl From<i32> for Decimal {
    fn from(number: i32) -> Self {
        i64::from(number).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bigdecimal::BigDecimal;
    use proptest::prelude::*;

    fn check(text: &str, expect: Result<&str, ValueErrorKind>) {
        let found = parse_decimal(text).map(decimal_text).map_err(|error| error.kind());
        assert_eq!(found, expect.map(str::to_owned), "{text}");
    }

    #[test]
    fn number_text_is_read_exactly_or_refused() {
        use ValueErrorKind::{DecimalOutOfRange, NotADecimal};
        for (text, canonical) in [
            ("0", "0"),
            ("-0", "0"),
            ("-0.000", "0"),
            ("0e999999999999999999999", "0"),
            ("25", "25"),
            ("25.00", "25"),
            ("2500e-2", "25"),
            ("1E2", "100"),
            ("1e+2", "100"),
            ("-8e-7", "-0.0000008"),
            ("1e-28", "0.0000000000000000000000000001"),
            ("0.0023000000000000004", "0.0023000000000000004"),
            ("35.71774095", "35.71774095"),
            ("79228162514264337593543950335", "79228162514264337593543950335"),
            ("7.9228162514264337593543950335", "7.9228162514264337593543950335"),
            ("0.10000000000000000000000000000000000000000", "0.1"),
            ("0000000000000000000000000000000000000000001", "1"),
            // Beyond plain form.
            ("1e-29", "1e-29"),
            ("-0.00000000000000005551115123125783", "-5.551115123125783e-17"),
            ("1e29", "1e+29"),
            ("100000000000000000000000000000", "1e+29"),
            ("79228162514264337593543950340", "7.922816251426433759354395034e+28"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("5e-324", "5e-324"),
            ("2.2250738585072014e-308", "2.2250738585072014e-308"),
            ("79228162514264337593543950335e-350", "7.9228162514264337593543950335e-322"),
            ("1e350", "1e+350"),
        ] {
            check(text, Ok(canonical));
            check(canonical, Ok(canonical));
        }
        for text in [
            "79228162514264337593543950336",
            "1.00000000000000000000000000001",
            "1234567890123456789012345678901234567890",
            "1e351",
            "1e-351",
            "1.5e-350",
            "1e99999999999999999999",
        ] {
            check(text, Err(DecimalOutOfRange));
        }
        for text in
            ["", "-", "+1", ".5", "1.", "1e", "1e+", "--1", "1 ", " 1", "0x1", "NaN", "1,5", "-0.1O", "١"]
        {
            check(text, Err(NotADecimal));
        }
    }

    #[test]
    fn parts_of_one_value_are_one_number() {
        let number = |mantissa: i128, exponent| Decimal::from_parts(mantissa, exponent).unwrap();
        for (parts, text) in [
            ((-1_500, -3), "-1.5"),
            ((10i128.pow(30), -1), "1e+29"),
            ((10i128.pow(29), 0), "1e+29"),
            ((10i128.pow(30), -30), "1"),
            ((7, 3), "7000"),
            ((0, 9_000), "0"),
        ] {
            let found = number(parts.0, parts.1);
            assert_eq!((found.to_string(), found), (text.to_owned(), text.parse().unwrap()));
            assert_eq!(number(found.mantissa(), found.exponent()), found);
        }
        for (mantissa, exponent) in [(i128::MAX, 0), (1 << 96, -5), (1, 351), (1, -351), (1, i32::MIN)] {
            assert_eq!(Decimal::from_parts(mantissa, exponent), None);
        }
        let one = Decimal::ONE;
        assert_eq!([1u64.into(), 1i64.into(), 1u32.into(), 1i32.into(), -(-one)], [one; 5]);
        assert_eq!(-Decimal::ZERO, Decimal::ZERO);
        assert_eq!([one, Decimal::ZERO, -one].map(Decimal::is_positive), [true, false, false]);
        assert!(number(5, 300).is_whole() && !number(5, -300).is_whole());
    }

    proptest! {
        #[test]
        fn agrees_with_another_implementation(
            digits in "[0-9]{1,32}|[0-9]{1,9}0{0,9}", point in 0usize..33,
            exponent in prop::option::of(prop_oneof![-40i32..40, -450i32..450]), negative: bool,
        ) {
            let point = point.min(digits.len());
            let (whole, fraction) = digits.split_at(point);
            let whole = if whole.is_empty() { "0" } else { whole };
            let sign = if negative { "-" } else { "" };
            let dot = if fraction.is_empty() { "" } else { "." };
            let power = exponent.map_or_else(String::new, |exponent| format!("e{exponent}"));
            let text = format!("{sign}{whole}{dot}{fraction}{power}");
            let other = BigDecimal::from_str(&text).unwrap().normalized();
            let (mantissa, scale) = other.as_bigint_and_exponent();
            match parse_decimal(&text) {
                Ok(ours) => {
                    let canonical = decimal_text(ours);
                    prop_assert_eq!(BigDecimal::from_str(&canonical).unwrap().normalized(), other);
                    prop_assert_eq!(parse_decimal(&canonical).unwrap(), ours);
                    prop_assert_eq!(decimal_text(-(-ours)), canonical);
                }
                Err(error) => {
                    prop_assert_eq!(error.kind(), ValueErrorKind::DecimalOutOfRange);
                    let has_too_many = mantissa.magnitude().bits() > 96;
                    prop_assert!(has_too_many || !(-350..=350).contains(&scale), "{} fits", text);
                }
            }
        }

        /// As the engines of JavaScript print them, and as they are in binary: 17 digits and more are not needed.
        #[test]
        #[expect(clippy::disallowed_types, reason = "that is what is printed")]
        fn every_double_fits(bits: u64) {
            let double = f64::from_bits(bits);
            prop_assume!(double.is_finite());
            let mut buffer = ryu_js::Buffer::new();
            let text = buffer.format(double);
            let ours = decimal_text(parse_decimal(text).unwrap());
            prop_assert_eq!(ours.parse::<f64>().unwrap().to_bits(), if bits << 1 == 0 { 0 } else { bits });
            prop_assert_eq!(
                BigDecimal::from_str(&ours).unwrap().normalized(), BigDecimal::from_str(text).unwrap().normalized()
            );
            let is_printed_alike = text.contains("e-") && !(-28..0).contains(&parse_decimal(text).unwrap().exponent());
            prop_assert!(!is_printed_alike || text == ours, "{} {}", text, ours);
        }
    }
}
