//! The span of time of a report, and the span that it is compared with.

use anyhow::anyhow;
use billing_model::{Day, TimeWindow, Timestamp, TypedTime, TypedWindow};
use billing_report::{Local, Zone};
use chrono::{DateTime, TimeDelta, Utc};

use crate::args;
use crate::exit::Failure;

/// Days up to 1970-01-01, a Thursday, since the Monday before it.
const MONDAY_TO_EPOCH: i64 = 3;

/// Where a span begins or ends, as exactly as it was typed: a span of months is compared with months.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Month(Month),
    Day(Day),
    At(Timestamp),
}

/// A month, counted from January of the year 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Month(i64);

impl Month {
    fn of(day: Day) -> Self {
        let date = day.to_string();
        let mut parts = date.split('-').map(|part| part.parse::<i64>().unwrap_or_default());
        let (year, month) = (parts.next().unwrap_or_default(), parts.next().unwrap_or(1));
        Self(year * 12 + month - 1)
    }

    /// The first day; the last day that a date can name for a month beyond.
    fn first(self) -> Day {
        let date = format!("{:04}-{:02}-01", self.0.div_euclid(12), self.0.rem_euclid(12) + 1);
        date.parse().unwrap_or(if self.0 < 12 { Day(-719_162) } else { Day(2_932_896) })
    }
}

/// A span of time by the clocks of a zone, at a present.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    zone: Zone,
    now: Timestamp,
    since: Option<Point>,
    until: Option<Point>,
}

impl Times {
    /// The span that was typed.
    pub(super) fn typed(args: &args::Window, zone: Zone, now: Timestamp) -> Result<Self, Failure> {
        let clock = Self { zone, now, since: None, until: None };
        if let Some(month) = &args.month {
            TypedWindow::month(month).map_err(|error| wrong("--month", error))?;
            let month = month_of("--month", month)?;
            return Ok(clock.between(Point::Month(month), Point::Month(Month(month.0 + 1))));
        }
        if let Some(days) = args.days {
            return Ok(Self::last_days(days, zone, now));
        }
        let point = |flag: &str, text: Option<&str>| text.map(|text| clock.point(flag, text)).transpose();
        let since = point("--since", args.since.as_deref())?;
        let until = point("--until", args.until.as_deref())?;
        Ok(Self { since, until, ..clock })
    }

    /// Today and the days before it, so many in all.
    pub(super) fn last_days(days: u32, zone: Zone, now: Timestamp) -> Self {
        let clock = Self { zone, now, since: None, until: None };
        let end = clock.today().0 + 1;
        clock.between(Point::Day(Day(end - i64::from(days))), Point::Day(Day(end)))
    }

    /// This week, from Monday on, and the weeks before it, so many in all.
    pub(super) fn last_weeks(weeks: u32, zone: Zone, now: Timestamp) -> Self {
        let clock = Self { zone, now, since: None, until: None };
        let today = clock.today().0;
        let end = today - (today + MONDAY_TO_EPOCH).rem_euclid(7) + 7;
        clock.between(Point::Day(Day(end - 7 * i64::from(weeks))), Point::Day(Day(end)))
    }

    /// This month and the months before it, so many in all.
    pub(super) fn last_months(months: u32, zone: Zone, now: Timestamp) -> Self {
        let clock = Self { zone, now, since: None, until: None };
        let end = Month::of(clock.today()).0 + 1;
        clock.between(Point::Month(Month(end - i64::from(months))), Point::Month(Month(end)))
    }

    fn between(self, since: Point, until: Point) -> Self {
        Self { since: Some(since), until: Some(until), ..self }
    }

    fn today(&self) -> Day {
        self.zone.local(self.now).day
    }

    /// Reads a time. What names a day or a month is where it begins by the clocks of the zone.
    fn point(&self, flag: &str, text: &str) -> Result<Point, Failure> {
        let today = self.today().0;
        // A window may end with today, which `--until tomorrow` says.
        if text == "tomorrow" {
            return Ok(Point::Day(Day(today + 1)));
        }
        let time = text.parse::<TypedTime>().map_err(|error| wrong(flag, error))?;
        match time {
            TypedTime::Midnight(back) => Ok(Point::Day(Day(today - i64::from(back)))),
            TypedTime::At(_) if text.len() == "2026-06".len() => month_of(flag, text).map(Point::Month),
            TypedTime::At(_) if text.len() == "2026-06-14".len() => {
                text.parse().map(Point::Day).map_err(|error| wrong(flag, error))
            }
            time => time
                .at(self.now)
                .map(Point::At)
                .ok_or_else(|| Failure::usage(anyhow!("{flag} lies before all of time"))),
        }
    }

