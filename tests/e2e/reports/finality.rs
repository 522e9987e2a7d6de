//! Whether entries may still come, and what is missing from what is held.

use super::of;
use crate::copies;
use crate::ledger::{Ledger, noted};

/// A ledger whose account `copy` lacks some days in June, and is held up to the end of it.
fn ledger() -> Ledger {
    let entries = ["2026-05-01", "2026-06-25"].map(|day| noted(&format!("{day}T00:00:00Z"), day));
    let ledger = Ledger::of(&entries[..1]);
    let walked = [
        (None, "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"),
        (Some("2026-06-20T00:00:00Z"), "2026-07-01T00:00:00Z", "2026-07-01T00:05:00Z"),
    ];
    copies::make(&ledger, "copy", &walked, &entries);
    copies::make(&ledger, "empty", &[], &[]);
    ledger
}

#[test]
fn a_copy_is_final_where_it_is_held_and_settled() {
    let ledger = ledger();
    for (window, is_final, provisional_from, notes) in [
        (&["--month", "2026-05"][..], true, None, &[][..]),
        (&["--until", "2026-06"], true, None, &[]),
        (
            &["--month", "2026-06"],
            false,
            Some("2026-06-30T23:50:00.000Z"),
            &["Account `copy` lacks the entries from 2026-06-01T00:00:00.000Z to 2026-06-20T00:00:00.000Z; \
               `billing sync` fetches them, or `billing sync --since` where they are older than the first ones that it has."],
        ),
        (&["--since", "2026-06-25", "--until", "2026-07"], false, Some("2026-06-30T23:50:00.000Z"), &[]),
        (
            &["--since", "2026-06-25", "--until", "2026-07-15"],
            false,
            Some("2026-06-30T23:50:00.000Z"),
            &[
                "Account `copy` has the entries up to 2026-07-01T00:00:00.000Z; `billing sync` fetches later ones.",
            ],
        ),
        (
            &["--since", "2026-07-10"],
            false,
            Some("2026-07-10T00:00:00.000Z"),
            &[
                "Account `copy` has the entries up to 2026-07-01T00:00:00.000Z; `billing sync` fetches later ones.",
            ],
        ),
    ] {
        let meta = of(&ledger, &[&["--account", "copy"], window].concat()).meta;
        assert_eq!(meta.is_final, is_final, "{window:?}");
        assert_eq!(meta.provisional_from.as_deref(), provisional_from, "{window:?}");
        assert_eq!(meta.notes, notes, "{window:?}");
    }
}

#[test]
fn one_account_that_is_not_final_makes_all_of_it_so() {
    let ledger = ledger();
    let june = of(&ledger, &["--month", "2026-06"]).meta;
    assert!(!june.is_final);
    assert_eq!(june.notes.len(), 2, "{:?}", june.notes);
    assert_eq!(june.notes[1], "Account `empty` has no entries yet; `billing sync` fetches them.");
    let own = of(&ledger, &["--month", "2026-06", "--account", "default"]).meta;
    assert!(own.is_final && own.notes.is_empty());
}

#[test]
fn what_nobody_says_is_final_a_day_after_its_end() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "")]);
    for (window, is_final) in [
        (&["--month", "2026-05"][..], true),
        (&[], false),
        (&["--since", "2026-05"], false),
        (&["--days", "1"], false),
        (&["--since", "yesterday", "--until", "today"], false),
        (&["--since", "9d", "--until", "2d"], true),
    ] {
        assert_eq!(of(&ledger, window).meta.is_final, is_final, "{window:?}");
    }
}
