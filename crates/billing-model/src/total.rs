//! Sums of amounts that are exact whatever their sizes.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Neg;
use std::str::FromStr;

use num_bigint::{BigInt, Sign};
use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_json::value::RawValue;

use crate::decimal::{Decimal, PLAIN_PLACES};
use crate::decimal_text::{parse_decimal, write_scaled};
use crate::error::ValueError;
use crate::wide_sum::Wide;

/// Decimal places that the narrow part of a sum has.
const PLACES: usize = PLAIN_PLACES.unsigned_abs() as usize;

/// One, in units of 10⁻²⁸.
pub(crate) const ONE: i128 = 10i128.pow(PLAIN_PLACES.unsigned_abs());

/// The powers of ten, each at the place of the number of its zeros.
const POWERS_OF_TEN: [i128; PLACES + 1] = {
    let mut powers = [1; PLACES + 1];
    let mut zeros = 1;
    while zeros <= PLACES {
        powers[zeros] = powers[zeros - 1] * 10;
        zeros += 1;
    }
    powers
};

/// The most whole units of the narrow part: two sums of that size can still be added.
const MAX_WHOLE: i128 = 1 << 125;

/// An exact sum of decimals.
///
/// It never rounds and never overflows, whatever is added: `1e308` and `5e-324` in one. Sums are equal when their values are.
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
#[derive(Clone, Default)]
pub struct Total {
    pub(crate) whole: i128,
    /// In units of 10⁻²⁸, from zero to below one.
    pub(crate) fraction: i128,
    /// The rest of the sum, which has no room in whole units and 28 decimal places. Hardly any sum has one.
    pub(crate) wide: Option<Box<Wide>>,
}

impl Total {
    /// Adds one amount.
    pub fn add(&mut self, amount: Decimal) {
        if !amount.is_plain() {
            return self.add_wide(amount.mantissa().into(), amount.exponent().into());
        }
        let places = amount.exponent().unsigned_abs() as usize;
        let unit = POWERS_OF_TEN[places];
        let beyond = POWERS_OF_TEN[PLACES - places];
        // A division of 64 bits takes a fraction of the time of one of 128.
        let (whole, fraction) = match (amount.narrow_digits(), u64::try_from(unit)) {
            (Some(digits), Ok(unit)) => (i128::from(digits / unit), i128::from(digits % unit)),
            _ => {
                let digits = amount.mantissa().abs();
                (digits / unit, digits % unit)
            }
        };
        match (amount.is_negative(), fraction * beyond) {
            (false, fraction) => self.carry(whole, fraction),
            (true, 0) => self.carry(-whole, 0),
            (true, fraction) => self.carry(-whole - 1, ONE - fraction),
        }
    }

    /// Adds another sum.
    pub fn merge(&mut self, other: &Self) {
        self.carry(other.whole, other.fraction);
        if let Some(wide) = &other.wide {
            self.add_wide(wide.digits.clone(), wide.exponent);
        }
    }

    /// Takes another sum out. What is left is exact, also when more is taken out than was in.
    ///
    /// ```
    /// # use billing_model::Total;
    /// let mut total: Total = "0.3".parse()?;
    /// total.subtract(&"0.1".parse()?);
    /// assert_eq!(total.to_string(), "0.2");
    /// # Ok::<(), billing_model::ValueError>(())
    /// ```
    pub fn subtract(&mut self, other: &Self) {
        match other.fraction {
            0 => self.carry(-other.whole, 0),
            fraction => self.carry(-other.whole - 1, ONE - fraction),
        }
        if let Some(wide) = &other.wide {
            self.add_wide(-wide.digits.clone(), wide.exponent);
        }
    }

    pub(crate) fn carry(&mut self, whole: i128, fraction: i128) {
        self.whole += whole;
        self.fraction += fraction;
        if self.fraction >= ONE {
            self.fraction -= ONE;
            self.whole += 1;
        }
        if !is_narrow(self.whole) {
            let whole = std::mem::take(&mut self.whole);
            self.add_wide(whole.into(), 0);
        }
    }

