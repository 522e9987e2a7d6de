//! Products and quotients of sums, for reports.

use std::cmp::Ordering;

use num_bigint::{BigInt, BigUint, Sign};

use crate::decimal::{Decimal, PLAIN_PLACES};
use crate::total::{ONE, Total};
use crate::wide_sum::Wide;

/// The largest factor that a fraction of 28 places can be multiplied by in 128 bits.
const MAX_NARROW_FACTOR: u64 = 1_000_000_000;

impl Total {
    /// A sum of so many units of 10⁻²⁸, the last decimal place of usual sums. Many sums are kept in less memory so.
    ///
    /// ```
    /// # use billing_model::Total;
    /// let sum = Total::from_units(-15 * 10i128.pow(27));
    /// assert_eq!((sum.to_string().as_str(), sum.to_units()), ("-1.5", Some(-15 * 10i128.pow(27))));
    /// assert_eq!("1e30".parse::<Total>()?.to_units(), None);
    /// # Ok::<(), billing_model::ValueError>(())
    /// ```
    pub fn from_units(units: i128) -> Self {
        // A division of 128 bits takes longer than all the rest, and the sums of most rows of a long report are below one.
        let whole = if (0..ONE).contains(&units) { 0 } else { units.div_euclid(ONE) };
        Self { whole, fraction: units - whole * ONE, wide: None }
    }

    /// The sum in units of 10⁻²⁸; `None` where it has more places, or more than ten digits before the point.
    pub fn to_units(&self) -> Option<i128> {
        /// Whole units that have room beside a fraction.
        const MAX_WHOLE: i128 = i128::MAX / ONE;
        let is_narrow = self.wide.is_none() && (-MAX_WHOLE..MAX_WHOLE).contains(&self.whole);
        is_narrow.then(|| self.whole * ONE + self.fraction)
    }

    /// The sum times a number, exact.
    ///
    /// ```
    /// # use billing_model::{Decimal, Total};
    /// let units: Total = "0.000374".parse()?;
    /// assert_eq!(units.times(Decimal::from(1_000_000u32)).to_string(), "374");
    /// # Ok::<(), billing_model::ValueError>(())
    /// ```
    #[must_use]
    pub fn times(&self, factor: Decimal) -> Self {
        if self.is_zero() || factor == Decimal::ONE {
            return self.clone();
        }
        // The short way, which all counts of tokens take: a small whole number, and no wide part.
        let small = factor.narrow_digits().filter(|digits| factor.is_whole() && *digits <= MAX_NARROW_FACTOR);
        if let (Some(digits), None) = (small, &self.wide)
            && let Some(whole) = self.whole.checked_mul(digits.into())
        {
            let fraction = self.fraction * i128::from(digits);
            let carried = fraction / ONE;
            let mut product = Self::default();
            product.carry(whole, 0);
            product.carry(carried, fraction - carried * ONE);
            return if factor.is_negative() { -product } else { product };
        }
        let Wide { digits, exponent } = self.as_wide();
        Self::of_wide(digits * BigInt::from(factor.mantissa()), exponent + i64::from(factor.exponent()))
    }

    /// The sum rounded to so many decimal places, a half to the even digit. For show only.
    ///
    /// ```
    /// # use billing_model::Total;
    /// let rounded = |text: &str| text.parse::<Total>().unwrap().rounded(2).to_string();
    /// assert_eq!(["1.005", "1.015", "-0.009", "7"].map(rounded), ["1", "1.02", "-0.01", "7"]);
    /// ```
    #[must_use]
    pub fn rounded(&self, places: u32) -> Self {
        if self.wide.is_none() && self.fraction == 0 {
            return self.clone();
        }
        if self.whole < 0 {
            // The short way is for what is not below zero, and both halves of the numbers are rounded alike.
            return -(-self.clone()).rounded(places);
        }
        self.divided_by(&Self::from(Decimal::ONE), places).unwrap_or_default()
    }

    /// The sum divided by another one, rounded to so many decimal places, a half to the even digit; `None` where the other one is
    /// zero.
    ///
    /// ```
    /// # use billing_model::Total;
    /// let (spend, tokens): (Total, Total) = ("2".parse()?, "0.3".parse()?);
    /// assert_eq!(spend.divided_by(&tokens, 4).unwrap().to_string(), "6.6667");
    /// # Ok::<(), billing_model::ValueError>(())
    /// ```
    pub fn divided_by(&self, divisor: &Self, places: u32) -> Option<Self> {
        self.narrow_quotient(divisor, places).or_else(|| self.wide_quotient(divisor, places))
    }

    /// The quotient of sums that are not below zero, where 128 bits are enough: the share of each row of a report is one.
    fn narrow_quotient(&self, divisor: &Self, places: u32) -> Option<Self> {
        /// Nearly all sums have as many places less.
        const UNUSED: u128 = 10u128.pow(8);
        let (over, under) = (self.to_units()?, divisor.to_units()?);
        let (over, under) = (u128::try_from(over).ok()?, u128::try_from(under).ok()?);
        let (fewer_over, fewer_under) = (over / UNUSED, under / UNUSED);
        let is_exact = fewer_over * UNUSED == over && fewer_under * UNUSED == under;
        let (over, under) = if is_exact { (fewer_over, fewer_under) } else { (over, under) };
        let over = over.checked_mul(10u128.checked_pow(places)?)?;
        let quotient = over.checked_div(under)?;
        let rest = over - quotient * under;
        // What is left over against what it lacks to the next one.
        let is_up = match rest.cmp(&(under - rest)) {
            Ordering::Less => false,
            Ordering::Equal => !quotient.is_multiple_of(2),
            Ordering::Greater => true,
        };
        let units = 10i128.checked_pow(PLAIN_PLACES.unsigned_abs().checked_sub(places)?)?;
        let quotient = i128::try_from(quotient + u128::from(is_up)).ok()?;
        quotient.checked_mul(units).map(Self::from_units)
    }

