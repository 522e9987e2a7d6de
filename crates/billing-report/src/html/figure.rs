//! Numbers as a page shows them.

use std::fmt;

use billing_model::{Decimal, Total};

use crate::figures::{Places, change_in_percent};

/// An amount with all its digits, those before the point in groups of three. The groups are set apart by style alone: who copies the
/// number gets it without gaps.
pub(super) struct Digits<'a>(pub(super) &'a Total);

impl fmt::Display for Digits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        grouped(f, &self.0.to_string())
    }
}

/// An amount of money as the tables on a terminal show it: rounded, `<0.01` where that would be nothing.
pub(super) struct Money<'a>(pub(super) Places, pub(super) &'a Total);

impl fmt::Display for Money<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown(f, &self.0.show(self.1))
    }
}

/// A figure that is made for a terminal, in the groups of a page.
pub(super) fn shown(f: &mut fmt::Formatter<'_>, figure: &str) -> fmt::Result {
    let figure = figure.replace(',', "");
    let number = figure.trim_start_matches(['<', '>']);
    f.write_str(match figure.chars().next() {
        Some('<') => "&lt;",
        Some('>') => "&gt;",
        _ => "",
    })?;
    grouped(f, number)
}

/// A count, in groups of three as well.
pub(super) struct Count(pub(super) u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        grouped(f, &self.0.to_string())
    }
}

fn grouped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let end = text.find(['.', 'e']).unwrap_or(text.len());
    let (whole, rest) = text.split_at(end);
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let groups = digits.len().saturating_sub(1) / 3;
    let first = whole.len() - groups * 3;
    f.write_str(&whole[..first])?;
    for start in (first..whole.len()).step_by(3) {
        write!(f, "<i>{}</i>", &whole[start..start + 3])?;
    }
    f.write_str(rest)
}

/// A part of a whole in percent, with one decimal place: `12.3 %`. For show.
pub(super) fn percent(part: &Total, whole: &Total) -> Option<String> {
    let percent = part.times(Decimal::from(100u32)).divided_by(whole, 1)?;
    if percent.is_zero() && part.is_positive() {
        return Some("< 0.1 %".to_owned());
    }
    let text = percent.to_string();
    let text = if text.contains(['.', 'e']) { text } else { format!("{text}.0") };
    Some(format!("{text} %"))
}

/// How much more or less than before, with its sign: `+12.3 %`. For show; `None` where nothing was before.
pub(super) fn change(now: &Total, before: &Total) -> Option<String> {
    let percent = change_in_percent(now, before)?;
    let sign = if percent.is_positive() { "+" } else { "" };
    Some(format!("{sign}{percent} %"))
}

/// The power of ten of the first digit: 2 for 123, -3 for 0.0012.
pub(super) fn power(total: &Total) -> i32 {
    let text = total.to_string();
    let digits = text.strip_prefix('-').unwrap_or(&text);
    if let Some((_, exponent)) = digits.split_once('e') {
        return exponent.parse().unwrap_or_default();
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let places = match whole {
        "0" => return -1 - count(fraction.len() - fraction.trim_start_matches('0').len()),
        whole => whole.len(),
    };
    count(places) - 1
}

fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// A round number in few characters: `20 M` for 20000000. For the ticks of an axis.
pub(super) fn short(total: &Total) -> String {
    let power = power(total);
    let (by, unit) = match power {
        3..=5 => (-3, " k"),
        6..=8 => (-6, " M"),
        9..=11 => (-9, " bn"),
        12..=14 => (-12, " tn"),
        -5..=2 => (0, ""),
        _ => (-power, ""),
    };
    let Some(factor) = Decimal::from_parts(1, by) else { return total.to_string() };
    let digits = total.times(factor);
    match power {
        -5..15 => format!("{digits}{unit}"),
        _ => format!("{digits}e{power}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(text: &str) -> Total {
        text.parse().unwrap()
    }

    #[test]
    fn digits_stand_in_groups_and_none_is_lost() {
        for (text, expect) in [
            ("0", "0"),
            ("1234", "1<i>234</i>"),
            ("12345", "12<i>345</i>"),
            ("-123456.78901", "-123<i>456</i>.78901"),
            ("0.0005904", "0.0005904"),
            ("0.00059048", "0.00059048"),
            ("7237.08948337", "7<i>237</i>.08948337"),
            ("1.5e-30", "1.5e-30"),
            ("1234567", "1<i>234</i><i>567</i>"),
            ("5e-324", "5e-324"),
        ] {
            assert_eq!(Digits(&total(text)).to_string(), expect);
        }
    }

    #[test]
    fn money_is_rounded_as_in_the_tables() {
        let places = Places::of([&total("9.9984610001")].into_iter());
        for (amount, expect) in [
            ("9.9984610001", "10.00"),
            ("0", "0.00"),
            ("-1234567.891", "-1<i>234</i><i>567</i>.89"),
            ("0.004", "&lt;0.01"),
            ("-0.004", "&gt;-0.01"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ] {
            assert_eq!(Money(places, &total(amount)).to_string(), expect);
        }
    }

    #[test]
    fn parts_and_changes_are_in_percent() {
        for (part, whole, expect) in [
            ("1", "3", Some("33.3 %")),
            ("1", "1", Some("100.0 %")),
            ("0", "1", Some("0.0 %")),
            ("1", "100000", Some("< 0.1 %")),
            ("1", "0", None),
        ] {
            assert_eq!(percent(&total(part), &total(whole)).as_deref(), expect, "{part} {whole}");
        }
        for (now, before, expect) in
            [("3", "2", Some("+50 %")), ("1", "2", Some("-50 %")), ("2", "2", Some("0 %")), ("1", "0", None)]
        {
            assert_eq!(change(&total(now), &total(before)).as_deref(), expect, "{now} {before}");
        }
    }

    #[test]
    fn round_numbers_are_short() {
        for (text, expect_power, expect) in [
            ("5", 0, "5"),
            ("2000", 3, "2 k"),
            ("20000", 4, "20 k"),
            ("250000000", 8, "250 M"),
            ("2000000000", 9, "2 bn"),
            ("0.0002", -4, "0.0002"),
            ("0.0000002", -7, "2e-7"),
            ("5e-324", -324, "5e-324"),
            ("2e+308", 308, "2e308"),
            ("1000000000000000", 15, "1e15"),
        ] {
            let number = total(text);
            assert_eq!((power(&number), short(&number)), (expect_power, expect.to_owned()), "{text}");
        }
    }
}
