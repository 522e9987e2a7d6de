//! Weeks and months of days, as numbers that count on from one to the next, and their names.

use billing_model::Day;
use chrono::{DateTime, Datelike, Utc, Weekday};

/// The place of a day in its week, from 0, for weeks that begin on this day.
pub(crate) fn day_of_week(day: Day, week_start: Weekday) -> i64 {
    // 1970-01-01 was a Thursday.
    (day.0 + 3 - i64::from(week_start.num_days_from_monday())).rem_euclid(7)
}

/// The first day of the week that a day lies in.
pub(crate) fn week_of(day: Day, week_start: Weekday) -> Day {
    Day(day.0 - day_of_week(day, week_start))
}

/// The months from January of the year 0 to that of a day.
pub(crate) fn month_of(day: Day) -> i64 {
    let date = DateTime::<Utc>::from(day.start()).date_naive();
    i64::from(date.year()) * 12 + i64::from(date.month0())
}

/// A month as a date has it, `2026-06`, also one of a year that has not four digits.
pub(crate) fn month_text(month: i64) -> String {
    let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
    match year {
        0..=9999 => format!("{year:04}-{month:02}"),
        _ => format!("{year:+05}-{month:02}"),
    }
}

/// The name of a day of the week in full and in lower case.
pub(crate) fn weekday_name(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Mon => "monday",
        Weekday::Tue => "tuesday",
        Weekday::Wed => "wednesday",
        Weekday::Thu => "thursday",
        Weekday::Fri => "friday",
        Weekday::Sat => "saturday",
        Weekday::Sun => "sunday",
    }
}

/// The days of a week in order, from its first one.
pub(crate) fn days_from(week_start: Weekday) -> impl Iterator<Item = Weekday> {
    std::iter::successors(Some(week_start), |day| Some(day.succ())).take(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_of_long_years_are_written_as_their_days_are() {
        for (date, month, text) in [
            ("2026-06-14", 2026 * 12 + 5, "2026-06"),
            ("0001-01-01", 12, "0001-01"),
            ("9999-12-31", 9999 * 12 + 11, "9999-12"),
        ] {
            let found = month_of(date.parse().unwrap());
            assert_eq!((found, month_text(found).as_str()), (month, text));
        }
        assert_eq!([10_000 * 12, -1].map(month_text), ["+10000-01", "-0001-12"]);
    }

    #[test]
    fn every_day_is_in_one_week_and_at_its_own_place() {
        for week_start in days_from(Weekday::Mon) {
            for number in -20..20 {
                let day = Day(number);
                let (first, place) = (week_of(day, week_start), day_of_week(day, week_start));
                assert!((0..7).contains(&place) && first.0 + place == number);
                let weekday = DateTime::<Utc>::from(first.start()).date_naive().weekday();
                assert_eq!(weekday, week_start, "{day}");
            }
        }
    }
}
