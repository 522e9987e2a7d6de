//! `billing export --from-ledger`: a window of a ledger on this machine, to a file or stdout. No service is asked.

use anyhow::anyhow;
use billing_export::Exported;
use billing_http::Event;
use billing_ledger::{AccountId, Error, ErrorKind, Filter, Ledger, LendEntry, WalkPage, WalkQuery};
use billing_model::{Mark, Sink as _, Summary, TimeWindow, Timestamp};
use billing_sink::Finished;
use billing_sync::{Records, Span};

use crate::args::{self, NamedLedger};
use crate::clock::now;
use crate::exit::{Exit, Failure};
use crate::interrupt::{self, INCOMPLETE, Interrupted};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::runtime::runtime;
use crate::summary::Summarized;
use crate::whole_output::WholeOutput;
use crate::{accounts, export, ledgers, overwriting};

/// Entries that are read at a time.
const PAGE: u32 = 1_000;

/// How often a window is read, when entries of it are taken out meanwhile.
const MAX_WALKS: u32 = 3;

/// The hint for an account that does not hold the window.
const SYNC: &str =
    "nothing was written; `billing sync` brings what is missing, with --since what lies before its history";

/// Lends a page of a walk, as [`Ledger::page_by_position`] does it.
type Page<'a> = dyn Fn(&WalkQuery<'_>, &mut LendEntry<'_>) -> Result<WalkPage, Error> + 'a;

/// Where the entries are.
struct Reading<'a> {
    page: &'a Page<'a>,
    account: AccountId,
    name: &'a str,
    filter: Filter,
}

pub(crate) fn run(args: &args::Export) -> Result<(), Failure> {
    let plan = Plan::new(args)?;
    export::refuse_terminal(args)?;
    let started = now();
    let place = NamedLedger::of(args.from_ledger.as_ref().and_then(Option::as_deref)).place()?;
    overwriting::refuse_ledger(plan.output.as_deref(), &place)?;
    let progress = Progress::new(export::shown(&plan), false);
    let ledger = ledgers::open_saying(&place, &|text| progress.say(&format!("note: {text}")))?;
    let account = ledger.account(&args.account)?;
    let account = account.ok_or_else(|| accounts::no_account(&place, &args.account))?;
    let (window, provisional_from) = settle(&*ledger, account, &args.account, plan.times.by_clock(started)?)?;
    if ledger.source(account)?.is_some_and(|source| source.synced_at.is_none()) {
        progress
            .warn("the first sync of this account has not ended, so its history goes on behind what is held");
    }
    let filter = Filter { window, currency: plan.currency.clone() };
    let page = |query: &WalkQuery<'_>, lend: &mut LendEntry<'_>| ledger.page_by_position(query, lend);
    let reading = Reading { page: &page, account, name: &args.account, filter };
    let output = WholeOutput::open(&plan, [("from-ledger", &place.to_string()), ("account", &args.account)])?;
    if let Some(path) = plan.output.as_deref().filter(|_| plan.manifest) {
        export::check_place_of_manifest(path, output.takes_back())?;
    }
    if let Some(note) = &plan.note {
        progress.say(&format!("note: {note}"));
    }
    progress.begin(window, None);
    // The runtime hears signals; nothing is waited for in it.
    let (summary, finished) = runtime(1)?.block_on(async {
        let interrupted = interrupt::watch(plan.output.is_none())?;
        reading.read_into(output, &progress, &interrupted)
    })?;
    let of = (&*place.to_string(), args.account.as_str());
    let mut exported = Exported::of_ledger(of, window, (started, now()), summary, finished);
    exported.currency = plan.currency.clone();
    let exported = export::close(exported, &plan, &progress)?;
    let (elapsed, warnings) = (progress.elapsed(), progress.kept());
    progress.end();
    let (has_key_ids, has_other_fields) = (true, true);
    Summarized { plan: &plan, exported: &exported, has_key_ids, has_other_fields, provisional_from, elapsed }
        .print(warnings)
}

