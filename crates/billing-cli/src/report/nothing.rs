//! What is said of a report that found nothing: what there is instead.

use billing_ledger::{AccountId, Ledger};
use billing_model::one_line;
use billing_report::{By, Dimension, Filter, Meta, Question, Report, ReportBuilder};

use crate::exit::Failure;
use crate::{reading, terminal};

/// The most names that are listed, and the most characters of one.
const NAMES: usize = 5;
const NAME_CHARS: usize = 60;

/// Says what would help, on stderr: the names that a filter could have had, or when the last entry was.
pub(crate) fn say(ledger: &dyn Ledger, accounts: &[AccountId], asked: &Question) -> Result<(), Failure> {
    let Filter { currency, model, key } = &asked.filter;
    let filters = [
        (model.is_some(), Dimension::Model, "models"),
        (currency.is_some(), Dimension::Currency, "currencies"),
        (key.is_some(), Dimension::Key, "keys"),
    ];
    for (_, dimension, names) in filters.into_iter().filter(|(is_asked, ..)| *is_asked) {
        let question =
            Question { window: asked.window, zone: asked.zone, ..Question::new(By::one(dimension)) };
        if let Some(found) = labels(&report(ledger, accounts, question)?, dimension) {
            terminal::note_on_one_line(&format!("no entry fits; the {names} are {found}"));
        }
    }
    say_last(ledger, accounts, asked)
}

/// Says when the last entry was, where that is outside of the window.
pub(crate) fn say_last(ledger: &dyn Ledger, accounts: &[AccountId], asked: &Question) -> Result<(), Failure> {
    let days = report(ledger, accounts, Question::new(By::one(Dimension::Day)))?;
    let days = days.rows.iter().filter_map(|row| row.label(Dimension::Day).flatten());
    let last = days.max();
    let is_inside =
        |day: &str| day.parse().is_ok_and(|day: billing_model::Day| asked.window.contains(day.start()));
    if let Some(last) = last.filter(|last| !is_inside(last)) {
        terminal::note_on_one_line(&format!("the last entry is of {last}; `billing report` shows all"));
    }
    Ok(())
}

fn report(ledger: &dyn Ledger, accounts: &[AccountId], question: Question) -> Result<Report, Failure> {
    let builder = reading::read(ledger, accounts, &ReportBuilder::new(question))?;
    Ok(builder.finish(Meta::default()))
}

/// The names of the rows, the greatest spend first; `None` without any.
fn labels(report: &Report, dimension: Dimension) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for name in report.rows.iter().filter_map(|row| row.label(dimension).flatten()) {
        if !names.contains(&name) && names.len() <= NAMES {
            names.push(name);
        }
    }
    let more = if names.len() > NAMES { " and others" } else { "" };
    let listed: Vec<_> = names.iter().take(NAMES).map(|name| one_line(name, NAME_CHARS)).collect();
    (!listed.is_empty()).then(|| listed.join(", ") + more)
}
