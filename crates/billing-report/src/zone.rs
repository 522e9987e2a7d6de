//! Days and hours by the clocks of a place.

use std::fmt;
use std::str::FromStr;

use billing_model::{Day, DayRange, TimeWindow, Timestamp};
use chrono::{DateTime, Offset, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

const S_PER_DAY: i64 = 86_400;

/// More days than the calendar has before 1970, and after.
const MAX_DAYS: i64 = 100_000_000;

/// A time zone of the IANA database, `Europe/Berlin`.
///
/// The database comes with the program (chrono-tz). It knows summer time up to the year 2099; from 2100 on clocks show standard time
/// all year. Before there were zones, clocks show the local mean time of the place.
///
/// ```
/// use billing_model::Day;
/// use billing_report::Zone;
/// let berlin: Zone = "Europe/Berlin".parse()?;
/// let day: Day = "2026-10-25".parse()?;
/// assert_eq!(berlin.start_of(day).to_string(), "2026-10-24T22:00:00.000Z");
/// // Summer time ends on this day, so it has 25 hours.
/// assert_eq!(berlin.start_of(Day(day.0 + 1)).to_string(), "2026-10-25T23:00:00.000Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Tz);

/// What the clocks of a zone show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// The date.
    pub day: Day,
    /// Seconds since midnight, by the clock.
    pub second: u32,
}

impl Local {
    /// The hour of the day, 0 to 23.
    pub fn hour(self) -> u32 {
        self.second / 3_600
    }
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(Tz::UTC);

    /// The name in the IANA database.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// True for UTC, under whatever name.
    pub fn is_utc(self) -> bool {
        matches!(
            self.0,
            Tz::UTC
                | Tz::Etc__UTC
                | Tz::UCT
                | Tz::Etc__UCT
                | Tz::Zulu
                | Tz::Etc__Zulu
                | Tz::Universal
                | Tz::Etc__Universal
        )
    }

    /// What the clocks show at an instant.
    pub fn local(self, at: Timestamp) -> Local {
        let utc = DateTime::<Utc>::from(at);
        let offset = self.0.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc();
        let seconds = utc.timestamp() + i64::from(offset);
        let second = u32::try_from(seconds.rem_euclid(S_PER_DAY)).unwrap_or_default();
        Local { day: Day(seconds.div_euclid(S_PER_DAY)), second }
    }

    /// The first instant of a day. Where clocks are put forward at midnight, it is the instant at which they are; of a day that
    /// a zone skipped, the start of the day after.
    pub fn start_of(self, day: Day) -> Timestamp {
        let midnight = DateTime::<Utc>::from(day.start()).naive_utc();
        let seconds = day.0.clamp(-MAX_DAYS, MAX_DAYS) * S_PER_DAY;
        // Where clocks are put back, they may show midnight twice: the first time counts.
        match self.0.offset_from_local_datetime(&midnight).earliest() {
            Some(offset) => instant(seconds - i64::from(offset.fix().local_minus_utc())),
            None => self.end_of_gap(day, seconds),
        }
    }

    /// The instant from which on clocks show a day or a later one, where they skip its midnight.
    fn end_of_gap(self, day: Day, midnight: i64) -> Timestamp {
        // Clocks are less than a day from UTC, and no gap is longer than a day.
        let (mut before, mut from) = (midnight - 2 * S_PER_DAY, midnight + 2 * S_PER_DAY);
        while from - before > 1 {
            let between = before.midpoint(from);
            match self.local(instant(between)).day < day {
                true => before = between,
                false => from = between,
            }
        }
        instant(from)
    }

    /// The span from the start of the first day to the end of the last one. At the end of the calendar, where no instant is left for
    /// an end, it is open.
    ///
    /// ```
    /// use billing_model::DayRange;
    /// use billing_report::Zone;
    /// let berlin: Zone = "Europe/Berlin".parse()?;
    /// let day = DayRange { first: "2026-10-25".parse()?, last: "2026-10-25".parse()? };
    /// assert_eq!(berlin.window_of(day).to_string(), "2026-10-24T22:00:00.000Z to 2026-10-25T23:00:00.000Z");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn window_of(self, days: DayRange) -> TimeWindow {
        let (since, until) = (self.start_of(days.first), self.start_of(Day(days.last.0.saturating_add(1))));
        let whole = TimeWindow::new(Some(since), Some(until));
        whole.or_else(|_| TimeWindow::new(Some(since), None)).unwrap_or_default()
    }

    /// The days of the first and of the last instant of a window, where it has them.
    pub(crate) fn days_of(self, window: TimeWindow) -> (Option<Day>, Option<Day>) {
        let last = |until: Timestamp| {
            let until = DateTime::<Utc>::from(until);
            until.checked_sub_signed(TimeDelta::nanoseconds(1)).unwrap_or(until).into()
        };
        let day = |at: Timestamp| self.local(at).day;
        (window.since().map(day), window.until().map(last).map(day))
    }
}