/// The window, with its end where one is known, and the instant from which on it is provisional.
///
/// A copy of a service has to hold the window whole; without an end that was typed, up to the end of what it holds. Other
/// accounts have what was recorded in them.
fn settle(
    ledger: &dyn Ledger,
    account: AccountId,
    name: &str,
    window: TimeWindow,
) -> Result<(TimeWindow, Option<Timestamp>), Failure> {
    let Some(source) = ledger.source(account)? else { return Ok((window, None)) };
    let held = Records::load(ledger, account)?;
    let Some(end) = held.until() else {
        let error = anyhow!("account `{name}` holds nothing yet: no window of its service was brought over");
        return Err(Failure::new(Exit::Incomplete, error).hint(SYNC));
    };
    // A window that begins behind everything that is held would be empty, and is a gap all the same.
    let until = window.until().or(Some(end).filter(|end| window.since() < Some(*end)));
    let until = until.unwrap_or_else(now);
    if let Some(gap) = held.first_gap(window.since(), until) {
        let failure =
            Failure::new(Exit::Incomplete, anyhow!("account `{name}` does not hold {}", shown(gap)))
                .hint(SYNC);
        return Err(match gap.since() == Some(end) && window.since() < Some(end) {
            true => failure.hint(format!("--until {end} ends the window where it is held")),
            false => failure,
        });
    }
    let window = TimeWindow::new(window.since(), Some(until)).map_err(Failure::usage)?;
    Ok((window, held.provisional_in(window, source.settle)))
}

fn shown(gap: Span) -> String {
    match gap.since() {
        Some(since) => format!("the window whole: what lies from {since} to {} is missing", gap.until()),
        None => format!("the window whole: what lies before {} is missing", gap.until()),
    }
}

impl Reading<'_> {
    /// Writes all entries. When some are taken out meanwhile that were still to come, it begins anew, where the output takes
    /// back what was written.
    fn read_into(
        &self,
        mut output: WholeOutput<'_>,
        progress: &Progress,
        interrupted: &Interrupted,
    ) -> Result<(Summary, Option<Finished>), Failure> {
        let mut walk = 1;
        loop {
            match self.walk(&mut output, progress, interrupted) {
                Err(Broken::Outdated(_)) if output.takes_back() && walk < MAX_WALKS => {
                    walk += 1;
                    progress.say("note: entries were taken out meanwhile; reading the window again");
                    progress.begin(self.filter.window, None);
                }
                Err(Broken::Outdated(error)) => {
                    let failure = Failure::new(Exit::Incomplete, error).context(format!(
                        "entries of account `{}` were taken out while it was read",
                        self.name
                    ));
                    return Err(match output.takes_back() {
                        true => {
                            failure.hint("nothing was written; run it again when `billing sync` has ended")
                        }
                        false => failure.hint(INCOMPLETE),
                    });
                }
                Err(Broken::Failed(failure)) => return Err(failure),
                Ok(written) => return Ok(written),
            }
        }
    }

    /// Writes all entries as they are at the first page.
    fn walk(
        &self,
        output: &mut WholeOutput<'_>,
        progress: &Progress,
        interrupted: &Interrupted,
    ) -> Result<(Summary, Option<Finished>), Broken> {
        let mut sink = output.begin()?;
        let (mut summary, mut entries) = (Summary::default(), Vec::new());
        let (account, filter) = (self.account, &self.filter);
        let mut query = WalkQuery { account, filter, snapshot: None, after: None, limit: PAGE };
        loop {
            if let Some(cause) = interrupted.heard() {
                return Err(Broken::Failed(Failure::from(cause).hint(export::NOTHING_WRITTEN)));
            }
            entries.clear();
            let page = (self.page)(&query, &mut |_, lent| {
                entries.push(lent.to_entry()?);
                Ok(())
            })?;
            sink.write(&entries).map_err(Failure::from)?;
            summary.extend(&entries);
            let came = u64::try_from(entries.len()).unwrap_or_default();
            progress.observe(&Event::Page { entries: came, reached: summary.last, total: None });
            query = WalkQuery { snapshot: Some(page.snapshot), after: page.next, ..query };
            if page.next.is_none() {
                break;
            }
        }
        // It says what the file comes to. Before the end there is none, because nothing of it is kept for another run.
        if let Some(last) = summary.last {
            sink.mark(&Mark { complete_until: last.next(), written: &summary }).map_err(Failure::from)?;
        }
        let finished = sink.finish().map_err(Failure::from)?;
        Ok((summary, finished))
    }
}

