//! What is typed for analytics.

use billing_model::parse_length;

use super::ledger::WIDTH;
use super::service::AskedOnce;

const S_PER_DAY: u64 = 24 * 60 * 60;

const ANALYTICS: &str = "\
Days are whole and in UTC. Times T are 2026-06-15, 2026-06 (its first day),
today, yesterday and tomorrow, by the clock of this machine. Venice sums up 90
days at most, `billing serve` 366, and what both say may be ten minutes old.

Spend is what was charged, before refunds. USD includes bundled credits; DIEM
stands apart; earned credits, VCU and others are in no sum. Sums are exact.
Columns that have no room are left out, which is said; `--json` has everything.

Examples:
  billing analytics --lookback 30d
      Shows the spend of today and the 29 days before it.
  billing analytics --month 2026-06
      Shows that of June.
  billing analytics --since 2026-06-01 --until 2026-06-08 --json | jq .byKey
      Prints the first seven days of June by key. jq may round long numbers.";

/// The group of the help.
const DAYS: &str = "Days";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = ANALYTICS)]
pub(crate) struct Analytics {
    /// Today and the days before it, so many in all; 30 is the same [default: 7d]
    #[arg(long, visible_alias = "days", value_name = "30d", value_parser = days, allow_hyphen_values = true, help_heading = DAYS)]
    #[arg(conflicts_with_all = ["since", "until", "month"])]
    pub(crate) lookback: Option<u32>,
    /// First day
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = DAYS)]
    #[arg(aliases = ["start", "from", "start-date"])]
    pub(crate) since: Option<String>,
    /// First day that is not in it [default: tomorrow]; not without --since
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = DAYS, requires = "since")]
    #[arg(aliases = ["end", "to", "end-date"])]
    pub(crate) until: Option<String>,
    /// That month, whole
    #[arg(long, value_name = "YYYY-MM", allow_hyphen_values = true, help_heading = DAYS)]
    #[arg(conflicts_with_all = ["since", "until"])]
    pub(crate) month: Option<String>,
    /// Print the answer of the service as it came
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) asked: AskedOnce,
}

/// Reads whole days, as `30d`, `30` or `4w`.
fn days(text: &str) -> Result<u32, &'static str> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let length = match is_plain {
        true => parse_length(&format!("{text}d")),
        false => parse_length(text),
    };
    let length = length.ok().map(|length| length.as_secs());
    let days = length.filter(|seconds| seconds.is_multiple_of(S_PER_DAY)).map(|seconds| seconds / S_PER_DAY);
    days.and_then(|days| u32::try_from(days).ok()).ok_or("it is a number of days, as 30d")
}
