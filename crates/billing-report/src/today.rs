//! A day that has not ended, beside those before it.

use std::collections::BTreeMap;

use billing_model::{Currency, Day, DayRange, Decimal, LentEntry, Timestamp, Total, ValueError};
use serde::Serialize;

use crate::amount;
use crate::builder::ReportBuilder;
use crate::day_sum::DaySum;
use crate::diem::Diem;
use crate::dimension::{By, Dimension};
use crate::last_sync::LastSync;
use crate::pace::{day_at_this_rate, spend_per_hour};
use crate::question::{Question, Reading, Sort};
use crate::report::{Meta, Report, Source};
use crate::row::Row;
use crate::zone::Zone;

/// The form of the answer in JSON. A new one has another number.
const SCHEMA: &str = "billing-today/1";

/// Days that are shown, today included.
const DAYS: i64 = 14;

/// Days before today of which the mean is made.
const MEAN_DAYS: u32 = 7;

const HOURS: usize = 24;

/// What was spent today, beside yesterday and the days before. In JSON amounts are texts, exact to the last digit but for those
/// that are divided: mean, rate and estimate are rounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Today {
    /// The form of it, `billing-today/1`.
    pub schema: &'static str,
    /// The present, RFC 3339.
    pub created: String,
    /// Where the entries are from.
    pub source: Source,
    /// The zone of days and hours, a name of the IANA database.
    pub time_zone: String,
    /// The date of today in it.
    pub day: String,
    /// When synced accounts were last brought in line: the account that waits longest for it; `None` without any, and where the
    /// first sync of one has not ended.
    pub synced: Option<String>,
    /// True where the first sync of an account has not ended.
    pub is_first_sync_pending: bool,
    /// How many entries today has.
    pub entries: u64,
    /// Each currency in which something was spent in the last 14 days.
    pub currencies: Vec<CurrencyToday>,
    /// The models of today, the highest spend of a currency first.
    pub models: Vec<ModelToday>,
    /// The DIEM of the present UTC day.
    pub diem: Diem,
    /// When the UTC day ends and DIEM begins anew.
    pub diem_resets: String,
}

/// What was spent in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CurrencyToday {
    /// The currency, as the API spells it.
    pub currency: String,
    /// All of today's entries, also those that are dated later today, by a clock that is ahead.
    #[serde(serialize_with = "amount::serialize")]
    pub today: Total,
    /// All of yesterday.
    #[serde(serialize_with = "amount::serialize")]
    pub yesterday: Total,
    /// The mean of the 7 days before today. A day without entries counts.
    #[serde(serialize_with = "amount::serialize")]
    pub seven_day_mean: Total,
    /// What was spent an hour today; `None` within the first hour of a day.
    #[serde(serialize_with = "amount::serialize_optional")]
    pub per_hour: Option<Total>,
    /// What today comes to at that rate; `None` within the first hour of a day.
    #[serde(serialize_with = "amount::serialize_optional")]
    pub at_this_rate: Option<Total>,
    /// Each hour of today by the clock, 00 to 23. An hour that a clock shows twice is one.
    #[serde(serialize_with = "amount::serialize_all")]
    pub hours: Vec<Total>,
    /// Each of 14 days, today the last.
    #[serde(serialize_with = "amount::serialize_all")]
    pub days: Vec<Total>,
}

/// What was spent today on one model in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelToday {
    /// The model; the sku, where it names none.
    pub model: String,
    /// The currency, as the API spells it.
    pub currency: String,
    /// What was spent.
    #[serde(serialize_with = "amount::serialize")]
    pub spend: Total,
    /// The part of today's spend in the currency, from 0 to 1, rounded to six decimal places; `None` where nothing was spent.
    #[serde(serialize_with = "amount::serialize_optional")]
    pub share: Option<Total>,
}