/// Why a walk did not come to its end.
enum Broken {
    /// Entries were taken out that were still to come.
    Outdated(Error),
    Failed(Failure),
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::WalkOutdated => Self::Outdated(error),
            _ => Self::Failed(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use crate::progress::Shown;
    use billing_ledger::Change;
    use billing_testkit::{MemoryLedger, OwnedLedger as _, entry_at};
    use clap::Parser as _;
    use std::cell::Cell;
    use std::fs;

    /// Exports 2,500 entries to a file. Before the second page of so many walks, the last entry of all is taken out. Returns
    /// what came of it, and the lines of the file.
    fn export_disturbed(times: u32) -> (Result<u64, Failure>, Option<usize>) {
        let (ledger, directory) = (MemoryLedger::new().unwrap(), tempfile::tempdir().unwrap());
        let account = ledger.create_account("default").unwrap();
        let second = |s: i64| Timestamp::from_unix_ns(1_780_272_000_000_000_000 + s * 1_000_000_000);
        let mut import = ledger.import(account).unwrap();
        import.write(&(0..2_500).map(|s| entry_at(second(s), "-0.1")).collect::<Vec<_>>()).unwrap();
        import.finish().unwrap();
        let left = Cell::new(times);
        let page = |query: &WalkQuery<'_>, lend: &mut LendEntry<'_>| {
            if query.after.is_some() && left.get() > 0 {
                left.set(left.get() - 1);
                let (last, _) = ledger.placed_entries(account).unwrap().pop().unwrap();
                ledger.change(&Change { remove: vec![last], ..Change::of(account, second(0)) }).unwrap();
            }
            ledger.page_by_position(query, lend)
        };
        let path = directory.path().join("all.ndjson");
        let typed = ["billing", "export", "--from-ledger", "-o", path.to_str().unwrap()];
        let Command::Export(args) = Args::try_parse_from(typed).unwrap().command else { panic!("no export") };
        let plan = Plan::new(&args).unwrap();
        let asked = [("from-ledger", &String::new()), ("account", &args.account)];
        let output = WholeOutput::open(&plan, asked).unwrap();
        let filter = Filter::default();
        let reading = Reading { page: &page, account, name: &args.account, filter };
        let read = runtime(1).unwrap().block_on(async {
            let interrupted = interrupt::watch(false)?;
            reading.read_into(output, &Progress::new(Shown::Quiet, false), &interrupted)
        });
        let read = read.map(|(summary, finished)| {
            let finished = finished.unwrap();
            assert_eq!(finished.summary, summary);
            finished.close().unwrap();
            summary.entries
        });
        let lines = fs::read_to_string(&path).ok().map(|text| text.lines().count());
        let names = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(names, usize::from(lines.is_some()), "nothing else stands there");
        (read, lines)
    }

    #[test]
    fn a_window_of_which_something_is_taken_out_is_read_again() {
        for times in [0, 1, 2] {
            let (read, lines) = export_disturbed(times);
            let left = 2_500 - u64::from(times);
            assert_eq!((read.unwrap(), lines), (left, usize::try_from(left).ok()));
        }
        let (read, lines) = export_disturbed(3);
        let said = format!("{:?}", read.unwrap_err());
        assert!(said.contains("Incomplete") && said.contains("were taken out while it was read"), "{said}");
        assert_eq!(lines, None);
    }
}
