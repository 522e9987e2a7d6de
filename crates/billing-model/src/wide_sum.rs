//! Sums of any size, for what [`Total`](crate::Total) has no room for.

use num_bigint::{BigInt, Sign};

use crate::decimal_text::put_power;

/// Powers of ten of the digits of a sum that is read: those of a [`Decimal`], and room for 10⁷⁰ of the largest.
const POWERS: std::ops::RangeInclusive<i64> = -350..=450;

/// `digits × 10^exponent`.
#[derive(Clone, Default)]
pub(crate) struct Wide {
    pub(crate) digits: BigInt,
    pub(crate) exponent: i64,
}

impl Wide {
    pub(crate) fn add(&mut self, mut digits: BigInt, exponent: i64) {
        if digits.sign() == Sign::NoSign {
            return;
        }
        let apart = u32::try_from(self.exponent.abs_diff(exponent)).unwrap_or(u32::MAX);
        let unit = BigInt::from(10).pow(apart);
        if exponent < self.exponent {
            self.digits *= unit;
            self.exponent = exponent;
        } else {
            digits *= unit;
        }
        self.digits += digits;
    }

    /// Reads what [`write`](Self::write) writes, and any other number.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (text, 0),
        };
        let (sign, digits) = match mantissa.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_number =
            |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
        if !is_number(whole) || (digits.len() > whole.len() && !is_number(fraction)) {
            return None;
        }
        let exponent = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let highest = exponent.checked_add(i64::try_from(whole.len() + fraction.len()).ok()?)?;
        let fits = POWERS.contains(&exponent) && POWERS.contains(&highest);
        let digits = fits.then(|| format!("{sign}{whole}{fraction}").parse().ok())??;
        Some(Self { digits, exponent })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if self.digits.sign() == Sign::Minus {
            out.push(b'-');
        }
        let start = out.len();
        let digits = self.digits.magnitude().to_string();
        let significant = digits.trim_end_matches('0');
        out.extend_from_slice(significant.as_bytes());
        let zeros = i64::try_from(digits.len() - significant.len()).unwrap_or(i64::MAX);
        put_power(out, start, self.exponent + zeros);
    }
}
