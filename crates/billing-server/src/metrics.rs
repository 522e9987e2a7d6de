//! What the server counts, for Prometheus.
//!
//! Labels are few and known beforehand: routes, methods, statuses, outcomes. No key, account or request is one. Sums of
//! money are written by this file and not by the library, whose numbers are floating point: each currency is a metric of
//! its own, since sums of different ones mean nothing.
//!
//! There are two texts. The text of the whole server is for its operator. The text of an account has only what came to
//! its own ledger. Requests, times, connections and transactions are counted for everybody together, and would tell one
//! account how busy the others are.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use billing_ledger::{AccountId, Ledger, Receipt};
use billing_model::{Currency, Total, UsageEntry, is_credit};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::error::Error;
use crate::pool_gauges::PoolGauges;
use crate::whole_body::whole_body;

/// How the text is marked: OpenMetrics, which Prometheus reads.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The currencies that have metrics, each with its name in them. Others would let a client make any number of metrics.
const CURRENCIES: [(Currency, &str); 5] = [
    (Currency::Usd, "usd"),
    (Currency::Diem, "diem"),
    (Currency::BundledCredits, "bundled_credits"),
    (Currency::EarnedCredits, "earned_credits"),
    (Currency::Vcu, "vcu"),
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) route: &'static str,
    pub(crate) method: &'static str,
    pub(crate) status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// The counters of one server.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabel, Histogram, fn() -> Histogram>,
    pub(crate) in_progress: Gauge,
    pub(crate) connections: Gauge,
    commits: Histogram,
    group_sizes: Histogram,
    recorded: Recorded,
    /// The counts of each account that has sent a batch.
    of_accounts: Mutex<HashMap<AccountId, Arc<Recorded>>>,
}

/// What came to the ledger, of all accounts or of one.
#[derive(Default)]
struct Recorded {
    batches: Family<OutcomeLabel, Counter>,
    entries: Counter,
    amounts: Mutex<Amounts>,
}

/// Spend and credit of each of [`CURRENCIES`], exact.
#[derive(Clone, Debug, Default)]
pub(crate) struct Amounts([(Total, Total); CURRENCIES.len()]);

impl Amounts {
    pub(crate) fn add(&mut self, entry: &UsageEntry) {
        let known = CURRENCIES.iter().position(|(currency, _)| *currency == entry.currency);
        if let Some((spend, credit)) = known.and_then(|place| self.0.get_mut(place)) {
            match is_credit(entry.amount) {
                true => credit.add(entry.amount),
                false => spend.add(-entry.amount),
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        for ((spend, credit), (more_spend, more_credit)) in self.0.iter_mut().zip(&other.0) {
            spend.merge(more_spend);
            credit.merge(more_credit);
        }
    }
}

impl Metrics {
    /// The counters of a server of this ledger.
    pub(crate) fn of(ledger: &Arc<dyn Ledger>) -> Self {
        let mut metrics = Self::new();
        if ledger.pool().is_some() {
            metrics.registry.register_collector(Box::new(PoolGauges::of(Arc::clone(ledger))));
        }
        metrics
    }

    pub(crate) fn new() -> Self {
        // The buckets reach from a page that is in memory to one that waits behind others.
        let durations =
            || Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0]);
        let mut metrics = Self {
            registry: registry(),
            requests: Family::default(),
            durations: Family::new_with_constructor(durations),
            in_progress: Gauge::default(),
            connections: Gauge::default(),
            commits: durations(),
            group_sizes: Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0]),
            recorded: Recorded::default(),
            of_accounts: Mutex::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("http_requests", "Requests that were answered", self.requests.clone());
        let help = "From the head of a request to its answer, without the time to send it";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, self.durations.clone());
        let help = "Requests whose answers are not sent yet";
        registry.register("http_requests_in_progress", help, self.in_progress.clone());
        registry.register("http_connections", "Connections that are open", self.connections.clone());
        self.recorded.register(registry);
        let help = "From the begin of a transaction to its being durable";
        registry.register_with_unit("ingest_commit_duration", help, Unit::Seconds, self.commits.clone());
        registry.register("ingest_commit_batches", "Batches of one transaction", self.group_sizes.clone());
    }

    /// Counts a request that was answered.
    pub(crate) fn answered(&self, labels: RequestLabels, took: Duration) {
        self.durations.get_or_create(&RouteLabel { route: labels.route }).observe(took.as_secs_f64());
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts a transaction.
    pub(crate) fn committed(&self, batches: usize, took: Duration) {
        self.commits.observe(took.as_secs_f64());
        self.group_sizes.observe(u32::try_from(batches).unwrap_or(u32::MAX).into());
    }

    /// Counts a batch that came to the ledger, and its amounts if it is new.
    pub(crate) fn batch(&self, account: AccountId, amounts: &Amounts, receipt: Receipt) {
        self.recorded.batch(amounts, receipt);
        let mut of_accounts = self.of_accounts.lock().unwrap_or_else(PoisonError::into_inner);
        of_accounts.entry(account).or_default().batch(amounts, receipt);
    }

    /// Everything, of all accounts, as text.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        text(&self.registry, &self.recorded)
    }

    /// The counts of an account, as text. Nothing is kept for an account that never sent a batch.
    pub(crate) fn text_of(&self, account: AccountId) -> Result<String, fmt::Error> {
        let of_accounts = self.of_accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let recorded = of_accounts.get(&account).cloned().unwrap_or_default();
        drop(of_accounts);
        let mut registry = registry();
        recorded.register(&mut registry);
        text(&registry, &recorded)
    }
}

