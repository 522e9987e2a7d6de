//! What the charts of a page are drawn from: the sums of each currency, bar by bar.

use std::collections::BTreeMap;

use billing_model::{Day, Total};
use chrono::Weekday;

use super::text::capital;
use super::timeline::{Grain, Timeline, days};
use crate::calendar::{days_from, weekday_name};
use crate::charts::MOST_SERIES;
use crate::dimension::Dimension;
use crate::naming::Naming;
use crate::report::{Breakdown, Report};
use crate::row::Row;
use crate::sums::Tokens;

/// How many currencies have charts. There are five, and a file may name any number of them.
const MOST_CURRENCIES: usize = 8;

/// The colour of what is left: the one after the others.
const REST: usize = MOST_SERIES;

const HOURS: usize = 24;

/// How much of a bar the script knows, for its tooltip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Those of all its parts.
    Parts,
    /// Their sum.
    Sums,
}

/// The charts of a page.
pub(super) struct Drawn<'a> {
    /// The bars along time; `None` where no day can be read, or they span more than 400 years.
    pub(super) timeline: Option<Timeline>,
    /// The charts of each currency.
    pub(super) charts: Vec<Charts<'a>>,
    /// The days of a week, in the order of the report.
    pub(super) weekdays: Vec<String>,
    /// How much the script knows of a bar.
    pub(super) detail: Detail,
    /// How many currencies have none.
    pub(super) without: usize,
}

/// The charts of a currency.
pub(super) struct Charts<'a> {
    /// The sums of all of it.
    pub(super) total: &'a Row,
    /// Spend by model, the highest first and what is left last.
    pub(super) models: Vec<Series>,
    /// Spend by API key, likewise. They have no bars.
    pub(super) keys: Vec<Series>,
    /// Tokens: input, cached, cache write, output; without those that there are none of.
    pub(super) tokens: Vec<Series>,
    /// Spend by hour of each day of the week; empty where it is not known.
    pub(super) hours: Vec<Total>,
}

/// One part of a stacked chart, such as a model.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: String,
    /// Which colour, from 0; the last one is that of what is left.
    pub(super) colour: usize,
    pub(super) sum: Total,
    /// The amount of each bar.
    pub(super) amounts: Vec<Total>,
}

impl<'a> Drawn<'a> {
    /// What is drawn of a report; `None` where it has nothing to draw from.
    pub(super) fn of(report: &'a Report, least: Grain, detail: Detail) -> Option<Self> {
        let breakdowns = report.charts.as_deref()?;
        let rows = |by: &[Dimension]| {
            let found = breakdowns.iter().find(|breakdown: &&Breakdown| breakdown.by == by);
            found.map(|breakdown| breakdown.rows.as_slice()).unwrap_or_default()
        };
        let by_day = rows(&[Dimension::Day, Dimension::Model]);
        let week_start = report.meta.week_start.parse().unwrap_or(Weekday::Mon);
        let timeline = days(&report.meta, by_day.iter().filter_map(day))
            .and_then(|days| Timeline::of(days, week_start, least));
        let week: Vec<Weekday> = days_from(week_start).collect();
        let naming = Naming::new(report);
        let mut colours = Colours::default();
        let charts = report.totals.iter().take(MOST_CURRENCIES).map(|total| {
            let by_day = of_currency(by_day, total);
            let mut models = series(&naming, &by_day, Dimension::Model, timeline);
            colours.give(&mut models);
            let keys = of_currency(rows(&[Dimension::Key]), total);
            let mut keys = series(&naming, &keys, Dimension::Key, None);
            Colours::default().give(&mut keys);
            Charts {
                total,
                models,
                keys,
                tokens: tokens(&by_day, timeline),
                hours: hours(&of_currency(rows(&[Dimension::Weekday, Dimension::Hour]), total), &week),
            }
        });
        let charts: Vec<_> = charts.collect();
        let without = report.totals.len() - charts.len();
        let weekdays = week.iter().map(|day| capital(weekday_name(*day))).collect();
        Some(Self { timeline, charts, weekdays, detail, without })
    }
}

fn of_currency<'a>(rows: &'a [Row], total: &Row) -> Vec<&'a Row> {
    rows.iter().filter(|row| row.currency == total.currency).collect()
}

fn day(row: &Row) -> Option<Day> {
    row.label(Dimension::Day).flatten()?.parse().ok()
}

