//! Ledgers of earlier versions.

use billing_model::{Day, Timestamp};
use billing_sample::History;
use billing_store::{Batch, Filter, KeyKind, Ledger, Receipt};
use rusqlite::Connection;

use crate::house::{House, import, walk};

/// Takes a ledger back to what version 1 had. Its sums are gone, as they are when it is taken forward again.
const BACK_TO_1: &str = "
    ALTER TABLE accounts DROP COLUMN diem_allocation;
    CREATE TABLE keys_1 (
        id TEXT NOT NULL PRIMARY KEY,
        account INTEGER NOT NULL REFERENCES accounts (id),
        kind TEXT NOT NULL CHECK (kind IN ('admin', 'inference')),
        digest BLOB NOT NULL UNIQUE,
        last_six TEXT NOT NULL,
        created_ns INTEGER NOT NULL,
        revoked_ns INTEGER
    ) STRICT, WITHOUT ROWID;
    INSERT INTO keys_1 SELECT id, account, kind, digest, last_six, created_ns, revoked_ns FROM keys;
    DROP TABLE keys;
    ALTER TABLE keys_1 RENAME TO keys;
    DROP TABLE receipts;
    DROP TABLE counts;
    DROP TABLE balances;
    DROP TABLE imports;
    CREATE TABLE days (account INTEGER, day INTEGER, currency INTEGER, entries INTEGER);
    PRAGMA user_version = 1;
";

#[test]
fn a_ledger_of_version_1_is_taken_forward_whole() {
    let house = House::new();
    let now: Timestamp = "2026-06-15T00:00:00Z".parse().unwrap();
    let theirs = house.ledger.create_account("theirs").unwrap();
    let (ours_sent, theirs_sent): (Vec<_>, Vec<_>) =
        (History::new(1, 15_000).collect(), History::new(2, 500).collect());
    import(&house.ledger, house.account, &ours_sent);
    import(&house.ledger, theirs, &theirs_sent);
    let (key, secret) = house.ledger.create_key(house.account, KeyKind::Admin, "", now).unwrap();
    let (revoked, _) = house.ledger.create_key(theirs, KeyKind::Inference, "", now).unwrap();
    house.ledger.revoke_key(&revoked.id, now).unwrap();
    let see = |ledger: &Ledger| {
        let accounts = [house.account, theirs].map(|account| {
            let filter = Filter::default();
            let total = ledger.page_by_number(account, &filter, Default::default(), 1, 1).unwrap().total;
            let funds = ledger.funds(account, Day(20_600)).unwrap();
            (ledger.rollups(account, None).unwrap(), total, funds, walk(ledger, account, &filter, 1000))
        });
        (accounts, ledger.keys().unwrap(), ledger.secret())
    };
    let before = see(&house.ledger);
    let path = house.path();

    let file = Connection::open(&path).unwrap();
    file.execute_batch(BACK_TO_1).unwrap();
    drop(file);
    let ledger = Ledger::open(&path).unwrap();
    assert!(see(&ledger) == before, "it is what it was");
    assert_eq!(ledger.authenticate(secret.expose()).unwrap().unwrap().key_id, key.id);
    ledger.create_key(theirs, KeyKind::Ingest, "new", now).unwrap();
    let batch = Batch {
        account: theirs,
        idempotency_key: "1".to_owned(),
        digest: [0; 32],
        received_at: now,
        entries: theirs_sent[..10].to_vec(),
    };
    assert_eq!(ledger.store_batches(&[batch]).unwrap(), [Receipt::Stored(10)]);
}

#[test]
fn a_ledger_of_version_2_is_taken_forward() {
    let house = House::new();
    let sent: Vec<_> = History::new(1, 500).collect();
    import(&house.ledger, house.account, &sent);
    let rollups = house.ledger.rollups(house.account, None).unwrap();
    let file = Connection::open(house.path()).unwrap();
    file.execute_batch("DROP TABLE imports; PRAGMA user_version = 2;").unwrap();
    drop(file);
    let house = house.reopened();
    assert!(house.entries() == sent);
    assert_eq!(house.ledger.rollups(house.account, None).unwrap(), rollups);
    let many: Vec<_> = History::new(2, 10_000).collect();
    import(&house.ledger, house.account, &many);
    assert_eq!(house.entries().len(), 10_500);
}
