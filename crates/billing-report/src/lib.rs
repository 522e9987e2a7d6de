//! What a ledger adds up to, for people: usage analytics from its sums.
//!
//! Sums by day, sku, currency and API key go in, in any order, and the answer of the API comes out, exact to the last digit.
//! What such an answer is, and how it is asked for and written, stands in `billing-model`; where the sums come from is the
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

mod analytics_builder;
mod by_name;
mod daily_spend;

#[cfg(test)]
mod analytics_proof;

pub use analytics_builder::AnalyticsBuilder;
