//! `billing today`: what was spent today, beside the days before, on one screen.

use anyhow::Context;
use billing_model::{Day, TimeWindow};
use billing_report::{By, Dimension, Question, Source, Today, TodayBuilder, Zone};

use crate::args;
use crate::chosen_accounts::ChosenAccounts;
use crate::exit::Failure;
use crate::{clock, ledgers, reading, report, stdout, terminal};

/// Days before today that are on the screen.
const DAYS_BEFORE: i64 = 13;

pub(crate) fn run(args: &args::Today) -> Result<(), Failure> {
    let place = args.from.ledger.place()?;
    let ledger = ledgers::open_for_a_look(&place)?;
    let accounts = ChosenAccounts::of(&*ledger, &place, &args.from.names)?;
    let now = clock::now();
    let synced = accounts.synced(&*ledger)?;
    let empty = TodayBuilder::new(now, args.place.timezone.unwrap_or(Zone::UTC));
    let read = || reading::read(&*ledger, &accounts.ids, &empty);
    let (builder, diem) = accounts.with_diem(&*ledger, now, read)?;
    let source =
        Source { ledger: Some(place.to_string()), accounts: accounts.names.clone(), files: Vec::new() };
    let today = builder.finish(source, diem, synced);
    if today.currencies.is_empty() {
        let zone = args.place.timezone.unwrap_or(Zone::UTC);
        // Of these days nothing was found, or only what cost nothing.
        let since = zone.start_of(Day(zone.local(now).day.0 - DAYS_BEFORE));
        let window = TimeWindow::new(Some(since), None).map_err(Failure::failed)?;
        let asked = Question { window, ..Question::new(By::one(Dimension::Day)) };
        report::say_last(&*ledger, &accounts.ids, &asked)?;
    }
    match args.json {
        true => json(&today).and_then(|json| stdout::print(&json)),
        false => stdout::print(&today.to_screen(now, stdout::room(), terminal::has_ascii_alone())),
    }
}

fn json(today: &Today) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(today).context("today is no JSON").map_err(Failure::failed)?;
    Ok(stdout::plain_json(&text) + "\n")
}
