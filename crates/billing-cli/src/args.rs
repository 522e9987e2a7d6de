//! What was typed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use billing_server::Origin;
use clap::{Parser, Subcommand, ValueEnum};

use crate::instant;

/// The account that is meant when none is named.
pub(crate) const DEFAULT_ACCOUNT: &str = "default";

/// Gets an AI provider's billing usage out, whole and exact.
#[derive(Debug, Parser)]
#[command(name = "billing", version, propagate_version = true, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0 done   1 failed   2 wrong usage   3 ledger differs (check)   4 key refused or missing
  5 service or endpoint gone, unreachable or failing   6 incomplete   130 interrupted";

/// Where the service is, and the key to it.
#[derive(Debug, clap::Args)]
pub(crate) struct Service {
    /// Base URL of the service: https, or http to this machine
    #[arg(long, env = "BILLING_BASE_URL", value_name = "URL", hide_env_values = true)]
    #[arg(default_value = "https://api.venice.ai/api/v1")]
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

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the accounts of a ledger, and sets what they get
    Accounts(Accounts),
    /// Copies a ledger as it is at one moment, also while it is served
    Backup(Backup),
    /// Checks a ledger: the file, and every count and sum against the entries
    Check(Check),
    /// Shows it all on made-up data: a server, a ledger, an export over both endpoints
    Demo(Demo),
    /// Exports a window of the ledger from a service, oldest first
    Export(Export),
    /// Records entries from files in a ledger: all of them, or none
    Import(Import),
    /// Makes, lists and revokes the keys of a ledger
    Keys(Keys),
    /// Puts a copy in the place of a ledger, and keeps what it replaces
    Restore(Restore),
    /// Serves a ledger over the billing API
    Serve(Serve),
}

/// What an import costs while it runs, and after it has failed.
const IMPORTS: &str = "\
All files are recorded, or none. The ledger keeps the SHA-256 of what is in each
file (decompressed, so usage.csv and usage.csv.gz are the same), its name and
the date; the same content into the same account is refused. So are files of one
call that hold equal entries in the time that both cover: exports of windows
that overlap. --again imports both all the same. Not seen are entries that came
before in a file with other content, or in a batch.

A server of the ledger goes on recording meanwhile, and shows nothing of the
import before its end. Until then it takes up as much space in the ledger as it
will in the end, and some in the directory for temporary files. What a failed or
killed import took is free for what comes next, and the file does not shrink;
after a kill, the next import of 10,000 entries and more, or `serve`, removes
the entries first. A killed import can leave an empty ledger where none was.";

#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Entries to make up
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub(crate) entries: u64,
    /// Seed of the made-up history: the same seed, the same entries
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Directory for the ledger, the key and the export
    #[arg(long, value_name = "DIR", default_value = "billing-demo")]
    pub(crate) dir: PathBuf,
    /// Keep the server up afterwards, until Ctrl-C
    #[arg(long)]
    pub(crate) serve: bool,
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

