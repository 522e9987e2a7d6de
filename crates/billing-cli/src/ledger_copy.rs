//! `billing ledger copy`: copies a ledger into another file or database.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use billing_copy::{Copied, Error, ErrorKind, Event, Unfinished, copy};
use billing_ledger::ErrorKind as LedgerErrorKind;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::args::{self, LedgerCommand};
use crate::exit::{Exit, Failure};
use crate::ledger_place::LedgerPlace;
use crate::progress::moving_line;
use crate::text::grouped;
use crate::{ledgers, stdout, terminal, text};

/// The time between two notes where there is no moving line.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// The hint for a copy that waits for the rest.
const GO_ON: &str =
    "stop what uses that ledger, and run the same command again: it copies what came since, and ends";

pub(crate) fn run(args: &args::Ledger) -> Result<(), Failure> {
    let LedgerCommand::Copy(args) = &args.command;
    let start = Instant::now();
    let (from, to) = (LedgerPlace::of(&args.from)?, LedgerPlace::of(&args.to)?);
    if let (Some(from), Some(to)) = (from.file(), to.file())
        && same_file::is_same_file(from, to).unwrap_or(false)
    {
        return Err(Failure::usage(anyhow!("`{}` is the ledger that is copied", to.display()))
            .hint("--to names a place where nothing is"));
    }
    let ledger = ledgers::open_to_copy(&from)?;
    let into = ledgers::begin_copy(&to, ledger.secret())?;
    let shown = Shown::new();
    let copied = copy(&*ledger, into, &|event| shown.observe(event));
    shown.line.finish_and_clear();
    let copied = copied.map_err(|error| failure(error, &to))?;
    let printed = match args.json {
        true => json(&from, &to, &copied).and_then(|json| stdout::print(&json)),
        false => Ok(()),
    };
    terminal::note(&said(&from, &to, &copied, start.elapsed()));
    if let Some(why) = copied.unfinished {
        // The exit code says it even when nobody reads what was printed.
        return Err(unfinished(why, &from, &to));
    }
    printed
}

/// What is shown while it runs.
struct Shown {
    line: ProgressBar,
    /// When the last note was written where there is no moving line.
    said: RefCell<Instant>,
}

impl Shown {
    fn new() -> Self {
        let line = moving_line(false, "looking at both ledgers");
        Self { line, said: RefCell::new(Instant::now()) }
    }

    fn observe(&self, event: &Event) {
        let words = match *event {
            Event::GoesOn { blocks } => {
                let blocks = counted(blocks, "block");
                return self.line.suspend(|| {
                    terminal::note(&format!(
                        "note: an earlier copy is there, with {blocks}; going on with it"
                    ));
                });
            }
            Event::Blocks { blocks } => format!("copied: {}", counted(blocks, "block")),
            Event::Entries { entries, of } => {
                format!("copied: {} of {} entries", grouped(entries), grouped(of))
            }
            Event::Receipts { receipts } => format!("copied: {}", counted(receipts, "receipt")),
            Event::Compared { entries, of } => {
                format!("compared: {} of {} entries", grouped(entries), grouped(of))
            }
            _ => return,
        };
        let mut said = self.said.borrow_mut();
        if self.line.is_hidden() && said.elapsed() >= PLAIN_EVERY {
            terminal::note(&format!("so far {words}"));
            *said = Instant::now();
        }
        self.line.set_message(words);
    }
}

/// What was copied, in the words of an import.
fn said(from: &LedgerPlace, to: &LedgerPlace, copied: &Copied, elapsed: Duration) -> String {
    let Copied { accounts, blocks, new_entries, new_removed_entries, compared_entries, .. } = *copied;
    let rate = grouped(text::rate(new_entries, elapsed));
    let removed = match new_removed_entries {
        0 => String::new(),
        removed => format!(", and {} that were taken out", grouped(removed)),
    };
    let head = format!(
        "copied `{from}` into `{to}`: {}{removed}, {}, {rate} entries/s",
        text::entries(new_entries),
        text::seconds(elapsed)
    );
    let all =
        [counted(accounts, "account"), counted(blocks, "block"), counted(copied.keys, "key")].join(", ");
    match copied.unfinished {
        Some(_) => format!("{head}\nso far {all}"),
        None => format!(
            "{head}\n{all}, {}, {}; {} compared, and all are the same",
            counted(copied.receipts, "receipt"),
            counted(copied.files, "file"),
            text::entries(compared_entries)
        ),
    }
}

/// `1 block`, `4,010 blocks`.
fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

fn unfinished(why: Unfinished, from: &LedgerPlace, to: &LedgerPlace) -> Failure {
    let error = match why {
        Unfinished::Changed => {
            anyhow!("`{from}` was written to while it was compared, so `{to}` waits for the rest")
        }
        _ => anyhow!("`{from}` is open in another program, a server perhaps, so `{to}` waits for the rest"),
    };
    Failure::new(Exit::Incomplete, error).hint(GO_ON)
}

fn failure(error: Error, to: &LedgerPlace) -> Failure {
    let goes_on = "the same command goes on where it was";
    let anew = format!("remove `{to}`, and copy anew");
    match (error.kind(), error.cause().map(billing_ledger::Error::kind)) {
        (ErrorKind::Differs, _) => Failure::new(Exit::Differs, error)
            .hint("`billing check` of the ledger that is copied comes first")
            .hint(anew),
        // Whoever was told to remove it might remove what is in use by now.
        (ErrorKind::Used, _) => Failure::failed(error).hint("nothing there was touched"),
        (ErrorKind::Changed, _) => Failure::failed(error).hint(anew),
        (_, Some(LedgerErrorKind::Away)) => Failure::new(Exit::Unreachable, error).hint(goes_on),
        (_, Some(LedgerErrorKind::OutcomeNotKnown)) => Failure::new(Exit::Incomplete, error).hint(goes_on),
        _ => Failure::failed(error).hint(goes_on),
    }
}

/// The output of `--json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    from: String,
    to: String,
    /// False while the copy waits for the rest.
    finished: bool,
    accounts: u64,
    keys: u64,
    blocks: u64,
    /// Entries that this run copied, and those of them that were taken out.
    copied_entries: u64,
    copied_removed_entries: u64,
    /// Entries that were read back; all of them once the copy has ended.
    compared_entries: u64,
    receipts: u64,
    files: u64,
}

fn json(from: &LedgerPlace, to: &LedgerPlace, copied: &Copied) -> Result<String, Failure> {
    let json = Json {
        from: from.to_string(),
        to: to.to_string(),
        finished: copied.unfinished.is_none(),
        accounts: copied.accounts,
        keys: copied.keys,
        blocks: copied.blocks,
        copied_entries: copied.new_entries,
        copied_removed_entries: copied.new_removed_entries,
        compared_entries: copied.compared_entries,
        receipts: copied.receipts,
        files: copied.files,
    };
    let text = serde_json::to_string_pretty(&json).context("the copy is no JSON").map_err(Failure::failed)?;
    Ok(text + "\n")
}
