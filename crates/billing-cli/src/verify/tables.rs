//! What differs, as tables: windows, their sums, days.

use billing_model::{Currency, TimeWindow, Total};
use billing_report::table::{Fitted, Room};
use billing_sync::{DayDifference, Verified, WindowDifference};

use crate::keeping::instant;
use crate::text::{grouped, short_currency};

/// The tables of what differs; empty when nothing does.
pub(super) fn tables(verified: &Verified, room: Room) -> String {
    let mut tables = Vec::new();
    if !verified.different.is_empty() {
        tables.push(windows(&verified.different, room));
        tables.extend(sums(&verified.different, room));
    }
    let more = verified.different_windows.saturating_sub(verified.different.len() as u64);
    if more > 0 {
        tables.push(format!("and {} windows more\n", grouped(more)));
    }
    if !verified.days.different.is_empty() {
        tables.push(days(&verified.days.different, room));
    }
    tables.join("\n")
}

fn windows(different: &[WindowDifference], room: Room) -> String {
    let head = ["from", "to", "held", "found", "missing", "changed", "vanished"];
    let mut rows = vec![head.map(str::to_owned)];
    for window in different {
        rows.push([
            from(window.window),
            instant(window.window.until()).unwrap_or_default(),
            grouped(window.held),
            grouped(window.found),
            grouped(window.missing),
            grouped(window.changed),
            grouped(window.vanished),
        ]);
    }
    Fitted::new(&rows, &[&["held", "found"], &["to"]], whole(room)).text
}

/// The sums that differ; `None` when all agree.
fn sums(different: &[WindowDifference], room: Room) -> Option<String> {
    let head = ["from", "currency", "ledger", "service", "difference"];
    let mut rows = vec![head.map(str::to_owned)];
    for window in different {
        for (currency, held, found) in differing(window) {
            let mut difference = found.clone();
            difference.subtract(&held);
            rows.push([
                from(window.window),
                short_currency(&currency),
                held.to_string(),
                found.to_string(),
                difference.to_string(),
            ]);
        }
    }
    (rows.len() > 1).then(|| Fitted::new(&rows, &[&["ledger", "service"], &["currency"]], whole(room)).text)
}

/// The currencies of a window whose sums differ, with the ledger's and the service's.
fn differing(window: &WindowDifference) -> Vec<(Currency, Total, Total)> {
    let mut currencies: Vec<_> = window.held_sums.keys().chain(window.found_sums.keys()).cloned().collect();
    currencies.sort();
    currencies.dedup();
    let sum = |sums: &std::collections::BTreeMap<Currency, Total>, of: &Currency| {
        sums.get(of).cloned().unwrap_or_default()
    };
    let sums = currencies.into_iter().map(|currency| {
        let (held, found) = (sum(&window.held_sums, &currency), sum(&window.found_sums, &currency));
        (currency, held, found)
    });
    sums.filter(|(_, held, found)| held != found).collect()
}

fn days(different: &[DayDifference], room: Room) -> String {
    let head = ["day", "currency", "ledger", "analytics", "difference"];
    let mut rows = vec![head.map(str::to_owned)];
    for DayDifference { day, currency, held, told } in different {
        let mut difference = told.clone();
        difference.subtract(held);
        rows.push([
            day.to_string(),
            short_currency(currency),
            held.to_string(),
            told.to_string(),
            difference.to_string(),
        ]);
    }
    Fitted::new(&rows, &[&["difference"]], whole(room)).text
}

/// Times are the names of these rows, and are looked up whole.
fn whole(room: Room) -> Room {
    Room { whole_names: true, ..room }
}

fn from(window: TimeWindow) -> String {
    instant(window.since()).unwrap_or_else(|| "the beginning".to_owned())
}