    #[cold]
    fn add_wide(&mut self, digits: BigInt, exponent: i64) {
        self.wide.get_or_insert_default().add(digits, exponent);
    }

    /// Whether the sum is below zero, zero or above it.
    fn sign(&self) -> Ordering {
        match self.all() {
            None => (self.whole, self.fraction).cmp(&(0, 0)),
            Some(wide) => wide.digits.sign().cmp(&Sign::NoSign),
        }
    }

    /// The whole sum as a wide one, if any of it is wide.
    pub(crate) fn all(&self) -> Option<Wide> {
        let mut all = Wide::clone(self.wide.as_ref()?);
        all.add(self.whole.into(), 0);
        all.add(self.fraction.into(), (-PLAIN_PLACES).into());
        Some(all)
    }

    /// A wide sum as a narrow one, if it is one.
    pub(crate) fn narrow(wide: &Wide) -> Option<Self> {
        // In units of 10⁻²⁸.
        let power = wide.exponent + i64::from(PLAIN_PLACES);
        let unit = BigInt::from(10).pow(u32::try_from(power.unsigned_abs()).ok()?);
        let units = match power {
            0.. => &wide.digits * unit,
            _ if (&wide.digits % &unit).sign() == Sign::NoSign => &wide.digits / unit,
            _ => return None,
        };
        let one = BigInt::from(ONE);
        let whole = i128::try_from(&units / &one).ok().filter(|whole| is_narrow(*whole))?;
        let fraction = i128::try_from(units % one).ok()?;
        let mut total = Self::default();
        total.carry(whole + fraction.div_euclid(ONE), fraction.rem_euclid(ONE));
        total.wide.is_none().then_some(total)
    }

    /// True for a sum of zero.
    pub fn is_zero(&self) -> bool {
        self.sign().is_eq()
    }

    /// True for a sum above zero.
    pub fn is_positive(&self) -> bool {
        self.sign().is_gt()
    }

    /// Appends the sum, all its digits and no more: in plain form where 28 decimal places and some 37 digits before them are
    /// enough, and beyond as [`write_decimal`](crate::write_decimal) does.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self.all() {
            None => self.write_plain(out),
            Some(wide) => match Self::narrow(&wide) {
                Some(narrow) => narrow.write_plain(out),
                None => wide.write(out),
            },
        }
    }

    fn write_plain(&self, out: &mut Vec<u8>) {
        let (whole, fraction) = match self.whole {
            0.. => (self.whole, self.fraction),
            _ if self.fraction == 0 => (-self.whole, 0),
            _ => (-(self.whole + 1), ONE - self.fraction),
        };
        if self.whole < 0 {
            out.push(b'-');
        }
        write_scaled(out, whole.unsigned_abs(), 0);
        if fraction > 0 {
            // Written as 0.123 behind the whole part: its leading zero goes, and so do those at its end.
            let zero = out.len();
            write_scaled(out, fraction.unsigned_abs(), PLACES);
            out.remove(zero);
            let end = out.iter().rposition(|digit| *digit != b'0').unwrap_or_default();
            out.truncate(end + 1);
        }
    }
}