    fn wide_quotient(&self, divisor: &Self, places: u32) -> Option<Self> {
        let (dividend, divisor) = (self.as_wide(), divisor.as_wide());
        let power = dividend.exponent - divisor.exponent + i64::from(places);
        let unit = BigInt::from(10).pow(u32::try_from(power.unsigned_abs()).ok()?);
        let (over, under) = match power {
            0.. => (dividend.digits * unit, divisor.digits),
            _ => (dividend.digits, divisor.digits * unit),
        };
        let is_negative = (over.sign() == Sign::Minus) != (under.sign() == Sign::Minus);
        let quotient = half_to_even(over.magnitude(), under.magnitude())?;
        let sign = if is_negative { Sign::Minus } else { Sign::Plus };
        Some(Self::of_wide(BigInt::from_biguint(sign, quotient), -i64::from(places)))
    }

    /// How many of so many equal steps up to `whole` the sum comes to, to the nearest one; what is below zero to none, and what is
    /// above `whole` to all. For bars and lines of charts.
    ///
    /// ```
    /// # use billing_model::Total;
    /// let (part, whole): (Total, Total) = ("1".parse()?, "3".parse()?);
    /// assert_eq!((part.steps_of(&whole, 100), whole.steps_of(&part, 100)), (33, 100));
    /// # Ok::<(), billing_model::ValueError>(())
    /// ```
    pub fn steps_of(&self, whole: &Self, steps: u32) -> u32 {
        if !self.is_positive() || !whole.is_positive() {
            return 0;
        }
        let share = self.times(steps.into()).divided_by(whole, 0).unwrap_or_default();
        u32::try_from(share.whole).unwrap_or(steps).min(steps)
    }

    /// The whole sum as digits and a power of ten.
    fn as_wide(&self) -> Wide {
        self.all().unwrap_or_else(|| Wide {
            digits: BigInt::from(self.whole) * BigInt::from(ONE) + BigInt::from(self.fraction),
            exponent: (-PLAIN_PLACES).into(),
        })
    }

    fn of_wide(digits: BigInt, exponent: i64) -> Self {
        let wide = Wide { digits, exponent };
        Self::narrow(&wide).unwrap_or_else(|| Self { wide: Some(Box::new(wide)), ..Self::default() })
    }
}

/// The quotient to the nearest whole number, a half to the even one; `None` for a division by zero.
fn half_to_even(over: &BigUint, under: &BigUint) -> Option<BigUint> {
    let zero = BigUint::default();
    if *under == zero {
        return None;
    }
    let (quotient, rest) = (over / under, over % under);
    let is_odd = quotient.bit(0);
    let doubled = rest << 1u32;
    let is_up = doubled > *under || (doubled == *under && is_odd);
    Some(if is_up { quotient + 1u32 } else { quotient })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bigdecimal::{BigDecimal, RoundingMode, Zero};
    use proptest::prelude::*;

    fn number() -> impl Strategy<Value = Decimal> {
        let usual = (any::<i64>(), -28..=0).prop_map(|(digits, power)| (i128::from(digits), power));
        let small = (-2_000_000i128..2_000_000, -6..=6);
        let any = (any::<i128>(), -340..=300).prop_map(|(digits, power)| (digits >> 33, power));
        prop_oneof![4 => small, 4 => usual, 1 => any]
            .prop_filter_map("out of range", |(digits, power)| Decimal::from_parts(digits, power))
    }

    fn sum(parts: &[Decimal]) -> (Total, BigDecimal) {
        let mut total = Total::default();
        total.extend(parts.iter().copied());
        let other = parts.iter().fold(BigDecimal::zero(), |sum, part| sum + big(&part.to_string()));
        (total, other)
    }

    fn big(text: &str) -> BigDecimal {
        text.parse().unwrap()
    }

    proptest! {
        /// Against another implementation, whatever the sizes.
        #[test]
        fn products_and_quotients_are_exact_or_rounded_to_the_even_digit(
            parts in prop::collection::vec(number(), 0..4), others in prop::collection::vec(number(), 0..3),
            factor in number(), places in 0u32..12,
        ) {
            let ((total, value), (divisor, other)) = (sum(&parts), sum(&others));
            let product = total.times(factor).to_string();
            prop_assert_eq!(big(&product), &value * big(&factor.to_string()));
            prop_assert_eq!(total.to_units().map(Total::from_units).unwrap_or(total.clone()), total.clone());
            let rounded = value.with_scale_round(places.into(), RoundingMode::HalfEven);
            prop_assert_eq!(big(&total.rounded(places).to_string()), rounded);
            let quotient = total.divided_by(&divisor, places);
            prop_assert_eq!(quotient.is_none(), other.is_zero());
            if let Some(quotient) = quotient {
                // As near as can be: what is left over is at most half of the last place.
                let left = (&value - big(&quotient.to_string()) * &other).abs() * 2;
                let unit = BigDecimal::new(1.into(), places.into());
                prop_assert!(left <= unit * other.abs(), "{} {}", total, divisor);
            }
        }

        #[test]
        fn steps_are_between_nothing_and_all(
            parts in prop::collection::vec(number(), 0..3), whole in prop::collection::vec(number(), 0..3), steps in 0u32..1_000,
        ) {
            let ((part, value), (whole, other)) = (sum(&parts), sum(&whole));
            let found = part.steps_of(&whole, steps);
            prop_assert!(found <= steps);
            if value > BigDecimal::zero() && value < other {
                let apart = (&value * steps - &other * found).abs() * 2;
                prop_assert!(apart <= other);
            }
        }
    }
}