/// Makes a [`Today`] of what is lent to it: sums of days and entries, each of which is in one of the two.
#[derive(Clone, Debug)]
pub struct TodayBuilder {
    now: Timestamp,
    zone: Zone,
    day: Day,
    days: ReportBuilder,
    hours: ReportBuilder,
    models: ReportBuilder,
}

impl TodayBuilder {
    /// For the day that it is now in a zone.
    pub fn new(now: Timestamp, zone: Zone) -> Self {
        let day = zone.local(now).day;
        let asked = |dimension, first: Day| {
            let window = zone.window_of(DayRange { first, last: day });
            ReportBuilder::new(Question { window, zone, ..Question::new(By::one(dimension)) })
        };
        let models = ReportBuilder::new(Question {
            sort: Sort::Spend,
            ..asked(Dimension::Model, day).question().clone()
        });
        Self {
            now,
            zone,
            day,
            days: asked(Dimension::Day, last_days(day).first),
            hours: asked(Dimension::Hour, day),
            models,
        }
    }

    /// What has to be read. In UTC the sums of days say all but the hours of today; in another zone entries say all of it.
    pub fn reading(&self) -> Reading {
        let question = if self.zone.is_utc() { self.hours.question() } else { self.days.question() };
        let sums = if self.zone.is_utc() { vec![Some(last_days(self.day))] } else { Vec::new() };
        Reading { sums, entries: vec![question.window] }
    }

    /// Adds a sum of a UTC day.
    pub fn add_sum(&mut self, sum: &DaySum<'_>) {
        self.days.add_sum(sum);
        self.models.add_sum(sum);
    }

    /// Adds an entry that is lent.
    ///
    /// # Errors
    /// As [`ReportBuilder::add_lent`].
    pub fn add_lent(&mut self, entry: &LentEntry<'_>) -> Result<(), ValueError> {
        if !self.zone.is_utc() {
            self.days.add_lent(entry)?;
            // Most of the days are over.
            if !self.models.question().window.contains(entry.timestamp) {
                return Ok(());
            }
            self.models.add_lent(entry)?;
        }
        self.hours.add_lent(entry)
    }

    /// Adds what another builder of the same day has, which was lent other sums and entries.
    pub fn merge(&mut self, other: Self) {
        self.days.merge(other.days);
        self.hours.merge(other.hours);
        self.models.merge(other.models);
    }

    /// The day, with the DIEM of the present UTC day and the time of the last sync.
    pub fn finish(self, source: Source, diem: Diem, synced: LastSync) -> Today {
        let Self { now, zone, day, days, hours, models } = self;
        let of = |builder: ReportBuilder| builder.finish(Meta::default());
        let (days, hours, models) = (of(days), of(hours), of(models));
        let ends = [zone.start_of(day), zone.start_of(Day(day.0 + 1))];
        let shown = last_days(day);
        let place_of_day = |label: &str| shown.position(label.parse().ok()?);
        let by_hour = spread(&hours, Dimension::Hour, HOURS, |label| label.parse().ok());
        let days = spread(&days, Dimension::Day, shown.count(), place_of_day);
        let currencies = days.into_iter().map(|(currency, days)| {
            let hours = by_hour.get(&currency).cloned().unwrap_or_else(|| vec![Total::default(); HOURS]);
            CurrencyToday::of(currency, days, hours, ends, now)
        });
        let utc_day = Zone::UTC.local(now).day;
        Today {
            schema: SCHEMA,
            created: now.to_string(),
            source,
            time_zone: zone.name().to_owned(),
            day: day.to_string(),
            synced: match synced {
                LastSync::At(at) => Some(at.to_string()),
                LastSync::None | LastSync::NotEnded => None,
            },
            is_first_sync_pending: synced == LastSync::NotEnded,
            entries: models.totals.iter().map(|total| total.sums.entries).sum(),
            currencies: currencies.filter(CurrencyToday::says_something).collect(),
            models: models
                .rows
                .iter()
                .filter(|row| row.sums.spend.is_positive())
                .map(ModelToday::of)
                .collect(),
            diem,
            diem_resets: Day(utc_day.0 + 1).start().to_string(),
        }
    }
}

