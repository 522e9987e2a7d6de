//! `billing analytics`: what was spent, by day, by model and by API key.

mod tables;

use anyhow::anyhow;
use billing_model::{
    AnalyticsQuery, Day, DayRange, Fault, FaultCode, QueryError, TimeWordError, Timestamp, TypedTime,
    TypedWindow,
};

use crate::args;
use crate::asking::{Question, ask};
use crate::clock::now;
use crate::exit::Failure;
use crate::{stdout, terminal};

/// What is said to whoever gave a time within a day, or a span back, which ends within one.
const WHOLE_DAYS: &str = "give days, as 2026-06-15, 2026-06, today, yesterday or tomorrow; --lookback 7d is today and the six days before it";

/// What is said where today is among the days. Services keep an answer for ten minutes, which matters while more is spent.
const MAY_BE_OLD: &str = "note: today has not ended, and figures may be ten minutes old";

pub(crate) fn run(args: &args::Analytics) -> Result<(), Failure> {
    let now = now();
    let query = query(args, now)?;
    let days = query.days(now);
    let question = Question::Analytics { days: days.count() };
    let answer = ask(&args.asked, question, async |client| client.analytics(&query).await)?;
    if args.json {
        return stdout::print_json(&answer.text);
    }
    let room = stdout::room();
    let shown = tables::shown(&answer.value, room);
    stdout::print(&shown.text)?;
    if has_today(days, now) {
        terminal::note(MAY_BE_OLD);
    }
    for (table, left_out) in shown.left_out {
        let columns = left_out.join(", ");
        terminal::note(&format!(
            "note: {table}: no room for {columns} in {} columns; --json has all of it",
            room.columns
        ));
    }
    Ok(())
}

fn has_today(days: DayRange, now: Timestamp) -> bool {
    Day::of(now).is_some_and(|today| (days.first..=days.last).contains(&today))
}

/// What is asked for. The day of the present is that of this machine's clock.
fn query(args: &args::Analytics, now: Timestamp) -> Result<AnalyticsQuery, Failure> {
    let builder = AnalyticsQuery::builder();
    let builder = match days(args, now)? {
        Some(days) => builder.dates(days),
        None => builder.lookback(args.lookback),
    };
    builder.build().map_err(|refused| refusal(&refused))
}

/// The days from `--since` up to `--until`, or of a month; `None` where neither was given.
fn days(args: &args::Analytics, now: Timestamp) -> Result<Option<DayRange>, Failure> {
    let wrong = |flag: &str, error: TimeWordError| Failure::usage(anyhow!("{flag}: {error}"));
    let tomorrow = || Day::of(now).map(|today| TypedTime::At(Day(today.0 + 1).start()));
    // A time on which a day begins.
    let day = |flag: &str, text: &str| {
        // Only where days are whole is it a time that is of use: the first one that has not begun.
        if let Some(tomorrow) = tomorrow().filter(|_| text == "tomorrow") {
            return Ok(tomorrow);
        }
        let not_a_time =
            |_: TimeWordError| Failure::usage(anyhow!("{flag}: `{text}` is not a day")).hint(WHOLE_DAYS);
        let time: TypedTime = text.parse().map_err(not_a_time)?;
        let at = time.at(now).filter(|at| Day::of(*at).is_some_and(|day| day.start() == *at));
        let not_a_day = || {
            let error = anyhow!("{flag}: `{text}` is not where a day begins, and days are whole here");
            Failure::usage(error).hint(WHOLE_DAYS)
        };
        at.map(TypedTime::At).ok_or_else(not_a_day)
    };
    let window = match (&args.month, &args.since) {
        (Some(month), _) => TypedWindow::month(month).map_err(|error| wrong("--month", error))?,
        (None, None) => return Ok(None),
        (None, Some(since)) => {
            let until = match &args.until {
                Some(until) => Some(day("--until", until)?),
                // Up to the end of today.
                None => tomorrow(),
            };
            TypedWindow { since: Some(day("--since", since)?), until }
        }
    };
    if window.is_always_empty() {
        let since = args.since.as_deref().unwrap_or_default();
        return Err(Failure::usage(match &args.until {
            Some(until) => anyhow!("there is no day in it: --since {since} is not before --until {until}"),
            None => anyhow!("there is no day in it: --since {since} lies after today"),
        }));
    }
    let days = window.window(now).map_err(Failure::usage)?.whole_days();
    days.map(Some).ok_or_else(|| Failure::usage(anyhow!("no ledger reaches to these days")))
}

