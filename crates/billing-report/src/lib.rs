//! What a ledger adds up to, for people: usage analytics, reports, and how they are shown.
//!
//! Sums and entries go in, in any order, and an answer comes out, exact to the last digit: [`AnalyticsBuilder`] makes that of the
//! API, [`ReportBuilder`] a [`Report`], of which every form is made that people look at. Where sums and entries come from is the
//! caller's matter. There is no I/O here, no clock and no ledger.
//!
//! ```
//! use billing_model::{AnalyticsQuery, Currency, Day};
//! use billing_report::AnalyticsBuilder;
//!
//! let query = AnalyticsQuery::parse("lookback=1d")?;
//! let mut builder = AnalyticsBuilder::new(&query, "2026-06-14T19:52:45.087Z".parse()?);
//! let day = "2026-06-14".parse::<Day>()?;
//! builder.add(day, "zai-org-glm-5-1-llm-output-mtoken", &Currency::Usd, None, "0.1".parse()?, "0.02".parse()?);
//! builder.add(day, "zai-org-glm-5-1-llm-input-mtoken", &Currency::Usd, None, "0.2".parse()?, "0.4".parse()?);
//!
//! let analytics = builder.finish(|_| None);
//! assert_eq!(analytics.by_model[0].model_name, "zai-org-glm-5-1");
//! assert_eq!(analytics.by_date[0].usd.to_string(), "0.3");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod table;

mod amount;
mod calendar;
mod dimension;
mod model_pattern;
mod rates;
mod sums;
mod zone;

mod day_sum;
mod question;

mod compared;
mod product;

mod form_error;
mod report;
mod row;
mod row_json;

mod checking;

mod hashed;

mod by_name;
mod clock;
mod facts;
mod requests;

mod size;

mod group;
mod labels;
mod tally;
mod trend;

mod line;

mod before;
mod charts;
mod meta;
mod rows;

mod html;

mod builder;

mod figures;
mod sparkline;

mod column;
mod naming;

mod heading;
mod remarks;
mod section;
mod wrapping;

mod markdown;
mod report_table;
mod spreadsheet;

mod diem;
mod elapsed;
mod last_sync;
mod pace;
mod short_amount;
mod statusline;
mod today;
mod today_screen;

mod analytics_builder;
mod daily_spend;

#[cfg(test)]
mod analytics_proof;
#[cfg(test)]
mod forms_proof;
#[cfg(test)]
mod made_up;

pub use analytics_builder::AnalyticsBuilder;
pub use builder::ReportBuilder;
pub use day_sum::DaySum;
pub use diem::Diem;
pub use dimension::{By, ByError, Dimension};
pub use form_error::{FormError, SCHEMA};
pub use last_sync::LastSync;
pub use model_pattern::{ModelPattern, PatternError};
pub use question::{Filter, Question, Reading, Sort};
pub use rates::{Rate, RateError, Rates};
pub use report::{Breakdown, FilterText, Meta, Report, Source, Span, Usd};
pub use report_table::TableOptions;
pub use row::Row;
pub use statusline::{Standing, Template, TemplateError};
pub use sums::{Sums, Tokens};
pub use today::{CurrencyToday, ModelToday, Today, TodayBuilder};
pub use zone::{Local, Zone, ZoneError};
