//! `GET /billing/usage-analytics`: what was spent, by day, by model and by API key.

use serde::Deserialize;

use crate::day::Day;
use crate::other_amount::OtherAmount;
use crate::total::Total;

/// The answer of `GET /billing/usage-analytics`.
///
/// Spend is positive: money out, before refunds. USD includes bundled credits, which are denominated in it; DIEM is an
/// allowance and stands apart. Where one number has to stand for both, in orders and in daily rows, one DIEM counts as
/// one USD.
///
/// Of a service that leaves out daily rows or their names, or has null for them, these lists are empty. A number that is null
/// is read as zero: nothing was spent. A number that is not there at all is an error.
///
/// [`Analytics::from_json`] reads what a service answers; `billing-report` makes one from sums.
///
/// ```
/// use billing_model::Analytics;
/// let body = r#"{"lookback":"1d","byDate":[{"date":"2026-06-14","USD":1.50,"DIEM":8e-7}],
///   "byModel":[{"modelName":"zai-org-glm-5-1","unitType":"tokens","modelType":"LLM",
///     "totalUsd":1.5,"totalDiem":8e-7,"totalUnits":3}],
///   "byModelDaily":[{"date":1781395200000,"zai-org-glm-5-1":1.5000008}],"topModels":["zai-org-glm-5-1"],
///   "byKey":[],"byKeyDaily":[{"date":1781395200000}],"topKeyNames":[]}"#;
/// let analytics = Analytics::from_json(body)?;
/// assert_eq!(analytics.by_date[0].diem.to_string(), "0.0000008");
/// assert_eq!(analytics.by_model_daily[0].spend[0].1.to_string(), "1.5000008");
/// # Ok::<(), billing_model::DecodeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Analytics {
    /// The period as it was asked for: `7d`, or `2026-05-01:2026-05-31` when it was asked for by dates.
    pub lookback: String,
    /// One row a day, also for days without spend. Ours ascend; of another service read either order.
    #[serde(deserialize_with = "crate::object::objects")]
    pub by_date: Vec<DaySpend>,
    /// One row for each model and unit, the greatest spend first.
    #[serde(deserialize_with = "crate::object::objects")]
    pub by_model: Vec<ModelSpend>,
    /// One row a day with the spend on each of the top models.
    #[serde(default, deserialize_with = "crate::analytics_json::or_default")]
    pub by_model_daily: Vec<DaySeries>,
    /// The names in the daily rows by model, the greatest spend first; `Other` last, where the rest is summed.
    #[serde(default, deserialize_with = "crate::analytics_json::or_default")]
    pub top_models: Vec<String>,
    /// One row for each API key, the greatest spend first.
    #[serde(deserialize_with = "crate::object::objects")]
    pub by_key: Vec<KeySpend>,
    /// One row a day with the spend of each of the top API keys.
    #[serde(default, deserialize_with = "crate::analytics_json::or_default")]
    pub by_key_daily: Vec<DaySeries>,
    /// The names in the daily rows by API key, the greatest spend first; `Other` last, where the rest is summed.
    #[serde(default, deserialize_with = "crate::analytics_json::or_default")]
    pub top_key_names: Vec<String>,
}

/// What was spent on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaySpend {
    /// The UTC day.
    pub date: Day,
    /// USD and bundled credits.
    pub usd: Total,
    /// DIEM.
    pub diem: Total,
    /// Whatever else the service says of the day, such as other currencies, in its order.
    pub others: Vec<OtherAmount>,
}

/// What was spent on a model.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelSpend {
    /// The model, or the whole sku of what has none.
    pub model_name: String,
    /// What the units count: `tokens`, `images`, `chars`, `minutes`, `seconds`, or a word that came later.
    pub unit_type: String,
    /// What kind of model it is: `LLM`, `IMAGE`, `TTS`, `ASR`, `VIDEO`, or a word that came later; `None` where that is not
    /// known.
    pub model_type: Option<String>,
    /// USD and bundled credits.
    #[serde(deserialize_with = "crate::analytics_json::or_default")]
    pub total_usd: Total,
    /// DIEM.
    #[serde(deserialize_with = "crate::analytics_json::or_default")]
    pub total_diem: Total,
    /// Units, of all kinds of use together. A service may count single tokens, or millions of them as a ledger does. So
    /// show this number, and never multiply it by a price.
    #[serde(deserialize_with = "crate::analytics_json::or_default")]
    pub total_units: Total,
    /// The same by kind of use, where there are several. Empty where that is not said.
    #[serde(default, deserialize_with = "crate::object::objects_or_null")]
    pub breakdown: Vec<SpendPart>,
}

/// What was spent on one kind of use of a model.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SpendPart {
    /// `Input`, `Cache Read`.
    #[serde(rename = "type")]
    pub kind: String,
    /// USD and bundled credits.
    #[serde(deserialize_with = "crate::analytics_json::or_default")]
    pub usd: Total,
    /// DIEM.
    #[serde(deserialize_with = "crate::analytics_json::or_default")]
    pub diem: Total,
    /// Units.
    #[serde(deserialize_with = "crate::analytics_json::or_default")]
    pub units: Total,
}

/// What was spent with an API key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeySpend {
    /// The key's id; `None` for what was spent without one.
    pub api_key_id: Option<String>,
    /// What the account calls the key, `Web App` for none; empty where the service has no word for it.
    #[serde(deserialize_with = "crate::analytics_json::or_default")]
    pub description: String,
    /// USD and bundled credits.
    #[serde(deserialize_with = "crate::analytics_json::or_default")]
    pub total_usd: Total,
    /// DIEM.
    #[serde(deserialize_with = "crate::analytics_json::or_default")]
    pub total_diem: Total,
    /// Units, of whatever they count.
    #[serde(deserialize_with = "crate::analytics_json::or_default")]
    pub total_units: Total,
}

/// What was spent on a day, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaySeries {
    /// The start of the UTC day, in milliseconds since 1970-01-01T00:00:00Z.
    pub date_unix_ms: i64,
    /// The names and USD and DIEM together, in the order of the answer.
    pub spend: Vec<(String, Total)>,
}

impl DaySeries {
    /// The member of the JSON that has the date. It stands among the names, so nothing can be shown under this one.
    pub const DATE: &str = "date";
}
