//! The flags of the commands that show where the money goes: `report`, its short forms, and `render`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use billing_report::{By, Rate, Zone};
use chrono::Weekday;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ValueEnum, ValueHint};

use super::export::days;
use super::ledger::WIDTH;
use super::named_ledger::NamedLedger;
use super::variable::variable;

/// The headings of the flags in the help.
const ENTRIES: &str = "Entries";
const WINDOW: &str = "Window";
const ROWS: &str = "Rows";
const OUTPUT: &str = "Output";

const REPORTS: &str = "\
Spend is what was charged, before refunds; credits are top-ups, grants and
refunds; net is credits less spend. Currencies are never mixed. Sums are exact.

Times T: 2026-06-15, 2026-06, today and yesterday are the start of that day or
month in the report's zone; 2026-06-15T19:05:10Z is that instant; 12h, 7d and 2w
count back from now. A window that ends today is not final: entries may come
late.

BY is day, week, month, hour, weekday, model, sku, currency, key, kind, request
or notes, or two of them with a comma between.

Examples:
  billing report --month 2026-06 --by model
      Shows what each model cost in June, from your own ledger.
  billing report june.csv.gz --by day,model --timezone Europe/Berlin
      Reads an exported file, and takes days by the clocks of Berlin.
  billing report --days 30 --compare previous -o spend.html
      Writes a page with charts, which compares with the 30 days before.";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = REPORTS)]
pub(crate) struct Report {
    /// Exported files, csv, json or ndjson, also gzip and zstd; `-` is stdin [default: the ledger]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten, next_help_heading = ENTRIES)]
    pub(crate) from: LedgerAccounts,
    /// Only entries charged in this currency, such as USD or DIEM
    #[arg(long, value_name = "C", help_heading = ENTRIES)]
    pub(crate) currency: Option<String>,
    /// Only models whose name matches a pattern, such as 'claude-*'; quote it
    #[arg(long, value_name = "GLOB", help_heading = ENTRIES)]
    pub(crate) model: Option<String>,
    /// Only entries of this API key, by its id
    #[arg(long, value_name = "ID", help_heading = ENTRIES)]
    pub(crate) key: Option<String>,

    #[command(flatten)]
    pub(crate) window: Window,
    #[command(flatten)]
    pub(crate) place: Place,
    /// First day of a week
    #[arg(long, value_name = "DAY", default_value = "monday", value_parser = weekday(), help_heading = WINDOW)]
    pub(crate) week_start: Weekday,
    /// Show beside each row its spend in the span before the window
    #[arg(long, value_enum, value_name = "SPAN", help_heading = WINDOW)]
    pub(crate) compare: Option<Compare>,

    /// What each row stands for, such as model or day,model: see BY below
    #[arg(long, value_name = "BY", default_value = "day", help_heading = ROWS)]
    pub(crate) by: By,
    /// Order of the rows [default: time for rows of time, else spend]
    #[arg(long, value_enum, help_heading = ROWS)]
    pub(crate) sort: Option<Sort>,
    /// Show N rows of each currency, or with two dimensions N of each value of the first one, and sum up the rest in one row
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = top, help_heading = ROWS)]
    pub(crate) top: Option<NonZeroUsize>,
    /// Count requests, each once; slower, because each entry is read
    #[arg(long, help_heading = ROWS)]
    pub(crate) requests: bool,
    /// Add what the spend comes to in USD, by rates that the report states
    #[arg(long, help_heading = ROWS)]
    pub(crate) usd: bool,
    /// Rate for --usd instead of the usual one, such as VCU=0.05; may be given again
    #[arg(long, value_name = "C=R", help_heading = ROWS)]
    pub(crate) rate: Vec<Rate>,

    #[command(flatten)]
    pub(crate) output: Output,
    /// Keep the data of the charts in the JSON, for a page that `billing render` makes later
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) charts: bool,
}

/// A ledger, and accounts of it.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LedgerAccounts {
    #[command(flatten)]
    pub(crate) ledger: NamedLedger,
    /// Account of the ledger; may be given again [default: all]
    #[arg(long = "account", value_name = "NAME")]
    pub(crate) names: Vec<String>,
}

