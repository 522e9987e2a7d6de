//! The flags of `billing export`: the service, the window, the file.

use std::path::PathBuf;

use clap::ValueEnum;

use super::DEFAULT_ACCOUNT;
use super::service::SERVICE;
use super::walking::{PACE, Walking};

/// The headings of the flags in the help.
const WINDOW: &str = "Window";
const OUTPUT: &str = "Output";
const LEDGER: &str = "Ledger";

/// The flags that only make sense with a service.
const OF_A_SERVICE: [&str; 11] = [
    "api_key_file",
    "proxy",
    "no_proxy",
    "cacert",
    "endpoint",
    "wire",
    "concurrency",
    "page_size",
    "max_wait",
    "checkpoint_every",
    "verbose",
];

#[derive(Debug, clap::Args)]
#[command(after_help = TIMES_AND_EXAMPLES)]
pub(crate) struct Export {
    /// First instant of the window [default: first entry]
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = WINDOW)]
    #[arg(aliases = ["start", "from", "start-date"])]
    pub(crate) since: Option<String>,
    /// First instant after the window [default: now]
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = WINDOW)]
    #[arg(aliases = ["end", "to", "end-date"])]
    pub(crate) until: Option<String>,
    /// That month, whole and in UTC
    #[arg(long, value_name = "YYYY-MM", allow_hyphen_values = true, help_heading = WINDOW)]
    #[arg(conflicts_with_all = ["since", "until", "days"])]
    pub(crate) month: Option<String>,
    // Not with --until, because N days could count back from that end or from now.
    /// The last N days, as `--since Nd`; not with --until
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = WINDOW)]
    #[arg(conflicts_with_all = ["since", "until"], value_parser = days)]
    pub(crate) days: Option<u32>,
    /// Only entries charged in this currency, such as USD, DIEM or BUNDLED_CREDITS
    #[arg(long, value_name = "C", help_heading = WINDOW)]
    pub(crate) currency: Option<String>,

    /// Write to FILE, `-` for stdout [default: stdout, unless it is a terminal]. FILE appears only when it
    /// is complete; run the same command again to resume
    #[arg(short, long, value_name = "FILE", help_heading = OUTPUT)]
    pub(crate) output: Option<PathBuf>,
    /// Format of the export [default: as the name of FILE ends, or csv]. A name in .gz makes it gzip
    #[arg(long, value_enum, ignore_case = true, help_heading = OUTPUT)]
    pub(crate) format: Option<ExportFormat>,
    /// Add the column apiKeyId to csv, after the documented ones; json and ndjson always have it
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) with_api_key_id: bool,
    /// Add the column otherFields to csv, last: fields that nobody documented, as JSON; json and ndjson always have them
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) with_other_fields: bool,
    /// Write a manifest beside FILE: window, sums, checksum, requests
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) manifest: bool,
    /// Throw away what an interrupted export to FILE left, and begin anew
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) restart: bool,
    /// Write the summary to stderr as one JSON object, and nothing else but errors
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) json: bool,
    /// Say nothing but errors
    #[arg(short, long, help_heading = OUTPUT, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Show each request on stderr, with its time and what came of it; never the key
    #[arg(short, long, help_heading = OUTPUT, conflicts_with_all = ["json", "quiet"])]
    pub(crate) verbose: bool,

    /// Read a ledger, a file or postgres://USER@HOST/DATABASE, and ask no service; without PATH that of BILLING_LEDGER, else
    /// your own
    #[arg(long, value_name = "PATH", num_args = 0..=1, help_heading = LEDGER)]
    #[arg(conflicts_with_all = OF_A_SERVICE)]
    pub(crate) from_ledger: Option<Option<PathBuf>>,
    /// Account of the ledger
    #[arg(long, value_name = "NAME", default_value = DEFAULT_ACCOUNT, help_heading = LEDGER)]
    #[arg(requires = "from_ledger")]
    pub(crate) account: String,

    #[command(flatten)]
    pub(crate) walking: Walking,
    /// Format in which pages travel
    #[arg(long, value_enum, default_value_t, help_heading = SERVICE)]
    pub(crate) wire: Wire,

    /// Seconds of work that a kill may cost, about; 0 keeps as much as can be kept
    #[arg(long, value_name = "S", default_value_t = 1, help_heading = PACE)]
    pub(crate) checkpoint_every: u64,
}

/// The most days: services know no time before 1970.
const MOST_DAYS: u32 = 20_000;

const TIMES_AND_EXAMPLES: &str = "\
Times T: 2026-06-15T19:05:10.504Z; 2026-06-15, today and yesterday (00:00 UTC);
2026-06 (its first instant); or a span back from now in hours, days or weeks:
12h, 7d, 2w. A window that ends now is not final: entries may arrive hours late.

Examples:
  billing export --month 2026-06 -o june.csv
  billing export --days 7 --currency USD -o week.json
  billing export --from-ledger --since yesterday --until today -o day.ndjson.gz";

/// Reads a number of days.
pub(super) fn days(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(days @ 1..=MOST_DAYS) => Ok(days),
        _ => Err(format!("it is a number of days from 1 to {MOST_DAYS}; other spans are --since 12h or 2w")),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One header, one row an entry
    Csv,
    /// One array
    Json,
    /// One object a line
    #[value(alias = "jsonl")]
    Ndjson,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum Wire {
    #[default]
    Json,
    Csv,
}
