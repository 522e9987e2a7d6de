//! The flags of `billing serve`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use billing_model::parse_length;
use billing_server::Origin;
use clap::ValueEnum;

use super::ledger::WIDTH;
use super::named_ledger::NamedLedger;

const EXAMPLES: &str = "\
Examples:
  billing serve --ledger ledger.db
      Serves the ledger to this machine at port 8787.
  billing serve --ledger ledger.db --listen :8787 --metrics-listen :9187
      Serves it, and at port 9187 the metrics of all accounts, for Prometheus.
  billing serve --ledger postgres://gateway@db.example.org/billing --quiet
      Serves a ledger in PostgreSQL, as any number of servers may.";

/// The message for an address that is none.
const FORMS: &str =
    "give a port of this machine alone, as 8787, :8787 or localhost:8787, or ADDRESS:PORT, as 0.0.0.0:8787";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = EXAMPLES)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) ledger: NamedLedger,
    /// Where to listen: a port of this machine alone, as 8787, :8787 or localhost:8787, or ADDRESS:PORT; port 0 takes a
    /// free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787", value_parser = address)]
    #[arg(help_heading = "Address")]
    pub(crate) listen: SocketAddr,
    /// Where to serve the metrics of all accounts, at /metrics, to whoever reaches it: best this machine alone, as 9187.
    /// The API's own /metrics takes an admin key, and has that account's figures alone
    #[arg(long, value_name = "ADDRESS", value_parser = address, help_heading = "Address")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// PEM file with the certificate, and those that vouch for it: serves https
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "Address")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// PEM file with the certificate's private key
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "Address")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Origin whose pages may read answers in a browser (CORS), as `https://app.example`; give it again for another one.
    /// `*` is every page, which still needs a key [default: no page]
    #[arg(long = "allow-origin", value_name = "ORIGIN", help_heading = "Address")]
    pub(crate) allow_origins: Vec<Origin>,
    /// Requests a minute that a key may make; 0 is as many as it likes
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Limits")]
    pub(crate) rate_limit: u32,
    /// Of these, how many to GET /billing/usage; 0 is no limit of its own
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Limits")]
    pub(crate) usage_rate_limit: u32,
    /// Requests that may fail in 30 seconds before their caller is blocked for 30; 0 blocks nobody. 409 and 422 are no
    /// failures
    #[arg(long, value_name = "N", default_value_t = 50, help_heading = "Limits")]
    pub(crate) failed_request_limit: u32,
    /// Requests that are answered at the same time; further ones get 503
    #[arg(long, value_name = "N", default_value_t = 256, help_heading = "Limits")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_requests: u32,
    /// Connections that are open at the same time; for further ones those end that are idle longest
    #[arg(long, value_name = "N", default_value_t = 1024, help_heading = "Limits")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) max_connections: u32,
    /// Of these, how many one address may have; behind a proxy, give all of them [default: half]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    #[arg(help_heading = "Limits")]
    pub(crate) max_connections_per_address: Option<u32>,
    /// Seconds that a request may take
    #[arg(long, value_name = "S", default_value_t = 30, help_heading = "Limits")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) request_timeout: u64,
    /// MiB of memory for batches and answers together; who finds no room waits. 320 unless given, or
    /// what the body limit needs
    #[arg(long, value_name = "MIB", help_heading = "Limits")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    pub(crate) memory: Option<u32>,
    /// MiB of a batch that is sent, decompressed too
    #[arg(long, value_name = "MIB", default_value_t = 16, help_heading = "Batches")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) body_limit: u32,
    /// Refuse rows of batches that are further behind the server's time, as 7d, 12h or 90s [default: any time is taken]
    #[arg(long, value_name = "D", value_parser = parse_length, help_heading = "Batches")]
    pub(crate) max_age: Option<Duration>,
    /// Refuse rows of batches that are further ahead of the server's time [default: any time is taken]
    #[arg(long, value_name = "D", value_parser = parse_length, help_heading = "Batches")]
    pub(crate) max_future: Option<Duration>,
    /// Say nothing on stderr but errors; what the server prints on stdout stays
    #[arg(short, long, conflicts_with = "log_level", help_heading = "Log")]
    pub(crate) quiet: bool,
    /// The least that is said on stderr: info has a line for each request
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t, help_heading = "Log")]
    pub(crate) log_level: LogLevel,
    /// Form of the log on stderr
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t, help_heading = "Log")]
    pub(crate) log_format: LogFormat,
    /// Where GET /billing/usage is in its life: it answers, warns of its end, or has ended (410)
    #[arg(long, value_name = "LIFE", value_enum, default_value_t, help_heading = "Tests of clients")]
    pub(crate) usage_endpoint: UsageEndpoint,
}

impl Serve {
    /// The least important level that the log has.
    pub(crate) fn level(&self) -> LogLevel {
        if self.quiet { LogLevel::Error } else { self.log_level }
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum UsageEndpoint {
    #[default]
    Live,
    Deprecated,
    Sunset,
}

/// The levels of the log. A later one has more lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for a person
    #[default]
    Text,
    /// A JSON object a line
    Json,
}

/// An address with a port. A port alone is one of this machine only.
fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    // `parse` would accept a sign.
    let port = Some(port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let port = port.and_then(|port| port.parse().ok()).ok_or(FORMS)?;
    match host {
        "" => Ok((Ipv4Addr::LOCALHOST, port).into()),
        name if name.eq_ignore_ascii_case("localhost") => Ok((Ipv4Addr::LOCALHOST, port).into()),
        _ => text.parse().map_err(|_| FORMS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_this_machine() {
        for (typed, address_of) in [
            ("8788", "127.0.0.1:8788"),
            (":8788", "127.0.0.1:8788"),
            ("localhost:8788", "127.0.0.1:8788"),
            ("LocalHost:0", "127.0.0.1:0"),
            ("0", "127.0.0.1:0"),
            ("127.0.0.1:8788", "127.0.0.1:8788"),
            ("0.0.0.0:443", "0.0.0.0:443"),
            ("[::1]:8788", "[::1]:8788"),
            ("[::]:65535", "[::]:65535"),
        ] {
            assert_eq!(address(typed).map(|address| address.to_string()), Ok(address_of.to_owned()));
        }
        for typed in [
            "",
            ":",
            "everywhere",
            "65536",
            "+8788",
            "-1",
            " 8788",
            "8788 ",
            "localhost",
            "localhost:",
            "127.0.0.1",
            "billing.example:443",
            "::1",
            "::1:8788",
            "[::1]",
            ":8788:8788",
            "http://127.0.0.1:8788",
            "*:8788",
            "127.0.0.1:+80",
        ] {
            assert_eq!(address(typed), Err(FORMS), "{typed}");
        }
    }
}
