//! Accounts, and that none sees another's entries.

use billing_model::SortOrder;
use billing_sample::History;
use billing_store::{AccountId, ErrorKind, Filter, KeyKind};

use crate::house::{House, import, walk};

#[test]
fn an_account_is_made_once() {
    let House { ledger, account, .. } = &House::new();
    assert_eq!(ledger.create_account("ours").unwrap(), *account);
    assert_eq!(ledger.account("ours").unwrap(), Some(*account));
    assert_eq!(ledger.account("Ours").unwrap(), None);
    assert_ne!(ledger.create_account("theirs").unwrap(), *account);
}

#[test]
fn a_name_that_nobody_can_read_is_refused() {
    let House { ledger, .. } = &House::new();
    for (name, shown) in [
        ("", "``"),
        (" ", "` `"),
        ("\t\n\u{2003}", r"`\t\n"),
        ("red\u{1b}[31m", r"`red\u{1b}[31m`"),
        ("a\nb", r"`a\nb`"),
        ("\0", r"`\0`"),
        ("\u{9b}", r"`\u{9b}`"),
    ] {
        let error = ledger.create_account(name).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidName, "{name:?}");
        assert!(error.to_string().starts_with(shown), "{error}");
        assert_eq!(ledger.account(name).unwrap(), None);
    }
    for name in ["x", "our team", "élan", "課金", "-", "50%"] {
        ledger.create_account(name).unwrap();
    }
}

#[test]
fn an_account_that_is_found_needs_no_turn_at_writing() {
    let House { ledger, account, .. } = &House::new();
    let _import = ledger.import(*account).unwrap();
    assert_eq!(ledger.create_account("ours").unwrap(), *account);
}

#[test]
fn accounts_never_see_each_other() {
    let House { ledger, account: ours, .. } = &House::new();
    let theirs = ledger.create_account("theirs").unwrap();
    let (our_entries, their_entries): (Vec<_>, Vec<_>) =
        (History::new(1, 300).collect(), History::new(2, 400).collect());
    import(ledger, *ours, &our_entries);
    import(ledger, theirs, &their_entries);
    for (account, entries) in [(*ours, our_entries), (theirs, their_entries)] {
        assert_eq!(walk(ledger, account, &Filter::default(), 33), entries);
        let page = ledger.page_by_number(account, &Filter::default(), SortOrder::Asc, 500, 1).unwrap();
        assert_eq!((page.total, page.entries), (u64::try_from(entries.len()).unwrap(), entries.clone()));
        let counted: u64 = ledger.rollups(account, None).unwrap().iter().map(|rollup| rollup.entries).sum();
        assert_eq!(counted, page.total);
    }
}

#[test]
fn an_unknown_account_is_an_error() {
    let House { ledger, account, .. } = &House::new();
    let unknown = AccountId(account.0 + 1);
    let filter = Filter::default();
    let errors = [
        ledger.page_by_number(unknown, &filter, SortOrder::Asc, 1, 1).unwrap_err(),
        ledger.page_by_position(unknown, &filter, None, None, 1).unwrap_err(),
        ledger.import(unknown).unwrap_err(),
        ledger.create_key(unknown, KeyKind::Admin, "", "2026-06-15T00:00:00Z".parse().unwrap()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::UnknownAccount, "{error}");
    }
}
