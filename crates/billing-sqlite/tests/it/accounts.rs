//! Accounts, and that none sees another's entries.

use billing_ledger::{AccountId, Batch, ErrorKind, Filter, KeyKind, Ledger as _, PackedEntries};
use billing_model::{SortOrder, Timestamp};
use billing_sample::History;
use billing_testkit::OwnedLedger as _;

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
        ("\0", r"`\u{0}`"),
        ("\u{9b}", r"`\u{9b}`"),
        ("a\u{202e}b", r"`a\u{202e}b`"),
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
        let page = ledger.numbered_page(account, &Filter::default(), SortOrder::Asc, 500, 1).unwrap();
        assert_eq!((page.total, page.entries), (u64::try_from(entries.len()).unwrap(), entries.clone()));
        let counted: u64 =
            ledger.owned_rollups(account, None).unwrap().iter().map(|rollup| rollup.entries).sum();
        assert_eq!(counted, page.total);
    }
}

#[test]
fn an_unknown_account_is_an_error() {
    let House { ledger, account, .. } = &House::new();
    let unknown = AccountId(account.0 + 1);
    let filter = Filter::default();
    let errors = [
        ledger.numbered_page(unknown, &filter, SortOrder::Asc, 1, 1).unwrap_err(),
        ledger.positioned_page(unknown, &filter, None, None, 1).unwrap_err(),
        ledger.import(unknown).unwrap_err(),
        ledger.create_key(unknown, KeyKind::Admin, "", "2026-06-15T00:00:00Z".parse().unwrap()).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::UnknownAccount, "{error}");
    }
}

/// Whoever has it in hand is told so, and no later account gets what was meant for it.
#[test]
fn an_account_that_is_removed_is_nobodys_number() {
    let House { ledger, account: ours, .. } = &House::new();
    let at: Timestamp = "2026-06-15T00:00:00Z".parse().unwrap();
    let gone = ledger.create_account("gone").unwrap();
    let import = ledger.import(gone).unwrap();
    let (key, secret) = ledger.create_key(gone, KeyKind::Admin, "", at).unwrap();
    assert_eq!(ledger.remove_account(gone).unwrap_err().kind(), ErrorKind::AccountInUse);
    ledger.revoke_key(&key.id, at).unwrap();
    ledger.remove_account(gone).unwrap();
    assert_eq!(ledger.account("gone").unwrap(), None);
    assert_eq!(ledger.authenticate(secret.expose()).unwrap(), None);
    ledger.record_key_uses(&[(key.id.as_str(), at)]).unwrap();
    let new = ledger.create_account("gone").unwrap();
    assert!(new > gone);
    // The highest number stays the highest, whichever goes next.
    ledger.remove_account(*ours).unwrap();
    assert!(ledger.create_account("ours").unwrap() > new);

    let entries: Vec<_> = History::new(1, 3).collect();
    let batch = Batch {
        account: gone,
        idempotency_key: "1".to_owned(),
        digest: [1; 32],
        received_at: at,
        entries: PackedEntries::from(entries.as_slice()),
    };
    let kinds = [
        ledger.store_batches(&[batch]).unwrap_err().kind(),
        {
            let mut import = import;
            import.write(&entries).unwrap();
            import.finish().unwrap_err().kind()
        },
        ledger.remove_account(gone).unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::UnknownAccount; 3]);
    assert!(ledger.accounts().unwrap().iter().all(|account| account.entries == 0));
}

#[test]
fn an_account_of_an_import_that_has_not_ended_stays() {
    let House { ledger, account, .. } = &House::new();
    let mut running = ledger.import(*account).unwrap();
    running.write(&History::new(1, 12_000).collect::<Vec<_>>()).unwrap();
    let error = ledger.remove_account(*account).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccountInUse);
    assert_eq!(error.to_string(), "the account `ours` cannot be removed: it has 1 import that has not ended");
    drop(running);
    ledger.remove_account(*account).unwrap();
}
