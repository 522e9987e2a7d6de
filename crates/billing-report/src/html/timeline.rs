//! The days, weeks, months or years that the bars of a chart stand for.

use billing_model::{Day, DayRange, TimeWindow, Timestamp};
use chrono::Weekday;

use crate::calendar::{month_of, month_text, week_of};
use crate::report::Meta;
use crate::zone::Zone;

/// The most bars of a chart: those of a year of days, and a month beside it.
const MOST_BARS: i64 = 400;

/// What a bar stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Grain {
    Day,
    Week,
    Month,
    Year,
}

impl Grain {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// Bars in a row, without a gap between them in time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeline {
    pub(super) grain: Grain,
    week_start: Weekday,
    first: i64,
    count: usize,
}

impl Timeline {
    /// The bars from the first day to the last one, of the finest grain that is not below `least` and has not too many of them.
    pub(super) fn of(days: DayRange, week_start: Weekday, least: Grain) -> Option<Self> {
        [Grain::Day, Grain::Week, Grain::Month, Grain::Year]
            .into_iter()
            .filter(|grain| *grain >= least)
            .find_map(|grain| {
                let first = number(days.first, grain, week_start);
                let count = number(days.last, grain, week_start) - first + 1;
                let count = usize::try_from(count).ok().filter(|_| (1..=MOST_BARS).contains(&count))?;
                Some(Self { grain, week_start, first, count })
            })
    }

    /// How many bars.
    pub(super) fn count(self) -> usize {
        self.count
    }

    /// The bar that a day belongs to.
    pub(super) fn bar(self, day: Day) -> Option<usize> {
        let place = usize::try_from(number(day, self.grain, self.week_start) - self.first).ok()?;
        (place < self.count).then_some(place)
    }

    /// What each bar is called: its day, the first day of its week, its month, its year.
    pub(super) fn names(self) -> impl Iterator<Item = String> {
        (self.first..).take(self.count).map(move |n| match self.grain {
            Grain::Day => Day(n).to_string(),
            // Any day of it.
            Grain::Week => week_of(Day(n * 7 + 6), self.week_start).to_string(),
            Grain::Month => month_text(n),
            Grain::Year => format!("{n:04}"),
        })
    }

    /// What stands below the bars: their places and short names, about a dozen of them. Every other one has no room on a phone.
    pub(super) fn marks(self) -> Vec<(usize, String)> {
        let names: Vec<_> = self.names().collect();
        // Where months are long enough, their first days are marked.
        let firsts = |every: usize| {
            let is_start = |at: &usize| match at.checked_sub(1) {
                Some(before) => names[before].get(..7) != names[*at].get(..7),
                None => names[0].ends_with("-01"),
            };
            let starts = (0..names.len()).filter(is_start);
            let months =
                starts.filter(|at| month_in(&names[*at]).is_some_and(|month| (month - 1) % every == 0));
            months.collect::<Vec<_>>()
        };
        let places = match (self.grain, self.count) {
            (Grain::Day, 63..=400) => firsts(1),
            (Grain::Week, 27..=60) => firsts(1),
            (Grain::Week, 61..=160) => firsts(3),
            (Grain::Week, 161..) => firsts(12),
            (_, count) => (0..count).step_by(count.div_ceil(10).max(1)).collect(),
        };
        places.into_iter().map(|at| (at, short(&names[at], self.grain, self.count))).collect()
    }
}

