//! An import that is one transaction, killed at each of its calls: its entries and the file that they came from are both
//! there, or neither.

use std::fs;
use std::path::Path;

use billing_ledger::{Filter, Ledger as _};
use billing_model::UsageEntry;
use billing_sqlite::SqliteLedger;
use billing_testkit::OwnedLedger as _;

use crate::billing::{command, finish, ndjson, run};
use crate::check;
use crate::ledger::{Ledger, noted};
use crate::place::Place;

use super::strace::{Strace, injection};

/// More calls of a kind than any of these runs makes.
const ENDLESS: usize = 2000;

const NOTES: [&str; 3] = ["a", "b", "b"];

#[test]
fn a_file_is_known_when_its_entries_are_there_and_only_then() {
    let Some(strace) = Strace::find() else { return };
    let imported: Vec<_> = NOTES.iter().map(|notes| noted("2026-05-02T00:00:00Z", notes)).collect();
    let before = [noted("2026-05-01T00:00:00Z", "before")];
    let (place, ledger) = (Place::new(), Ledger::of(&before));
    let file = place.write("import.ndjson", ndjson(&imported));
    let (mut whole, mut kills) = (0, 0);
    for call in ["pwrite64", "fdatasync,fsync", "ftruncate", "openat", "unlink"] {
        for nth in 1..ENDLESS {
            let copy = Place::new();
            let path = copy.path("ledger.db");
            fs::copy(ledger.path(), &path).unwrap();
            let import = command(&["import", &file, "--ledger", &path]);
            let args = injection(call, "signal=KILL", &nth.to_string(), &[]);
            let run_through = finish(strace.around(&import, &args), b"").code.is_some();

            check::is_clean(&path);
            let seen = held(&path);
            let is_done = seen.len() > 1;
            assert!(is_done || !run_through);
            assert_eq!(seen, [&before[..], if is_done { &imported } else { &[] }].concat(), "{call} {nth}");
            let again = run(&["import", &file, "--ledger", &path]);
            match is_done {
                true => again.failed(1, "was imported into account `default` before: "),
                false => drop(again.done()),
            }
            assert_eq!(held(&path), [&before[..], &imported].concat(), "{call} {nth}");
            if run_through {
                break;
            }
            (whole, kills) = (whole + usize::from(is_done), kills + 1);
        }
    }
    assert!(whole > 0 && whole < kills, "{whole} of {kills} kills came after the commit");
}

/// What a ledger holds, in order.
pub(super) fn held(path: &str) -> Vec<UsageEntry> {
    let ledger = SqliteLedger::open(Path::new(path)).unwrap();
    let account = ledger.account("default").unwrap().unwrap();
    ledger.positioned_page(account, &Filter::default(), None, None, 1000).unwrap().entries
}
