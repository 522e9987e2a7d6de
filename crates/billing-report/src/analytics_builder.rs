//! Usage analytics from the sums of a ledger.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use billing_model::{
    Analytics, AnalyticsQuery, Currency, Day, DayRange, DaySeries, DaySpend, KeySpend, ModelSpend, ModelType,
    Sku, SpendPart, Timestamp, Total, UnitType, UsageKind,
};

use crate::by_name::ByName;
use crate::daily_spend::{OTHER, RowNames, SpendByDay, daily_rows};

/// What was spent without an API key is listed as this.
const WEB_APP: &str = "Web App";

/// Bytes of the names in `byModel` and `byKey`, at most.
const LISTED_BYTES: usize = 1 << 20;

/// Makes the answer of `GET /billing/usage-analytics` from charges or sums of charges, added in any order.
///
/// The columns of USD are the sum of USD and bundled credits, as upstream has it; those of DIEM are DIEM. Charges in
/// any other currency, earned credits and VCU among them, count in no column, and neither do their units. Charges of
/// days that the query does not ask for count nowhere.
///
/// ```
/// use billing_model::{AnalyticsQuery, Currency, Day};
/// use billing_report::AnalyticsBuilder;
///
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
    period: String,
    days: DayRange,
    top_n: Option<u32>,
    by_date: Vec<Sums>,
    skus: ByName<Spend>,
    keys: ByName<Spend>,
    no_key: Option<Spend>,
}

/// The three columns of a row.
#[derive(Clone, Debug, Default)]
struct Sums {
    usd: Total,
    diem: Total,
    units: Total,
}

impl Sums {
    fn merge(&mut self, other: &Self) {
        self.usd.merge(&other.usd);
        self.diem.merge(&other.diem);
        self.units.merge(&other.units);
    }

    /// USD and DIEM together.
    fn spend(&self) -> Total {
        let mut spend = self.usd.clone();
        spend.merge(&self.diem);
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
        self.by_day.add(day, &charge.spend());
    }

    fn merge(&mut self, other: &Self) {
        self.sums.merge(&other.sums);
        self.by_day.merge(&other.by_day);
    }
}

impl AnalyticsBuilder {
    /// Rows that `byModel` and `byKey` have at most, beside the one for all others.
    pub const LISTED: usize = 1000;

    /// Nothing spent yet, on the days that the query asks for.
    pub fn new(query: &AnalyticsQuery, now: Timestamp) -> Self {
        let days = query.days(now);
        Self {
            period: query.period(),
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

    /// The memory that it takes, about, in bytes. It grows with every new name.
    pub fn bytes(&self) -> usize {
        self.skus.bytes() + self.keys.bytes()
    }

    /// Adds what was charged on a day. `spend` is positive: money out, before refunds.
    ///
    /// It is cheapest when calls that follow each other have the same sku and key, and days go up.
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
            // Earned credits, VCU and currencies that are not known have no column.
            _ => return,
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
    /// The daily rows have the 8 greatest names; or as many as the query asks for, and the rest summed as `Other`.
    /// Models with the same name share a number there. Keys with the same description get their ids behind it, and so
    /// does whatever is called `date`, `Other` or `Web App`.
    ///
    /// An answer is bounded, however many names there are: `byModel` and `byKey` list the [`Self::LISTED`] greatest, with up
    /// to a MiB of names, and then one row `Other` with the sums of all others; daily rows have up to four MiB of names, and
    /// then `Other` too.
    pub fn finish(self, describe: impl FnMut(&str) -> Option<String>) -> Analytics {
        let day_spend =
            |(date, sums): (Day, Sums)| DaySpend { date, usd: sums.usd, diem: sums.diem, others: Vec::new() };
        let (by_model, (by_model_daily, top_models)) = models(&self.skus, self.days, self.top_n);
        let (by_key, (by_key_daily, top_key_names)) =
            keys(&self.keys, self.no_key, describe, self.days, self.top_n);
        Analytics {
            lookback: self.period,
            by_date: self.days.iter().zip(self.by_date).map(day_spend).collect(),
            by_model,
            by_model_daily,
            top_models,
            by_key,
            by_key_daily,
            top_key_names,
        }
    }
}

/// Daily rows and the names in them.
type Daily = (Vec<DaySeries>, Vec<String>);

/// How many of these names are listed. What comes behind them is summed in one row; a list that is not cut has no such
/// row.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    let mut bytes = 0;
    let fits = names.take(AnalyticsBuilder::LISTED).take_while(|name| {
        bytes += name.len();
        bytes <= LISTED_BYTES
    });
    fits.count()
}

/// A model with one type, which says what its units count.
struct ModelGroup {
    unit: UnitType,
    sums: Sums,
    by_kind: BTreeMap<UsageKind, Sums>,
}

fn models(skus: &ByName<Spend>, days: DayRange, top_n: Option<u32>) -> (Vec<ModelSpend>, Daily) {
    let mut groups = BTreeMap::<(&str, ModelType), ModelGroup>::new();
    let mut by_name = BTreeMap::<&str, Spend>::new();
    for (text, spend) in skus.iter() {
        let sku = Sku::parse(text);
        let name = sku.model().unwrap_or(sku.as_str());
        let group = groups.entry((name, sku.model_type())).or_insert_with(|| ModelGroup {
            unit: sku.unit_type(),
            sums: Sums::default(),
            by_kind: BTreeMap::new(),
        });
        group.sums.merge(&spend.sums);
        if let Some(kind) = sku.kind() {
            group.by_kind.entry(kind).or_default().merge(&spend.sums);
        }
        by_name.entry(name).or_default().merge(spend);
    }

    // Both sorts are stable: models with equal sums stay in the order of their names.
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|(_, group)| Reverse(group.sums.spend()));
    let mut by_name: Vec<_> = by_name.into_iter().collect();
    by_name.sort_by_key(|(_, spend)| Reverse(spend.sums.spend()));

