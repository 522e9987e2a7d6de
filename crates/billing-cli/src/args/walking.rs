//! The flags of commands that walk a service's ledger: the service, the endpoint, and the pace.

use billing_model::{HistoryQuery, UsageQuery};
use clap::ValueEnum;

use super::service::{SERVICE, Service};

/// The heading of the flags that set the pace.
pub(super) const PACE: &str = "Pace";

/// How a service's ledger is walked.
#[derive(Debug, clap::Args)]
pub(crate) struct Walking {
    #[command(flatten)]
    pub(crate) service: Service,
    /// Endpoint to read from; auto is usage-history, or usage where there is no other
    #[arg(long, value_enum, default_value_t, help_heading = SERVICE)]
    pub(crate) endpoint: Endpoint,
    /// Requests at the same time, 1 to 16; the service's limits slow all of them down
    #[arg(long, value_name = "N", default_value_t = 4, help_heading = PACE)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) concurrency: u32,
    /// Entries a page: 1 to 500 on usage, otherwise 10 to 1000 [default: the most]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = PACE)]
    #[arg(value_parser = page_size)]
    pub(crate) page_size: Option<u32>,
    /// Longest wait that the service may ask for, in seconds
    #[arg(long, value_name = "S", default_value_t = 900, help_heading = PACE)]
    pub(crate) max_wait: u64,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Endpoint {
    #[default]
    Auto,
    Usage,
    UsageHistory,
}

impl From<Endpoint> for billing_http::Endpoint {
    fn from(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::Auto => Self::Auto,
            Endpoint::Usage => Self::Usage,
            Endpoint::UsageHistory => Self::UsageHistory,
        }
    }
}

fn page_size(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("it is not a whole number; {}", page_sizes()))
}

/// The page sizes of the endpoints, in words.
pub(crate) fn page_sizes() -> String {
    let (least, most, most_of_usage) =
        (HistoryQuery::MIN_PAGE_SIZE, HistoryQuery::MAX_PAGE_SIZE, UsageQuery::MAX_LIMIT);
    format!("usage-history takes {least} to {most}, usage 1 to {most_of_usage}")
}
