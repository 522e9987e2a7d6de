//! Sums of amounts that are exact whatever their sizes.

use std::fmt;
use std::str::FromStr;

use crate::decimal::{Decimal, write_scaled};
use crate::error::{ValueError, ValueErrorKind};

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
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || fraction.len() > 28 {
            return Err(not_a_total());
        }
        let whole: i128 = whole.parse().map_err(|_| not_a_total())?;
        let fraction: i128 = format!("{fraction:0<28}").parse().map_err(|_| not_a_total())?;
        let mut total = Self::default();
        match (text.starts_with('-'), fraction) {
            (false, _) => total.carry(whole, fraction),
            (true, 0) => total.carry(-whole, 0),
            (true, _) => total.carry(-whole - 1, ONE - fraction),
        }
        Ok(total)
    }
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
}
