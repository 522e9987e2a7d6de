//! `billing statusline`: one line for a prompt or a status bar.

use billing_ledger::{Error, ErrorKind};
use billing_model::{Day, TimeWindow};
use billing_report::{By, Dimension, Meta, Question, ReportBuilder, Standing, Zone};

use crate::args;
use crate::chosen_accounts::ChosenAccounts;
use crate::exit::Failure;
use crate::{clock, ledgers, reading, stdout};

/// The hint for a ledger that a program of an older version has written.
const FORWARD: &str = "`billing today` brings it up to date; `billing statusline` only reads";

pub(crate) fn run(args: &args::Statusline) -> Result<(), Failure> {
    let line = match line(args) {
        // A writer has changed the file that was read without its log, or was about to make one. By now there is a log, or the writer
        // has ended.
        Err(failure) if failure.of::<Error>().is_some_and(is_changed) => self::line(args)?,
        line => line?,
    };
    // What the template says itself stays as it is: it may have colours.
    stdout::write(&(line + "\n"))
}

fn line(args: &args::Statusline) -> Result<String, Failure> {
    let place = args.from.ledger.place()?;
    let ledger = ledgers::open_for_a_prompt(&place).map_err(explained)?;
    let accounts = ChosenAccounts::of(&*ledger, &place, &args.from.names)?;
    let (now, zone) = (clock::now(), args.place.timezone.unwrap_or(Zone::UTC));
    let day = zone.local(now).day;
    let (start, end) = (zone.start_of(day), zone.start_of(Day(day.0 + 1)));
    // At the end of time there is no such day.
    let window = TimeWindow::new(Some(start), Some(end)).map_err(Failure::failed)?;
    let synced = accounts.synced(&*ledger)?;
    let empty = ReportBuilder::new(Question { window, ..Question::new(By::one(Dimension::Model)) });
    let read = || reading::read(&*ledger, &accounts.ids, &empty);
    let (builder, diem) = accounts.with_diem(&*ledger, now, read)?;
    let report = builder.finish(Meta::default());
    let standing = Standing { now, start, report, diem, synced };
    Ok(match &args.template {
        Some(template) => template.line(&standing),
        None => standing.line(),
    })
}

/// True where the ledger may have been changed while it was read. A file whose log is being copied into it may look damaged, or like
/// another one. Where a lock is in the way, the engine's error is the cause.
fn is_changed(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Busy => std::error::Error::source(error).is_none(),
        kind => matches!(kind, ErrorKind::Corrupt | ErrorKind::Replaced | ErrorKind::CannotOpen),
    }
}

fn explained(failure: Failure) -> Failure {
    match failure.of_ledger() {
        Some(ErrorKind::OlderVersion) => failure.hint(FORWARD),
        _ => failure,
    }
}
