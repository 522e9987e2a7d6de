//! Usage analytics from the sums of a ledger.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::analytics::{Analytics, DateSpend, KeySpend, KindSpend, ModelSpend};
use crate::analytics_query::AnalyticsQuery;
use crate::currency::Currency;
use crate::daily_spend::{RowNames, SpendByDay, daily_rows};
use crate::day::{Day, DayRange};
use crate::sku::{ModelType, Sku, UnitType, UsageKind};
use crate::timestamp::Timestamp;
use crate::total::Total;

/// What was spent without an API key is listed as this.
const WEB_APP: &str = "Web App";

/// Makes the answer of `GET /billing/usage-analytics` from charges or sums of charges, added in any order.
///
/// The columns of USD are the sum of USD and bundled credits, as upstream has it; those of DIEM are DIEM. Charges in
/// any other currency, earned credits and VCU among them, count in no column, and neither do their units. Charges of
/// days that the query does not ask for count nowhere.
///
/// ```
/// use billing_model::{AnalyticsBuilder, AnalyticsQuery, Currency, Day};
/// let query = AnalyticsQuery::parse("lookback=2d")?;
/// let mut builder = AnalyticsBuilder::new(&query, "2026-06-14T19:52:45.087Z".parse()?);
/// let (day, sku) = ("2026-06-14".parse::<Day>()?, "venice-sd35-image-unit");
/// builder.add(day, sku, &Currency::Usd, Some("k1"), "0.25".parse()?, "5".parse()?);
/// builder.add(day, sku, &Currency::Diem, None, "0.05".parse()?, "1".parse()?);
///
/// let analytics = builder.finish(|id| (id == "k1").then(|| "laptop".to_owned()));
/// assert_eq!((analytics.by_date.len(), analytics.by_model.len()), (2, 1));
/// assert_eq!(analytics.by_model[0].total_units.to_string(), "6");
/// assert_eq!(analytics.top_key_names, ["laptop", "Web App"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct AnalyticsBuilder {
    days: DayRange,
    top_n: Option<u32>,
    by_date: Vec<Sums>,
    skus: ByName,
    keys: ByName,
    no_key: Option<Spend>,
}

/// The three columns of a row.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    usd: Total,
    diem: Total,
    units: Total,
}

impl Sums {
    fn merge(&mut self, other: &Self) {
        self.usd.merge(other.usd);
        self.diem.merge(other.diem);
        self.units.merge(other.units);
    }

    /// USD and DIEM together.
    fn spend(&self) -> Total {
        let mut spend = self.usd;
        spend.merge(self.diem);
        spend
    }
}

#[derive(Clone, Debug, Default)]
struct Spend {
    sums: Sums,
    by_day: SpendByDay,
}

impl Spend {
    fn add(&mut self, day: usize, charge: &Sums) {
        self.sums.merge(charge);
        self.by_day.add(day, charge.spend());
    }

    fn merge(&mut self, other: &Self) {
        self.sums.merge(&other.sums);
        self.by_day.merge(&other.by_day);
    }
}

/// Spend under names, each of which is stored when it first comes.
#[derive(Clone, Debug, Default)]
struct ByName {
    rows: Vec<(Box<str>, Spend)>,
    places: HashMap<Box<str>, usize>,
    /// Where the name of the last call is: it is likely to be that of the next.
    last: usize,
}

impl ByName {
    fn of(&mut self, name: &str) -> &mut Spend {
        if self.rows.get(self.last).is_none_or(|(last, _)| **last != *name) {
            self.last = match self.places.get(name) {
                Some(place) => *place,
                None => {
                    self.places.insert(name.into(), self.rows.len());
                    self.rows.push((name.into(), Spend::default()));
                    self.rows.len() - 1
                }
            };
        }
        &mut self.rows[self.last].1
    }
}

impl AnalyticsBuilder {
    /// Nothing spent yet, on the days that the query asks for.
    pub fn new(query: &AnalyticsQuery, now: Timestamp) -> Self {
        let days = query.days(now);
        Self {
            days,
            top_n: query.top_n(),
            by_date: vec![Sums::default(); days.count()],
            skus: ByName::default(),
            keys: ByName::default(),
            no_key: None,
        }
    }

    /// The days that count.
    pub fn days(&self) -> DayRange {
        self.days
    }

