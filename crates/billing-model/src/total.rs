//! Sums of amounts that are exact whatever their sizes.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::value::RawValue;

use crate::decimal::{Decimal, parse_decimal, write_scaled};
use crate::error::{ValueError, ValueErrorKind};

/// Decimal places that a sum has.
const PLACES: usize = 28;

/// One, in units of 10⁻²⁸.
const ONE: i128 = 10i128.pow(28);

/// An exact sum of decimals.
///
/// Adding two `Decimal`s rounds when the result needs more than 96 bits; this sum never does. It holds whole units
/// and 28 decimal places apart, so it has room for 2³¹ amounts of any size.
///
/// ```
/// use billing_model::{Total, parse_decimal};
/// let mut total = Total::default();
/// for text in ["79228162514264337593543950335", "1e-28", "-0.5"] {
///     total.add(parse_decimal(text)?);
/// }
/// assert_eq!(total.to_string(), "79228162514264337593543950334.5000000000000000000000000001");
/// # Ok::<(), billing_model::ValueError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Total {
    whole: i128,
    /// In units of 10⁻²⁸, from zero to below one: every sum has one representation.
    fraction: i128,
}

impl Total {
    /// Adds one amount.
    pub fn add(&mut self, amount: Decimal) {
        let unit = 10i128.pow(amount.scale());
        let mantissa = amount.mantissa();
        self.carry(mantissa.div_euclid(unit), mantissa.rem_euclid(unit) * (ONE / unit));
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: Self) {
        self.carry(other.whole, other.fraction);
    }

    fn carry(&mut self, whole: i128, fraction: i128) {
        self.whole += whole;
        self.fraction += fraction;
        if self.fraction >= ONE {
            self.fraction -= ONE;
            self.whole += 1;
        }
    }

    /// True for a sum of zero.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// True for a sum above zero.
    pub fn is_positive(&self) -> bool {
        *self > Self::default()
    }

    /// Appends the sum in plain form, all its digits and no more.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (whole, mut fraction) = match self.whole {
            0.. => (self.whole, self.fraction),
            _ if self.fraction == 0 => (-self.whole, 0),
            _ => (-(self.whole + 1), ONE - self.fraction),
        };
        if self.whole < 0 {
            out.push(b'-');
        }
        write_scaled(out, whole.unsigned_abs(), 0);
        if fraction > 0 {
            let mut scale = 28;
            while fraction % 10 == 0 {
                fraction /= 10;
                scale -= 1;
            }
            // Written as 0.123 behind the whole part: its leading zero goes.
            let zero = out.len();
            write_scaled(out, fraction.unsigned_abs(), scale);
            out.remove(zero);
        }
    }
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(32);
        self.write(&mut out);
        f.pad(std::str::from_utf8(&out).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Total {
    type Err = ValueError;

    /// Reads what [`Total::write`] writes.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let not_a_total = || ValueError::new(ValueErrorKind::NotADecimal, text);
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        if fraction.len() > PLACES {
            return Err(not_a_total());
        }
        let whole = number(whole.as_bytes()).ok_or_else(not_a_total)?;
        // At most 28 digits, so the shift and the product fit.
        let shift = 10i128.pow(u32::try_from(PLACES - fraction.len()).unwrap_or_default());
        let fraction = number(fraction.as_bytes()).ok_or_else(not_a_total)? * shift;
        let mut total = Self::default();
        match (text.starts_with('-'), fraction) {
            (false, _) => total.carry(whole, fraction),
            (true, 0) => total.carry(-whole, 0),
            (true, _) => total.carry(-whole - 1, ONE - fraction),
        }
        Ok(total)
    }
}

/// A number of digits and nothing else, or `None`, also for one that is too large. Ledgers read millions of them: what fits
/// 64 bits is put together there.
fn number(digits: &[u8]) -> Option<i128> {
    const NARROW: usize = 19;
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (narrow, rest) = digits.split_at(digits.len().min(NARROW));
    let narrow = narrow.iter().fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    rest.iter().try_fold(i128::from(narrow), |number, digit| {
        number.checked_mul(10)?.checked_add(i128::from(digit - b'0'))
    })
}