/// True when two sums with whole units of this size can be added, and one be negated, without overflow.
fn is_narrow(whole: i128) -> bool {
    (-MAX_WHOLE..=MAX_WHOLE).contains(&whole)
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(32);
        self.write(&mut out);
        f.pad(std::str::from_utf8(&out).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Total {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Total {}

impl PartialOrd for Total {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Total {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.wide.is_none() && other.wide.is_none() {
            return (self.whole, self.fraction).cmp(&(other.whole, other.fraction));
        }
        let mut difference = -other.clone();
        difference.merge(self);
        difference.sign()
    }
}

impl FromStr for Total {
    type Err = ValueError;

    /// Reads any number whose digits are those of powers of ten from -350 to 450, [`Total::write`]'s among them.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some(narrow) = Self::parse_plain(text) {
            return Ok(narrow);
        }
        // The error is the one of reading a number.
        let wide = match (Wide::parse(text), parse_decimal(text)) {
            (Some(wide), _) => wide,
            (None, Ok(number)) => return Ok(number.into()),
            (None, Err(error)) => return Err(error),
        };
        Ok(Self::narrow(&wide).unwrap_or_else(|| Self { wide: Some(Box::new(wide)), ..Self::default() }))
    }
}

impl Total {
    fn parse_plain(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let whole = number(whole.as_bytes()).filter(|whole| *whole < MAX_WHOLE)?;
        // At most 28 digits, so the shift and the product fit.
        let shift = POWERS_OF_TEN[PLACES.checked_sub(fraction.len())?];
        let fraction = number(fraction.as_bytes())? * shift;
        let mut total = Self::default();
        match (text.starts_with('-'), fraction) {
            (false, _) => total.carry(whole, fraction),
            (true, 0) => total.carry(-whole, 0),
            (true, _) => total.carry(-whole - 1, ONE - fraction),
        }
        Some(total)
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

impl Neg for Total {
    type Output = Self;

    fn neg(self) -> Self {
        let (whole, fraction) = match self.fraction {
            0 => (-self.whole, 0),
            fraction => (-self.whole - 1, ONE - fraction),
        };
        let negated = |wide: Wide| Wide { digits: -wide.digits, ..wide };
        Self { whole, fraction, wide: self.wide.map(|wide| Box::new(negated(*wide))) }
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
        quoted.unwrap_or(text).parse().map_err(de::Error::custom)
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
    use dashu_int::IBig;
    use proptest::prelude::*;

    /// Another implementation: the value of a number's text in units of 10⁻¹⁰⁰⁰.
    fn units(text: &str) -> IBig {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let places = 1000 + exponent.parse::<isize>().unwrap();
        let power = usize::try_from(places).unwrap().checked_sub(fraction.len()).unwrap();
        format!("{whole}{fraction}").parse::<IBig>().unwrap() * IBig::from(10).pow(power)
    }

    fn total(text: &str) -> Total {
        text.parse().unwrap()
    }

    fn number() -> impl Strategy<Value = Decimal> {
        let usual = (any::<i64>(), -28..=0).prop_map(|(digits, power)| (i128::from(digits), power));
        let any = (any::<i128>(), -350..=350).prop_map(|(digits, power)| (digits >> 32, power));
        let numbers = prop_oneof![8 => usual, 1 => any, 1 => Just((-(1 << 95), 0))];
        // A multiple of ten times the largest power is out of range.
        numbers.prop_filter_map("out of range", |(digits, power)| Decimal::from_parts(digits, power))
    }

    proptest! {
        #[test]
        fn sums_are_exact_and_survive_their_text(
            parts in prop::collection::vec((number(), any::<bool>()), 0..40), huge in any::<bool>(),
        ) {
            let (mut sum, mut other) = (Total::default(), IBig::ZERO);
            if huge {
                // Of the most whole units, to which more of the same are added.
                sum = total("42535295865117307932921825928971026432");
                other = units("42535295865117307932921825928971026432");
            }
            for (amount, is_apart) in &parts {
                match is_apart {
                    true => sum.merge(&Total::from(*amount)),
                    false => sum.add(*amount),
                }
                other += units(&amount.to_string());
            }
            let text = sum.to_string();
            prop_assert_eq!(units(&text), other.clone(), "{}", text);
            prop_assert_eq!(&total(&text), &sum);
            prop_assert_eq!(total(&text).to_string(), text);
            prop_assert_eq!((sum.is_zero(), sum.is_positive()), (other == IBig::ZERO, other > IBig::ZERO));

            let mut half = Total::default();
            let mut other_half = IBig::ZERO;
            for (amount, _) in parts.iter().skip(parts.len() / 2) {
                half.add(*amount);
                other_half += units(&amount.to_string());
            }
            prop_assert_eq!(sum.cmp(&half), other.cmp(&other_half));
            let mut rest = sum.clone();
            rest.subtract(&half);
            prop_assert_eq!(units(&rest.to_string()), other.clone() - other_half.clone());
            prop_assert_eq!(rest.cmp(&sum), IBig::ZERO.cmp(&other_half));
            rest.subtract(&sum);
            rest.merge(&half);
            prop_assert!(rest.is_zero());

            let mut nothing = -sum.clone();
            nothing.merge(&sum);
            prop_assert!(nothing.is_zero() && nothing == Total::default());
            prop_assert_eq!(nothing.to_string(), "0");
        }
    }

    #[test]
    fn a_sum_has_one_text() {
        for text in [
            "0",
            "-0.5",
            "-1",
            "-1.5",
            "0.0000000000000000000000000001",
            "-12.05",
            "170.3",
            "1e-29",
            "-5.551115123125783e-17",
            "-150.07000000000000005551115123125783",
            "0.00000150070000000000055511151231257831",
            "0.4205500000000000000000000000000000000001",
            "42535295865117307932921825928971026432.0000000000000000000000000001",
            "1.7014118346046923173168730371588410572e+38",
            "-1.00000000000000000000000000000000000000000000000000000000005e+308",
        ] {
            assert_eq!(total(text).to_string(), text);
            let mut back = total(text);
            back.add("1e300".parse().unwrap());
            back.add("-1e300".parse().unwrap());
            assert_eq!((back.to_string(), &back), (text.to_owned(), &total(text)));
        }
        for text in ["", "-", "1.", ".5", "--1", "+1", "1e", "e5", "1e5.5", "1e451", "1e-351", "0.1e"] {
            assert!(text.parse::<Total>().is_err(), "{text}");
        }
    }

    /// Named after what broke: the least number of 128 bits has no counterpart above zero.
    #[test]
    fn whole_units_at_the_end_of_128_bits_are_exact() {
        for (at, more, expect) in [
            (i128::MIN, "-1", "-1.70141183460469231731687303715884105729e+38"),
            (i128::MIN, "-0.5", "-1.701411834604692317316873037158841057285e+38"),
            (i128::MIN, "0", "-1.70141183460469231731687303715884105728e+38"),
            (i128::MAX, "1", "1.70141183460469231731687303715884105728e+38"),
            (i128::MIN, "170141183460469231731687303715884105728", "0"),
        ] {
            let mut sum = total(&at.to_string());
            sum.merge(&total(more));
            assert_eq!(sum.to_string(), expect);
            assert_eq!((-(-sum.clone())).to_string(), expect);
            let mut same = sum.clone();
            sum.merge(&-total(&at.to_string()));
            same.subtract(&total(&at.to_string()));
            assert_eq!((&sum, &same), (&total(more), &total(more)));
        }
    }

    #[test]
    fn the_extremes_of_doubles_are_one_sum() {
        let mut sum = total("1e308");
        sum.add("5e-324".parse().unwrap());
        let text = sum.to_string();
        assert_eq!((text.len(), text.starts_with("1.000"), text.ends_with("0005e+308")), (639, true, true));
        sum.add("-1e308".parse().unwrap());
        assert_eq!(sum.to_string(), "5e-324");
        sum.add("-5e-324".parse().unwrap());
        assert!(sum.is_zero());
    }

    #[test]
    fn a_sum_of_others_is_read_exactly_or_refused() {
        let read = |text: &str| serde_json::from_str::<Total>(text).map(|total| total.to_string());
        for (text, canonical) in [
            ("-8e-7", "-0.0000008"),
            ("1.5E+2", "150"),
            ("\"0.10\"", "0.1"),
            ("-0", "0"),
            ("-0e9999", "0"),
            (
                "792281625142643375935439503350.5000000000000000000000000001",
                "792281625142643375935439503350.5000000000000000000000000001",
            ),
            ("1267650600228229401496703205376", "1267650600228229401496703205376"),
            ("1e-29", "1e-29"),
        ] {
            assert_eq!(read(text).unwrap(), canonical);
        }
        let long = format!("1{}", "0".repeat(1000));
        for text in ["null", "true", "[1]", "\"\"", "\"1,5\"", "1e451", "1e-351", &long] {
            assert!(read(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<Option<Total>>("null").unwrap(), None);
        assert!(Total::from(Decimal::ONE).is_positive() && !Total::default().is_positive());
        assert!(!total("-0.5").is_positive());
    }
}
