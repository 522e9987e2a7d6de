//! Decimal numbers that are exact, and have one representation for each value.

use std::ops::Neg;

/// The most decimal places that plain form has.
pub(crate) const PLAIN_PLACES: i32 = 28;

/// The digits of a [`Decimal`] without its point are below 2⁹⁶: all numbers of 28 digits, and some of 29.
pub(crate) const MAX_MANTISSA: u128 = (1 << 96) - 1;

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

    /// The digits of the [`mantissa`](Self::mantissa) where they fit 64 bits, as nearly all do.
    pub(crate) fn narrow_digits(self) -> Option<u64> {
        (self.high == 0).then_some(self.low)
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

    /// A number of few digits, in its one representation: a whole one, or one whose last digit is not a zero.
    #[inline]
    pub(crate) fn short(is_negative: bool, digits: u64, exponent: i16) -> Self {
        Self { low: digits, high: 0, exponent, is_negative }
    }

    /// The one representation of a value.
    pub(crate) fn place(is_negative: bool, mut mantissa: u128, mut exponent: i64) -> Option<Self> {
        if mantissa == 0 {
            return Some(Self::ZERO);
        }
        // The short way, which nearly all numbers take.
        if (-MAX_POWER..=0).contains(&exponent)
            && let (Ok(digits), Ok(exponent)) = (u64::try_from(mantissa), i16::try_from(exponent))
            && (exponent == 0 || !digits.is_multiple_of(10))
        {
            return Some(Self::short(is_negative, digits, exponent));
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

    /// True when plain form shows the number as it is: at most 28 decimal places, and no power of ten above zero, for
    /// which zeros would have to be filled in.
    pub(crate) fn is_plain(self) -> bool {
        (-PLAIN_PLACES..=0).contains(&self.exponent())
    }
}

pub(crate) fn power_of_ten(power: i64) -> Option<u128> {
    10u128.checked_pow(u32::try_from(power).ok()?)
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
}
