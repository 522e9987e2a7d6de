//! What differs is found, and the copy does not end then.

use billing_copy::{Error, ErrorKind, Unfinished, copy};
use billing_ledger::ErrorKind as LedgerErrorKind;

use crate::house::Place;
use crate::story::fixed_story;
use crate::trouble::Trouble;

/// Copies all but the comparison, changes something by hand, and goes on.
fn after(tamper: &str) -> Option<Error> {
    let (one, other) = (Place::file(), Place::database()?);
    let ledger = one.make();
    fixed_story().iter().for_each(|step| step.happen(ledger.ledger()));
    let live = Trouble::live(&*ledger, 100, || ());
    let ahead = copy(&live, other.begin(ledger.secret()), &|_| ()).unwrap();
    assert_eq!(ahead.unfinished, Some(Unfinished::InUse));
    other.tamper(tamper);
    let error = copy(&*ledger, other.begin(ledger.secret()), &|_| ()).unwrap_err();
    assert_eq!(other.try_open().unwrap_err().kind(), LedgerErrorKind::UnfinishedCopy);
    Some(error)
}

#[track_caller]
fn check(tamper: &str, words: &str) {
    let Some(error) = after(tamper) else { return };
    assert!(error.to_string().contains(words), "{tamper}: {error}");
    assert_eq!(error.kind(), ErrorKind::Differs, "{tamper}");
}

#[test]
fn an_entry_that_is_not_as_it_was_is_found_by_its_block() {
    for column in ["sku", "notes", "units", "price_per_unit_usd", "amount", "currency"] {
        check(
            &format!(
                "UPDATE entries SET {column} = CASE WHEN '{column}' IN ('sku', 'notes', 'currency') THEN 'other' ELSE '7' END
                 WHERE (account, timestamp_ns) = (SELECT account, max(timestamp_ns) FROM entries GROUP BY account ORDER BY 1 LIMIT 1)"
            ),
            "of account",
        );
    }
    check("UPDATE entries SET api_key_id = 'other' WHERE sequence = 0", "the digests of all that they have");
    check("UPDATE removed SET api_key_id = 'other'", "the digests of all that they have");
}

#[test]
fn an_entry_that_is_missing_doubled_or_elsewhere_is_found() {
    check("DELETE FROM entries WHERE sequence = 1", "block");
    check("DELETE FROM removed WHERE removal = (SELECT min(removal) FROM removed)", "block");
    check("UPDATE entries SET timestamp_ns = timestamp_ns + 1 WHERE sequence = 1", "block");
    let doubled = "INSERT INTO entries SELECT account, timestamp_ns + 1, sequence, sku, price_per_unit_usd, units, amount,
        currency, notes FROM entries WHERE sequence = 0";
    check(doubled, "block");
    let beyond = doubled.replace(", sequence, sku", ", sequence + 1000000, sku");
    check(&beyond, "of which");
    let earlier = doubled.replace("timestamp_ns + 1,", "timestamp_ns - 864000000000000000,");
    check(&earlier, "of which");
}

#[test]
fn receipts_that_are_not_as_they_were_are_found() {
    check("UPDATE receipts SET entries = entries + 1", "receipts");
    check("UPDATE files SET name = 'other'", "files");
}

/// Receipts that are missing are no difference: they are copied again.
#[test]
fn a_receipt_that_is_missing_comes_again() {
    let (one, Some(other)) = (Place::file(), Place::database()) else { return };
    let ledger = one.make();
    fixed_story().iter().for_each(|step| step.happen(ledger.ledger()));
    let live = Trouble::live(&*ledger, 100, || ());
    copy(&live, other.begin(ledger.secret()), &|_| ()).unwrap();
    other.tamper("DELETE FROM receipts");
    other.tamper(
        "INSERT INTO receipts VALUES (1, '\\x00', 'none', '\\x00', 0, 9000000000000000000); DELETE FROM receipts WHERE idempotency_key = 'none'",
    );
    copy(&*ledger, other.begin(ledger.secret()), &|_| ()).unwrap();
    crate::same::assert_same(&*ledger, &*other.open());
}

/// Blocks that another state of the source had are no part of it any more.
#[test]
fn a_source_that_was_restored_or_repaired_since_is_refused() {
    let (Some(one), other) = (Place::database(), Place::file()) else { return };
    let ledger = one.make();
    fixed_story().iter().for_each(|step| step.happen(ledger.ledger()));
    let live = Trouble::live(&*ledger, 100, || ());
    copy(&live, other.begin(ledger.secret()), &|_| ()).unwrap();
    one.tamper("UPDATE blocks SET entry_set = replace(entry_set, 'v1:', 'v1:1') WHERE number = 2");
    let error = copy(&*ledger, other.begin(ledger.secret()), &|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    one.tamper("DELETE FROM blocks WHERE number > 1");
    let error = copy(&*ledger, other.begin(ledger.secret()), &|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    assert_eq!(other.try_open().unwrap_err().kind(), LedgerErrorKind::UnfinishedCopy);
}