/// The days that are shown.
fn last_days(today: Day) -> DayRange {
    DayRange { first: Day(today.0 - DAYS + 1), last: today }
}

impl CurrencyToday {
    fn of(
        currency: Currency,
        days: Vec<Total>,
        hours: Vec<Total>,
        ends: [Timestamp; 2],
        now: Timestamp,
    ) -> Self {
        let mut before = days.iter().rev();
        let today = before.next().cloned().unwrap_or_default();
        let yesterday = before.clone().next().cloned().unwrap_or_default();
        let mut week = Total::default();
        before.zip(0..MEAN_DAYS).for_each(|(day, _)| week.merge(day));
        let mean = week.divided_by(&Decimal::from(MEAN_DAYS).into(), MEAN_PLACES).unwrap_or_default();
        Self {
            currency: currency.to_string(),
            per_hour: spend_per_hour(&today, ends[0], now),
            at_this_rate: day_at_this_rate(&today, ends, now),
            today,
            yesterday,
            seven_day_mean: mean,
            hours,
            days,
        }
    }

    /// False for a currency in which there were only credits, or charges of nothing.
    fn says_something(&self) -> bool {
        self.days.iter().any(Total::is_positive)
    }
}

/// Decimal places of a mean.
const MEAN_PLACES: u32 = 12;

impl ModelToday {
    fn of(row: &Row) -> Self {
        Self {
            model: row.label(Dimension::Model).flatten().unwrap_or_default().to_owned(),
            currency: row.currency.clone(),
            spend: row.sums.spend.clone(),
            share: row.share.clone(),
        }
    }
}

/// The spend of the rows of each currency, by the place of their labels.
fn spread(
    report: &Report,
    dimension: Dimension,
    places: usize,
    place: impl Fn(&str) -> Option<usize>,
) -> BTreeMap<Currency, Vec<Total>> {
    let mut spread = BTreeMap::<Currency, Vec<Total>>::new();
    for row in &report.rows {
        let spends = spread.entry(Currency::from(row.currency.as_str()));
        let spends = spends.or_insert_with(|| vec![Total::default(); places]);
        let place = row.label(dimension).flatten().and_then(&place);
        if let Some(spend) = place.and_then(|place| spends.get_mut(place)) {
            spend.merge(&row.sums.spend);
        }
    }
    spread
}

#[cfg(test)]
mod tests {
    use billing_model::NumberText;

    use super::*;