    fn at(&self, point: Point) -> Timestamp {
        match point {
            Point::Month(month) => self.zone.start_of(month.first()),
            Point::Day(day) => self.zone.start_of(day),
            Point::At(at) => at,
        }
    }

    /// The span.
    ///
    /// # Errors
    /// Wrong usage for one without an instant in it.
    pub(super) fn window(&self) -> Result<TimeWindow, Failure> {
        let (since, until) = (self.since.map(|since| self.at(since)), self.until.map(|until| self.at(until)));
        TimeWindow::new(since, until).map_err(|error| match (since, until) {
            (Some(since), Some(until)) => {
                Failure::usage(anyhow!("the window is empty: --since {since} is not before --until {until}"))
            }
            _ => Failure::usage(error),
        })
    }

    /// The span of the same length before it. Of a span that has not ended, only as much as has passed of it.
    ///
    /// # Errors
    /// Wrong usage for a span without a start, and for one that has not begun.
    pub(super) fn previous(&self) -> Result<TimeWindow, Failure> {
        let since = self.since.ok_or_else(|| {
            Failure::usage(anyhow!("--compare needs a window that has a start"))
                .hint("give one with --since, --month or --days")
        })?;
        let start = self.at(since);
        let (first, end) = match self.length(since) {
            Length::Months { first, months } => {
                (self.zone.start_of(Month(first.0 - months).first()), self.months_before(months))
            }
            Length::Days(days) => (
                self.zone.start_of(Day(self.day(since).0 - days)),
                self.by_clock(Day(self.today().0 - days), self.second()),
            ),
            Length::Time(length) => {
                let before = |at: Timestamp| {
                    DateTime::<Utc>::from(at).checked_sub_signed(length).map_or(at, Timestamp::from)
                };
                (before(start), before(self.now))
            }
        };
        TimeWindow::new(Some(first), Some(end.min(start))).map_err(|_| {
            Failure::usage(anyhow!("the window has not begun, so there is nothing to compare with"))
                .hint("give a window that begins in the past, or leave --compare out")
        })
    }

    /// How long the span is. Without an end it is as long as it has lasted: with today, or this month, as a whole.
    fn length(&self, since: Point) -> Length {
        match (since, self.until) {
            (Point::Month(first), Some(Point::Month(end))) => {
                Length::Months { first, months: end.0 - first.0 }
            }
            (Point::Month(first), None) => {
                Length::Months { first, months: Month::of(self.today()).0 + 1 - first.0 }
            }
            (Point::Month(_) | Point::Day(_), Some(until @ (Point::Month(_) | Point::Day(_)))) => {
                Length::Days(self.day(until).0 - self.day(since).0)
            }
            (Point::Day(first), None) => Length::Days(self.today().0 + 1 - first.0),
            (_, until) => {
                let end = until.map_or(self.now, |until| self.at(until));
                let time = |at: Timestamp| DateTime::<Utc>::from(at);
                Length::Time(time(end).signed_duration_since(time(self.at(since))))
            }
        }
    }

    /// The day that a point begins.
    fn day(&self, point: Point) -> Day {
        match point {
            Point::Month(month) => month.first(),
            Point::Day(day) => day,
            Point::At(at) => self.zone.local(at).day,
        }
    }

    fn second(&self) -> u32 {
        self.zone.local(self.now).second
    }

    /// The present, so many months ago. A month that has no such day ends there.
    fn months_before(&self, months: i64) -> Timestamp {
        let today = self.today();
        let this = Month::of(today);
        let then = Month(this.0 - months);
        let day = Day(then.first().0 + today.0 - this.first().0);
        self.by_clock(day, self.second()).min(self.zone.start_of(Month(then.0 + 1).first()))
    }

    /// The instant at which clocks show this day and second. Of an hour that they skip, the instant as long after the gap as the second
    /// is after its start.
    fn by_clock(&self, day: Day, second: u32) -> Timestamp {
        let after = |at: Timestamp, seconds: i64| {
            let later = DateTime::<Utc>::from(at).checked_add_signed(TimeDelta::seconds(seconds));
            later.map_or(at, Timestamp::from)
        };
        let at = after(self.zone.start_of(day), i64::from(second));
        let local = self.zone.local(at);
        // Clocks were put forward or back in between.
        let shown = (local.day.0 - day.0) * 86_400 + i64::from(local.second);
        let corrected = after(at, i64::from(second) - shown);
        if self.zone.local(corrected) == (Local { day, second }) { corrected } else { at }
    }
}

