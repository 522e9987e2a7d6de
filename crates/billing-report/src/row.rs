//! A row of a report.

use billing_model::Total;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::amount::Amount;
use crate::dimension::Dimension;
use crate::row_json::{RowJson, SumsJson};
use crate::sums::Sums;

/// What the entries of one currency come to that have the same labels.
///
/// In JSON the labels are fields under the names of their dimensions, beside those of the sums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What the row stands for, by dimension: `2026-06-14`, `zai-org-glm-5-1`. A label is `None` where entries have none, as a credit
    /// has no API key, and in a row of the [rest](Self::rest), which is the sum of several labels. Labels stand in the order of
    /// [`Dimension::ALL`], without the currency. A total has none.
    pub labels: Vec<(Dimension, Option<String>)>,
    /// How many rows this one is the sum of, which were left out; `None` for a row of its own.
    pub rest: Option<u64>,
    /// The currency, as the API spells it.
    pub currency: String,
    /// The sums.
    pub sums: Sums,
    /// The part of the currency's spend, from 0 to 1, rounded to six decimal places; `None` where nothing was spent.
    pub share: Option<Total>,
    /// What the spend is taken for in USD; `None` where it was not asked for, and for a currency without a rate.
    pub usd: Option<Total>,
    /// What the same row came to in the span that the report is compared with; `None` where it is compared with none, or nothing
    /// there stands against this row. Days, weeks and months stand against each other by their place from the start of their spans,
    /// the first day against the first; all other rows by their labels. Where a row is of two things that a date has, as a day and a day
    /// of the week, its day is what stands against another; without a day among them, nothing does. A row that only that span has is a row without entries. A
    /// total has all of that span, also a day that no day of the window stands against.
    pub previous: Option<Box<Sums>>,
    /// The spend over the window in equal steps of days, 31 at most, for a line; empty where there is none. Only rows by one thing
    /// that lasts have it, as a model or a key, and their totals, and none where there are more than 1,000 rows before the rest is
    /// summed up. The days are those of the report's zone where entries were needed for its rows, and otherwise those of UTC, in
    /// which a ledger sums up its days.
    pub trend: Vec<Total>,
}

impl Row {
    /// The label of a dimension; `None` where the row is not by it. Every row is of a currency.
    pub fn label(&self, dimension: Dimension) -> Option<Option<&str>> {
        if dimension == Dimension::Currency {
            return Some(Some(&self.currency));
        }
        let found = self.labels.iter().find(|(other, _)| *other == dimension);
        found.map(|(_, label)| label.as_deref())
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let amount = |total: &Total| Amount(total.clone());
        let mut json = RowJson {
            currency: self.currency.clone(),
            rest: self.rest,
            sums: (&self.sums).into(),
            share: self.share.as_ref().map(amount),
            usd: self.usd.as_ref().map(amount),
            previous: self.previous.as_deref().map(SumsJson::from),
            trend: self.trend.iter().map(amount).collect(),
            ..RowJson::default()
        };
        for (dimension, label) in &self.labels {
            if let Some(place) = json.label(*dimension) {
                *place = Some(label.clone());
            }
        }
        json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut json = RowJson::deserialize(deserializer)?;
        let labels = Dimension::ALL.into_iter().filter_map(|dimension| {
            let label = json.label(dimension)?.take()?;
            Some((dimension, label))
        });
        Ok(Self {
            labels: labels.collect(),
            rest: json.rest,
            currency: json.currency,
            sums: json.sums.into(),
            share: json.share.map(|amount| amount.0),
            usd: json.usd.map(|amount| amount.0),
            previous: json.previous.map(|sums| Box::new(sums.into())),
            trend: json.trend.into_iter().map(|amount| amount.0).collect(),
        })
    }
}
