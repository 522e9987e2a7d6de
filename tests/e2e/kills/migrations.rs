//! An older ledger is taken forward, and the program is killed at each of its calls: the ledger is of the old version
//! or of the new one, and whole.

use std::fs;
use std::path::Path;

use billing_ledger::{ErrorKind, Ledger as _};
use billing_model::{EntrySet, UsageEntry};
use billing_sqlite::SqliteLedger;
use billing_testkit::OwnedLedger as _;
use rusqlite::Connection;

use crate::billing::{command, finish, run};
use crate::check;
use crate::ledger::{Ledger, noted};
use crate::place::Place;

use super::imports::held;
use super::strace::{Strace, injection};

/// Takes a ledger back to what version 4 had.
const BACK_TO_4: &str = include_str!("../../../crates/billing-sqlite/tests/back_to_4.sql");

/// More calls of a kind than any of these runs makes.
const ENDLESS: usize = 2000;

#[test]
fn a_ledger_of_version_4_is_taken_forward_whole_or_not_at_all() {
    let Some(strace) = Strace::find() else { return };
    // Some pages of them.
    let entries: Vec<_> =
        (0..500).map(|n| noted("2026-05-01T00:00:00Z", &format!("the notes of entry {n}"))).collect();
    let ledger = Ledger::of(&entries);
    ledger.key("default", "admin");
    Connection::open(ledger.path()).unwrap().execute_batch(BACK_TO_4).unwrap();
    let (mut older, mut todays) = (0, 0);
    for call in ["pwrite64", "fdatasync,fsync", "ftruncate", "openat", "unlink"] {
        for nth in 1..ENDLESS {
            let copy = Place::new();
            let path = copy.path("ledger.db");
            fs::copy(ledger.path(), &path).unwrap();
            let list = command(&["keys", "list", "--ledger", &path]);
            let args = injection(call, "signal=KILL", &nth.to_string(), &[]);
            let run_through = finish(strace.around(&list, &args), b"").code.is_some();

            match SqliteLedger::check(Path::new(&path), |_| ()) {
                Ok(report) => {
                    let counted = (report.checked.entries, report.checked.blocks);
                    assert_eq!((report.differences, counted), (vec![], (500, 1)), "{call} {nth}");
                    todays += usize::from(!run_through);
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::OlderVersion, "{call} {nth}: {error}");
                    assert!(!run_through, "{call} {nth}");
                    older += 1;
                }
            }
            run(&["keys", "list", "--ledger", &path]).done();
            check::is_clean(&path);
            assert_eq!(held(&path), entries, "{call} {nth}");
            is_in_one_block(&path, &entries);
            if run_through {
                break;
            }
        }
    }
    assert!(older > 5 && todays > 0, "{older} kills came before the commit, {todays} after it");
}

fn is_in_one_block(path: &str, entries: &[UsageEntry]) {
    let ledger = SqliteLedger::open(Path::new(path)).unwrap();
    let [(block, of_block)] = ledger.owned_blocks(0).unwrap().try_into().unwrap();
    assert_eq!(block.entry_set, entries.iter().collect::<EntrySet>());
    assert!(of_block.iter().map(|(_, entry)| entry).eq(entries));
    assert_eq!(Some(block.account), ledger.account("default").unwrap());
}