#[derive(Debug, clap::Args)]
#[command(after_help = IMPORTS)]
pub(crate) struct Import {
    /// Files to read, `-` for stdin; gzip and zstd are read as they are
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Ledger to record in; made when it is not there
    #[arg(long, value_name = "PATH")]
    pub(crate) ledger: PathBuf,
    /// Account that the entries belong to; made when it is not there
    #[arg(long, value_name = "NAME", default_value = DEFAULT_ACCOUNT)]
    pub(crate) account: String,
    /// Format of the files; json is arrays, pages as the API answers, and entries of any number of lines
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ImportFormat,
    /// Import also what the account has already, or what two of the files both hold
    #[arg(long)]
    pub(crate) again: bool,
    /// Read and check everything, say what it comes to, and record nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object: what was imported, by file and by currency
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum ImportFormat {
    #[default]
    Auto,
    Ndjson,
    Json,
    Csv,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Makes a key and prints it, once and alone
    Create {
        /// Ledger of the account; made when it is not there
        #[arg(long, value_name = "PATH")]
        ledger: PathBuf,
        /// Account that the key opens; made when it is not there
        #[arg(long, value_name = "NAME", default_value = DEFAULT_ACCOUNT)]
        account: String,
        /// What the key may do: admin reads the ledger, ingest records in it, inference neither
        #[arg(long, value_enum, default_value_t)]
        kind: KeyKind,
        /// What the key is called in lists and in usage analytics
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
    },
    /// Lists the keys, without their secrets
    List {
        /// Ledger whose keys to list
        #[arg(long, value_name = "PATH")]
        ledger: PathBuf,
    },
    /// Revokes a key, at once and for good
    Revoke {
        /// Ledger of the key
        #[arg(long, value_name = "PATH")]
        ledger: PathBuf,
        /// Id of the key, as `keys list` shows it
        id: String,
    },
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum KeyKind {
    #[default]
    Admin,
    Ingest,
    Inference,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Accounts {
    #[command(subcommand)]
    pub(crate) command: AccountsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountsCommand {
    /// Lists the accounts
    #[command(after_help = NETS)]
    List {
        /// Ledger whose accounts to list
        #[arg(long, value_name = "PATH")]
        ledger: PathBuf,
        /// Print one JSON object: the accounts, with what they have or owe
        #[arg(long)]
        json: bool,
    },
    /// Sets what an account gets
    Set {
        /// Ledger of the account
        #[arg(long, value_name = "PATH")]
        ledger: PathBuf,
        /// Account to set it for
        #[arg(long, value_name = "NAME", default_value = DEFAULT_ACCOUNT)]
        account: String,
        /// DIEM that the account may spend each UTC day, or `none`
        #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
        diem_allocation: String,
    },
}

const NETS: &str = "\
With --json every account has `nets`: the sum of all entries of each currency,
as text, to the last digit. Below zero is what the account owes, which the API's
balance does not tell. Of DIEM, which does not roll over, it is no debt.";

#[derive(Debug, clap::Args)]
pub(crate) struct Backup {
    /// Ledger to copy
    #[arg(long, value_name = "PATH")]
    pub(crate) ledger: PathBuf,
    /// Path of the copy, where nothing is yet
    #[arg(long, value_name = "PATH")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(after_help = CHECKS)]
pub(crate) struct Check {
    /// Ledger to check
    #[arg(long, value_name = "PATH")]
    pub(crate) ledger: PathBuf,
    /// Print one JSON object: what was checked, and the differences
    #[arg(long)]
    pub(crate) json: bool,
}

const CHECKS: &str = "\
The ledger is read as it is at one moment, also while it is served, and is left
as it is. Every count, rollup and balance is made anew from the entries and
compared to the last digit. Exit code 3 says that something differs, 0 that
nothing does. Of each kind of difference 50 are listed, and all are counted.

What a ledger keeps only once is read and not compared: prices, notes, details.
Which entries came with a batch is not recorded, so a receipt is found wrong
only when the account has fewer entries than its receipts speak of. Nor is the
content of an imported file kept: only how many entries it had, and which.

Examples:
  billing check --ledger ledger.db
  billing check --ledger copy.db --json > report.json";

#[derive(Debug, clap::Args)]
#[command(after_help = RESTORE)]
pub(crate) struct Restore {
    /// Copy to restore, as `backup` made it; it stays as it is
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
    /// Ledger whose place it takes; nobody may have it open
    #[arg(long, value_name = "PATH")]
    pub(crate) ledger: PathBuf,
}

const RESTORE: &str = "\
The copy is checked before anything is touched, as `billing check` does it. What
it replaces stays beside it as it was, as PATH.replaced-TIME. The keys are those
of the copy: one that was revoked since the copy was made opens it again.
Copying or moving a file there yourself is safe only when no PATH-wal is left
beside it; one that does not belong to the file is refused.";

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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_fit_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_key_is_never_a_plain_flag() {
        for flag in ["--api-key", "--key", "--token"] {
            assert!(Args::try_parse_from(["billing", "export", flag, "secret"]).is_err(), "{flag}");
        }
    }
}