    /// Counts in what was charged on a day. `spend` is positive: money out, before refunds.
    ///
    /// Calls that follow each other are cheapest with the same sku and key, and with days ascending.
    pub fn add(
        &mut self,
        day: Day,
        sku: &str,
        currency: &Currency,
        api_key_id: Option<&str>,
        spend: Total,
        units: Total,
    ) {
        let zero = Total::default();
        let charge = match currency {
            Currency::Usd | Currency::BundledCredits => Sums { usd: spend, diem: zero, units },
            Currency::Diem => Sums { usd: zero, diem: spend, units },
            Currency::EarnedCredits | Currency::Vcu | Currency::Other(_) => return,
        };
        let Some(place) = self.days.position(day) else {
            return;
        };
        self.by_date[place].merge(&charge);
        self.skus.of(sku).add(place, &charge);
        match api_key_id {
            Some(id) => self.keys.of(id).add(place, &charge),
            None => self.no_key.get_or_insert_default().add(place, &charge),
        }
    }

    /// The answer. `describe` says what the account calls an API key; one that it does not know goes by its id.
    ///
    /// The daily rows hold the 8 greatest names, or as many as the query asks for and the rest as `Other`. Models of
    /// one name share a number there; keys of one description get their ids behind it, and so does whatever is called
    /// `date`, `Other` or `Web App`.
    pub fn finish(self, describe: impl FnMut(&str) -> Option<String>) -> Analytics {
        let date_spend = |(date, sums): (Day, &Sums)| DateSpend { date, usd: sums.usd, diem: sums.diem };
        let (by_model, models) = models(&self.skus);
        let (by_key, keys) = keys(self.keys, self.no_key, describe);
        let (by_model_daily, top_models) = daily_rows(self.days, models, self.top_n);
        let (by_key_daily, top_key_names) = daily_rows(self.days, keys, self.top_n);
        Analytics {
            lookback: format!("{}d", self.days.count()),
            by_date: self.days.iter().zip(&self.by_date).map(date_spend).collect(),
            by_model,
            by_model_daily,
            top_models,
            by_key,
            by_key_daily,
            top_key_names,
        }
    }
}

/// What the daily rows are made of: names with the greatest spend first.
type Ranked = Vec<(String, SpendByDay)>;

/// One model, in one unit.
struct ModelGroup {
    model_type: ModelType,
    sums: Sums,
    by_kind: BTreeMap<UsageKind, Sums>,
}

fn models(skus: &ByName) -> (Vec<ModelSpend>, Ranked) {
    let mut groups = BTreeMap::<(&str, UnitType), ModelGroup>::new();
    let mut by_name = BTreeMap::<&str, Spend>::new();
    for (text, spend) in &skus.rows {
        let sku = Sku::parse(text);
        let name = sku.model().unwrap_or(sku.as_str());
        let group = groups.entry((name, sku.unit_type())).or_insert_with(|| ModelGroup {
            model_type: sku.model_type(),
            sums: Sums::default(),
            by_kind: BTreeMap::new(),
        });
        group.sums.merge(&spend.sums);
        if let Some(kind) = sku.kind() {
            group.by_kind.entry(kind).or_default().merge(&spend.sums);
        }
        by_name.entry(name).or_default().merge(spend);
    }

    // Both sorts are stable, so that names decide between equal sums.
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| Reverse(group.sums.spend()));
    let mut by_name: Vec<_> = by_name.into_iter().collect();
    by_name.sort_by_key(|(_, spend)| Reverse(spend.sums.spend()));

    let mut names = RowNames::except(&[]);
    let rows = groups.into_iter().map(|((name, unit), group)| group.into_row(name, unit)).collect();
    let ranked = by_name.into_iter().map(|(name, spend)| (names.give(name, false, "model"), spend.by_day));
    (rows, ranked.collect())
}

impl ModelGroup {
    fn into_row(self, name: &str, unit: UnitType) -> ModelSpend {
        let kind_spend = |(kind, sums): (UsageKind, Sums)| KindSpend {
            kind: kind.label().to_owned(),
            usd: sums.usd,
            diem: sums.diem,
            units: sums.units,
        };
        let model_type = Some(self.model_type).filter(|model_type| *model_type != ModelType::Other);
        ModelSpend {
            model_name: name.to_owned(),
            unit_type: unit.as_str().to_owned(),
            model_type: model_type.map(|model_type| model_type.as_str().to_owned()),
            total_usd: self.sums.usd,
            total_diem: self.sums.diem,
            total_units: self.sums.units,
            breakdown: self.by_kind.into_iter().map(kind_spend).collect(),
        }
    }
}