/// The number of the day, week, month or year, each counted on from any one.
fn number(day: Day, grain: Grain, week_start: Weekday) -> i64 {
    match grain {
        Grain::Day => day.0,
        // First days of weeks are whole weeks apart.
        Grain::Week => week_of(day, week_start).0.div_euclid(7),
        Grain::Month => month_of(day),
        Grain::Year => month_of(day).div_euclid(12),
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The month of a date, from 1.
fn month_in(date: &str) -> Option<usize> {
    date.get(5..7)?.parse().ok().filter(|month| (1..=12).contains(month))
}

/// `May 3`, and in a long row `May`, or the year at its start.
fn short(name: &str, grain: Grain, count: usize) -> String {
    let Some(month) = month_in(name) else { return name.to_owned() };
    let (year, day) = (&name[..4], name.get(8..).unwrap_or("01").trim_start_matches('0'));
    match (grain, month) {
        (Grain::Day, _) if count < 63 => format!("{} {day}", MONTHS[month - 1]),
        (Grain::Week, _) if count < 27 => format!("{} {day}", MONTHS[month - 1]),
        (_, 1) => year.to_owned(),
        (Grain::Month, _) if count > 12 => format!("{} {year}", MONTHS[month - 1]),
        _ => MONTHS[month - 1].to_owned(),
    }
}

/// The days of the report: those of its window, or where that is open or long, those that have entries.
pub(super) fn days(meta: &Meta, seen: impl Iterator<Item = Day>) -> Option<DayRange> {
    let (mut first, mut last) = (None, None);
    for day in seen {
        first = Some(first.map_or(day, |other: Day| other.min(day)));
        last = Some(last.map_or(day, |other: Day| other.max(day)));
    }
    let seen = DayRange { first: first?, last: last? };
    let window = window(meta).filter(|window| {
        i64::try_from(window.count()).is_ok_and(|count| (1..=MOST_BARS).contains(&count))
            && window.position(seen.first).is_some()
            && window.position(seen.last).is_some()
    });
    Some(window.unwrap_or(seen))
}

/// The days of the window by the clocks of the report's zone.
fn window(meta: &Meta) -> Option<DayRange> {
    let zone: Zone = meta.time_zone.parse().ok()?;
    let at = |at: &Option<String>| at.as_deref()?.parse::<Timestamp>().ok();
    let (since, until) = (at(&meta.window.since)?, at(&meta.window.until)?);
    let (first, last) = zone.days_of(TimeWindow::new(Some(since), Some(until)).ok()?);
    Some(DayRange { first: first?, last: last? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Span;

    fn timeline(first: &str, last: &str, least: Grain) -> Timeline {
        let days = DayRange { first: first.parse().unwrap(), last: last.parse().unwrap() };
        Timeline::of(days, Weekday::Mon, least).unwrap()
    }

    #[test]
    fn bars_are_as_fine_as_there_is_room() {
        for (first, last, least, grain, count, name) in [
            ("2026-05-01", "2026-05-31", Grain::Day, Grain::Day, 31, "2026-05-01"),
            ("2026-05-01", "2026-05-31", Grain::Week, Grain::Week, 5, "2026-04-27"),
            ("2024-01-01", "2024-12-31", Grain::Day, Grain::Day, 366, "2024-01-01"),
            ("2020-01-01", "2024-12-31", Grain::Day, Grain::Week, 262, "2019-12-30"),
            ("2000-01-01", "2024-12-31", Grain::Day, Grain::Month, 300, "2000-01"),
            ("1900-06-01", "2024-12-31", Grain::Day, Grain::Year, 125, "1900"),
        ] {
            let line = timeline(first, last, least);
            assert_eq!((line.grain, line.count()), (grain, count), "{first}");
            assert_eq!(line.names().next().unwrap(), name);
            assert_eq!(line.bar(first.parse().unwrap()), Some(0));
            assert_eq!(line.bar(last.parse().unwrap()), Some(count - 1));
            assert_eq!(line.bar(Day(last.parse::<Day>().unwrap().0 + 400)), None);
            assert!(line.marks().len() <= 13, "{:?}", line.marks());
        }
        let ages = DayRange { first: "0001-01-01".parse().unwrap(), last: "9999-12-31".parse().unwrap() };
        assert!(Timeline::of(ages, Weekday::Mon, Grain::Day).is_none());
    }

    /// Clocks went from 00:00 to 01:00 on November 4, so that day began when they showed one.
    #[test]
    fn a_window_that_ends_with_a_day_has_no_bar_of_the_next_one() {
        for (zone, until, last) in [
            ("America/Sao_Paulo", "2018-11-04T03:00:00Z", "2018-11-03"),
            ("America/Sao_Paulo", "2018-11-04T03:00:01Z", "2018-11-04"),
            ("America/Sao_Paulo", "2018-11-03T03:00:00Z", "2018-11-02"),
            ("UTC", "2018-11-04T00:00:00Z", "2018-11-03"),
        ] {
            let window =
                Span { since: Some("2018-10-20T03:00:00Z".to_owned()), until: Some(until.to_owned()) };
            let meta = Meta { time_zone: zone.to_owned(), window, ..Meta::default() };
            let seen: Day = "2018-10-25".parse().unwrap();
            assert_eq!(days(&meta, [seen].into_iter()).unwrap().last.to_string(), last, "{zone} {until}");
        }
    }

    #[test]
    fn every_day_of_a_week_is_in_its_bar() {
        let days = DayRange { first: "2026-06-07".parse().unwrap(), last: "2026-06-20".parse().unwrap() };
        let line = Timeline::of(days, Weekday::Sun, Grain::Week).unwrap();
        assert_eq!(line.names().collect::<Vec<_>>(), ["2026-06-07", "2026-06-14"]);
        assert_eq!(line.bar("2026-06-13".parse().unwrap()), Some(0));
        assert_eq!(line.bar("2026-06-14".parse().unwrap()), Some(1));
    }

    #[test]
    fn a_long_row_is_marked_where_months_begin() {
        let marks = timeline("2024-01-01", "2024-12-31", Grain::Day).marks();
        assert_eq!((marks.len(), marks[0].clone()), (12, (0, "2024".to_owned())));
        assert_eq!(marks[1], (31, "Feb".to_owned()));
        let marks = timeline("2026-05-01", "2026-05-31", Grain::Day).marks();
        assert_eq!((marks.len(), marks[1].clone()), (8, (4, "May 5".to_owned())));
    }
}
