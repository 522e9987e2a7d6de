//! The flags of `billing sync`: the account, how much of its history, and how often.

use std::time::Duration;

use billing_model::parse_length;

use super::DEFAULT_ACCOUNT;
use super::named_ledger::NamedLedger;
use super::walking::Walking;

/// The headings of the flags in the help.
const WINDOW: &str = "Window";
const RUN: &str = "Run";
const OUTPUT: &str = "Output";

/// The longest time between two rounds. A round a week is the business of a timer.
const MOST_BETWEEN: Duration = Duration::from_secs(7 * 24 * 60 * 60);

#[derive(Debug, clap::Args)]
#[command(after_help = LENGTHS_AND_EXAMPLES)]
pub(crate) struct Sync {
    #[command(flatten)]
    pub(crate) ledger: NamedLedger,
    /// Account to keep in step with the service; made when it is not there
    #[arg(long, value_name = "NAME", default_value = DEFAULT_ACCOUNT)]
    pub(crate) account: String,

    /// Where the history begins [default: where what is held does; at first, with the first entry]
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = WINDOW)]
    pub(crate) since: Option<String>,
    /// Where the history ends for now [default: the present]
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = WINDOW)]
    pub(crate) until: Option<String>,
    /// How long entries may still arrive as a matter of course: what is younger is provisional
    #[arg(long, value_name = "D", default_value = "15m", value_parser = length, help_heading = WINDOW)]
    pub(crate) settle: Duration,
    /// How much of what is held is read again, counted back from its end
    #[arg(long, value_name = "D", default_value = "24h", value_parser = length, help_heading = WINDOW)]
    pub(crate) overlap: Duration,
    /// Read everything again that is held
    #[arg(long, help_heading = WINDOW)]
    pub(crate) full: bool,

    /// Take out what the service does not have any more, also when it is a great part of what is held
    #[arg(long, help_heading = RUN)]
    pub(crate) accept_vanished: bool,
    /// Say what a sync would do, and change nothing
    #[arg(long, help_heading = RUN)]
    pub(crate) dry_run: bool,
    /// Go on until Ctrl-C, and begin a round this often
    #[arg(long, value_name = "D", value_parser = period, help_heading = RUN)]
    #[arg(conflicts_with_all = ["until", "full", "dry_run"])]
    pub(crate) every: Option<Duration>,

    /// Print what was done as one JSON object on one line
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) json: bool,
    /// Say nothing but errors
    #[arg(short, long, help_heading = OUTPUT, conflicts_with = "json")]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) walking: Walking,
}

const LENGTHS_AND_EXAMPLES: &str = "\
Times T are those of `billing export`: 2026-06-15, yesterday, 30d. Lengths D are
90s, 15m, 24h, 7d, 2w.

The account becomes a copy of the service, and takes entries from nowhere else.
Each window is stored whole: whatever ends a run, the next one goes on there.

Examples:
  billing sync
      Brings the account `default` of your ledger in line with the service.
  billing sync --account acme --since 2026-01 --ledger ledger.db
      Keeps the history of another account, from that month on.
  billing sync --every 5m --quiet
      Goes on by itself, and says nothing but errors.";

/// Reads a length of time. Minutes are minutes: nobody means a month by `5m` here.
fn length(text: &str) -> Result<Duration, String> {
    let is_digits = |digits: &&str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let minutes = text.strip_suffix('m').filter(is_digits).and_then(|digits| digits.parse::<u64>().ok());
    match minutes.and_then(|minutes| minutes.checked_mul(60)) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => parse_length(text)
            .map_err(|_| format!("`{text}` is not a length of time; give 90s, 15m, 24h or 7d")),
    }
}

fn period(text: &str) -> Result<Duration, String> {
    match length(text)? {
        Duration::ZERO => Err("rounds need some time between them, as 5m".to_owned()),
        long if long > MOST_BETWEEN => Err("a round comes once in 7d at least".to_owned()),
        period => Ok(period),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_minutes() {
        for (text, seconds) in [("90s", 90), ("0m", 0), ("15m", 900), ("24h", 86_400), ("1w", 604_800)] {
            assert_eq!(length(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "m", "-1m", "+1m", "1.5m", "15 m", "15min", "99999999999999999999m", "5"] {
            let error = length(text).unwrap_err();
            assert_eq!(error, format!("`{text}` is not a length of time; give 90s, 15m, 24h or 7d"));
        }
    }

    #[test]
    fn rounds_come_now_and_then() {
        assert_eq!(period("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(period("7d"), Ok(MOST_BETWEEN));
        for text in ["0s", "0m", "8d", "5"] {
            assert!(period(text).is_err(), "{text}");
        }
    }
}