    /// An entry as a ledger lends it.
    fn entry<'a>(at: &str, sku: &'a str, currency: &'a str, amount: &'a str) -> LentEntry<'a> {
        LentEntry {
            timestamp: at.parse().unwrap(),
            sku,
            price_per_unit_usd: NumberText::new("1").unwrap(),
            units: NumberText::new("1").unwrap(),
            amount: NumberText::new(amount).unwrap(),
            currency,
            notes: "",
            request_id: None,
            execution_time_ms: None,
            prompt_tokens: None,
            completion_tokens: None,
            api_key_id: None,
            other_fields: None,
        }
    }

    const ENTRIES: [(&str, &str, &str, &str); 9] = [
        ("2026-06-01T12:00:00Z", "old-llm-output-mtoken", "USD", "-100"),
        ("2026-06-02T00:00:00Z", "one-llm-output-mtoken", "USD", "-7"),
        ("2026-06-13T23:30:00Z", "one-llm-output-mtoken", "USD", "-1.5"),
        ("2026-06-14T22:30:00Z", "one-llm-output-mtoken", "USD", "-2"),
        ("2026-06-15T00:10:00Z", "one-llm-output-mtoken", "USD", "-3"),
        ("2026-06-15T05:59:00Z", "two-llm-output-mtoken", "USD", "-1"),
        ("2026-06-15T05:59:30Z", "two-llm-output-mtoken", "DIEM", "-0.25"),
        ("2026-06-15T05:00:00Z", "credit", "EARNED_CREDITS", "5"),
        // After now, by a clock that is ahead: it is today's all the same.
        ("2026-06-15T07:00:00Z", "one-llm-output-mtoken", "USD", "-1"),
    ];

    /// Today at six, from entries, or in UTC from the sums of days that they come to, one by one.
    fn today(zone: &str) -> Today {
        let mut builder = TodayBuilder::new("2026-06-15T06:00:00Z".parse().unwrap(), zone.parse().unwrap());
        let reading = builder.reading();
        for (at, sku, currency, amount) in ENTRIES {
            let entry = entry(at, sku, currency, amount);
            let day = Day::of(entry.timestamp).unwrap();
            for days in reading.sums.iter().flatten().filter(|days| days.position(day).is_some()) {
                assert!(days.count() == 14);
                builder.add_sum(&DaySum {
                    day,
                    sku,
                    currency: &Currency::from(currency),
                    api_key_id: None,
                    is_credit: !amount.starts_with('-'),
                    entries: 1,
                    amount: &amount.parse().unwrap(),
                    units: &"1".parse().unwrap(),
                });
            }
            if reading.entries.iter().any(|window| window.contains(entry.timestamp)) {
                builder.add_lent(&entry).unwrap();
            }
        }
        builder.finish(Source::default(), Diem::default(), LastSync::None)
    }

    fn texts(totals: &[Total]) -> String {
        totals.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn days_and_hours_are_those_of_the_zone() {
        let utc = today("UTC");
        let [diem, usd] = &utc.currencies[..] else { panic!("{:?}", utc.currencies) };
        assert_eq!((diem.currency.as_str(), usd.currency.as_str()), ("DIEM", "USD"));
        assert_eq!((usd.today.to_string(), usd.yesterday.to_string()), ("5".to_owned(), "2".to_owned()));
        assert_eq!(texts(&usd.days), "7 0 0 0 0 0 0 0 0 0 0 1.5 2 5");
        assert_eq!(texts(&usd.hours), "3 0 0 0 0 1 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0");
        assert_eq!(usd.seven_day_mean.to_string(), "0.5");
        assert_eq!(usd.per_hour.as_ref().unwrap().to_string(), "0.833333333333");
        assert_eq!(usd.at_this_rate.as_ref().unwrap().to_string(), "20");
        assert_eq!((utc.entries, utc.diem_resets.as_str()), (5, "2026-06-16T00:00:00.000Z"));

        // In Berlin it is eight, and the day began at 22:00 UTC.
        let berlin = today("Europe/Berlin");
        let usd = &berlin.currencies[1];
        assert_eq!(texts(&usd.days), "7 0 0 0 0 0 0 0 0 0 0 0 1.5 7");
        assert_eq!(texts(&usd.hours), "2 0 3 0 0 0 0 1 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0");
        assert_eq!(usd.at_this_rate.as_ref().unwrap().to_string(), "21");
        assert_eq!((berlin.entries, berlin.diem_resets), (6, utc.diem_resets));
    }

    #[test]
    fn models_stand_by_spend_within_their_currency() {
        let models = today("UTC").models.into_iter().map(|model| {
            format!("{} {} {} {}", model.currency, model.model, model.spend, model.share.unwrap_or_default())
        });
        assert_eq!(models.collect::<Vec<_>>(), ["DIEM two 0.25 1", "USD one 4 0.8", "USD two 1 0.2"]);
    }

    #[test]
    fn at_the_start_of_a_day_there_is_no_rate_and_at_the_end_of_time_no_panic() {
        for now in ["2026-06-15T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"] {
            let mut builder = TodayBuilder::new(now.parse().unwrap(), Zone::UTC);
            builder.add_lent(&entry(now, "one", "USD", "-1e-29")).unwrap();
            let today = builder.finish(Source::default(), Diem::default(), LastSync::None);
            assert!(today.currencies.iter().all(|of| of.per_hour.is_none()), "{now}");
        }
    }
}
