//! Whether an amount is price times units.

use billing_model::{Decimal, Total};

/// An amount may differ from the product by one part in this many. Services calculate in binary floating point, whose error is a
/// ten-millionth of that.
const PART: u32 = 1_000_000_000;

/// True when an amount, taken for USD at a rate, is price times units to one part in a billion. Signs are left alone: a refund has
/// the price and the units of what it gives back.
pub(crate) fn is_product(amount: Decimal, rate: Decimal, price: Decimal, units: Decimal) -> bool {
    // Every entry is asked for, and 128 bits are enough for nearly all.
    let narrow = is_narrow_product((amount, rate), (price, units));
    narrow.unwrap_or_else(|| is_wide_product(amount, rate, price, units))
}

/// The answer where all of it fits 128 bits.
fn is_narrow_product(amount: (Decimal, Decimal), price: (Decimal, Decimal)) -> Option<bool> {
    let digits = |(one, other): (Decimal, Decimal)| {
        one.mantissa().unsigned_abs().checked_mul(other.mantissa().unsigned_abs())
    };
    let power = |(one, other): (Decimal, Decimal)| one.exponent() + other.exponent();
    let lowest = power(amount).min(power(price));
    let scaled = |parts| {
        let unit = 10u128.checked_pow(power(parts).abs_diff(lowest))?;
        digits(parts)?.checked_mul(unit)
    };
    let (charged, product) = (scaled(amount)?, scaled(price)?);
    Some(product.abs_diff(charged).checked_mul(PART.into())? <= product)
}

fn is_wide_product(amount: Decimal, rate: Decimal, price: Decimal, units: Decimal) -> bool {
    let product = magnitude(Total::from(price).times(units));
    let charged = magnitude(Total::from(amount).times(rate));
    let mut apart = product.clone();
    apart.subtract(&charged);
    magnitude(apart).times(Decimal::from(PART)) <= product
}

fn magnitude(total: Total) -> Total {
    if total.is_positive() { total } else { -total }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn noise_of_floating_point_is_no_other_amount() {
        for (amount, rate, price, units, expect) in [
            ("-0.00005852", "1", "1.54", "0.000038", true),
            ("-0.000058520000000000004", "1", "1.54", "0.000038", true),
            ("0.00005852", "1", "1.54", "0.000038", true),
            ("-0.00005853", "1", "1.54", "0.000038", false),
            ("-0.0058520000001", "1", "1.54", "0.0038", true),
            ("-0.005852001", "1", "1.54", "0.0038", false),
            ("-0.5852", "0.1", "1.54", "0.038", true),
            ("0", "1", "0", "12", true),
            ("0", "1", "1e-300", "1e-300", false),
            ("-5e-324", "1", "0", "12", false),
            ("-1.7976931348623157e308", "1", "1.7976931348623157e308", "1", true),
        ] {
            let number = |text: &str| billing_model::parse_decimal(text).unwrap();
            let [amount, rate, price, units] = [amount, rate, price, units].map(number);
            assert_eq!(is_product(amount, rate, price, units), expect, "{amount} {rate} {price} {units}");
            assert_eq!(
                is_wide_product(amount, rate, price, units),
                expect,
                "{amount} {rate} {price} {units}"
            );
        }
    }

    proptest! {
        /// The short way says what the long one says, where it says anything; and it does for numbers of usual sizes.
        #[test]
        fn both_ways_say_the_same(
            price in 0u64..100_000, units in 0u64..10_000_000, noise in -3i64..=3, places in (0..=4, 0..=9, 0..=19), any: i64,
        ) {
            let number = |digits: i128, places: i32| Decimal::from_parts(digits, -places).unwrap();
            let exact = i128::from(price) * i128::from(units);
            let usual = number(exact * 1_000_000_000 + i128::from(noise), places.0 + places.1 + 9);
            let (price, units) = (number(price.into(), places.0), number(units.into(), places.1));
            for rate in [Decimal::ONE, number(1, 1)] {
                for amount in [usual, -usual, number(any.into(), places.2), number(exact, places.2)] {
                    let narrow = is_narrow_product((amount, rate), (price, units));
                    if let Some(narrow) = narrow {
                        prop_assert_eq!(narrow, is_wide_product(amount, rate, price, units));
                    }
                }
            }
            prop_assert!(is_narrow_product((usual, Decimal::ONE), (price, units)).is_some());
        }
    }
}