    let others = groups.split_off(listed(groups.iter().map(|((name, _), _)| *name)));
    let mut rows: Vec<_> =
        groups.into_iter().map(|((name, model_type), group)| group.into_row(name, model_type)).collect();
    if let Some(sums) = sum(others.iter().map(|(_, group)| &group.sums)) {
        let other = ModelGroup { unit: UnitType::Unit, sums, by_kind: BTreeMap::new() };
        rows.push(other.into_row(OTHER, ModelType::Other));
    }
    let mut names = RowNames::except(&[]);
    let ranked = by_name.into_iter().map(|(name, spend)| (name, spend.by_day));
    (rows, daily_rows(days, ranked, top_n, |name| names.give(name, false, "model")))
}

/// The sum of what is not listed; `None` where all of it is.
fn sum<'a>(others: impl Iterator<Item = &'a Sums>) -> Option<Sums> {
    others.fold(None, |sum, other| {
        let mut sum = sum.unwrap_or_default();
        sum.merge(other);
        Some(sum)
    })
}

impl ModelGroup {
    fn into_row(self, name: &str, model_type: ModelType) -> ModelSpend {
        let spend_part = |(kind, sums): (UsageKind, Sums)| SpendPart {
            kind: kind.label().to_owned(),
            usd: sums.usd,
            diem: sums.diem,
            units: sums.units,
        };
        // With a single kind the row itself says everything.
        let kinds = if self.by_kind.len() > 1 { self.by_kind } else { BTreeMap::new() };
        ModelSpend {
            model_name: name.to_owned(),
            unit_type: self.unit.label().to_owned(),
            model_type: model_type.label().map(str::to_owned),
            total_usd: self.sums.usd,
            total_diem: self.sums.diem,
            total_units: self.sums.units,
            breakdown: kinds.into_iter().map(spend_part).collect(),
        }
    }
}