/// The answer with a text.
pub(crate) fn answer(text: Result<String, fmt::Error>) -> Result<Response, Error> {
    let text = text.map_err(Error::internal)?;
    Ok(whole_body(StatusCode::OK, HeaderValue::from_static(CONTENT_TYPE), text))
}

fn registry() -> Registry {
    Registry::with_prefix("billing")
}

fn text(registry: &Registry, recorded: &Recorded) -> Result<String, fmt::Error> {
    let mut text = String::new();
    encode_registry(&mut text, registry)?;
    recorded.write_money(&mut text)?;
    encode_eof(&mut text)?;
    Ok(text)
}

impl Recorded {
    fn register(&self, registry: &mut Registry) {
        registry.register("ingest_batches", "Batches that came to the ledger", self.batches.clone());
        registry.register("ingest_entries", "Entries that were stored", self.entries.clone());
    }

    fn batch(&self, amounts: &Amounts, receipt: Receipt) {
        let outcome = match receipt {
            Receipt::Stored(_) => "stored",
            Receipt::Repeated(_) => "repeated",
            Receipt::Conflict => "conflict",
            Receipt::Synced => "synced",
            Receipt::Busy => "busy",
        };
        self.batches.get_or_create(&OutcomeLabel { outcome }).inc();
        let Receipt::Stored(entries) = receipt else { return };
        self.entries.inc_by(entries);
        self.amounts.lock().unwrap_or_else(PoisonError::into_inner).merge(amounts);
    }

    fn write_money(&self, text: &mut String) -> fmt::Result {
        let amounts = self.amounts.lock().unwrap_or_else(PoisonError::into_inner);
        for ((currency, unit), (spend, credit)) in CURRENCIES.iter().zip(&amounts.0) {
            for (what, sum) in [("spend", spend), ("credit", credit)] {
                let name = format!("billing_ingest_{what}_{unit}");
                writeln!(
                    text,
                    "# HELP {name} Sum of the {currency} entries that were stored, {what} as a positive number."
                )?;
                writeln!(text, "# TYPE {name} counter\n# UNIT {name} {unit}\n{name}_total {sum}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_testkit::entry_at;

    #[test]
    fn money_is_counted_exactly_and_each_currency_apart() {
        let metrics = Metrics::new();
        let now = "2026-06-15T00:00:00Z".parse().unwrap();
        let entry = |currency: &str, amount: &str| UsageEntry {
            currency: Currency::from(currency),
            ..entry_at(now, amount)
        };
        let entries = [
            entry("USD", "-0.0023000000000000004"),
            entry("USD", "-0.0000000000000000000000000001"),
            entry("DIEM", "-8e-7"),
            entry("USD", "25"),
            entry("SOMETHING{new=\"1\"}", "-1"),
        ];
        let mut amounts = Amounts::default();
        entries.iter().for_each(|entry| amounts.add(entry));
        for receipt in [Receipt::Stored(5), Receipt::Repeated(5), Receipt::Conflict] {
            metrics.batch(AccountId(1), &amounts, receipt);
        }
        let text = metrics.text().unwrap();
        let lines = [
            "billing_ingest_spend_usd_total 0.0023000000000000004000000001",
            "billing_ingest_credit_usd_total 25",
            "billing_ingest_spend_diem_total 0.0000008",
            "billing_ingest_spend_vcu_total 0",
            "billing_ingest_entries_total 5",
            "billing_ingest_batches_total{outcome=\"repeated\"} 1",
            "# EOF",
        ];
        for text in [&text, &metrics.text_of(AccountId(1)).unwrap()] {
            for line in lines {
                assert!(text.lines().any(|other| other == line), "{line}\n{text}");
            }
            assert!(!text.contains("SOMETHING"), "{text}");
        }
    }

    #[test]
    fn an_account_has_its_own_figures_and_no_others() {
        let metrics = Metrics::new();
        let now = "2026-06-15T00:00:00Z".parse().unwrap();
        for (account, amount) in [(1, "-0.5"), (2, "-0.25"), (1, "-1")] {
            let mut amounts = Amounts::default();
            amounts.add(&UsageEntry { currency: Currency::Usd, ..entry_at(now, amount) });
            metrics.batch(AccountId(account), &amounts, Receipt::Stored(1));
        }
        let labels = RequestLabels { route: "/healthz", method: "GET", status: 200 };
        metrics.answered(labels, Duration::from_millis(1));
        for (account, entries, spend) in [(1, 2, "1.5"), (2, 1, "0.25"), (3, 0, "0")] {
            let text = metrics.text_of(AccountId(account)).unwrap();
            for line in [
                format!("billing_ingest_entries_total {entries}"),
                format!("billing_ingest_spend_usd_total {spend}"),
            ] {
                assert!(text.lines().any(|other| other == line), "{line}\n{text}");
            }
            for of_all in ["http", "commit", "connections"] {
                assert!(!text.contains(of_all), "{text}");
            }
        }
        assert!(metrics.text().unwrap().contains("billing_ingest_spend_usd_total 1.75"));
        assert_eq!(metrics.of_accounts.lock().unwrap().len(), 2, "who only asks takes no room");
    }
}
