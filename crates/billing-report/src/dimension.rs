//! The dimensions that rows of a report are grouped by.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What the rows of a report stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Dimension {
    /// A day in the report's zone, `2026-06-14`. It may have 23 or 25 hours.
    Day,
    /// A week, by the date of its first day.
    Week,
    /// A month, `2026-06`.
    Month,
    /// An hour of the day, `00` to `23`. The hour that a clock shows twice is one.
    Hour,
    /// A day of the week, `monday`.
    Weekday,
    /// A model; the sku, where it names none.
    Model,
    /// A product.
    Sku,
    /// A currency.
    Currency,
    /// An API key, by its id; none for the web app and for what is not usage.
    Key,
    /// What of a model was used, `cache_read`; none for credits and unknown skus.
    Kind,
    /// An inference request, by its id; none for what has no request.
    Request,
    /// The notes of the entries.
    Notes,
}

impl Dimension {
    /// All of them, in the order in which the command line lists them.
    pub const ALL: [Self; 12] = [
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Hour,
        Self::Weekday,
        Self::Model,
        Self::Sku,
        Self::Currency,
        Self::Key,
        Self::Kind,
        Self::Request,
        Self::Notes,
    ];

    /// The dimension in one word, as it is typed and as it stands in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Hour => "hour",
            Self::Weekday => "weekday",
            Self::Model => "model",
            Self::Sku => "sku",
            Self::Currency => "currency",
            Self::Key => "key",
            Self::Kind => "kind",
            Self::Request => "request",
            Self::Notes => "notes",
        }
    }

    /// True for a span of time that comes once: a day, a week, a month.
    pub fn is_span(self) -> bool {
        matches!(self, Self::Day | Self::Week | Self::Month)
    }

    /// True for what the date alone tells. Two of these are not independent of each other: a date has one day of the week.
    pub(crate) fn follows_from_day(self) -> bool {
        self.is_span() || self == Self::Weekday
    }

    /// True for what follows time: spans, hours and days of the week. Their rows stand in the order of time.
    pub fn is_time(self) -> bool {
        self.is_span() || matches!(self, Self::Hour | Self::Weekday)
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Dimension {
    type Err = ByError;

    fn from_str(text: &str) -> Result<Self, ByError> {
        let found = Self::ALL.into_iter().find(|dimension| dimension.as_str() == text);
        found.ok_or_else(|| ByError::Unknown(text.to_owned()))
    }
}

/// One dimension or two: `day`, `day,model`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct By {
    /// What rows stand for, or what they are grouped by first.
    pub first: Dimension,
    /// What they stand for within the first one.
    pub second: Option<Dimension>,
}

impl By {
    /// Rows of one dimension.
    pub fn one(first: Dimension) -> Self {
        Self { first, second: None }
    }

    /// The dimensions, the first one first.
    pub fn dimensions(self) -> impl Iterator<Item = Dimension> {
        std::iter::once(self.first).chain(self.second)
    }
}

impl FromStr for By {
    type Err = ByError;

    /// Reads one word or two with a comma between them.
    ///
    /// ```
    /// use billing_report::{By, Dimension};
    /// assert_eq!("day,model".parse::<By>()?, By { first: Dimension::Day, second: Some(Dimension::Model) });
    /// assert!("day,day".parse::<By>().is_err() && "day,model,key".parse::<By>().is_err());
    /// # Ok::<(), billing_report::ByError>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, ByError> {
        match text.split(',').map(str::trim).collect::<Vec<_>>()[..] {
            [first] => Ok(Self::one(first.parse()?)),
            [first, second] if first == second => Err(ByError::Twice(first.to_owned())),
            [first, second] => Ok(Self { first: first.parse()?, second: Some(second.parse()?) }),
            _ => Err(ByError::TooMany(text.to_owned())),
        }
    }
}

/// A text that names no dimensions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ByError {
    /// There is no such dimension.
    #[error("`{0}` is no dimension of a report; give {names}", names = names())]
    Unknown(String),
    /// The same dimension twice.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// More than two dimensions.
    #[error("`{0}` is more than two; give one or two, as day,model")]
    TooMany(String),
}

fn names() -> String {
    let names: Vec<_> = Dimension::ALL.iter().map(|dimension| dimension.as_str()).collect();
    match names.split_last() {
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