/// The faults of a query, under the names of the flags that they came from.
fn refusal(refused: &QueryError) -> Failure {
    let fault = |fault: &Fault| match fault.field {
        Some("lookback") => format!("--lookback: {}", fault.message),
        _ => fault.message.clone(),
    };
    let failure = Failure::usage(anyhow!(refused.faults().iter().map(fault).collect::<Vec<_>>().join("; ")));
    let is_too_long = |fault: &Fault| (fault.field, fault.code) == (Some("lookback"), FaultCode::TooBig);
    match refused.faults().iter().any(is_too_long) {
        true => failure.hint("--since takes more days of a `billing serve`, 366; Venice sums up 90 at most"),
        false => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use clap::Parser;

    /// What is asked of the service on a day in June.
    fn asked(flags: &[&str]) -> String {
        let words = ["billing", "analytics"].iter().chain(flags);
        let Command::Analytics(args) = Args::try_parse_from(words).unwrap().command else { panic!() };
        match query(&args, "2026-06-15T12:30:00Z".parse().unwrap()) {
            Ok(query) => query.query_string(),
            Err(failure) => format!("{failure:?}"),
        }
    }

    #[test]
    fn an_end_that_is_exclusive_here_is_the_day_before_it_there() {
        for (flags, query) in [
            (&[][..], "lookback=7d"),
            (&["--lookback", "30d"], "lookback=30d"),
            (&["--lookback", "2w"], "lookback=14d"),
            (&["--lookback", "30"], "lookback=30d"),
            (&["--days", "7"], "lookback=7d"),
            (&["--month", "2026-02"], "endDate=2026-02-28&startDate=2026-02-01"),
            (&["--since", "2026-06-01", "--until", "2026-06-08"], "endDate=2026-06-07&startDate=2026-06-01"),
            (&["--since", "2026-06-01", "--until", "2026-06-02"], "endDate=2026-06-01&startDate=2026-06-01"),
            (&["--since", "2026-05", "--until", "2026-06"], "endDate=2026-05-31&startDate=2026-05-01"),
            (&["--since", "yesterday", "--until", "today"], "endDate=2026-06-14&startDate=2026-06-14"),
            (&["--since", "today", "--until", "tomorrow"], "endDate=2026-06-15&startDate=2026-06-15"),
            (&["--since", "tomorrow", "--until", "2026-06-17"], "endDate=2026-06-16&startDate=2026-06-16"),
            (&["--from", "yesterday"], "endDate=2026-06-15&startDate=2026-06-14"),
            (&["--since", "2026-06-14T02:00:00+02:00"], "endDate=2026-06-15&startDate=2026-06-14"),
        ] {
            assert_eq!(asked(flags), query, "{flags:?}");
        }
    }

    #[test]
    fn today_is_among_the_days_or_not() {
        let now: Timestamp = "2026-06-15T12:30:00Z".parse().unwrap();
        let today = Day::of(now).unwrap().0;
        for (first, last, expect) in
            [(-6, 0, true), (0, 0, true), (0, 3, true), (-6, -1, false), (1, 3, false)]
        {
            let days = DayRange { first: Day(today + first), last: Day(today + last) };
            assert_eq!(has_today(days, now), expect, "{first} {last}");
        }
    }

    #[test]
    fn what_is_no_day_is_told_so() {
        for (flags, said) in [
            (&["--since", "7d"][..], "--since: `7d` is not where a day begins"),
            (&["--since", "2026-06-14T12:00:00Z"], "is not where a day begins"),
            (&["--since", "99999d"], "is not where a day begins"),
            (&["--since", "2026-06", "--until", "12h"], "--until: `12h` is not where a day begins"),
            (&["--since", "June"], "--since: `June` is not a day"),
            (&["--since", "last week"], "--since: `last week` is not a day"),
            (&["--since", "7m"], "--since: `7m` is not a day"),
            (&["--month", "June"], "--month: `June` is not a month"),
            (
                &["--since", "2026-06-02", "--until", "2026-06-02"],
                "there is no day in it: --since 2026-06-02 is not before --until 2026-06-02",
            ),
            (&["--since", "tomorrow"], "there is no day in it: --since tomorrow lies after today"),
            (
                &["--since", "tomorrow", "--until", "tomorrow"],
                "--since tomorrow is not before --until tomorrow",
            ),
            (&["--since", "2026-06-16"], "there is no day in it: --since 2026-06-16 lies after today"),
            (&["--month", "2300-06"], "no ledger reaches to these days"),
            (&["--lookback", "91d"], "--lookback: `91d` is out of range: this endpoint takes 1d to 90d"),
            (&["--lookback", "0d"], "--lookback: `0d` is out of range"),
            (&["--since", "2024-06", "--until", "2026-06"], "730 days, this endpoint takes 366"),
            (&["--since", "1600-01-01", "--until", "1600-01-02"], "is not where a day begins"),
        ] {
            let found = asked(flags);
            assert!(found.contains(said), "{flags:?}: {found}");
        }
        for flags in [
            &["--until", "2026-06"][..],
            &["--lookback", "12h"],
            &["--lookback", "-1"],
            &["--lookback", "+1"],
        ] {
            assert!(Args::try_parse_from(["billing", "analytics"].iter().chain(flags)).is_err());
        }
    }
}