/// An instant by its seconds since 1970; the calendar's first or last one beyond its ends.
fn instant(unix_s: i64) -> Timestamp {
    let beyond = if unix_s < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    DateTime::from_timestamp(unix_s, 0).unwrap_or(beyond).into()
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text that names no time zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time zone of the IANA database; give one as Europe/Berlin or UTC")]
pub struct ZoneError(String);

impl FromStr for Zone {
    type Err = ZoneError;

    fn from_str(name: &str) -> Result<Self, ZoneError> {
        // Nobody has to know the capitals of `Europe/Isle_of_Man`, and no two names differ in these alone.
        let known = || chrono_tz::TZ_VARIANTS.into_iter().find(|zone| zone.name().eq_ignore_ascii_case(name));
        name.parse().ok().or_else(known).map(Self).ok_or_else(|| ZoneError(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn zone(name: &str) -> Zone {
        name.parse().unwrap()
    }

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    /// Days whose midnight is skipped or comes twice, days of other lengths, and one that never was.
    #[test]
    fn a_day_starts_when_clocks_first_show_it() {
        for (name, date, start) in [
            ("UTC", "2026-06-14", "2026-06-14T00:00:00.000Z"),
            ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00.000Z"),
            ("Europe/Berlin", "2026-03-30", "2026-03-29T22:00:00.000Z"),
            ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00.000Z"),
            ("Europe/Berlin", "2026-10-26", "2026-10-25T23:00:00.000Z"),
            ("Asia/Kathmandu", "2026-06-14", "2026-06-13T18:15:00.000Z"),
            // Clocks are put forward at midnight, so the day starts at one.
            ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00.000Z"),
            ("Asia/Beirut", "2022-03-27", "2022-03-26T22:00:00.000Z"),
            // They are put back at midnight to 23:00 of the day before, and show midnight once.
            ("America/Sao_Paulo", "2018-02-18", "2018-02-18T03:00:00.000Z"),
            // They are put back a minute after midnight, which they show twice.
            ("America/St_Johns", "2010-11-07", "2010-11-07T02:30:00.000Z"),
            // There was no 30 December.
            ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00.000Z"),
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00.000Z"),
            ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00.000Z"),
            ("Pacific/Apia", "2012-01-01", "2011-12-31T10:00:00.000Z"),
        ] {
            let (zone, day) = (zone(name), day(date));
            let found = zone.start_of(day);
            assert_eq!(found.to_string(), start, "{name} {date}");
            let before = DateTime::<Utc>::from(found) - TimeDelta::nanoseconds(1);
            assert!(zone.local(found).day >= day && zone.local(before.into()).day < day, "{name} {date}");
        }
    }

    #[test]
    fn clocks_show_the_hour_of_their_place() {
        for (name, at, date, second) in [
            ("Europe/Berlin", "2026-10-25T00:59:59Z", "2026-10-25", 10_799),
            ("Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25", 7_200),
            ("America/St_Johns", "2026-06-14T02:29:59.999Z", "2026-06-13", 86_399),
            ("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29", 86_399),
            ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31", 0),
            ("Pacific/Kiritimati", "2026-06-14T10:00:00Z", "2026-06-15", 0),
            // As the documentation says: summer time ends with 2099.
            ("Europe/Berlin", "2099-07-01T00:00:00Z", "2099-07-01", 7_200),
            ("Europe/Berlin", "2100-07-01T00:00:00Z", "2100-07-01", 3_600),
            ("Europe/Berlin", "1677-09-21T00:12:44Z", "1677-09-21", 3_972),
        ] {
            let expect = Local { day: day(date), second };
            assert_eq!(zone(name).local(at.parse().unwrap()), expect, "{name} {at}");
        }
        assert_eq!(
            "Mars".parse::<Zone>().unwrap_err().to_string(),
            "`Mars` is no time zone of the IANA database; give one as Europe/Berlin or UTC"
        );
    }

    #[test]
    fn a_zone_is_known_in_any_case_under_its_own_name() {
        for (name, expect) in
            [("europe/berlin", "Europe/Berlin"), ("EUROPE/ISLE_OF_MAN", "Europe/Isle_of_Man"), ("utc", "UTC")]
        {
            assert_eq!(zone(name).name(), expect);
        }
        let names: std::collections::HashSet<String> =
            chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name().to_lowercase()).collect();
        assert_eq!(names.len(), chrono_tz::TZ_VARIANTS.len());
    }

    /// Sums of UTC days are enough for these alone: Greenwich Mean Time has names of its own.
    #[test]
    fn utc_is_known_by_all_of_its_names() {
        let utc = ["UTC", "UCT", "Zulu", "Universal", "Etc/UTC", "Etc/UCT", "Etc/Zulu", "Etc/Universal"];
        for zone in chrono_tz::TZ_VARIANTS.map(Zone) {
            assert_eq!(zone.is_utc(), utc.contains(&zone.name()), "{zone}");
        }
    }

    #[test]
    fn a_window_of_days_at_the_end_of_the_calendar_is_open() {
        for (day, is_open) in [(Day(0), false), (Day(MAX_DAYS), true), (Day(i64::MAX), true)] {
            let window = Zone::UTC.window_of(DayRange { first: day, last: day });
            assert_eq!((window.since(), window.until().is_none()), (Some(Zone::UTC.start_of(day)), is_open));
        }
    }

    #[test]
    fn the_ends_of_the_calendar_have_days() {
        let zone = zone("America/New_York");
        let (first, last) = (DateTime::<Utc>::MIN_UTC.into(), DateTime::<Utc>::MAX_UTC.into());
        let window = TimeWindow::new(Some(first), Some(last)).unwrap();
        let (start, end) = zone.days_of(window);
        assert!(start < end && zone.start_of(start.unwrap()) == first);
        for day in [Day(i64::MIN), Day(i64::MAX), end.unwrap()] {
            assert!((first..=last).contains(&zone.start_of(day)), "{day}");
        }
    }

    proptest! {
        /// In any zone, from 1677 to 2262: at its start clocks show the day, and just before they show an earlier one.
        #[test]
        fn days_of_all_zones_start_where_they_do(place in 0..chrono_tz::TZ_VARIANTS.len(), number in -106_751i64..106_751) {
            let (zone, day) = (Zone(chrono_tz::TZ_VARIANTS[place]), Day(number));
            let start = zone.start_of(day);
            let before = zone.local((DateTime::<Utc>::from(start) - TimeDelta::nanoseconds(1)).into()).day;
            prop_assert!(zone.local(start).day >= day && before < day, "{} {}", zone, day);
        }
    }
}
