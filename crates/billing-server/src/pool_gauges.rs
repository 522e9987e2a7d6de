//! The connections of a ledger in a database, as gauges. They are read when somebody asks for the metrics.

use std::fmt;
use std::sync::Arc;

use billing_ledger::Ledger;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};

#[derive(Debug)]
pub(crate) struct PoolGauges(Arc<dyn Ledger>);

impl PoolGauges {
    pub(crate) fn of(ledger: Arc<dyn Ledger>) -> Self {
        Self(ledger)
    }
}

impl Collector for PoolGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(pool) = self.0.pool() else { return Ok(()) };
        let busy = pool.open.saturating_sub(pool.idle);
        ByState([("busy", busy), ("idle", pool.idle)]).encode(encoder.encode_descriptor(
            "ledger_connections",
            "Connections to the database of the ledger",
            None,
            MetricType::Gauge,
        )?)?;
        for (name, help, value) in [
            ("ledger_connections_allowed", "Connections that there may be", pool.most),
            ("ledger_calls_waiting", "Calls that wait for a connection", pool.waiting),
        ] {
            let gauge = ConstGauge::new(number(value));
            gauge.encode(encoder.encode_descriptor(name, help, None, ConstGauge::<i64>::TYPE)?)?;
        }
        Ok(())
    }
}

/// Numbers, each with the name of a state.
struct ByState<const N: usize>([(&'static str, usize); N]);

impl<const N: usize> EncodeMetric for ByState<N> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (state, value) in self.0 {
            encoder.encode_family(&[("state", state)])?.encode_gauge(&number(value))?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

fn number(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
