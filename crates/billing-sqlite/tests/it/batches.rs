//! Batches with idempotency keys: each is stored once, whole or not at all, however often and by whomever it is sent.

use billing_ledger::{AccountId, Batch, ErrorKind, Ledger as _, Receipt};
use billing_testkit::entry_at;
use billing_testkit::ledger_suite::batches::{batch, now};

use crate::house::House;

#[test]
fn what_is_not_stored_leaves_no_receipt() {
    let house = House::new();
    let good = [entry_at(now(), "-1")];
    let bad = [entry_at("1500-01-01T00:00:00Z".parse().unwrap(), "-1")];
    let batches = [batch(house.account, "good", &good), batch(house.account, "bad", &bad)];
    let error = house.ledger.store_batches(&batches).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimestampOutOfRange);
    let nobody = house.ledger.store_batches(&[batch(AccountId(99), "nobody", &good)]).unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::UnknownAccount);
    let house = house.reopened();
    assert_eq!(house.entries(), []);
    assert_eq!(house.ledger.store_batches(&batches[..1]).unwrap(), [Receipt::Stored(1)]);
    assert_eq!(house.entries(), good);
}

#[test]
fn a_receipt_outlives_the_program() {
    let mut house = House::new();
    let sent = batch(house.account, "once", &[entry_at(now(), "-1"), entry_at(now(), "-1")]);
    for expect in [Receipt::Stored(2), Receipt::Repeated(2), Receipt::Repeated(2)] {
        assert_eq!(house.ledger.store_batches(std::slice::from_ref(&sent)).unwrap(), [expect]);
        house = house.reopened();
    }
    let other = Batch { digest: [9; 32], ..sent };
    assert_eq!(house.ledger.store_batches(&[other]).unwrap(), [Receipt::Conflict]);
    assert_eq!(house.entries().len(), 2);
}
