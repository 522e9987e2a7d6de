//! The routes that there are: their paths, and what is special about some.

pub(crate) const USAGE: &str = "/api/v1/billing/usage";
pub(crate) const USAGE_HISTORY: &str = "/api/v1/billing/usage-history";
pub(crate) const USAGE_ANALYTICS: &str = "/api/v1/billing/usage-analytics";
pub(crate) const BALANCE: &str = "/api/v1/billing/balance";
pub(crate) const HEALTHZ: &str = "/healthz";
pub(crate) const READYZ: &str = "/readyz";
pub(crate) const METRICS: &str = "/metrics";
pub(crate) const OPENAPI: &str = "/openapi.json";
pub(crate) const DOCS: &str = "/docs";
pub(crate) const ROOT: &str = "/";

/// The routes that watch the server. They have no limits, and their failures do not count.
pub(crate) const OPERATIONAL: [&str; 3] = [HEALTHZ, READYZ, METRICS];

/// Documents and the way to them, which are the same for everybody and cost nothing.
pub(crate) const PUBLIC: [&str; 3] = [OPENAPI, DOCS, ROOT];

/// A path as it is declared here, for labels.
pub(crate) fn declared(path: &str) -> Option<&'static str> {
    [USAGE, USAGE_HISTORY, USAGE_ANALYTICS, BALANCE, HEALTHZ, READYZ, METRICS, OPENAPI, DOCS, ROOT]
        .into_iter()
        .find(|declared| *declared == path)
}

/// Which of the routes a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Routes {
    /// The API, where metrics are of the account that asks.
    Api,
    /// The metrics of all accounts, without a key. No page in a browser may read them.
    Metrics,
}
