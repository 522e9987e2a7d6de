//! The labels of rows as small numbers, which are fast to compare, and back as texts.

use std::borrow::Cow;

use billing_model::Day;
use chrono::Weekday;

use crate::calendar::{day_of_week, days_from, month_of, month_text, week_of, weekday_name};
use crate::dimension::Dimension;
use crate::facts::{ABSENT, Code, Facts, Recoded, SkuFacts};
use crate::zone::Local;

/// What the labels of an entry are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Labelled<'a> {
    pub(crate) local: Local,
    pub(crate) sku: SkuFacts,
    pub(crate) key: Option<&'a str>,
    pub(crate) request: Option<&'a str>,
    pub(crate) notes: &'a str,
}

/// The codes of labels. Days and weeks are the number of their first day, months are counted from the year 0, hours are as on the
/// clock, days of the week are counted from the first one. So their order is that of time. Codes of names are their places among
/// all that came.
#[derive(Clone, Debug)]
pub(crate) struct Labels {
    pub(crate) facts: Facts,
    /// The first day of a week.
    week_start: Weekday,
}

/// Whether there is no label, its place in time, and its text.
pub(crate) type LabelOrder<'a> = (bool, Code, &'a str);

impl Labels {
    pub(crate) fn new(week_start: Weekday) -> Self {
        Self { facts: Facts::default(), week_start }
    }

    /// The code of an entry's label.
    pub(crate) fn code(&mut self, dimension: Dimension, of: &Labelled<'_>) -> Code {
        let mut name = |name: Option<&str>| name.map_or(ABSENT, |name| self.facts.code_of(name));
        match dimension {
            Dimension::Day | Dimension::Week | Dimension::Month | Dimension::Weekday => {
                self.of_day(dimension, of.local.day)
            }
            Dimension::Hour => Code::try_from(of.local.hour()).unwrap_or(ABSENT),
            Dimension::Model => of.sku.model,
            Dimension::Sku => of.sku.sku,
            Dimension::Kind => of.sku.kind,
            // Every row is of a currency anyway.
            Dimension::Currency => ABSENT,
            Dimension::Key => name(of.key),
            Dimension::Request => name(of.request),
            Dimension::Notes => name(Some(of.notes)),
        }
    }

    /// The code of a label that follows from the day.
    pub(crate) fn of_day(&self, dimension: Dimension, day: Day) -> Code {
        let code = match dimension {
            Dimension::Week => week_of(day, self.week_start).0,
            Dimension::Month => month_of(day),
            Dimension::Weekday => day_of_week(day, self.week_start),
            _ => day.0,
        };
        // The calendar has 200 million days.
        Code::try_from(code).unwrap_or(ABSENT)
    }

    /// The label that a code stands for; `None` for what has none.
    pub(crate) fn text(&self, dimension: Dimension, code: Code) -> Option<Cow<'_, str>> {
        Some(match dimension {
            Dimension::Day | Dimension::Week => Day(code.into()).to_string().into(),
            Dimension::Month => month_text(code.into()).into(),
            Dimension::Hour => format!("{code:02}").into(),
            Dimension::Weekday => self.weekday(code).into(),
            Dimension::Currency => return None,
            Dimension::Model
            | Dimension::Sku
            | Dimension::Kind
            | Dimension::Key
            | Dimension::Request
            | Dimension::Notes => self.facts.name_of(code)?.into(),
        })
    }

    /// What labels stand in order by: that of time where they follow it, otherwise their texts, and what has none is last.
    pub(crate) fn order(&self, dimension: Dimension, code: Code) -> LabelOrder<'_> {
        match dimension.is_time() {
            true => (false, code, ""),
            false => (code == ABSENT, 0, self.facts.name_of(code).unwrap_or_default()),
        }
    }

    /// What labels stand in order by where it is their texts, those of days of the week too.
    pub(crate) fn text_order(&self, dimension: Dimension, code: Code) -> LabelOrder<'_> {
        match dimension {
            Dimension::Weekday => (false, 0, self.weekday(code)),
            _ => self.order(dimension, code),
        }
    }

    /// The name of a day of the week by its place in the week.
    fn weekday(&self, code: Code) -> &'static str {
        let place = usize::try_from(code).unwrap_or_default();
        days_from(self.week_start).nth(place).map_or("", weekday_name)
    }

    /// The code here of what had another one elsewhere.
    pub(crate) fn recoded(dimension: Dimension, code: Code, recoded: &Recoded) -> Code {
        if dimension.is_time() { code } else { recoded.name(code) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_a_day_are_those_of_a_calendar() {
        for (date, week, sunday_week, month, weekday) in [
            ("1969-12-31", "1969-12-29", "1969-12-28", "1969-12", "wednesday"),
            ("1970-01-01", "1969-12-29", "1969-12-28", "1970-01", "thursday"),
            ("2024-02-29", "2024-02-26", "2024-02-25", "2024-02", "thursday"),
            ("2026-06-14", "2026-06-08", "2026-06-14", "2026-06", "sunday"),
            ("2026-06-15", "2026-06-15", "2026-06-14", "2026-06", "monday"),
            ("0001-01-01", "0001-01-01", "0000-12-31", "0001-01", "monday"),
            ("9999-12-31", "9999-12-27", "9999-12-26", "9999-12", "friday"),
        ] {
            let day: Day = date.parse().unwrap();
            let text = |week_start, dimension| {
                let labels = Labels::new(week_start);
                labels.text(dimension, labels.of_day(dimension, day)).unwrap().into_owned()
            };
            let found = [Dimension::Day, Dimension::Week, Dimension::Month, Dimension::Weekday]
                .map(|dimension| text(Weekday::Mon, dimension));
            assert_eq!(found, [date, week, month, weekday]);
            let sunday = [Dimension::Week, Dimension::Weekday].map(|dimension| text(Weekday::Sun, dimension));
            assert_eq!(sunday, [sunday_week, weekday]);
        }
    }
}
