//! A report of what a ledger holds.

use std::collections::{HashMap, HashSet};

use billing_ledger::{AccountId, ErrorKind, Ledger};
use billing_model::{TimeWindow, Timestamp};
use billing_report::{Dimension, Meta, Question, Report, ReportBuilder, Source};
use billing_sync::Records;

use super::finality::Finality;
use super::nothing;
use crate::exit::Failure;
use crate::{accounts, args, ledgers, reading};

/// Makes the report of some accounts of a ledger.
pub(super) fn report(
    from: &args::LedgerAccounts,
    question: Question,
    now: Timestamp,
    meta: Meta,
) -> Result<Report, Failure> {
    let place = from.ledger.place()?;
    let ledger = ledgers::open_for_a_report(&place).map_err(|failure| match failure.of_ledger() {
        Some(ErrorKind::NotFound) => {
            failure.hint("an exported file needs no ledger: billing report june.csv")
        }
        _ => failure,
    })?;
    let accounts = accounts::named(&*ledger, &place, &from.names)?;
    // Before the entries are read: a sync that ends in between would make a report final that lacks what it brought.
    let finality = finality(&*ledger, &accounts, question.window, now)?;
    let ids: Vec<AccountId> = accounts.iter().map(|(id, _)| *id).collect();
    let asked = question.clone();
    let builder = reading::read(&*ledger, &ids, &ReportBuilder::new(question))?;
    let source = Source {
        ledger: Some(place.to_string()),
        accounts: accounts.into_iter().map(|(_, name)| name).collect(),
        files: Vec::new(),
    };
    let mut report = builder.finish(finality.tell(Meta { source, ..meta }));
    if report.meta.entries == 0 {
        nothing::say(&*ledger, &ids, &asked)?;
    }
    for id in ids {
        name_keys(&mut report, ledger.key_descriptions(id)?);
    }
    Ok(report)
}

/// Whether entries may still come, or are missing, by what each account is a copy of.
fn finality(
    ledger: &dyn Ledger,
    accounts: &[(AccountId, String)],
    window: TimeWindow,
    now: Timestamp,
) -> Result<Finality, Failure> {
    let mut finality = Finality::new(window, now);
    for (account, name) in accounts {
        if let Some(source) = ledger.source(*account)? {
            finality.add_copy(name, &Records::load(ledger, *account)?, &source);
        } else {
            finality.add_own();
        }
    }
    if accounts.is_empty() {
        finality.add_own();
    }
    Ok(finality)
}

/// Says what the keys of the report's rows are called. All others of the ledger are nobody's business.
fn name_keys(report: &mut Report, names: HashMap<String, String>) {
    let charts = report.charts.iter().flatten().flat_map(|breakdown| &breakdown.rows);
    let rows = report.rows.iter().chain(charts);
    let shown: HashSet<&str> = rows.filter_map(|row| row.label(Dimension::Key).flatten()).collect();
    let asked = report.meta.filter.key.as_deref();
    let names = names
        .into_iter()
        .filter(|(id, name)| !name.is_empty() && (shown.contains(id.as_str()) || asked == Some(id.as_str())));
    report.meta.key_names.extend(names.collect::<Vec<_>>());
}
