//! Figures as people read them: grouped by commas, and rounded for show.

use billing_model::{Decimal, Total};

/// Decimal places that an amount has at least and at most.
const PLACES: std::ops::RangeInclusive<usize> = 2..=6;

/// A whole number with a comma between groups of three digits: `43,635`.
pub(crate) fn count(number: u64) -> String {
    grouped(&number.to_string(), 0)
}

/// So many of something: `1 entry`, `43,635 entries`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Tokens, in whole ones. There may be parts of one where units were cut.
pub(crate) fn tokens(tokens: &Total) -> String {
    Places::WHOLE.show(tokens)
}

/// A part from 0 to 1 in percent: `12.3%`.
pub(crate) fn percent(part: &Total) -> String {
    Places(1).show(&part.times(Decimal::from(100u32))) + "%"
}

/// By how much an amount is above or below the one before it: `+12.3%`, and `new` where there was none.
pub(crate) fn change(now: &Total, before: &Total) -> String {
    let Some(percent) = change_in_percent(now, before) else {
        return if now.is_zero() { String::new() } else { "new".to_owned() };
    };
    let plus = if percent.is_positive() { "+" } else { "" };
    format!("{plus}{}%", Places(1).show(&percent))
}

/// By how many percent an amount is above the one before it, to one decimal place; `None` where there was none.
pub(crate) fn change_in_percent(now: &Total, before: &Total) -> Option<Total> {
    let mut more = now.clone();
    more.subtract(before);
    more.times(Decimal::from(100u32)).divided_by(before, 1)
}

/// A number of decimal places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places(usize);

impl Places {
    /// None, for what is counted.
    pub(crate) const WHOLE: Self = Self(0);

    /// Three.
    pub(crate) const THREE: Self = Self(3);

    /// The places in which these amounts are shown below each other: as many as give the smallest one that is not zero two
    /// digits that count, but from two to six, and no more than the amounts have beyond two.
    pub(crate) fn of<'a>(amounts: impl Iterator<Item = &'a Total> + Clone) -> Self {
        let sizes = amounts.clone().filter(|amount| !amount.is_zero()).map(magnitude);
        let wanted = sizes.min().map_or(*PLACES.start(), |smallest| zeros(&smallest) + 2);
        let wanted = wanted.clamp(*PLACES.start(), *PLACES.end());
        let mut needed = *PLACES.start();
        for amount in amounts {
            if needed >= wanted {
                break;
            }
            needed = needed.max(decimals(&amount.to_string()));
        }
        Self(wanted.min(needed))
    }

    /// The amount in so many places. One that would look like nothing is `<0.01`, and below zero `>-0.01`. One of very many digits
    /// is in exponent form, as in JSON.
    pub(crate) fn show(self, amount: &Total) -> String {
        let rounded = self.rounded(amount);
        if !rounded.is_zero() || amount.is_zero() {
            return grouped(&rounded.to_string(), self.0);
        }
        self.next_to_nothing(amount.is_positive())
    }

    /// What stands for an amount that would look like nothing: `<0.01`, and for one below zero `>-0.01`.
    pub(crate) fn next_to_nothing(self, is_positive: bool) -> String {
        let sign = if is_positive { "<" } else { ">-" };
        match self.0 {
            0 => format!("{sign}1"),
            places => format!("{sign}0.{:0>places$}", 1),
        }
    }

    /// True when the amount has more digits than are shown.
    pub(crate) fn cut(self, amount: &Total) -> bool {
        self.rounded(amount) != *amount
    }

    fn rounded(self, amount: &Total) -> Total {
        amount.rounded(u32::try_from(self.0).unwrap_or_default())
    }
}

fn magnitude(amount: &Total) -> Total {
    if amount.is_positive() { amount.clone() } else { -amount.clone() }
}

/// How many zeros an amount has behind the point, before another digit; none where it has a whole part.
fn zeros(amount: &Total) -> usize {
    let text = amount.to_string();
    match text.strip_prefix("0.") {
        Some(places) => places.len() - places.trim_start_matches('0').len(),
        None if text.contains("e-") => *PLACES.end(),
        None => 0,
    }
}

/// How many decimal places a number's text has.
fn decimals(number: &str) -> usize {
    match number.split_once('.') {
        _ if number.contains('e') => *PLACES.end(),
        Some((_, places)) => places.len(),
        None => 0,
    }
}