fn keys(
    keys: ByName,
    no_key: Option<Spend>,
    mut describe: impl FnMut(&str) -> Option<String>,
) -> (Vec<KeySpend>, Ranked) {
    let mut described = |(id, spend): (Box<str>, Spend)| {
        let description = describe(&id).filter(|text| !text.is_empty()).unwrap_or_else(|| id.to_string());
        (description, Some(id.into_string()), spend)
    };
    let mut rows: Vec<_> = keys.rows.into_iter().map(&mut described).collect();
    rows.extend(no_key.map(|spend| (WEB_APP.to_owned(), None, spend)));
    rows.sort_by(|(name, id, spend), (other_name, other_id, other)| {
        let by_spend = other.sums.spend().cmp(&spend.sums.spend());
        by_spend.then_with(|| (name, id).cmp(&(other_name, other_id)))
    });

    let mut uses = HashMap::<String, usize>::new();
    for (description, ..) in &rows {
        *uses.entry(description.clone()).or_default() += 1;
    }
    let mut names = RowNames::except(&[WEB_APP]);
    let split = rows.into_iter().map(|(description, api_key_id, spend)| {
        let name = match &api_key_id {
            None => WEB_APP.to_owned(),
            Some(id) => names.give(&description, uses.get(&description).is_some_and(|uses| *uses > 1), id),
        };
        let Sums { usd: total_usd, diem: total_diem, units: total_units } = spend.sums;
        let row = KeySpend { api_key_id, description, total_usd, total_diem, total_units };
        (row, (name, spend.by_day))
    });
    split.unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer for two days, 2026-06-13 and 14, of charges `(day of June, sku, currency, key, spend, units)`.
    fn answer(query: &str, charges: &[(i64, &str, &str, &str, &str, &str)]) -> Analytics {
        let query = AnalyticsQuery::parse(query).unwrap();
        let mut builder = AnalyticsBuilder::new(&query, "2026-06-14T10:00:00Z".parse().unwrap());
        let june = "2026-06-01".parse::<Day>().unwrap().0 - 1;
        for (day, sku, currency, key, spend, units) in charges {
            let key = (!key.is_empty()).then_some(*key);
            let (spend, units) = (spend.parse().unwrap(), units.parse().unwrap());
            builder.add(Day(june + day), sku, &Currency::from(*currency), key, spend, units);
        }
        builder.finish(|id| match id {
            "k1" | "k2" => Some("laptop".to_owned()),
            "k3" => Some(WEB_APP.to_owned()),
            "k4" => Some("date".to_owned()),
            "k5" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn an_answer_is_as_upstream_writes_it() {
        let charges = [
            (13, "glm-llm-output-mtoken", "USD", "k1", "0.1", "0.01"),
            (14, "glm-llm-input-mtoken", "DIEM", "k1", "0.25", "1"),
            (14, "glm-api-llm-input-mtoken", "BUNDLED_CREDITS", "", "0.0000008", "2"),
            (14, "flux-image-unit", "USD", "", "0.5", "5"),
            (14, "gift-2030", "USD", "k9", "0.01", "1"),
            (14, "search-augmentation", "USD", "k9", "0.01", "1"),
            (14, "flux-image-unit", "EARNED_CREDITS", "k1", "100", "100"),
            (14, "flux-image-unit", "VCU", "k1", "100", "100"),
            (14, "flux-image-unit", "GOLD", "k8", "100", "100"),
            (12, "flux-image-unit", "USD", "k8", "100", "100"),
            (15, "flux-image-unit", "USD", "k8", "100", "100"),
        ];
        let mut out = Vec::new();
        answer("lookback=2d&topN=2", &charges).write_json(&mut out);
        let expect = concat!(
            r#"{"lookback":"2d","byDate":[{"date":"2026-06-13","USD":0.1,"DIEM":0},"#,
            r#"{"date":"2026-06-14","USD":0.5200008,"DIEM":0.25}],"#,
            r#""byModel":[{"modelName":"flux","unitType":"image","modelType":"image","totalUsd":0.5,"#,
            r#""totalDiem":0,"totalUnits":5,"breakdown":[{"type":"Unit","usd":0.5,"diem":0,"units":5}]},"#,
            r#"{"modelName":"glm","unitType":"mtoken","modelType":"llm","totalUsd":0.1000008,"#,
            r#""totalDiem":0.25,"totalUnits":3.01,"breakdown":["#,
            r#"{"type":"Input","usd":0.0000008,"diem":0.25,"units":3},"#,
            r#"{"type":"Output","usd":0.1,"diem":0,"units":0.01}]},"#,
            r#"{"modelName":"gift-2030","unitType":"unit","modelType":null,"totalUsd":0.01,"#,
            r#""totalDiem":0,"totalUnits":1},"#,
            r#"{"modelName":"search-augmentation","unitType":"request","modelType":"search","totalUsd":0.01,"#,
            r#""totalDiem":0,"totalUnits":1,"breakdown":[{"type":"Request","usd":0.01,"diem":0,"units":1}]}],"#,
            r#""byModelDaily":[{"date":1781308800000,"flux":0,"glm":0.1,"Other":0},"#,
            r#"{"date":1781395200000,"flux":0.5,"glm":0.2500008,"Other":0.02}],"#,
            r#""topModels":["flux","glm","Other"],"#,
            r#""byKey":[{"apiKeyId":null,"description":"Web App","totalUsd":0.5000008,"totalDiem":0,"totalUnits":7},"#,
            r#"{"apiKeyId":"k1","description":"laptop","totalUsd":0.1,"totalDiem":0.25,"totalUnits":1.01},"#,
            r#"{"apiKeyId":"k9","description":"k9","totalUsd":0.02,"totalDiem":0,"totalUnits":2}],"#,
            r#""byKeyDaily":[{"date":1781308800000,"Web App":0,"laptop":0.1,"Other":0},"#,
            r#"{"date":1781395200000,"Web App":0.5000008,"laptop":0.25,"Other":0.02}],"#,
            r#""topKeyNames":["Web App","laptop","Other"]}"#,
        );
        assert_eq!(String::from_utf8(out).unwrap(), expect);
    }

    #[test]
    fn names_of_daily_rows_are_unique() {
        let sku = "glm-llm-input-mtoken";
        let keys = ["k1", "k2", "k3", "k4", "k5", ""].map(|key| (14, sku, "USD", key, "1", "1"));
        let analytics = answer("lookback=1d", &keys);
        let names = ["Web App", "Web App (k3)", "date (k4)", "k5", "laptop (k1)", "laptop (k2)"];
        assert_eq!(analytics.top_key_names, names);
        let described: Vec<_> = analytics.by_key.iter().map(|row| row.description.as_str()).collect();
        assert_eq!(described, [WEB_APP, WEB_APP, "date", "k5", "laptop", "laptop"]);

        // Of one name, three units; and names that mean something else in a row.
        let skus = ["glm-llm-input-mtoken", "glm-image-unit", "glm", "date", "Other"];
        let analytics = answer("lookback=1d", &skus.map(|sku| (14, sku, "USD", "", "1", "1")));
        assert_eq!(analytics.top_models, ["glm", "Other (model)", "date (model)"]);
        assert_eq!(analytics.by_model_daily[0].spend[0].1.to_string(), "3");
        let rows: Vec<_> =
            analytics.by_model.iter().map(|row| (row.model_name.as_str(), row.unit_type.as_str())).collect();
        let glm = ["mtoken", "image", "unit"].map(|unit| ("glm", unit));
        assert_eq!(rows, [[("Other", "unit"), ("date", "unit")].as_slice(), &glm].concat());
    }

    #[test]
    fn a_ledger_without_charges_has_days_and_no_rows() {
        let analytics = answer("startDate=2026-02-28&endDate=2026-03-01&topN=3", &[]);
        assert_eq!(analytics.lookback, "2d");
        assert_eq!(analytics.by_date.len(), 2);
        assert_eq!(analytics.by_key_daily.len(), 2);
        assert!(analytics.by_model.is_empty() && analytics.by_key.is_empty());
        assert!(analytics.top_models.is_empty() && analytics.top_key_names.is_empty());
    }
}
