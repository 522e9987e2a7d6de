//! Amounts for a glance: rounded, and never to nothing.

use billing_model::Total;

/// Decimal places that are shown, and the most for an amount that has no digit in them.
const PLACES: u32 = 2;
const MOST_PLACES: u32 = 6;

/// An amount rounded for a glance: two decimal places, and where those would show less than two digits of it, up to six. What is
/// smaller is said to be so. For what has to be exact there is JSON.
pub(crate) fn short_amount(amount: &Total) -> String {
    if amount.is_zero() {
        return "0".to_owned();
    }
    let (sign, size) = match amount.is_positive() {
        true => ("", amount.clone()),
        false => ("-", -amount.clone()),
    };
    let shown = (PLACES..=MOST_PLACES).map(|places| (places, size.rounded(places)));
    let mut shown =
        shown.filter(|(places, rounded)| *places == MOST_PLACES || has_two_digits(rounded, *places));
    match shown.next() {
        Some((places, rounded)) if !rounded.is_zero() => format!("{sign}{}", padded(&rounded, places)),
        _ if sign.is_empty() => "<0.000001".to_owned(),
        _ => ">-0.000001".to_owned(),
    }
}

/// True when an amount of so many places shows two digits behind the zeros it begins with.
fn has_two_digits(rounded: &Total, places: u32) -> bool {
    let text = rounded.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let zeros = fraction.len() - fraction.trim_start_matches('0').len();
    whole != "0" || (!fraction.is_empty() && zeros + 2 <= places as usize)
}

/// With zeros up to so many places.
fn padded(rounded: &Total, places: u32) -> String {
    let text = rounded.to_string();
    // The largest amounts are written with an exponent, and have no places.
    if text.contains('e') {
        return text;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{whole}.{fraction:0<width$}", width = places as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_rounded_and_never_to_nothing() {
        for (amount, expect) in [
            ("0", "0"),
            ("1", "1.00"),
            ("1.005", "1.00"),
            ("1.015", "1.02"),
            ("-1.239", "-1.24"),
            ("1234567.891", "1234567.89"),
            ("0.1", "0.10"),
            ("0.099", "0.10"),
            ("0.0999", "0.10"),
            ("0.05", "0.050"),
            ("0.012", "0.012"),
            ("0.00012345", "0.00012"),
            ("0.0000012", "0.000001"),
            ("0.0000004", "<0.000001"),
            ("-5e-324", ">-0.000001"),
            ("123456789012345678901234567890.5", "123456789012345678901234567890.50"),
        ] {
            assert_eq!(short_amount(&amount.parse().unwrap()), expect, "{amount}");
        }
        // No digit of the largest double is lost before the point.
        assert!(!short_amount(&"1.7976931348623157e308".parse().unwrap()).is_empty());
    }
}