/// A number with commas in its whole part, and zeros behind it up to so many decimal places.
fn grouped(number: &str, places: usize) -> String {
    if number.contains('e') {
        return number.to_owned();
    }
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let mut out = String::with_capacity(number.len() * 4 / 3 + places + 2);
    let first = usize::from(whole.starts_with('-'));
    for (position, digit) in whole.char_indices() {
        if position > first && (whole.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if places > 0 {
        out.push('.');
        out.push_str(decimals);
        out.extend(std::iter::repeat_n('0', places.saturating_sub(decimals.len())));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(text: &str) -> Total {
        text.parse().unwrap()
    }

    #[test]
    fn a_figure_is_grouped_and_padded() {
        for (amount, places, expect) in [
            ("0", 2, "0.00"),
            ("7", 0, "7"),
            ("7", 2, "7.00"),
            ("999.5", 2, "999.50"),
            ("1000", 2, "1,000.00"),
            ("-1234567.891", 2, "-1,234,567.89"),
            ("-100", 0, "-100"),
            ("0.005", 2, "<0.01"),
            ("0.0051", 2, "0.01"),
            ("-0.001", 2, ">-0.01"),
            ("0.4", 0, "<1"),
            ("5e-324", 6, "<0.000001"),
            ("1e308", 2, "1e+308"),
            ("1.7976931348623157e308", 2, "1.7976931348623157e+308"),
        ] {
            assert_eq!(Places(places).show(&total(amount)), expect, "{amount}");
        }
        assert_eq!(
            [0, 999, 1_000, 43_635, u64::MAX].map(count).join(" "),
            "0 999 1,000 43,635 18,446,744,073,709,551,615"
        );
    }

    #[test]
    fn places_give_the_smallest_amount_two_digits() {
        for (amounts, expect) in [
            (&[][..], 2),
            (&["0", "0"], 2),
            (&["12", "3"], 2),
            (&["59.7712893250000000424", "0.5"], 2),
            (&["59.7712893250000000424", "0.0312345"], 3),
            (&["59.77", "0.03"], 2),
            (&["59.77", "-0.00123"], 4),
            (&["59.77", "0.00000000123"], 6),
            (&["59.77", "5e-324"], 6),
            (&["1e308"], 2),
        ] {
            let amounts: Vec<Total> = amounts.iter().map(|text| total(text)).collect();
            assert_eq!(Places::of(amounts.iter()), Places(expect), "{amounts:?}");
        }
    }

    #[test]
    fn parts_and_changes_are_in_percent() {
        for (part, expect) in [("1", "100.0%"), ("0.0155", "1.6%"), ("0.000001", "<0.1%"), ("0", "0.0%")] {
            assert_eq!(percent(&total(part)), expect);
        }
        for (now, before, expect) in [
            ("3", "2", "+50.0%"),
            ("2", "2", "0.0%"),
            ("1", "3", "-66.7%"),
            ("0", "3", "-100.0%"),
            ("3", "0", "new"),
            ("0", "0", ""),
            ("50", "0.1", "+49,900.0%"),
        ] {
            assert_eq!(change(&total(now), &total(before)), expect, "{now} {before}");
        }
    }

    proptest! {
        /// What is shown is the exact amount, or as near to it as its last place allows.
        #[test]
        fn a_figure_is_within_half_a_unit_of_its_last_place(
            digits in any::<i64>(), power in -12i32..3, places in 0usize..=6,
        ) {
            let amount = Total::from(Decimal::from_parts(digits.into(), power).unwrap());
            let shown = Places(places).show(&amount);
            let unit = Total::from(Decimal::from_parts(1, -i32::try_from(places).unwrap()).unwrap());
            let apart = |shown: &str| {
                let mut apart = total(&shown.replace(',', ""));
                apart.subtract(&amount);
                magnitude(&apart).times(Decimal::from(2u32))
            };
            match shown.strip_prefix(['<', '>']) {
                Some(bound) => prop_assert!(magnitude(&amount) < unit && !amount.is_zero() && apart(bound) < unit.times(Decimal::from(4u32))),
                None => prop_assert!(apart(&shown) <= unit, "{amount} {shown}"),
            }
        }
    }
}