/// The span of time.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = WINDOW)]
pub(crate) struct Window {
    /// First instant of the window [default: first entry]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    #[arg(aliases = ["start", "from", "start-date"])]
    pub(crate) since: Option<String>,
    /// First instant after the window [default: none]
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    #[arg(aliases = ["end", "to", "end-date"])]
    pub(crate) until: Option<String>,
    /// One whole month
    #[arg(long, value_name = "YYYY-MM", allow_hyphen_values = true)]
    #[arg(conflicts_with_all = ["since", "until", "days"])]
    pub(crate) month: Option<String>,
    /// The last N days, today included
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = days)]
    #[arg(conflicts_with_all = ["since", "until"])]
    pub(crate) days: Option<u32>,
}

/// By whose clocks days are.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Place {
    /// Zone of days and hours, such as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE", env = variable("BILLING_TIMEZONE"), hide_env_values = true)]
    #[arg(visible_alias = "tz", alias = "time-zone", help_heading = WINDOW)]
    pub(crate) timezone: Option<Zone>,
}

/// In which form, and where to.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = OUTPUT)]
pub(crate) struct Output {
    /// Form of the report [default: as the name of FILE ends, or table]
    #[arg(long, value_enum, ignore_case = true)]
    pub(crate) format: Option<Form>,
    /// Write to FILE, `-` for stdout. FILE appears only when it is complete
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Print the results of a jq expression on the JSON, one a line, texts without quotes
    #[arg(long, value_name = "EXPR", allow_hyphen_values = true)]
    pub(crate) jq: Option<String>,
    #[command(flatten)]
    pub(crate) look: Look,
}

/// How a table is shown.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct Look {
    /// Draw tables with plain ASCII [default: where the locale has no UTF-8]
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) ascii: bool,
    /// Print a long table without a pager (BILLING_PAGER, PAGER or less)
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) no_pager: bool,
}

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For a terminal
    Table,
    /// One object, from which every other form is made
    Json,
    /// For a spreadsheet
    Csv,
    /// For a pull request
    #[value(alias = "md")]
    Markdown,
    /// One page with charts, in one file
    Html,
}

/// The order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    Spend,
    Tokens,
    Name,
    Time,
}

/// What a report is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compare {
    /// The span of the same length before the window
    Previous,
}

/// Reads a number of rows.
fn top(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "it is a number of rows, 1 or more".to_owned())
}

/// Reads the name of a day.
fn weekday() -> impl TypedValueParser<Value = Weekday> {
    let names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    // What it may be is what can be read, so the default is never used.
    PossibleValuesParser::new(names).map(|name| name.parse().unwrap_or(Weekday::Mon))
}

/// The flags of a report that has nothing else to configure.
#[derive(Clone, Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = SHORT)]
pub(crate) struct Short {
    #[command(flatten)]
    pub(crate) from: LedgerAccounts,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Form of the report
    #[arg(long, value_enum, ignore_case = true, default_value = "table", help_heading = OUTPUT)]
    pub(crate) format: Form,
    #[command(flatten)]
    pub(crate) look: Look,
}

const SHORT: &str = "\
`billing report` shows other windows and rows, reads exported files, and writes
to a file.

Examples:
  billing daily
      Shows the last 30 days, as does `billing report --by day --days 30`.
  billing weekly --timezone Europe/Berlin
      Shows this week and the 11 before it, by the clocks of Berlin.
  billing monthly --format markdown
      Shows this month and the 11 before it, as a table for a pull request.";

const RENDERS: &str = "\
A report is saved with `billing report --format json -o report.json`. One that
is to become a page is saved with --charts too.

Examples:
  billing render report.json
      Shows it as a table.
  billing render report.json -o report.html
      Makes a page of it.
  billing render - --jq '.totals[].spend' < report.json
      Prints what was spent in each currency.";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = RENDERS)]
pub(crate) struct Render {
    /// Saved report, `-` for stdin
    #[arg(value_name = "REPORT.json", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) output: Output,
}
