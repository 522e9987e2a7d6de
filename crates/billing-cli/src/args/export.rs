//! What is typed for an export: the service, the window, the file.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::network;

/// Where the service is, and the key to it.
#[derive(Debug, clap::Args)]
pub(crate) struct Service {
    /// Base URL of the service: https, or http to this machine
    #[arg(long, env = "BILLING_BASE_URL", value_name = "URL", hide_env_values = true)]
    #[arg(default_value = "https://api.venice.ai/api/v1", value_parser = network::base_url)]
    pub(crate) base_url: String,
    /// File with the API key, `-` for stdin; otherwise BILLING_API_KEY, else VENICE_API_KEY
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    /// Go by this proxy, but never to this machine: http, https, socks5 or socks5h; otherwise HTTPS_PROXY,
    /// else ALL_PROXY, but for the hosts in NO_PROXY
    #[arg(long, value_name = "URL", conflicts_with = "no_proxy")]
    pub(crate) proxy: Option<String>,
    /// Go by no proxy, whatever the environment says
    #[arg(long)]
    pub(crate) no_proxy: bool,
    /// PEM file with the certificates to trust in the place of the system's; otherwise SSL_CERT_FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = TIMES)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) service: Service,
    /// First instant of the window; from the first entry unless given
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
    /// First instant after the window; now unless given
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    pub(crate) until: Option<String>,
    /// Only entries charged in this currency, such as USD, DIEM or BUNDLED_CREDITS
    #[arg(long, value_name = "C")]
    pub(crate) currency: Option<String>,
    /// Format of the export; otherwise as the name of the file ends, or csv
    #[arg(long, value_enum)]
    pub(crate) format: Option<ExportFormat>,
    /// File to write, whole or not at all; cut off, the same command goes on with it; `-` or nothing
    /// is stdout
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Endpoint to read from; auto is usage-history, or usage where there is no other
    #[arg(long, value_enum, default_value_t)]
    pub(crate) endpoint: Endpoint,
    /// Entries a page: 1 to 500 on usage, otherwise 10 to 1000; the most unless given
    #[arg(long, value_name = "N")]
    pub(crate) page_size: Option<u32>,
    /// Format in which pages travel
    #[arg(long, value_enum, default_value_t)]
    pub(crate) wire: Wire,
    /// Requests at the same time, 1 to 16; the service's limits slow all of them down
    #[arg(long, value_name = "N", default_value_t = 4)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) concurrency: u32,
    /// Throw away what an interrupted export of the same file left, and begin anew
    #[arg(long)]
    pub(crate) restart: bool,
    /// Write a manifest beside the file: window, sums, checksum, requests
    #[arg(long)]
    pub(crate) manifest: bool,
    /// Longest wait that the service may ask for, in seconds
    #[arg(long, value_name = "S", default_value_t = 900)]
    pub(crate) max_wait: u64,
    /// Seconds of work that a kill may cost, about; 0 keeps as much as can be kept
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) checkpoint_every: u64,
    /// Add the column apiKeyId to csv, last; json and ndjson always have it
    #[arg(long)]
    pub(crate) with_api_key_id: bool,
    /// Say nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

const TIMES: &str = "\
Times T: 2026-06-15T19:05:10.504Z, 2026-06-15 (00:00 UTC), 2026-06 (its
first instant), or a span back from now in hours, days or weeks: 12h, 7d, 2w.
A window that ends now is not final: entries may arrive hours late.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One header, one row an entry
    Csv,
    /// One array
    Json,
    /// One object a line
    Ndjson,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Endpoint {
    #[default]
    Auto,
    Usage,
    UsageHistory,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Wire {
    #[default]
    Json,
    Csv,
}
