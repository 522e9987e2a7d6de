//! Makes a report of entries and of sums of days.

use billing_model::{Day, Decimal, LentEntry, NumberText, Timestamp, UsageEntry, ValueError, is_credit};

use crate::before::Before;
use crate::charts;
use crate::clock::Clock;
use crate::compared::Compared;
use crate::day_sum::DaySum;
use crate::facts::{CurrencyFacts, SkuFacts};
use crate::form_error::SCHEMA;
use crate::group::{Number, Portion};
use crate::labels::{Labelled, Labels};
use crate::line::lines;
use crate::meta;
use crate::question::Question;
use crate::report::{Meta, Report};
use crate::requests;
use crate::rows::Rows;
use crate::tally::{Tally, labelled};
use crate::trend::{ROWS, Trend};
use crate::zone::Local;

/// Makes one [`Report`] of what is lent to it: entries in any order, and sums of days, which a ledger has at hand.
/// [`Question::reading`] says what to lend.
///
/// ```
/// use billing_model::UsageEntry;
/// use billing_report::{Meta, Question, ReportBuilder};
///
/// let question = Question::new("day,model".parse()?);
/// let mut builder = ReportBuilder::new(question);
/// let entry: UsageEntry = serde_json::from_str(r#"{"timestamp":"2026-06-14T19:52:45.087Z","units":0.00022,
///   "sku":"zai-org-glm-5-1-llm-output-mtoken","pricePerUnitUsd":4.84,"amount":-0.0010648,"currency":"USD","notes":""}"#)?;
/// builder.add_entry(&entry);
///
/// let report = builder.finish(Meta::default());
/// let row = &report.rows[0];
/// assert_eq!((row.sums.spend.to_string(), row.sums.tokens.output.to_string()), ("0.0010648".into(), "220".into()));
/// assert_eq!(report.meta.mismatched, Some(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It holds no entries. Its memory grows with the rows of the report before the rest is summed up, some 200 bytes each and as much
/// again for the span before; with the different skus, models and keys; with the days of up to 1,000 rows that have lines; and where
/// requests are counted, with some 32 bytes for each request of each row. By request or by notes it has the texts of these too.
/// The rows of a [`Report`] take a kilobyte each.
#[derive(Clone, Debug)]
pub struct ReportBuilder {
    question: Question,
    labels: Labels,
    clock: Clock,
    /// The zone of the days of trends.
    trend_clock: Clock,
    window: Tally,
    previous: Tally,
    charts: Vec<Tally>,
    /// `None` where rows have no lines, or there are too many for it.
    trend: Option<Trend>,
    compared: Option<Compared>,
    /// Sums were added, whose entries are not compared.
    has_sums: bool,
}

/// What is looked at: an entry, or a sum of some.
struct Looked<'a> {
    at: Timestamp,
    /// The UTC day of a sum.
    day: Option<Day>,
    sku: SkuFacts,
    currency: CurrencyFacts,
    key: Option<&'a str>,
    request: Option<&'a str>,
    notes: &'a str,
    in_window: bool,
    in_previous: bool,
}

impl ReportBuilder {
    /// A builder without entries.
    pub fn new(question: Question) -> Self {
        let dimensions = labelled(question.by);
        Self {
            labels: Labels::new(question.week_start),
            clock: Clock::new(question.zone),
            trend_clock: Clock::new(Trend::zone(&question)),
            window: Tally::new(dimensions),
            previous: Tally::new(dimensions),
            charts: if question.charts { charts::tallies() } else { Vec::new() },
            trend: Trend::of(&question),
            compared: None,
            has_sums: false,
            question,
        }
    }

    /// A builder of the same question without entries, for another part of them. What it was lent is [merged](Self::merge) later.
    pub fn fork(&self) -> Self {
        Self::new(self.question.clone())
    }

    /// What it is asked.
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Adds an entry. One outside of the window, or that the filter leaves out, changes nothing.
    pub fn add_entry(&mut self, entry: &UsageEntry) {
        let details = entry.inference_details.as_ref();
        let request = details.and_then(|details| details.request_id.as_deref());
        let key = entry.api_key_id.as_deref();
        let texts = (entry.sku.as_str(), entry.currency.as_str(), key, request, entry.notes.as_str());
        if let Some(looked) = self.look(entry.timestamp, texts) {
            self.count_entry(&looked, [entry.amount, entry.price_per_unit_usd, entry.units]);
        }
    }

    /// Adds an entry that is lent.
    ///
    /// # Errors
    /// As [`NumberText::to_decimal`], for one that counts.
    pub fn add_lent(&mut self, entry: &LentEntry<'_>) -> Result<(), ValueError> {
        let texts = (entry.sku, entry.currency, entry.api_key_id, entry.request_id, entry.notes);
        let Some(looked) = self.look(entry.timestamp, texts) else { return Ok(()) };
        let [amount, price, units] =
            [entry.amount, entry.price_per_unit_usd, entry.units].map(NumberText::to_decimal);
        self.count_entry(&looked, [amount?, price?, units?]);
        Ok(())
    }

    /// Adds what a ledger has summed up of a whole UTC day.
    pub fn add_sum(&mut self, sum: &DaySum<'_>) {
        let texts = (sum.sku, sum.currency.as_str(), sum.api_key_id, None, "");
        let Some(looked) = self.look(sum.day.start(), texts) else { return };
        self.has_sums |= looked.in_window;
        let looked = Looked { day: Some(sum.day), ..looked };
        let portion = Portion {
            entries: sum.entries,
            is_credit: sum.is_credit,
            amount: Number::Sum(sum.amount),
            tokens: looked.sku.tokens.map(|kind| (kind, Number::Sum(sum.units))),
            request: None,
        };
        self.count(&looked, &portion);
    }

