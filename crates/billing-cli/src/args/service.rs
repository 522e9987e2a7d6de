//! The flags of commands that call a service: its URL, the key, proxy and certificates, the longest wait.

use std::convert::Infallible;
use std::path::PathBuf;

use billing_http::with_scheme;

use super::variable::variable;

/// The heading of these flags in the help.
pub(super) const SERVICE: &str = "Service";

/// Where the service is, and the key to it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = SERVICE)]
pub(crate) struct Service {
    /// Base URL of the service: https, or http to this machine; the scheme may be left out
    #[arg(long, env = variable("BILLING_BASE_URL"), value_name = "URL", hide_env_values = true)]
    #[arg(default_value = "https://api.venice.ai/api/v1", value_parser = base_url)]
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

/// As the rest of the program has it, a resumed export too: with its scheme.
fn base_url(typed: &str) -> Result<String, Infallible> {
    Ok(with_scheme(typed))
}

/// The service of a command that asks once.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = SERVICE)]
pub(crate) struct AskedOnce {
    #[command(flatten)]
    pub(crate) service: Service,
    /// Longest wait that the service may ask for, in seconds; a service that keeps failing or refusing is given up after twice as long
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub(crate) max_wait: u64,
}
