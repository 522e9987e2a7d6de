//! A copy that has ended, perhaps without anybody hearing so, and one that breaks off before it is certain that it may begin.

use billing_copy::{ErrorKind, copy};
use billing_ledger::{CopyFrom, ErrorKind as LedgerErrorKind, Ledger as _};
use billing_postgres::{PostgresLedger, Settings, Target};
use billing_testkit::{OwnedLedger as _, Postgres, Stop};

use crate::house::{Place, copied, names};
use crate::same::assert_same;
use crate::story::fixed_story;

fn source() -> (Box<dyn CopyFrom>, Place) {
    let place = Place::file();
    let ledger = place.make();
    fixed_story().iter().for_each(|step| step.happen(ledger.ledger()));
    (ledger, place)
}

#[test]
fn a_copy_in_a_file_that_ended_unheard_is_compared_and_not_touched() {
    let ((ledger, _place), other) = (source(), Place::file());
    let first = copied(&*ledger, &other);
    let again = copied(&*ledger, &other);
    assert_eq!((again.new_entries, again.compared_entries), (0, first.compared_entries));
    assert!(again.compared_entries > 0 && again.receipts == first.receipts);
    assert_same(&*ledger, &*other.open());
    other.open().ledger().create_account("theirs").unwrap();
    let error = copy(&*ledger, other.begin(ledger.secret()), &|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Used, "{error}");
    assert!(names(other.open().ledger()).contains(&"theirs".to_owned()));
    other.check();
}

#[test]
fn a_copy_that_ended_unheard_is_compared_and_not_touched() {
    let ((ledger, _place), Some(other)) = (source(), Place::database()) else { return };
    let first = copied(&*ledger, &other);
    let again = copied(&*ledger, &other);
    assert_eq!((again.new_entries, again.new_removed_entries), (0, 0));
    assert_eq!(again.compared_entries, first.compared_entries);
    assert!(again.compared_entries > 0 && again.receipts == first.receipts);
    assert_same(&*ledger, &*other.open());

    // An amount that somebody changed is found.
    other.tamper("UPDATE rollups SET entries = entries + 1");
    let error = copy(&*ledger, other.begin(ledger.secret()), &|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Used, "{error}");
    assert!(error.to_string().contains("the sums by day of account"), "{error}");
    other.tamper("UPDATE rollups SET entries = entries - 1");
    copied(&*ledger, &other);

    other.open().ledger().create_account("theirs").unwrap();
    let error = copy(&*ledger, other.begin(ledger.secret()), &|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Used, "{error}");
    assert!(names(other.open().ledger()).contains(&"theirs".to_owned()));
}

/// It has the same secret and all that the source has, but it is no copy.
#[test]
fn a_ledger_is_not_copied_into_itself() {
    let Some(one) = Place::database() else { return };
    let ledger = one.make();
    for name in [None, Some("ours")] {
        name.map(|name| ledger.ledger().create_account(name).unwrap());
        assert_eq!(one.try_begin(ledger.secret()).unwrap_err().kind(), LedgerErrorKind::InUse);
    }
    assert_eq!(names(one.open().ledger()), ["ours"]);
}

/// Sums that no entry made would be gone in the copy, and nobody would know.
#[test]
fn sums_that_are_not_those_of_the_source_are_found() {
    let Some(one) = Place::database() else { return };
    let ledger = one.make();
    fixed_story().iter().for_each(|step| step.happen(ledger.ledger()));
    let account = ledger.outline().unwrap().accounts[0].id;
    assert!(!ledger.ledger().owned_rollups(account, None).unwrap().is_empty(), "it has sums");
    for (table, words) in [("rollups", "the sums by day"), ("balances", "the balances")] {
        let other = Place::file();
        one.tamper(&format!("UPDATE {table} SET amount = amount + 1"));
        let error = copy(&*ledger, other.begin(ledger.secret()), &|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Differs, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        one.tamper(&format!("UPDATE {table} SET amount = amount - 1"));
        copied(&*ledger, &other);
    }
}

/// Its commits wait for no disk: on another connection, what comes next might be there and what was before it not.
#[test]
fn nothing_is_written_behind_a_connection_that_was_lost() {
    let ((ledger, _place), Some(other)) = (source(), Place::database()) else { return };
    let into = other.begin(ledger.secret());
    into.put_keys(&[], &[]).unwrap();
    other.tamper(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    into.put_keys(&[], &[]).unwrap_err();
    assert_eq!(into.put_keys(&[], &[]).unwrap_err().kind(), LedgerErrorKind::Away);
    assert_eq!(into.finish().unwrap_err().kind(), LedgerErrorKind::Away);
    copied(&*ledger, &other);
    assert_same(&*ledger, &*other.open());
}

/// Killed between the claim and the certainty that nobody has the ledger open.
#[test]
fn a_ledger_that_was_only_claimed_is_given_back() {
    let ((ledger, _place), Some(other)) = (source(), Place::database()) else { return };
    let claim = "UPDATE ledger SET copy_state = 'was ' || encode(secret, 'hex'), secret = decode(repeat('07', 32), 'hex'), is_copying = true";
    let secret = other.make().secret();
    other.tamper(claim);
    assert_eq!(other.try_open().unwrap_err().kind(), LedgerErrorKind::UnfinishedCopy);
    // Somebody had it open, and has made an account.
    other.tamper("INSERT INTO accounts (id, name) VALUES (1, 'theirs')");
    assert_eq!(other.try_begin(ledger.secret()).unwrap_err().kind(), LedgerErrorKind::Exists);
    let theirs = other.open();
    assert_eq!((theirs.secret(), names(theirs.ledger())), (secret, vec!["theirs".to_owned()]));
    drop(theirs);
    // Without anything it makes room, for any ledger.
    other.tamper("DELETE FROM accounts");
    other.tamper(claim);
    copied(&*ledger, &other);
    assert_same(&*ledger, &*other.open());
}

/// On a standby nobody sees the servers that use its primary.
#[test]
fn a_standby_is_not_copied() {
    let Some(postgres) = Postgres::need_own(&[]) else { return };
    let target: Target = postgres.database().parse().unwrap();
    let open = || PostgresLedger::open_or_create(target.clone(), Settings::COMMAND).unwrap();
    open().create_account("ours").unwrap();
    postgres.stop(Stop::Fast);
    std::fs::write(postgres.directory().join("data/standby.signal"), "").unwrap();
    postgres.start();
    let ledger = open();
    assert_eq!(names(&ledger), ["ours"]);
    let error = copy(&ledger, Place::file().begin(ledger.secret()), &|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Source);
    assert_eq!(error.cause().unwrap().kind(), LedgerErrorKind::CannotOpen, "{:?}", error.cause());
}