/// The spend by one dimension, the highest first. Beyond the most that have colours, and what the report itself has as the rest, is
/// one more.
fn series(
    naming: &Naming<'_>,
    rows: &[&Row],
    dimension: Dimension,
    timeline: Option<Timeline>,
) -> Vec<Series> {
    let mut groups: BTreeMap<(bool, Option<&str>), Group<'_>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.sums.spend.is_positive()) {
        let label = row.label(dimension).flatten();
        let group = groups.entry((label.is_none() && row.rest.is_some(), label)).or_default();
        group.sum.merge(&row.sums.spend);
        group.rows.push(row);
    }
    let (rest, mut groups): (Vec<_>, Vec<_>) = groups.into_iter().partition(|((is_rest, _), _)| *is_rest);
    groups.sort_by(|(_, one), (_, other)| other.sum.cmp(&one.sum));
    let left = groups.split_off(groups.len().min(MOST_SERIES));
    let spend = |rows: &[&Row]| amounts(rows, timeline, |row| row.sums.spend.clone());
    let own = groups.into_iter().map(|(_, Group { sum, rows })| Series {
        name: rows.first().map(|row| naming.label(row, dimension).text()).unwrap_or_default(),
        colour: 0,
        sum,
        amounts: spend(&rows),
    });
    let mut found: Vec<_> = own.collect();
    let mut other = Group::default();
    for (_, group) in left.into_iter().chain(rest) {
        other.sum.merge(&group.sum);
        other.rows.extend(group.rows);
    }
    if !other.rows.is_empty() {
        let amounts = spend(&other.rows);
        found.push(Series { name: "Other".to_owned(), colour: REST, sum: other.sum, amounts });
    }
    found
}

/// The rows of one model or key, and what they come to.
#[derive(Default)]
struct Group<'a> {
    sum: Total,
    rows: Vec<&'a Row>,
}

/// What the rows of each bar come to.
fn amounts(rows: &[&Row], timeline: Option<Timeline>, amount: impl Fn(&Row) -> Total) -> Vec<Total> {
    let Some(timeline) = timeline else { return Vec::new() };
    let mut amounts = vec![Total::default(); timeline.count()];
    for row in rows {
        if let Some(place) = day(row).and_then(|day| timeline.bar(day)) {
            amounts[place].merge(&amount(row));
        }
    }
    amounts
}

/// Which of the kinds of tokens.
type Kind = fn(&Tokens) -> &Total;

fn tokens(rows: &[&Row], timeline: Option<Timeline>) -> Vec<Series> {
    let kinds: [(&str, Kind); 4] = [
        ("Input", |tokens| &tokens.input),
        ("Cached input", |tokens| &tokens.cached_input),
        ("Cache write", |tokens| &tokens.cache_write),
        ("Output", |tokens| &tokens.output),
    ];
    let series = kinds.into_iter().enumerate().map(|(colour, (name, kind))| {
        let mut sum = Total::default();
        rows.iter().for_each(|row| sum.merge(kind(&row.sums.tokens)));
        let amounts = amounts(rows, timeline, |row| kind(&row.sums.tokens).clone());
        Series { name: name.to_owned(), colour, sum, amounts }
    });
    series.filter(|series| series.sum.is_positive()).collect()
}

/// The spend of each hour of the week, day by day.
fn hours(rows: &[&Row], week: &[Weekday]) -> Vec<Total> {
    let mut hours = Vec::new();
    for row in rows {
        let label = |dimension| row.label(dimension).flatten();
        let weekday = label(Dimension::Weekday).and_then(|label| label.parse::<Weekday>().ok());
        let place = weekday.and_then(|day| week.iter().position(|other| *other == day));
        let hour = label(Dimension::Hour).and_then(|label| label.parse::<usize>().ok());
        if let (Some(day), Some(hour @ 0..HOURS)) = (place, hour) {
            hours.resize(7 * HOURS, Total::default());
            hours[day * HOURS + hour].merge(&row.sums.spend);
        }
    }
    hours
}

/// Gives a model the same colour in each currency, as far as there are enough.
#[derive(Default)]
struct Colours(BTreeMap<String, usize>);

impl Colours {
    fn give(&mut self, series: &mut [Series]) {
        let mut is_free = [true; MOST_SERIES];
        let mut waiting = Vec::new();
        for series in series.iter_mut().filter(|series| series.colour != REST) {
            match self.0.get(&series.name) {
                Some(colour) if is_free[*colour] => {
                    is_free[*colour] = false;
                    series.colour = *colour;
                }
                _ => waiting.push(series),
            }
        }
        for series in waiting {
            let Some(colour) = is_free.iter().position(|is_free| *is_free) else { return };
            is_free[colour] = false;
            series.colour = colour;
            self.0.entry(series.name.clone()).or_insert(colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &str) -> Vec<Series> {
        let series = |name: &str| Series {
            name: name.to_owned(),
            colour: if name == "Other" { REST } else { 0 },
            sum: Total::default(),
            amounts: Vec::new(),
        };
        names.split(' ').map(series).collect()
    }

    #[test]
    fn a_name_keeps_its_colour_and_no_colour_is_given_twice() {
        let mut colours = Colours::default();
        for (names, expect) in [
            ("a b c Other", vec![0, 1, 2, 8]),
            ("c d a", vec![2, 1, 0]),
            ("e f g h i j k l", vec![0, 1, 2, 3, 4, 5, 6, 7]),
            ("l k a", vec![7, 6, 0]),
        ] {
            let mut series = named(names);
            colours.give(&mut series);
            assert_eq!(series.iter().map(|series| series.colour).collect::<Vec<_>>(), expect, "{names}");
        }
    }
}
