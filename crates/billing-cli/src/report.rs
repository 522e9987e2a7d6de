//! `billing report` and its short forms: where the money goes, from a ledger or from files. No service is asked.

mod files;
mod finality;
mod held;
mod jq;
mod nothing;
mod output;
mod pager;
mod question;
mod rendered;
mod window;

use anyhow::anyhow;
use billing_report::{Dimension, Meta, Question};

use crate::args;
use crate::clock::now;
use crate::exit::Failure;
use crate::plan::last_day;
use crate::terminal;

pub(crate) use nothing::say_last;
pub(crate) use output::Output;

/// The note of a report that counts requests.
const REQUESTS: &str = "Requests are counted of entries that name one.";

pub(crate) fn run(args: &args::Report) -> Result<(), Failure> {
    let now = now();
    // What is wrong with the flags is said before anything is read.
    let output = Output::new(&args.output)?;
    if args.files.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Failure::usage(anyhow!("`-` is stdin, which is read once, and it is given twice")));
    }
    if args.charts && !output.keeps_charts() {
        terminal::note("note: --charts adds something to JSON and to a page, and not to this form");
    }
    match args.files.is_empty() {
        true => output.refuse_ledger(&args.from.ledger.place()?)?,
        false => output.refuse_files(&args.files)?,
    }
    let question = question::of_report(args, args.charts || output.has_charts(), now)?;
    if let Some(note) = args.window.until.as_deref().and_then(last_day) {
        terminal::note(&format!("note: {note}"));
    }
    let meta = meta(&question, now);
    let report = match args.files.is_empty() {
        true => held::report(&args.from, question, now, meta)?,
        false => files::report(&args.files, question, now, meta)?,
    };
    output.show(&report)?;
    // The process ends here, and its memory with it. Taking a report of a million rows apart would take a tenth of a second.
    std::mem::forget(report);
    Ok(())
}

pub(crate) fn daily(args: &args::Short) -> Result<(), Failure> {
    short(args, Dimension::Day)
}

pub(crate) fn weekly(args: &args::Short) -> Result<(), Failure> {
    short(args, Dimension::Week)
}

pub(crate) fn monthly(args: &args::Short) -> Result<(), Failure> {
    short(args, Dimension::Month)
}

pub(crate) fn models(args: &args::Short) -> Result<(), Failure> {
    short(args, Dimension::Model)
}

fn short(args: &args::Short, by: Dimension) -> Result<(), Failure> {
    let now = now();
    let output = Output::of_form(args.format, args.look)?;
    let question = question::of_short(args, by, now)?;
    let meta = meta(&question, now);
    output.show(&held::report(&args.from, question, now, meta)?)
}

/// What is known before anything is read.
fn meta(question: &Question, now: billing_model::Timestamp) -> Meta {
    let notes = question.requests.then(|| REQUESTS.to_owned());
    Meta { created: now.to_string(), notes: notes.into_iter().collect(), ..Meta::default() }
}
