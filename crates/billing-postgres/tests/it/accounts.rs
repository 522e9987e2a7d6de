//! Accounts where the suite does not look: what a refused removal says, and who may do what at the same time.

use std::thread;

use billing_ledger::{Batch, ErrorKind, Filter, KeyKind, Ledger, PackedEntries};
use billing_model::{Day, SortOrder, Timestamp};
use billing_testkit::{OwnedLedger, entry_at};

use crate::house::{empty, open};

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_ns(1_780_000_000_000_000_000 + second * 1_000_000_000)
}

#[test]
fn accounts_stand_by_the_bytes_of_their_names() {
    let Some((ledger, ..)) = empty() else { return };
    for name in ["b", "ä", "B", "a b", "a", "ab", "a-b", "Z"] {
        ledger.create_account(name).unwrap();
    }
    let names: Vec<_> = ledger.accounts().unwrap().into_iter().map(|account| account.name).collect();
    assert_eq!(names, ["B", "Z", "a", "a b", "a-b", "ab", "b", "ä"]);
}

#[test]
fn a_removal_that_is_refused_says_why() {
    let Some((ledger, postgres, url)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    let (key, _) = ledger.create_key(account, KeyKind::Admin, "", at(0)).unwrap();
    ledger.create_key(account, KeyKind::Ingest, "", at(0)).unwrap();
    let refused = || {
        let error = ledger.remove_account(account).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AccountInUse);
        error.to_string()
    };
    let words = |what: &str| format!("the account `ours` cannot be removed: it has {what}");
    assert!(refused().ends_with(&words("2 keys that are not revoked")), "{}", refused());
    ledger.revoke_key(&key.id, at(1)).unwrap();
    let batch = Batch {
        account,
        idempotency_key: "1".to_owned(),
        digest: [1; 32],
        received_at: at(0),
        entries: PackedEntries::from([entry_at(at(0), "-1"), entry_at(at(0), "-1")].as_slice()),
    };
    ledger.store_batches(&[batch]).unwrap();
    assert!(refused().ends_with(&words("2 entries, 1 batch, 1 key that is not revoked")), "{}", refused());
    // Sums that no entry made are a trace of a fault, and stay.
    postgres
        .sql(&url, "DELETE FROM billing.entries; DELETE FROM billing.balances; DELETE FROM billing.receipts");
    assert!(refused().ends_with(&words("1 sum without entries, 1 key that is not revoked")), "{}", refused());
    postgres.sql(&url, "DELETE FROM billing.rollups; UPDATE billing.keys SET revoked_ns = 1");
    assert!(refused().ends_with(&words("sums that no entry made")), "{}", refused());
    postgres.sql(&url, "DELETE FROM billing.counts; DELETE FROM billing.blocks");
    ledger.remove_account(account).unwrap();
    assert_eq!(postgres.sql(&url, "SELECT count(*) FROM billing.keys"), "0");
}

/// An account is removed while others give it keys: either it has none and is gone, or it stays.
#[test]
fn an_account_that_gets_a_key_is_not_removed() {
    let Some((one, postgres, url)) = empty() else { return };
    let other = open(&url);
    for round in 0..30 {
        let account = one.create_account(&format!("account {round}")).unwrap();
        let (removed, made) = thread::scope(|scope| {
            let maker = scope.spawn(|| other.create_key(account, KeyKind::Admin, "", at(0)));
            (one.remove_account(account), maker.join().unwrap())
        });
        match (removed, made) {
            (Ok(()), Err(error)) => assert_eq!(error.kind(), ErrorKind::UnknownAccount),
            (Err(error), Ok(_)) => assert_eq!(error.kind(), ErrorKind::AccountInUse),
            outcome => panic!("{outcome:?}"),
        }
    }
    let lost = "SELECT count(*) FROM billing.keys WHERE account NOT IN (SELECT id FROM billing.accounts)";
    assert_eq!(postgres.sql(&url, lost), "0");
}

/// Who finds an account, or reads of it, does not wait for who writes to it.
#[test]
fn an_account_that_is_written_to_is_found_and_read() {
    let Some((ledger, postgres, url)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    let (_, secret) = ledger.create_key(account, KeyKind::Admin, "", at(0)).unwrap();
    // Somebody else has every lock that a writer takes.
    let other = postgres.hold(
        &url,
        "SELECT FROM billing.accounts FOR NO KEY UPDATE; SELECT FROM billing.numbers FOR NO KEY UPDATE",
    );
    assert_eq!(ledger.create_account("ours").unwrap(), account);
    assert!(ledger.authenticate(secret.expose()).unwrap().is_some());
    assert_eq!(ledger.accounts().unwrap().len(), 1);
    ledger.funds(account, Day(0)).unwrap();
    ledger.numbered_page(account, &Filter::default(), SortOrder::Asc, 10, 1).unwrap();
    // A key needs the account to stay, and no more.
    ledger.create_key(account, KeyKind::Ingest, "", at(1)).unwrap();
    drop(other);
    ledger.create_account("theirs").unwrap();
}