fn keys(
    keys: &ByName<Spend>,
    no_key: Option<Spend>,
    mut describe: impl FnMut(&str) -> Option<String>,
    days: DayRange,
    top_n: Option<u32>,
) -> (Vec<KeySpend>, Daily) {
    // A key without a description goes by its id, which is there already.
    let mut described = |(id, spend)| {
        let description = describe(id).filter(|text| !text.is_empty());
        (description.map_or(Cow::Borrowed(id), Cow::Owned), Some(id), spend)
    };
    let mut rows: Vec<_> = keys.iter().map(&mut described).collect();
    rows.extend(no_key.as_ref().map(|spend| (Cow::Borrowed(WEB_APP), None, spend)));
    rows.sort_by(|(name, id, spend), (other_name, other_id, other)| {
        let by_spend = other.sums.spend().cmp(&spend.sums.spend());
        by_spend.then_with(|| (name, id).cmp(&(other_name, other_id)))
    });

    let listed = listed(rows.iter().map(|(description, ..)| &**description));
    let row = |description: &str, id: Option<&str>, sums: &Sums| KeySpend {
        api_key_id: id.map(str::to_owned),
        description: description.to_owned(),
        total_usd: sums.usd.clone(),
        total_diem: sums.diem.clone(),
        total_units: sums.units.clone(),
    };
    let mut list: Vec<_> =
        rows[..listed].iter().map(|(description, id, spend)| row(description, *id, &spend.sums)).collect();
    list.extend(
        sum(rows[listed..].iter().map(|(_, _, spend)| &spend.sums)).map(|sums| row(OTHER, None, &sums)),
    );

    let mut uses = HashMap::<&str, usize>::new();
    for (description, ..) in &rows {
        *uses.entry(description).or_default() += 1;
    }
    let mut names = RowNames::except(&[WEB_APP]);
    let ranked = rows.iter().map(|(description, id, spend)| ((&**description, *id), &spend.by_day));
    let daily = daily_rows(days, ranked, top_n, |(description, id)| match id {
        None => WEB_APP.to_owned(),
        Some(id) => names.give(description, uses.get(description).is_some_and(|uses| *uses > 1), id),
    });
    (list, daily)
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
            r#""byModel":[{"modelName":"flux","unitType":"images","modelType":"IMAGE","totalUsd":0.5,"#,
            r#""totalDiem":0,"totalUnits":5},"#,
            r#"{"modelName":"glm","unitType":"tokens","modelType":"LLM","totalUsd":0.1000008,"#,
            r#""totalDiem":0.25,"totalUnits":3.01,"breakdown":["#,
            r#"{"type":"Input","usd":0.0000008,"diem":0.25,"units":3},"#,
            r#"{"type":"Output","usd":0.1,"diem":0,"units":0.01}]},"#,
            r#"{"modelName":"gift-2030","unitType":"units","modelType":null,"totalUsd":0.01,"#,
            r#""totalDiem":0,"totalUnits":1},"#,
            r#"{"modelName":"search-augmentation","unitType":"requests","modelType":null,"totalUsd":0.01,"#,
            r#""totalDiem":0,"totalUnits":1}],"#,
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

        // One name with three units; and names that mean something else in a row.
        let skus = ["glm-llm-input-mtoken", "glm-image-unit", "glm", "date", "Other"];
        let analytics = answer("lookback=1d", &skus.map(|sku| (14, sku, "USD", "", "1", "1")));
        assert_eq!(analytics.top_models, ["glm", "Other (model)", "date (model)"]);
        assert_eq!(analytics.by_model_daily[0].spend[0].1.to_string(), "3");
        let rows: Vec<_> =
            analytics.by_model.iter().map(|row| (row.model_name.as_str(), row.unit_type.as_str())).collect();
        let glm = ["tokens", "images", "units"].map(|unit| ("glm", unit));
        assert_eq!(rows, [[("Other", "units"), ("date", "units")].as_slice(), &glm].concat());
    }

    /// Nothing is lost from the totals, however many names there are and however long they are.
    #[test]
    fn lists_are_cut_and_the_rest_is_summed() {
        let total = |sums: Vec<Total>| {
            sums.into_iter().fold(Total::default(), |mut all, sum| {
                all.merge(&sum);
                all
            })
        };
        for (names, length, listed) in
            [(1000, 10, 1000), (1001, 10, 1000), (5000, 10, 1000), (3000, 3000, 349)]
        {
            let named: Vec<_> = (0..names).map(|n| format!("{n:0length$}")).collect();
            let spends: Vec<_> = (1..=names).map(|n| format!("{n}.000001")).collect();
            let charges: Vec<_> = named
                .iter()
                .zip(&spends)
                .map(|(name, spend)| (14, name.as_str(), "USD", name.as_str(), spend.as_str(), "2"))
                .collect();
            for query in ["lookback=7d", "lookback=90d&topN=50"] {
                let analytics = answer(query, &charges);
                let mut body = Vec::new();
                analytics.write_json(&mut body);
                assert!(body.len() < 12 << 20, "{} bytes", body.len());
                let all = total(spends.iter().map(|spend| spend.parse().unwrap()).collect());
                let (models, keys) = (&analytics.by_model, &analytics.by_key);
                assert_eq!(total(models.iter().map(|row| row.total_usd.clone()).collect()), all);
                assert_eq!(total(keys.iter().map(|row| row.total_usd.clone()).collect()), all);
                let units = total(models.iter().map(|row| row.total_units.clone()).collect());
                assert_eq!(units.to_string(), (2 * names).to_string());
                let others = usize::from(names > listed);
                assert_eq!(
                    (models.len(), keys.len()),
                    (listed + others, listed + others),
                    "{names} {length}"
                );
                assert!(models[..listed].is_sorted_by_key(|row| Reverse(row.total_usd.clone())));
                if others == 1 {
                    assert_eq!(models[listed].model_name, OTHER);
                    assert_eq!((keys[listed].description.as_str(), &keys[listed].api_key_id), (OTHER, &None));
                }
                if query.contains("topN") {
                    for rows in [&analytics.by_model_daily, &analytics.by_key_daily] {
                        let daily =
                            rows.iter().flat_map(|row| row.spend.iter().map(|(_, spend)| spend.clone()));
                        assert_eq!(total(daily.collect()), all);
                    }
                }
            }
        }
    }

    #[test]
    fn a_ledger_without_charges_has_days_and_no_rows() {
        let analytics = answer("startDate=2026-02-28&endDate=2026-03-01&topN=3", &[]);
        assert_eq!(analytics.lookback, "2026-02-28:2026-03-01");
        assert_eq!(analytics.by_date.len(), 2);
        assert_eq!(analytics.by_key_daily.len(), 2);
        assert!(analytics.by_model.is_empty() && analytics.by_key.is_empty());
        assert!(analytics.top_models.is_empty() && analytics.top_key_names.is_empty());
    }
}
