//! What is typed for a server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use billing_server::Origin;
use clap::ValueEnum;

use crate::instant;

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Ledger to serve
    #[arg(long, value_name = "PATH")]
    pub(crate) ledger: PathBuf,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    pub(crate) listen: SocketAddr,
    /// Address for the metrics of all accounts, at /metrics, for whoever reaches it: best one of loopback. The API's own
    /// /metrics takes an admin key, and has that account's figures alone
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Origin whose pages may read answers in a browser (CORS), as `https://app.example`; give it again for another one.
    /// `*` is every page, which still needs a key [default: no page]
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub(crate) allow_origins: Vec<Origin>,
    /// PEM file with the certificate, and those that vouch for it: serves https
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Where GET /billing/usage is in its life: it answers, warns of its end, or has ended (410)
    #[arg(long, value_enum, default_value_t)]
    pub(crate) usage_endpoint: UsageEndpoint,
    /// Requests a minute that a key may make; 0 is as many as it likes
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) rate_limit: u32,
    /// Of these, how many to GET /billing/usage; 0 is no limit of its own
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) usage_rate_limit: u32,
    /// Requests that may fail in 30 seconds before their caller is blocked for 30; 0 blocks nobody. 409 and 422 are no
    /// failures
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) failed_request_limit: u32,
    /// Requests that are answered at the same time; further ones get 503
    #[arg(long, value_name = "N", default_value_t = 256)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_requests: u32,
    /// Connections that are open at the same time; for further ones those end that are idle longest
    #[arg(long, value_name = "N", default_value_t = 1024)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_connections: u32,
    /// Of these, how many one address may have; behind a proxy, give all of them [default: half]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_connections_per_address: Option<u32>,
    /// Seconds that a request may take
    #[arg(long, value_name = "S", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) request_timeout: u64,
    /// MiB of a batch that is sent, decompressed too
    #[arg(long, value_name = "MIB", default_value_t = 16)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) body_limit: u32,
    /// MiB of memory for batches and answers together; who finds no room waits. 320 unless given, or
    /// what the body limit needs
    #[arg(long, value_name = "MIB")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub(crate) memory: Option<u32>,
    /// Refuse rows of batches that are further behind the server's time, as 7d, 12h or 90s [default: any time is taken]
    #[arg(long, value_name = "D", value_parser = instant::length)]
    pub(crate) max_age: Option<Duration>,
    /// Refuse rows of batches that are further ahead of the server's time [default: any time is taken]
    #[arg(long, value_name = "D", value_parser = instant::length)]
    pub(crate) max_future: Option<Duration>,
    /// Form of the log on stderr
    #[arg(long, value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum UsageEndpoint {
    #[default]
    Live,
    Deprecated,
    Sunset,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for a person
    #[default]
    Text,
    /// A JSON object a line
    Json,
}