impl std::ops::Neg for Total {
    type Output = Self;

    fn neg(self) -> Self {
        match self.fraction {
            0 => Self { whole: -self.whole, fraction: 0 },
            fraction => Self { whole: -self.whole - 1, fraction: ONE - fraction },
        }
    }
}

impl From<Decimal> for Total {
    fn from(amount: Decimal) -> Self {
        let mut total = Self::default();
        total.add(amount);
        total
    }
}

impl<'de> Deserialize<'de> for Total {
    /// Reads a JSON number in plain or exponent form, or a string that holds one; only for `serde_json`, the one
    /// deserialiser that gives the text of a number.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        read_bounded(quoted.unwrap_or(text)).map_err(de::Error::custom)
    }
}

/// A sum that others wrote: of a size that leaves room for 2²⁶ more of them, so that adding them up cannot overflow.
fn read_bounded(text: &str) -> Result<Total, ValueError> {
    let total = text.parse().or_else(|_| parse_decimal(text).map(Total::from))?;
    match total {
        Total { whole, .. } if whole.unsigned_abs() >> 100 == 0 => Ok(total),
        _ => Err(ValueError::new(ValueErrorKind::DecimalOutOfRange, text)),
    }
}

impl Extend<Decimal> for Total {
    fn extend<I: IntoIterator<Item = Decimal>>(&mut self, amounts: I) {
        amounts.into_iter().for_each(|amount| self.add(amount));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::parse_decimal;
    use bigdecimal::BigDecimal;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn sums_are_exact_and_survive_their_text(
            parts in prop::collection::vec((any::<i64>(), 0u32..=28), 0..40), huge in any::<bool>(),
        ) {
            let mut total = Total::default();
            let mut other = BigDecimal::from(0);
            if huge {
                total.add(Decimal::MAX);
                other += BigDecimal::from_str(&Decimal::MAX.to_string()).unwrap();
            }
            for (mantissa, scale) in parts {
                total.add(Decimal::from_i128_with_scale(mantissa.into(), scale));
                other += BigDecimal::new(mantissa.into(), scale.into());
            }
            let text = total.to_string();
            prop_assert_eq!(BigDecimal::from_str(&text).unwrap().normalized(), other.normalized());
            prop_assert_eq!(text.parse::<Total>().unwrap(), total);
            let mut nothing = -total;
            nothing.merge(total);
            prop_assert!(nothing.is_zero());
        }
    }

    #[test]
    fn a_sum_has_one_text() {
        for text in ["0", "-0.5", "-1", "-1.5", "0.0000000000000000000000000001", "-12.05", "170.3"] {
            assert_eq!(text.parse::<Total>().unwrap().to_string(), text);
            let mut total = Total::default();
            total.add(parse_decimal(text).unwrap());
            assert_eq!(total.to_string(), text);
        }
        for text in ["", "-", "1.", ".5", "1e5", "0.00000000000000000000000000001", "--1", "+1"] {
            assert!(text.parse::<Total>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_sum_of_others_is_read_exactly_or_refused() {
        let read = |text: &str| serde_json::from_str::<Total>(text).map(|total| total.to_string());
        for (text, plain) in [
            ("-8e-7", "-0.0000008"),
            ("1.5E+2", "150"),
            ("\"0.10\"", "0.1"),
            ("-0", "0"),
            (
                "792281625142643375935439503350.5000000000000000000000000001",
                "792281625142643375935439503350.5000000000000000000000000001",
            ),
        ] {
            assert_eq!(read(text).unwrap(), plain);
        }
        for text in
            ["null", "true", "[1]", "\"\"", "\"1,5\"", "1e400", "1e-29", "1267650600228229401496703205376"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<Option<Total>>("null").unwrap(), None);
        assert_eq!(Total::from(Decimal::MIN).to_string(), Decimal::MIN.to_string());
        assert!(Total::from(Decimal::ONE).is_positive() && !Total::default().is_positive());
        assert!(!"-0.5".parse::<Total>().unwrap().is_positive());
    }
}