/// The length of a span, as it is shifted back by.
#[derive(Debug)]
enum Length {
    /// So many months from a first one on.
    Months {
        first: Month,
        months: i64,
    },
    Days(i64),
    Time(TimeDelta),
}

/// The month of a text such as `2026-06`.
fn month_of(flag: &str, text: &str) -> Result<Month, Failure> {
    format!("{text}-01").parse().map(Month::of).map_err(|error| wrong(flag, error))
}

fn wrong(flag: &str, error: impl std::fmt::Display) -> Failure {
    Failure::usage(anyhow!("{flag}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use clap::Parser;

    /// The windows of a report that is typed in Berlin, at noon of a day.
    fn asked(now: &str, flags: &str) -> String {
        let words = ["billing", "report"].into_iter().chain(flags.split_whitespace());
        let Command::Report(args) = Args::try_parse_from(words).unwrap().command else { panic!() };
        let zone = args.place.timezone.unwrap_or(Zone::UTC);
        let times = match Times::typed(&args.window, zone, now.parse().unwrap()) {
            Ok(times) => times,
            Err(failure) => return failure.to_string(),
        };
        let said = |window: Result<TimeWindow, Failure>| match window {
            Ok(window) => window.to_string().replace(":00.000Z", ""),
            Err(failure) => failure.to_string(),
        };
        match args.compare {
            Some(_) => said(times.previous()),
            None => said(times.window()),
        }
    }

    #[test]
    fn a_window_has_the_days_of_its_zone() {
        let now = "2026-06-15T22:30:00Z";
        for (flags, window) in [
            ("--month 2026-06", "2026-06-01T00:00 to 2026-07-01T00:00"),
            ("--month 2026-06 --timezone Europe/Berlin", "2026-05-31T22:00 to 2026-06-30T22:00"),
            // Summer time begins and ends: months of 743 and of 745 hours.
            ("--month 2026-03 --timezone Europe/Berlin", "2026-02-28T23:00 to 2026-03-31T22:00"),
            ("--month 2026-10 --timezone Europe/Berlin", "2026-09-30T22:00 to 2026-10-31T23:00"),
            (
                "--since 2026-10-25 --until 2026-10-26 --tz Europe/Berlin",
                "2026-10-24T22:00 to 2026-10-25T23:00",
            ),
            (
                "--since 2026-03-29 --until 2026-03-30 --tz Europe/Berlin",
                "2026-03-28T23:00 to 2026-03-29T22:00",
            ),
            // It is past midnight in Berlin.
            ("--days 1", "2026-06-15T00:00 to 2026-06-16T00:00"),
            ("--days 1 --timezone Europe/Berlin", "2026-06-15T22:00 to 2026-06-16T22:00"),
            ("--days 30", "2026-05-17T00:00 to 2026-06-16T00:00"),
            ("--since yesterday --until today --tz Europe/Berlin", "2026-06-14T22:00 to 2026-06-15T22:00"),
            ("--since today --until tomorrow", "2026-06-15T00:00 to 2026-06-16T00:00"),
            ("--from 2026-05 --to 2026-06-03", "2026-05-01T00:00 to 2026-06-03T00:00"),
            // Instants and spans back are the same anywhere.
            (
                "--since 2026-06-15T02:00:00+02:00 --until 12h --tz Asia/Tokyo",
                "2026-06-15T00:00 to 2026-06-15T10:30",
            ),
            ("--since 7d", "from 2026-06-08T22:30"),
            ("--until 2026-06", "up to 2026-06-01T00:00"),
            ("", "all of time"),
        ] {
            assert_eq!(asked(now, flags), window, "{flags}");
        }
    }

    #[test]
    fn a_window_is_compared_with_what_lies_before_it() {
        let now = "2026-06-15T12:30:00Z";
        for (flags, window) in [
            ("--month 2026-05", "2026-04-01T00:00 to 2026-05-01T00:00"),
            ("--month 2026-03", "2026-02-01T00:00 to 2026-03-01T00:00"),
            ("--since 2026-03 --until 2026-05", "2026-01-01T00:00 to 2026-03-01T00:00"),
            ("--month 2026-01", "2025-12-01T00:00 to 2026-01-01T00:00"),
            ("--since 2026-05-01 --until 2026-05-08", "2026-04-24T00:00 to 2026-05-01T00:00"),
            (
                "--since 2026-06-15T00:00:00Z --until 2026-06-15T06:00:00Z",
                "2026-06-14T18:00 to 2026-06-15T00:00",
            ),
            // Of what has not ended, the same elapsed part.
            ("--month 2026-06", "2026-05-01T00:00 to 2026-05-15T12:30"),
            ("--since 2026-06", "2026-05-01T00:00 to 2026-05-15T12:30"),
            ("--since 2026-05 --until 2026-07", "2026-03-01T00:00 to 2026-04-15T12:30"),
            ("--days 30", "2026-04-17T00:00 to 2026-05-16T12:30"),
            ("--days 1", "2026-06-14T00:00 to 2026-06-14T12:30"),
            ("--since 2026-06-09", "2026-06-02T00:00 to 2026-06-08T12:30"),
            ("--since 24h", "2026-06-13T12:30 to 2026-06-14T12:30"),
            (
                "--since 2026-06-15T12:00:00Z --until 2026-06-15T13:00:00Z",
                "2026-06-15T11:00 to 2026-06-15T11:30",
            ),
            ("--until 2026-06", "--compare needs a window that has a start"),
            ("", "--compare needs a window that has a start"),
            ("--since 2026-07-01", "the window has not begun, so there is nothing to compare with"),
            ("--month 2026-07", "the window has not begun, so there is nothing to compare with"),
        ] {
            assert_eq!(asked(now, &format!("{flags} --compare previous")), window, "{flags}");
        }
    }

    #[test]
    fn a_month_that_is_shorter_ends_before_the_day_of_today() {
        let now = "2026-03-31T12:00:00Z";
        assert_eq!(asked(now, "--month 2026-03 --compare previous"), "2026-02-01T00:00 to 2026-03-01T00:00");
        let now = "2026-10-31T12:00:00Z";
        let window = asked(now, "--since 2026-09 --until 2026-11 --compare previous");
        assert_eq!(window, "2026-07-01T00:00 to 2026-08-31T12:00");
    }

    #[test]
    fn the_elapsed_part_is_as_clocks_show_it() {
        // Clocks were put back on October 25, so noon was 13 hours after midnight.
        let now = "2026-10-25T11:00:00Z";
        let window = asked(now, "--days 1 --tz Europe/Berlin --compare previous");
        assert_eq!(window, "2026-10-23T22:00 to 2026-10-24T10:00");
        let now = "2026-10-26T11:00:00Z";
        let window = asked(now, "--days 1 --tz Europe/Berlin --compare previous");
        assert_eq!(window, "2026-10-24T22:00 to 2026-10-25T11:00");
        // Clocks were put forward on March 29, so it was never half past two. Noon was 11 hours after midnight.
        for (now, window) in [
            ("2026-03-29T23:30:00Z", "2026-03-28T23:00 to 2026-03-29T00:30"),
            ("2026-03-30T00:30:00Z", "2026-03-28T23:00 to 2026-03-29T01:30"),
            ("2026-03-30T10:00:00Z", "2026-03-28T23:00 to 2026-03-29T10:00"),
        ] {
            assert_eq!(asked(now, "--days 1 --tz Europe/Berlin --compare previous"), window, "{now}");
        }
    }

    #[test]
    fn weeks_and_months_are_whole() {
        let said = |times: Times| times.window().unwrap().to_string().replace("T00:00:00.000Z", "");
        // A Monday.
        let now: Timestamp = "2026-06-15T12:30:00Z".parse().unwrap();
        let weeks = |weeks, now: Timestamp| said(Times::last_weeks(weeks, Zone::UTC, now));
        assert_eq!(weeks(1, now), "2026-06-15 to 2026-06-22");
        assert_eq!(weeks(1, "2026-06-14T12:30:00Z".parse().unwrap()), "2026-06-08 to 2026-06-15");
        assert_eq!(weeks(12, now), "2026-03-30 to 2026-06-22");
        assert_eq!(said(Times::last_months(12, Zone::UTC, now)), "2025-07-01 to 2026-07-01");
    }

    #[test]
    fn what_is_no_time_is_told_so() {
        for (flags, said) in [
            ("--since June", "--since: `June` is not a time"),
            ("--month 2026-6", "--month: `2026-6` is not a month"),
            ("--month 2026-06-01", "--month: `2026-06-01` is not a month"),
            ("--month 9999-12", "--month: `9999-12` is not a month"),
            ("--since 0000-01-01", "--since: "),
            ("--since 99999d", "--since lies before all of time"),
            ("--since 2026-06 --until 2026-06", "the window is empty: --since 2026-06-01T00:00:00.000Z"),
        ] {
            let found = asked("2026-06-15T12:30:00Z", flags);
            assert!(found.starts_with(said), "{flags}: {found}");
        }
    }
}
