//! UTC days, and days in a row.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};

use crate::error::{ValueError, ValueErrorKind};
use crate::timestamp::{Timestamp, number};

const NS_PER_DAY: i64 = 86_400_000_000_000;
const MS_PER_DAY: i64 = 86_400_000;
const S_PER_DAY: i64 = 86_400;

/// A day in UTC, counted from 1970-01-01.
///
/// Read from and written as `YYYY-MM-DD`, years 0001 to 9999.
///
/// ```
/// use billing_model::Day;
/// let day = Day::of("2026-06-14T23:59:59.999Z".parse()?).unwrap();
/// assert_eq!((day, day.to_string().as_str()), (Day(20_618), "2026-06-14"));
/// assert_eq!("2026-06-14".parse::<Day>()?.start().to_string(), "2026-06-14T00:00:00.000Z");
/// # Ok::<(), billing_model::ValueError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Day {
    /// 0001-01-01, the first day that a date can name.
    pub(crate) const FIRST: Self = Self(-719_162);
    /// 9999-12-31, the last day that a date can name.
    pub(crate) const LAST: Self = Self(2_932_896);

    /// The day of an instant, or `None` before the year 1678 and after 2262, where no ledger reaches.
    pub fn of(at: Timestamp) -> Option<Self> {
        at.unix_ns().map(|ns| Self(ns.div_euclid(NS_PER_DAY)))
    }

    /// The day of any instant.
    pub(crate) fn containing(at: Timestamp) -> Self {
        Self(DateTime::<Utc>::from(at).timestamp().div_euclid(S_PER_DAY))
    }

    /// The first instant of the day. A day beyond the calendar, which spans some 262,000 years either way, gives the
    /// calendar's first or last instant.
    pub fn start(self) -> Timestamp {
        let beyond = if self.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        DateTime::from_timestamp(self.0.saturating_mul(S_PER_DAY), 0).unwrap_or(beyond).into()
    }

    /// The start of the day in milliseconds since 1970-01-01T00:00:00Z.
    pub fn start_unix_ms(self) -> i64 {
        self.0.saturating_mul(MS_PER_DAY)
    }
}

impl FromStr for Day {
    type Err = ValueError;

    /// Reads `YYYY-MM-DD` and nothing else.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        read_date(text.as_bytes())
            .map(|date| Self::containing(date.and_time(chrono::NaiveTime::MIN).and_utc().into()))
            .filter(|day| (Self::FIRST..=Self::LAST).contains(day))
            .ok_or_else(|| ValueError::new(ValueErrorKind::NotADate, text))
    }
}

fn read_date(bytes: &[u8]) -> Option<NaiveDate> {
    let [year @ .., b'-', m1, m2, b'-', d1, d2] = bytes else {
        return None;
    };
    let year = (year.len() == 4).then(|| number(year)).flatten()?;
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, number(&[*m1, *m2])?, number(&[*d1, *d2])?)
}

impl fmt::Display for Day {
    /// The date, `2026-06-14`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.start().to_string();
        f.pad(start.split_once('T').map_or("", |(date, _)| date))
    }
}

/// Days in a row, both ends included.
///
/// ```
/// use billing_model::{Day, DayRange};
/// let days = DayRange { first: "2026-02-27".parse()?, last: "2026-03-01".parse()? };
/// assert_eq!((days.count(), days.iter().nth(1)), (3, Some("2026-02-28".parse()?)));
/// # Ok::<(), billing_model::ValueError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DayRange {
    /// The first day.
    pub first: Day,
    /// The last day. When it lies before the first one, the range has no day.
    pub last: Day,
}

impl DayRange {
    /// How many days.
    pub fn count(self) -> usize {
        let days = self.last.0.saturating_sub(self.first.0).saturating_add(1);
        usize::try_from(days).unwrap_or(0)
    }

    /// The days, ascending.
    pub fn iter(self) -> impl Iterator<Item = Day> {
        (self.first.0..=self.last.0).map(Day)
    }

    /// The place of a day in the range, from 0, when it lies inside.
    pub fn position(self, day: Day) -> Option<usize> {
        let place = day.0.checked_sub(self.first.0)?;
        usize::try_from(place).ok().filter(|_| day <= self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_read_strictly() {
        for (text, day) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2026-06-14", 20_618),
            ("2024-02-29", 19_782),
            ("0001-01-01", Day::FIRST.0),
            ("9999-12-31", Day::LAST.0),
        ] {
            assert_eq!(text.parse(), Ok(Day(day)), "{text}");
            assert_eq!(Day(day).to_string(), text);
        }
        for text in [
            "",
            "2026-6-14",
            "2026-06-14 ",
            " 2026-06-14",
            "20260614",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-06-00",
            "0000-12-31",
            "02026-06-14",
            "10000-01-01",
            "-001-01-01",
            "+026-06-14",
            "2026/06/14",
            "2026-06-14T00:00:00Z",
            "२०२६-06-14",
            "today",
        ] {
            let error = text.parse::<Day>().unwrap_err();
            assert_eq!(error.kind(), ValueErrorKind::NotADate, "{text}");
            assert_eq!(error.to_string(), format!("`{text}` is not a date such as 2026-06-14"));
        }
    }

    #[test]
    fn days_outside_a_ledger_have_a_name_and_none_panics() {
        assert_eq!(Day::of("9999-12-31T00:00:00Z".parse().unwrap()), None);
        assert_eq!(Day::containing("9999-12-31T23:59:59.9Z".parse().unwrap()), Day::LAST);
        assert_eq!(Day(-106_752).to_string(), "1677-09-21", "a ledger begins in the middle of this day");
        for day in [Day(i64::MIN), Day(i64::MAX)] {
            assert!(day.to_string().contains("26214"), "{day}");
            assert_eq!(DayRange { first: day, last: day }.count(), 1);
            assert_eq!(
                DayRange { first: Day(i64::MIN), last: Day(i64::MAX) }.position(day).is_some(),
                day.0 < 0
            );
        }
        assert_eq!(DayRange { first: Day(5), last: Day(3) }.count(), 0);
        assert_eq!(DayRange { first: Day(5), last: Day(3) }.iter().count(), 0);
    }

    proptest! {
        #[test]
        fn a_day_survives_its_date_and_holds_its_instants(day in Day::FIRST.0..=Day::LAST.0, ns: i64) {
            let day = Day(day);
            prop_assert_eq!(day.to_string().parse::<Day>().unwrap(), day);
            prop_assert_eq!(Day::containing(day.start()), day);
            let at = Timestamp::from_unix_ns(ns);
            let of = Day::of(at).unwrap();
            prop_assert!(of.start() <= at && at < Day(of.0 + 1).start());
            prop_assert_eq!(of, Day::containing(at));
            prop_assert_eq!(i128::from(of.start_unix_ms()) * 1_000_000 + i128::from(ns.rem_euclid(NS_PER_DAY)), i128::from(ns));
        }

        #[test]
        fn a_range_counts_what_it_holds(first in -500i64..500, length in 0i64..400, day in -1000i64..1000) {
            let days = DayRange { first: Day(first), last: Day(first + length - 1) };
            prop_assert_eq!(days.count(), days.iter().count());
            prop_assert_eq!(days.position(Day(day)), days.iter().position(|other| other == Day(day)));
        }
    }
}
