//! A report: rows, totals, and what they are of.

use std::collections::BTreeMap;

use billing_model::Total;
use serde::{Deserialize, Serialize};

use crate::amount;
use crate::dimension::Dimension;
use crate::form_error::FormError;
use crate::row::Row;

/// What entries come to, row by row. Every form in which it is shown is made from this alone.
///
/// In JSON it is the envelope that `docs/report.schema.json` describes. Amounts and tokens are texts there, exact to the last
/// digit, because readers of JSON turn numbers into binary floating point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`SCHEMA`](crate::SCHEMA).
    pub schema: String,
    /// What the report covers.
    pub meta: Meta,
    /// The rows, one currency after the other.
    pub rows: Vec<Row>,
    /// The sums of all rows of each currency, also of one that only the span before has.
    pub totals: Vec<Row>,
    /// What the charts of a page are drawn from, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charts: Option<Vec<Breakdown>>,
}

/// Rows by other dimensions than the report's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breakdown {
    /// What the rows stand for.
    pub by: Vec<Dimension>,
    /// The rows, one currency after the other.
    pub rows: Vec<Row>,
}

/// What a report covers, and how final and how exact it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// What the rows stand for: one dimension or two.
    pub by: Vec<Dimension>,
    /// When the report was made, RFC 3339.
    pub created: String,
    /// Where the entries are from.
    pub source: Source,
    /// The span of time.
    pub window: Span,
    /// The span that it is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Span>,
    /// The zone of days and hours, a name of the IANA database.
    pub time_zone: String,
    /// The first day of a week, `monday`.
    pub week_start: String,
    /// Which entries it is of.
    #[serde(default)]
    pub filter: FilterText,
    /// False when entries may still come into the window.
    pub is_final: bool,
    /// From when on entries may still come, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisional_from: Option<String>,
    /// How many entries.
    pub entries: u64,
    /// How many entries were compared with price times units: those whose currency has a stated rate. `None` where any sums of days
    /// were read, of whose entries nothing is known.
    #[serde(default)]
    pub compared: Option<u64>,
    /// How many of them have another amount. They are summed as they are.
    #[serde(default)]
    pub mismatched: Option<u64>,
    /// What spend is taken for in USD, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<Usd>,
    /// The names of API keys, by their ids.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub key_names: BTreeMap<String, String>,
    /// How many days a point of a trend stands for. The last point may stand for fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend_days: Option<u32>,
    /// Further notes for the reader, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Where entries are from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The path of a ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<String>,
    /// The accounts of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<String>,
    /// The names of files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// A half-open span of time, RFC 3339; `null` is open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first instant inside.
    pub since: Option<String>,
    /// The first instant after.
    pub until: Option<String>,
}

/// Which entries a report is of, as it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterText {
    /// One currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Models that fit a pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// One API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What all of it is taken for in USD, by a stated table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usd {
    /// USD for one unit of a currency.
    pub rates: BTreeMap<String, String>,
    /// The spend of all currencies that have a rate.
    #[serde(with = "amount")]
    pub spend: Total,
    /// Currencies of the report that have none. They are not in the spend.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unrated: Vec<String>,
}

impl Report {
    /// The envelope in JSON, on lines that a person can read and a program can compare.
    ///
    /// # Errors
    /// [`FormError::Json`], which no report that was made here gives.
    pub fn to_json(&self) -> Result<String, FormError> {
        serde_json::to_string_pretty(self).map_err(FormError::Json)
    }
}