    /// Adds what a [fork](Self::fork) of this builder has, or of the one that this builder is a fork of. It was lent other entries.
    /// A builder of another question has other rows, and theirs would be mixed up with these without a word.
    pub fn merge(&mut self, other: Self) {
        // The first of several is taken as it is.
        if self.labels.facts.is_empty() {
            *self = other;
            return;
        }
        let recoded = self.labels.facts.merge(&other.labels.facts, &self.question.filter);
        self.window.merge(other.window, &recoded);
        self.previous.merge(other.previous, &recoded);
        self.charts.iter_mut().zip(other.charts).for_each(|(chart, more)| chart.merge(more, &recoded));
        self.trend = self.trend.take().zip(other.trend).map(|(mut trend, more)| {
            trend.merge(&more, &recoded);
            trend
        });
        self.drop_trend();
        self.has_sums |= other.has_sums;
        if let Some(more) = other.compared {
            self.compared.get_or_insert_default().merge(more);
        }
    }

    /// What is to be known of an entry that counts; `None` for one that does not.
    fn look<'a>(
        &mut self,
        at: Timestamp,
        texts: (&str, &str, Option<&'a str>, Option<&'a str>, &'a str),
    ) -> Option<Looked<'a>> {
        let (sku, currency, key, request, notes) = texts;
        let in_window = self.question.window.contains(at);
        let in_previous = self.question.previous.is_some_and(|window| window.contains(at));
        let filter = &self.question.filter;
        if !(in_window || in_previous) || filter.key.as_deref().is_some_and(|asked| key != Some(asked)) {
            return None;
        }
        let currency = self.labels.facts.currency(currency, filter);
        let sku = self.labels.facts.sku(sku, filter);
        let is_asked = currency.is_asked && sku.is_asked;
        is_asked.then_some(Looked {
            at,
            day: None,
            sku,
            currency,
            key,
            request,
            notes,
            in_window,
            in_previous,
        })
    }

    fn count_entry(&mut self, looked: &Looked<'_>, [amount, price, units]: [Decimal; 3]) {
        if looked.in_window {
            let compared = self.compared.get_or_insert_default();
            if let Some(rate) = looked.currency.rate {
                compared.add(amount, rate, price, units);
            }
        }
        let portion = Portion {
            entries: 1,
            is_credit: is_credit(amount),
            amount: Number::One(amount),
            tokens: looked.sku.tokens.map(|kind| (kind, Number::One(units))),
            request: looked.request.filter(|_| self.question.requests).map(requests::hash_of),
        };
        self.count(looked, &portion);
    }

    fn count(&mut self, looked: &Looked<'_>, portion: &Portion<'_>) {
        // A sum is of a day in UTC, and the zone is another one only where that does not matter.
        let of_sum = looked.day.map(|day| Local { day, second: 0 });
        let local = of_sum.unwrap_or_else(|| self.clock.hour_of(looked.at));
        let labelled = Labelled {
            local,
            sku: looked.sku,
            key: looked.key,
            request: looked.request,
            notes: looked.notes,
        };
        let key = self.window.key(&mut self.labels, looked.currency.code, &labelled);
        if looked.in_previous {
            self.previous.add(key, portion);
        }
        if !looked.in_window {
            return;
        }
        self.window.add(key, portion);
        for chart in &mut self.charts {
            let key = chart.key(&mut self.labels, looked.currency.code, &labelled);
            chart.add(key, portion);
        }
        if let Some(trend) = &mut self.trend {
            let day = of_sum.unwrap_or_else(|| self.trend_clock.hour_of(looked.at)).day;
            trend.add(key, day, portion.is_credit, portion.amount);
            self.drop_trend();
        }
    }

    /// Forgets the lines of rows that are too many for it.
    fn drop_trend(&mut self) {
        if self.window.len() > ROWS {
            self.trend = None;
        }
    }

    /// The report. `meta` says where the entries are from, when it was made, and what is to be known; the rest of it is filled in here.
    pub fn finish(self, meta: Meta) -> Report {
        let (question, labels) = (&self.question, &self.labels);
        let has_requests = question.requests;
        let before = Before::new(self.previous, question, labels);
        let trend = self.trend.and_then(|trend| trend.into_lines(question));
        let lines = lines(&self.window, &before.groups);
        let shown = trend.as_ref().filter(|_| lines.len() <= ROWS);
        let rows = Rows { question, labels, dimensions: self.window.dimensions, has_requests, trend: shown };
        let (rows, totals) = rows.finish(lines, &before.totals);
        let has_trend = rows.iter().any(|row| !row.trend.is_empty());
        // Beside sums the entries of a part of a day at an end of the window are read. A count of these alone would say little.
        let compared = self.compared.filter(|_| !self.has_sums);
        let meta = Meta {
            compared: compared.map(|compared| compared.entries),
            mismatched: compared.map(|compared| compared.mismatched),
            trend_days: trend.filter(|_| has_trend).map(|lines| lines.days_per_point()),
            ..meta::fill(meta, question, &totals)
        };
        let charts = question
            .charts
            .then(|| self.charts.iter().map(|tally| charts::breakdown(tally, question, labels)).collect());
        Report { schema: SCHEMA.to_owned(), meta, rows, totals, charts }
    }
}
