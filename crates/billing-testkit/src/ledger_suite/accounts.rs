//! Accounts: none sees another's entries.

use crate::OwnedLedger;
use billing_ledger::{AccountId, Batch, ErrorKind, Filter, KeyKind, PackedEntries};
use billing_model::{SortOrder, Timestamp};
use billing_sample::History;

use super::house::{House, Make, import, walk};

pub fn an_account_is_made_once(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    assert_eq!(ledger.create_account("ours").unwrap(), *account);
    assert_eq!(ledger.account("ours").unwrap(), Some(*account));
    assert_eq!(ledger.account("Ours").unwrap(), None);
    assert_ne!(ledger.create_account("theirs").unwrap(), *account);
}

pub fn a_name_that_nobody_can_read_is_refused(make: Make) {
    let house = House::of(make);
    let (ledger, _) = house.both();
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

pub fn an_account_that_is_found_needs_no_turn_at_writing(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let _import = ledger.import(*account).unwrap();
    assert_eq!(ledger.create_account("ours").unwrap(), *account);
}

pub fn accounts_never_see_each_other(make: Make) {
    let house = House::of(make);
    let (ledger, ours) = house.both();
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

pub fn an_unknown_account_is_an_error(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
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

/// Who still has the number is told that it is gone, and no later account gets what was meant for it.
pub fn an_account_that_is_removed_is_nobodys_number(make: Make) {
    let house = House::of(make);
    let (ledger, ours) = house.both();
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
    // The highest number is not given again, whichever account is removed next.
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
