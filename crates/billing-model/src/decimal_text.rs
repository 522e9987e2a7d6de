//! Numbers from text and to text, exact both ways, never through binary floating point.

use std::fmt;
use std::str::FromStr;

use crate::decimal::{Decimal, MAX_MANTISSA, power_of_ten};
use crate::error::{ValueError, ValueErrorKind};

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

/// A number in plain form whose digits fit 64 bits, as nearly all do.
pub(crate) struct Short {
    is_negative: bool,
    digits: u64,
    exponent: i16,
    /// Bytes of its text.
    pub(crate) length: usize,
}

impl Short {
    /// The number at the start of a text. More digits or an exponent behind it would make it another number: the caller
    /// has to check what follows.
    pub(crate) fn leading(bytes: &[u8]) -> Option<Self> {
        const MAX_LENGTH: usize = 18;
        let is_negative = bytes.first() == Some(&b'-');
        let start = usize::from(is_negative);
        let (mut digits, mut length) = take_digits(0, bytes, start);
        let whole = length;
        if bytes.get(whole) == Some(&b'.') {
            (digits, length) = take_digits(digits, bytes, whole + 1);
        }
        // There must be a digit before the point, and one behind it.
        if whole == start || length == whole + 1 || length - start > MAX_LENGTH {
            return None;
        }
        let mut exponent = -i16::try_from((length - whole).saturating_sub(1)).ok()?;
        // The last byte is the last digit, and seldom a zero.
        if bytes[length - 1] == b'0' {
            while exponent < 0 && digits % 10 == 0 {
                digits /= 10;
                exponent += 1;
            }
        }
        // `-0` is zero.
        Some(Self { is_negative: is_negative && digits > 0, digits, exponent, length })
    }

    /// A function of its own, and inlined, so that the decimal is made where it is kept. A value that is written in
    /// parts and then moved as a whole stalls the processor.
    #[inline]
    pub(crate) fn decimal(&self) -> Decimal {
        Decimal::short(self.is_negative, self.digits, self.exponent)
    }
}

/// Appends the digits that start at `at` to a number, and says where they end. With too many digits the number is wrong
/// without notice.
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
        // Beyond the powers of the numbers that fit, it does not matter how large the power is.
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

/// Appends the number, all its digits and no more. In plain form where that takes at most 28 decimal places, and beyond as
/// JavaScript writes numbers: with a power of ten where it is large or small.
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
    if number.is_negative() {
        out.push(b'-');
    }
    let exponent = number.exponent();
    let places = if number.is_plain() { exponent.unsigned_abs() as usize } else { 0 };
    let start = out.len();
    match number.narrow_digits() {
        Some(digits) => write_scaled(out, digits, places),
        None => write_scaled(out, number.mantissa().unsigned_abs(), places),
    }
    if !number.is_plain() {
        put_power(out, start, exponent.into());
    }
}

/// Turns the whole number whose digits stand from `start` on into that number times a power of ten. As in ECMAScript,
/// it gets an exponent where there would be more than 21 digits before the point, or more than five zeros behind it.
pub(crate) fn put_power(out: &mut Vec<u8>, start: usize, exponent: i64) {
    let digits = out.len() - start;
    let before_point = exponent.saturating_add(i64::try_from(digits).unwrap_or(i64::MAX));
    match usize::try_from(before_point) {
        Ok(whole @ 1..=21) if whole < digits => out.insert(start + whole, b'.'),
        Ok(whole @ 1..=21) => out.resize(start + whole, b'0'),
        _ if (-5..=0).contains(&before_point) => {
            let zeros = usize::try_from(-before_point).unwrap_or_default();
            let point = [b"0.".as_slice(), &b"00000"[..zeros]].concat();
            out.splice(start..start, point);
        }
        _ => {
            if digits > 1 {
                out.insert(start + 1, b'.');
            }
            out.extend_from_slice(if before_point < 1 { b"e-" } else { b"e+" });
            write_scaled(out, (before_point - 1).unsigned_abs(), 0);
        }
    }
}

/// Appends `mantissa / 10^scale` in plain form.
pub(crate) fn write_scaled(out: &mut Vec<u8>, mantissa: impl itoa::Integer, scale: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(mantissa).as_bytes();
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    // At least one digit before the point.
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
    if scale > 0 {
        out.push(b'.');
        out.resize(out.len() + scale - fraction.len(), b'0');
        out.extend_from_slice(fraction);
    }
}

/// The number as [`write_decimal`] writes it.
pub fn decimal_text(number: Decimal) -> String {
    let mut out = Vec::with_capacity(24);
    write_decimal(&mut out, number);
    String::from_utf8(out).unwrap_or_default()
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
            ("0.00000150070000000000055511151231", "0.00000150070000000000055511151231"),
            ("0.000000150070000000000055511151231", "1.50070000000000055511151231e-7"),
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
