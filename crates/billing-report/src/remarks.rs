//! What rows cannot say: which days have none, which weeks are cut, and what of the span before stands against nothing.

use billing_model::{Day, DayRange, TimeWindow, Timestamp, Total};
use chrono::Weekday;

use crate::dimension::Dimension;
use crate::figures::counted;
use crate::heading::label_columns;
use crate::labels::Labels;
use crate::report::Report;
use crate::row::Row;
use crate::zone::Zone;

impl Report {
    /// The days that rows by day alone may be of: those of the window, if it has passed; otherwise those up to the last one with
    /// entries.
    pub(crate) fn days_so_far(&self) -> Option<DayRange> {
        if label_columns(&self.meta.by) != [Dimension::Day] {
            return None;
        }
        let (zone, window) = self.window()?;
        let (first, last) = zone.days_of(window);
        let created = self.meta.created.parse::<Timestamp>().ok();
        let has_passed = window.until().zip(created).is_some_and(|(until, created)| until <= created);
        let last = last.filter(|_| has_passed);
        // The days that are summed up as the rest are not known.
        let is_whole = self.rows.iter().all(|row| row.rest.is_none());
        let with_entries =
            || self.rows.iter().filter(|row| is_whole && row.sums.entries > 0).filter_map(day_of);
        let first = first.or_else(|| with_entries().min())?;
        Some(DayRange { first, last: last.or_else(|| with_entries().max())? })
    }

    /// Which weeks and months the window begins or ends within: `The first week is cut by the window.`
    pub(crate) fn cut_spans(&self) -> Vec<String> {
        let Some((zone, window)) = self.window() else { return Vec::new() };
        let labels = Labels::new(self.meta.week_start.parse().unwrap_or(Weekday::Mon));
        let spans = [Dimension::Week, Dimension::Month].into_iter().filter(|by| self.meta.by.contains(by));
        let cut = spans.filter_map(|by| {
            let label = |day: Day| labels.of_day(by, day);
            let (first, last) = zone.days_of(window);
            let is_listed = |day: &Day| {
                let label = labels.text(by, label(*day));
                self.rows.iter().any(|row| row.label(by).flatten() == label.as_deref())
            };
            let (first, last) = (first.filter(is_listed), last.filter(is_listed));
            let first_cut = first.filter(|day| {
                label(Day(day.0 - 1)) == label(*day) || window.since() != Some(zone.start_of(*day))
            });
            let last_cut = last.filter(|day| {
                let next = Day(day.0 + 1);
                label(next) == label(*day) || window.until() != Some(zone.start_of(next))
            });
            let is_one = first.zip(last).is_some_and(|(first, last)| label(first) == label(last));
            Some(match (first_cut, last_cut) {
                (None, None) => return None,
                _ if is_one => format!("The {by} is cut by the window."),
                (Some(_), Some(_)) => format!("The first and the last {by} are cut by the window."),
                (Some(_), None) => format!("The first {by} is cut by the window."),
                (None, Some(_)) => format!("The last {by} is cut by the window."),
            })
        });
        cut.collect()
    }

    /// The window in its zone; `None` in a report from elsewhere that has no such thing.
    fn window(&self) -> Option<(Zone, TimeWindow)> {
        let at = |text: &Option<String>| text.as_deref().map(str::parse::<Timestamp>).transpose().ok();
        let (since, until) = (at(&self.meta.window.since)?, at(&self.meta.window.until)?);
        Some((self.meta.time_zone.parse().ok()?, TimeWindow::new(since, until).ok()?))
    }
}

/// That days without entries have no row: `2 days without entries are not listed.`
pub(crate) fn unlisted_days(rows: &[Row], days: DayRange) -> Option<String> {
    // A currency that only the span before has is without a day altogether.
    if rows.is_empty() {
        return None;
    }
    let rest: u64 = rows.iter().filter_map(|row| row.rest).sum();
    let listed = rows.iter().filter_map(day_of).filter(|day| days.position(*day).is_some()).count();
    let listed = u64::try_from(listed).ok()?.checked_add(rest)?;
    let unlisted = u64::try_from(days.count()).ok()?.checked_sub(listed).filter(|count| *count > 0)?;
    let days = counted(unlisted, "day without entries is", "days without entries are");
    Some(format!("{days} not listed."))
}

fn day_of(row: &Row) -> Option<Day> {
    row.label(Dimension::Day).flatten()?.parse().ok()
}

