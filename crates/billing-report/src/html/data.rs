//! The amounts of the charts for the page's script, exact and short to write.

use std::fmt;

use billing_model::Total;
use serde::Serialize;

use super::series::{Charts, Detail, Drawn, Series};
use super::text::{clean, json_in_script};

/// The element with the amounts.
pub(super) struct Data<'a>(pub(super) &'a Drawn<'a>);

#[derive(Serialize)]
struct PageJson {
    grain: &'static str,
    /// What the bars stand for.
    bars: Vec<String>,
    weekdays: Vec<String>,
    charts: Vec<ChartsJson>,
}

#[derive(Serialize)]
struct ChartsJson {
    currency: String,
    spend: Vec<SeriesJson>,
    tokens: Vec<SeriesJson>,
    hours: String,
}

/// A name, the class of its colour, and the amounts. What has neither a name nor a class is the sum of all.
#[derive(Serialize)]
struct SeriesJson(String, String, String);

/// The parts of the bars, or one series of their sums.
fn series(series: &[Series], palette: &str, detail: Detail) -> Vec<SeriesJson> {
    let part =
        |one: &Series| SeriesJson(clean(&one.name), format!("{palette}{}", one.colour), packed(&one.amounts));
    if detail == Detail::Parts {
        return series.iter().map(part).collect();
    }
    let mut sums: Vec<Total> = series.first().map(|one| one.amounts.clone()).unwrap_or_default();
    for one in series.iter().skip(1) {
        sums.iter_mut().zip(&one.amounts).for_each(|(sum, amount)| sum.merge(amount));
    }
    vec![SeriesJson(String::new(), String::new(), packed(&sums))]
}

impl fmt::Display for Data<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(drawn) = self;
        let charts = |charts: &Charts<'_>| ChartsJson {
            currency: clean(&charts.total.currency),
            spend: series(&charts.models, "s", drawn.detail),
            tokens: series(&charts.tokens, "t", drawn.detail),
            hours: packed(&charts.hours),
        };
        let page = PageJson {
            grain: drawn.timeline.map_or("day", |timeline| timeline.grain.as_str()),
            bars: drawn.timeline.iter().flat_map(|timeline| timeline.names()).collect(),
            weekdays: drawn.weekdays.clone(),
            charts: drawn.charts.iter().map(charts).collect(),
        };
        let json = serde_json::to_string(&page).map_err(|_| fmt::Error)?;
        writeln!(f, "<script type=\"application/json\" id=\"data\">{}</script>", json_in_script(&json))
    }
}

/// Amounts with spaces between them: the number of their decimal places and a colon, and then each as a whole number of units of that
/// place to the base of 36, or nothing for zero. In a year of days this is half as long as decimal digits. Where an amount has no room
/// in 128 bits, all stand as they are, behind a colon alone.
fn packed(amounts: &[Total]) -> String {
    let texts: Vec<_> = amounts.iter().map(Total::to_string).collect();
    let places = texts.iter().filter_map(|text| text.split_once('.')).map(|(_, fraction)| fraction.len());
    let places = places.max().unwrap_or_default();
    let digits: Option<Vec<_>> = texts.iter().map(|text| to_base_36(units(text, places)?)).collect();
    match digits {
        Some(digits) => format!("{places}:{}", digits.join(" ")),
        None => format!(":{}", texts.join(" ")),
    }
}

/// A number in units of its last place, if it is one that has room.
fn units(text: &str, places: usize) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<places$}").parse().ok()
}

fn to_base_36(mut number: u128) -> Option<String> {
    let mut digits = Vec::new();
    while number > 0 {
        digits.push(char::from_digit(u32::try_from(number % 36).ok()?, 36)?);
        number /= 36;
    }
    Some(digits.iter().rev().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_packed_without_a_loss() {
        for (amounts, expect) in [
            ("", "0:"),
            ("0 1 35 36 1295", "0: 1 z 10 zz"),
            ("0.1 12 0 0.035", "3:2s 99c  z"),
            ("5e-324 1", ":5e-324 1"),
            ("-1 2", ":-1 2"),
            ("9999999999999999999999999999999999999", "0:g183ccbhtyvk4o6abtm6c1dr"),
            ("340282366920938463463374607431768211456 0", ":3.40282366920938463463374607431768211456e+38 0"),
        ] {
            let amounts: Vec<Total> = amounts.split_whitespace().map(|text| text.parse().unwrap()).collect();
            assert_eq!(packed(&amounts), expect);
        }
    }
}