/// What of the total's span before is in none of the rows.
pub(crate) fn unmatched(rows: &[Row], total: &Row) -> Option<Total> {
    let mut unmatched = total.previous.as_ref()?.spend.clone();
    rows.iter().filter_map(|row| row.previous.as_ref()).for_each(|sums| unmatched.subtract(&sums.spend));
    (!unmatched.is_zero()).then_some(unmatched)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up::{self, report, row, span};

    #[test]
    fn days_without_entries_are_counted_up_to_the_last_one_with_any() {
        let by = |days: &[(&str, &str)]| {
            report(
                "day",
                days.iter().map(|(currency, day)| row("day", currency, &[day], "1 0 0 0 0 1 0")).collect(),
            )
        };
        fn said(report: &Report, rows: impl std::slice::SliceIndex<[Row], Output = [Row]>) -> String {
            let days = report.days_so_far();
            days.and_then(|days| unlisted_days(&report.rows[rows], days)).unwrap_or_default()
        }
        let june = ("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z");
        let days =
            [("DIEM", "2026-06-02"), ("DIEM", "2026-06-05"), ("USD", "2026-06-01"), ("USD", "2026-06-06")];
        for (zone, (since, until), created, expect) in [
            ("UTC", june, "2026-06-15T08:00:00Z", "4 days without entries are not listed."),
            // What has passed has no days to come.
            ("UTC", june, "2026-07-01T00:00:00Z", "28 days without entries are not listed."),
            ("UTC", june, "", "4 days without entries are not listed."),
            (
                "UTC",
                ("2026-06-02T00:00:00Z", "2026-06-05T00:00:01Z"),
                "2026-07-01T00:00:00Z",
                "2 days without entries are not listed.",
            ),
            (
                "Europe/Berlin",
                ("2026-06-01T22:00:00Z", "2026-06-03T22:00:00Z"),
                "2026-07-01T00:00:00Z",
                "1 day without entries is not listed.",
            ),
            ("UTC", ("2026-06-02T00:00:00Z", "2026-06-03T00:00:00Z"), "2026-07-01T00:00:00Z", ""),
            ("Mars", june, "2026-07-01T00:00:00Z", ""),
        ] {
            let mut report = by(&days);
            report.meta.time_zone = zone.to_owned();
            report.meta.window = span(since, until);
            report.meta.created = created.to_owned();
            let found = said(&report, ..2);
            assert_eq!(found, expect, "{zone} {since} {until} {created}");
        }
        let mut open = by(&days);
        open.meta.window = crate::report::Span::default();
        assert_eq!(said(&open, ..2), "4 days without entries are not listed.");
        // Days in the rest are listed in a way; which ones is not known.
        open.rows.push(crate::row::Row { rest: Some(2), ..row("day", "USD", &["-"], "2 0 0 0 0 1 0") });
        assert_eq!(said(&open, 2..), "");
        open.meta.window = span(june.0, june.1);
        open.meta.created = "2026-07-02T00:00:00Z".to_owned();
        assert_eq!(said(&open, 2..), "26 days without entries are not listed.");
        let models = made_up::days_and_models();
        assert_eq!(said(&models, ..), "");
    }

    #[test]
    fn a_week_or_month_that_the_window_cuts_is_named() {
        for (by, labels, since, until, expect) in [
            (
                "week",
                &["2026-06-01", "2026-06-29"][..],
                "2026-06-01",
                "2026-07-01",
                "The last week is cut by the window.",
            ),
            (
                "week",
                &["2026-05-25", "2026-06-01"],
                "2026-05-28",
                "2026-06-08",
                "The first week is cut by the window.",
            ),
            (
                "week",
                &["2026-05-25", "2026-06-01"],
                "2026-05-28",
                "2026-06-07",
                "The first and the last week are cut by the window.",
            ),
            ("week", &["2026-06-01"], "2026-06-02", "2026-06-04", "The week is cut by the window."),
            ("week", &["2026-06-01"], "2026-06-01", "2026-06-08", ""),
            // The cut one has no row.
            ("week", &["2026-06-01"], "2026-05-28", "2026-06-08", ""),
            (
                "month",
                &["2026-05", "2026-06"],
                "2026-05-02",
                "2026-07-01",
                "The first month is cut by the window.",
            ),
            ("month", &["2026-05", "2026-06"], "2026-05-01", "2026-07-01", ""),
            ("day", &["2026-06-01"], "2026-06-01", "2026-06-02", ""),
        ] {
            let rows = labels.iter().map(|label| row(by, "USD", &[label], "1 0 0 0 0 1 0"));
            let mut report = report(by, rows.collect());
            report.meta.window = span(&format!("{since}T00:00:00Z"), &format!("{until}T00:00:00Z"));
            assert_eq!(report.cut_spans().concat(), expect, "{by} {since} {until}");
        }
        let mut hour = report("month", vec![row("month", "USD", &["2026-06"], "1 0 0 0 0 1 0")]);
        hour.meta.window = span("2026-06-01T01:00:00Z", "2026-07-01T00:00:00Z");
        assert_eq!(hour.cut_spans(), ["The month is cut by the window."]);
        hour.meta.time_zone = "America/St_Johns".to_owned();
        hour.meta.window = span("2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z");
        hour.rows.insert(0, row("month", "USD", &["2026-05"], "1 0 0 0 0 1 0"));
        assert_eq!(hour.cut_spans(), ["The first and the last month are cut by the window."]);
    }

    #[test]
    fn what_stands_against_no_row_is_the_difference() {
        let report = made_up::unmatched_before();
        let found = unmatched(&report.rows, &report.totals[1]).unwrap();
        assert_eq!(found.to_string(), "4.25");
        let models = made_up::models();
        assert_eq!(unmatched(&models.rows[..5], &models.totals[0]), None);
    }
}
