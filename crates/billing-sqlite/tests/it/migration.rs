//! Migration of ledgers of earlier versions.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use billing_ledger::{
    AccountId, Batch, Block, Change, ErrorKind, FileContent, Filter, KeyKind, Ledger as _, Receipt, Source,
};
use billing_model::{Day, EntrySet, Timestamp, Total, UsageEntry, WholeSet};
use billing_sample::History;
use billing_sqlite::{Migration, SqliteLedger};
use billing_testkit::OwnedLedger as _;
use rusqlite::Connection;

use crate::house::{BACK_TO_4, House, import, walk};

/// SQL that takes a ledger of version 4 back to version 1. Its sums are dropped, because the migration makes them anew.
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
    DROP TABLE unused;
    DROP TABLE files;
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
    let ours = house.account;
    let (key, secret) = house.ledger.create_key(ours, KeyKind::Admin, "", now).unwrap();
    let (revoked, _) = house.ledger.create_key(theirs, KeyKind::Inference, "", now).unwrap();
    house.ledger.revoke_key(&revoked.id, now).unwrap();
    let see = |ledger: &SqliteLedger| {
        let accounts = [ours, theirs].map(|account| {
            let filter = Filter::default();
            let total = ledger.numbered_page(account, &filter, Default::default(), 1, 1).unwrap().total;
            let funds = ledger.funds(account, Day(20_600)).unwrap();
            (ledger.owned_rollups(account, None).unwrap(), total, funds, walk(ledger, account, &filter, 1000))
        });
        (accounts, ledger.keys().unwrap(), ledger.key_material().signing_key())
    };
    let before = see(&house.ledger);
    let path = house.path();
    let _directory = house.closed();

    let file = Connection::open(&path).unwrap();
    file.execute_batch(BACK_TO_4).unwrap();
    file.execute_batch(BACK_TO_1).unwrap();
    drop(file);
    let ledger = SqliteLedger::open(&path).unwrap();
    assert!(see(&ledger) == before, "it is what it was");
    assert_eq!(ledger.authenticate(secret.expose()).unwrap().unwrap().key_id, key.id);
    ledger.create_key(theirs, KeyKind::Ingest, "new", now).unwrap();
    let batch = Batch {
        account: theirs,
        idempotency_key: "1".to_owned(),
        digest: [0; 32],
        received_at: now,
        entries: theirs_sent[..10].into(),
    };
    assert_eq!(ledger.store_batches(&[batch]).unwrap(), [Receipt::Stored(10)]);
    assert!(!ledger.has_imported_files(theirs).unwrap());
    assert_eq!(is_in_right_blocks(&ledger, &[ours, theirs]), [1, 2]);
    drop(ledger);
    assert!(SqliteLedger::check(&path, |_| ()).unwrap().is_clean());
}

/// SQL that takes a ledger of version 4 back to version 2.
const BACK_TO_2: &str = "DROP TABLE imports; DROP TABLE unused; DROP TABLE files; PRAGMA user_version = 2;";

/// Takes a ledger back to version 2, and commits as the program of that version did. Its seals did not say which state
/// they continue.
fn back_to_2(path: &Path, names: &[&str]) -> Connection {
    let file = Connection::open(path).unwrap();
    file.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    let seal = "UPDATE meta SET value = randomblob(16) WHERE name = 'seal'";
    file.execute_batch(&format!("{BACK_TO_4} {BACK_TO_2} {seal}")).unwrap();
    file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    for name in names {
        commit_2(&file, name);
    }
    file
}

fn commit_2(file: &Connection, name: &str) {
    let commit = format!(
        "BEGIN; INSERT INTO accounts (name) VALUES ('{name}');
         INSERT OR REPLACE INTO meta VALUES ('seal', randomblob(16)); COMMIT"
    );
    file.execute_batch(&commit).unwrap();
}

/// File and log as a killed process leaves them.
fn killed(path: &Path, directory: &Path) -> PathBuf {
    let to = directory.join("ledger.db");
    fs::copy(path, &to).unwrap();
    fs::copy(path.with_file_name("ledger.db-wal"), directory.join("ledger.db-wal")).unwrap();
    to
}

#[test]
fn a_ledger_of_version_2_that_was_killed_is_taken_forward_with_its_log() {
    let house = House::new();
    let sent: Vec<_> = History::new(1, 500).collect();
    import(&house.ledger, house.account, &sent);
    let (account, path) = (house.account, house.path());
    let _directory = house.closed();
    let file = back_to_2(&path, &["one", "two"]);
    for is_copied in [false, true] {
        if is_copied {
            // The log was copied into the file, and nothing was written since.
            file.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
        }
        let directory = tempfile::tempdir().unwrap();
        let killed = killed(&path, directory.path());
        let ledger = SqliteLedger::open(&killed).unwrap();
        assert!(ledger.account("two").unwrap().is_some());
        assert_eq!(walk(&ledger, account, &Filter::default(), 1000).len(), 500);
        ledger.create_account("new").unwrap();
        drop(ledger);
        assert!(SqliteLedger::open(&killed).unwrap().account("new").unwrap().is_some());
    }
}

#[test]
fn an_older_copy_beside_the_log_of_version_2_is_refused_when_it_does_not_come_out_whole() {
    let house = House::new();
    let path = house.path();
    let _directory = house.closed();
    let file = back_to_2(&path, &[]);
    let insert = |accounts: std::ops::Range<u32>| {
        file.execute_batch("BEGIN").unwrap();
        for n in accounts {
            file.execute("INSERT INTO accounts (name) VALUES (?1)", [format!("account {n}")]).unwrap();
        }
        file.execute_batch("INSERT OR REPLACE INTO meta VALUES ('seal', randomblob(16)); COMMIT").unwrap();
    };
    insert(0..2000);
    file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let older = directory.path().join("older.db");
    fs::copy(&path, &older).unwrap();
    // Pages that are used in the copy are freed here, the log begins anew, and the pages are used for other rows.
    file.execute_batch("DELETE FROM accounts WHERE id BETWEEN 500 AND 1500").unwrap();
    file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    insert(2000..2300);
    let killed = killed(&path, directory.path());
    fs::rename(&older, &killed).unwrap();
    assert_eq!(SqliteLedger::open(&killed).unwrap_err().kind(), ErrorKind::ForeignLog);
}

#[test]
fn a_ledger_of_version_2_is_taken_forward() {
    let house = House::new();
    let sent: Vec<_> = History::new(1, 500).collect();
    import(&house.ledger, house.account, &sent);
    let rollups = house.ledger.owned_rollups(house.account, None).unwrap();
    let file = Connection::open(house.path()).unwrap();
    file.execute_batch(&format!("{BACK_TO_4} {BACK_TO_2}")).unwrap();
    drop(file);
    let house = house.reopened();
    assert!(house.entries() == sent);
    assert_eq!(house.ledger.owned_rollups(house.account, None).unwrap(), rollups);
    let many: Vec<_> = History::new(2, 10_000).collect();
    import(&house.ledger, house.account, &many);
    assert_eq!(house.entries().len(), 10_500);
}

/// The program of version 3 was killed within an import of many entries.
#[test]
fn a_ledger_of_version_3_is_taken_forward_with_what_a_killed_import_left() {
    let house = House::new();
    let sent: Vec<_> = History::new(1, 500).collect();
    import(&house.ledger, house.account, &sent);
    let account = house.account;
    let mut running = house.ledger.import(account).unwrap();
    running.write(&History::new(2, 12_000).collect::<Vec<_>>()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = killed(&house.path(), directory.path());
    drop(running);
    // A commit of its own, with the seal of that program.
    drop(SqliteLedger::open(&path).unwrap());
    let back = format!("{BACK_TO_4} DROP TABLE files; PRAGMA user_version = 3");
    Connection::open(&path).unwrap().execute_batch(&back).unwrap();

    let ledger = SqliteLedger::open(&path).unwrap();
    assert!(walk(&ledger, account, &Filter::default(), 1000) == sent);
    assert_eq!(ledger.remove_unfinished_import().unwrap(), 12_000);
    // Earlier imports belong to no file, so the same file can be imported once more.
    let june = |again| FileContent {
        name: "june.csv".to_owned(),
        sha256: [1; 32],
        imported_at: "2026-07-01T00:00:00Z".parse().unwrap(),
        again,
    };
    let import_june = |again| {
        let mut import = ledger.import(account).unwrap();
        import.write(&sent).unwrap();
        import.end_file(june(again));
        import.finish().map_err(|error| error.kind())
    };
    assert_eq!(import_june(false), Ok(500));
    assert_eq!(import_june(false), Err(ErrorKind::AlreadyImported));
    assert_eq!(import_june(true), Ok(500));
    drop(ledger);
    let report = SqliteLedger::check(&path, |_| ()).unwrap();
    assert_eq!((report.is_clean(), report.checked.files), (true, 2), "{:?}", report.differences);
}

/// Checks that each entry is in one block, and that each block has the sums of its entries. Returns the number of
/// blocks of each account.
#[track_caller]
fn is_in_right_blocks(ledger: &SqliteLedger, accounts: &[AccountId]) -> Vec<usize> {
    let mut of_accounts = BTreeMap::<i64, Vec<_>>::new();
    for (n, (block, entries)) in ledger.owned_blocks(0).unwrap().into_iter().enumerate() {
        assert_eq!((block.number, block.removed_at), (n as u64 + 1, None));
        assert!((1..=Block::MOST_ENTRIES).contains(&block.entries()), "{block:?}");
        assert_eq!(block.entry_set, entries.iter().map(|(_, entry)| entry).collect::<EntrySet>());
        assert_eq!(block.whole_set, entries.iter().map(|(_, entry)| entry).collect::<WholeSet>());
        let mut sums = BTreeMap::<_, Total>::new();
        entries
            .iter()
            .for_each(|(_, entry)| sums.entry(entry.currency.clone()).or_default().add(entry.amount));
        assert_eq!(block.sums, sums.into_iter().collect::<Vec<_>>());
        let mut numbers: Vec<_> = entries.iter().map(|(place, _)| place.sequence).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(block.first_sequence..block.first_sequence + block.entries()));
        of_accounts.entry(block.account.0).or_default().push(entries);
    }
    let blocks = accounts.iter().map(|account| of_accounts.get(&account.0).map_or(0, Vec::len)).collect();
    for account in accounts {
        let mut in_blocks = of_accounts.remove(&account.0).unwrap_or_default().concat();
        in_blocks.sort_by_key(|(place, _)| *place);
        assert!(in_blocks == ledger.placed_entries(*account).unwrap());
    }
    assert!(of_accounts.is_empty());
    blocks
}

fn batch(account: AccountId, name: &str, entries: &[UsageEntry]) -> Batch {
    let received_at = "2026-06-15T00:00:00Z".parse().unwrap();
    let entries = entries.to_vec().into();
    Batch { account, idempotency_key: name.to_owned(), digest: [0; 32], received_at, entries }
}

/// A ledger with an account of many entries, one of few and one of none; numbers that an import left unused; the rest
/// of a killed import; receipts; and a file.
#[test]
fn a_ledger_of_version_4_is_put_into_blocks() {
    let house = House::new();
    let ours = house.account;
    let [nobodys, theirs] = ["nobody's", "theirs"].map(|name| house.ledger.create_account(name).unwrap());
    let many: Vec<_> = History::new(1, 25_000).collect();
    let few: Vec<_> = History::new(2, 12_000).collect();
    let record = |account, name: &str, entries: &[UsageEntry]| {
        house.ledger.store_batches(&[batch(account, name, entries)]).unwrap();
    };
    record(ours, "first", &few[..10]);
    import(&house.ledger, ours, &many);
    let mut dropped = house.ledger.import(ours).unwrap();
    dropped.write(&few).unwrap();
    record(ours, "beside one that is dropped", &few[..5]);
    drop(dropped);
    record(theirs, "theirs", &few[..700]);
    let mut running = house.ledger.import(theirs).unwrap();
    running.write(&few).unwrap();
    record(theirs, "beside one that is killed", &few[..3]);
    let directory = tempfile::tempdir().unwrap();
    let path = killed(&house.path(), directory.path());
    drop(running);
    let accounts = [ours, nobodys, theirs];
    let see = |ledger: &SqliteLedger| {
        accounts.map(|account| {
            let funds = ledger.funds(account, Day(20_600)).unwrap();
            (ledger.placed_entries(account).unwrap(), ledger.owned_rollups(account, None).unwrap(), funds)
        })
    };
    let before = see(&house.ledger);
    // Closing the ledger copies the log into the file.
    drop(SqliteLedger::open(&path).unwrap());
    Connection::open(&path).unwrap().execute_batch(BACK_TO_4).unwrap();

    let import_id = || {
        let file = Connection::open(&path).unwrap();
        file.query_row("SELECT id FROM imports", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let import_before = import_id();
    let mut told = Vec::new();
    let ledger = SqliteLedger::open_with_progress(&path, |migration| told.push(*migration)).unwrap();
    // The entries of the killed import are counted too.
    let of = |done| Migration { done, entries: 37_718 };
    assert_eq!(told, [10_000, 20_000, 30_000, 37_718].map(of));
    assert_ne!(import_id(), import_before, "a program of version 4 that still imports does not end it");
    assert!(see(&ledger) == before, "it is what it was");
    // No block has entries from both sides of the unused numbers.
    assert_eq!(is_in_right_blocks(&ledger, &accounts), [3, 0, 2]);
    drop(ledger);
    let is_clean = |entries: u64, hidden: u64, blocks: u64| {
        let report = SqliteLedger::check(&path, |_| ()).unwrap();
        let checked = report.checked;
        let counted = (checked.entries, checked.hidden_entries, checked.blocks);
        assert_eq!((report.differences, counted), (vec![], (entries, hidden, blocks)));
    };
    is_clean(25_718, 12_000, 5);

    let ledger = SqliteLedger::open_with_progress(&path, |_| panic!("it was taken forward")).unwrap();
    assert_eq!(ledger.remove_unfinished_import().unwrap(), 12_000);
    let again = [batch(ours, "first", &few[..10]), batch(theirs, "new", &few[..1])];
    assert_eq!(ledger.store_batches(&again).unwrap(), [Receipt::Repeated(10), Receipt::Stored(1)]);
    import(&ledger, ours, &few);
    assert_eq!(is_in_right_blocks(&ledger, &accounts), [4, 0, 3]);
    drop(ledger);
    is_clean(25_718 + 1 + 12_000, 0, 7);
}

/// The older program knows no blocks, so its entries would be in none.
#[test]
fn a_program_of_version_4_that_has_the_ledger_open_stores_nothing_more() {
    let house = House::new();
    import(&house.ledger, house.account, &History::new(1, 500).collect::<Vec<_>>());
    let before = house.entries();
    let path = house.path();
    let directory = house.closed();
    Connection::open(&path).unwrap().execute_batch(BACK_TO_4).unwrap();
    let mut older = Connection::open(&path).unwrap();
    // The statements with which it stores an entry and then the sums. Each was prepared before the migration.
    let store = |older: &mut Connection, sequence: i64| {
        let entry = "INSERT INTO entries (account, timestamp_ns, sequence, sku, price_per_unit_usd, units, amount, \
             currency, notes, api_key, request_id, execution_time_ms, prompt_tokens, completion_tokens) \
             SELECT account, timestamp_ns, ?1, sku, price_per_unit_usd, units, amount, currency, notes, api_key, \
             request_id, execution_time_ms, prompt_tokens, completion_tokens FROM entries WHERE sequence = 0";
        let sums = "INSERT OR REPLACE INTO rollups
             (account, day, sku, currency, api_key, is_credit, entries, amount, units)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let change = older.transaction().unwrap();
        change.prepare_cached(entry)?.execute([sequence])?;
        change.prepare_cached(sums)?.execute((1, 20_000, 1, 2, 0, 0, 1, "-1", "1"))?;
        // The first time nothing is committed.
        change.rollback()
    };
    store(&mut older, 500).unwrap();

    let ledger = SqliteLedger::open(&path).unwrap();
    let error = store(&mut older, 500).unwrap_err().to_string();
    assert!(error.contains("price_per_unit_usd"), "{error}");
    assert!(walk(&ledger, AccountId(1), &Filter::default(), 1000) == before);
    drop((ledger, older));
    assert!(SqliteLedger::check(&path, |_| ()).unwrap().is_clean());
    drop(directory);
}

/// The copy is checked before it replaces anything, and it is of the present version by then.
#[test]
fn a_copy_of_version_4_is_taken_forward_before_it_replaces_anything() {
    let house = House::new();
    import(&house.ledger, house.account, &History::new(1, 500).collect::<Vec<_>>());
    let (entries, path) = (house.entries(), house.path());
    let directory = house.closed();
    let copy = path.with_file_name("copy.db");
    fs::copy(&path, &copy).unwrap();
    Connection::open(&copy).unwrap().execute_batch(BACK_TO_4).unwrap();
    let now = "2026-07-01T00:00:00Z".parse().unwrap();
    let restored = |from: &Path| SqliteLedger::restore(from, &path, now);
    let see = || {
        let ledger = SqliteLedger::open(&path).unwrap();
        walk(&ledger, AccountId(1), &Filter::default(), 1000)
    };
    let kept = restored(&copy).unwrap().unwrap();
    assert!(see() == entries && SqliteLedger::check(&path, |_| ()).unwrap().is_clean());
    fs::remove_file(kept).unwrap();

    for damage in [
        "UPDATE entries SET amount = 'abc' WHERE sequence = 7",
        "UPDATE balances SET amount = '1' WHERE currency = (SELECT min(currency) FROM balances)",
    ] {
        let damaged = path.with_file_name("damaged.db");
        fs::copy(&copy, &damaged).unwrap();
        Connection::open(&damaged).unwrap().execute_batch(damage).unwrap();
        let before = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(restored(&damaged).unwrap_err().kind(), ErrorKind::CannotRestore, "{damage}");
        assert!(see() == entries, "{damage}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), before, "nothing is left of it");
        if damage.contains("abc") {
            let error = SqliteLedger::open(&damaged).unwrap_err();
            let said = error.to_string();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(said.contains("could not be taken forward") && said.contains(", sequence 7,"), "{said}");
            assert!(said.contains("`abc` is not a decimal number"), "{said}");
        }
        fs::remove_file(damaged).unwrap();
    }
}

/// SQL that takes a ledger back to what version 5 had, sealed as a state that continues none.
const BACK_TO_5: &str = "
    DROP TABLE sources;
    DROP TABLE coverage;
    DROP TABLE coverage_sums;
    PRAGMA user_version = 5;
    UPDATE meta SET value = unhex(
        hex(randomblob(16)) || (SELECT printf('%08X', schema_version) FROM pragma_schema_version) || hex(zeroblob(20))
    ) WHERE name = 'seal';
";

/// It has entries that were taken out, receipts, and a file, which is also known before it is taken forward.
#[test]
fn a_ledger_of_version_5_is_taken_forward_with_all_that_it_has() {
    let house = House::new();
    let account = house.account;
    let sent: Vec<_> = History::new(1, 700).collect();
    let content = FileContent {
        name: "june.csv".to_owned(),
        sha256: [1; 32],
        imported_at: "2026-07-01T00:00:00Z".parse().unwrap(),
        again: false,
    };
    let mut import = house.ledger.import(account).unwrap();
    import.write(&sent).unwrap();
    import.end_file(content);
    import.finish().unwrap();
    house.ledger.store_batches(&[batch(account, "one", &sent[..5])]).unwrap();
    let (place, _) = house.ledger.placed_entries(account).unwrap().remove(3);
    let at = "2026-07-01T00:00:00Z".parse().unwrap();
    let change = Change { remove: vec![place], add: sent[..2].to_vec().into(), ..Change::of(account, at) };
    house.ledger.change(&change).unwrap();
    let see = |ledger: &SqliteLedger| {
        let entries = (ledger.placed_entries(account).unwrap(), ledger.removed_entries(account).unwrap());
        (entries, ledger.owned_blocks(0).unwrap(), ledger.owned_rollups(account, None).unwrap())
    };
    let (before, path) = (see(&house.ledger), house.path());
    let _directory = house.closed();
    Connection::open(&path).unwrap().execute_batch(BACK_TO_5).unwrap();

    assert_eq!(SqliteLedger::check(&path, |_| ()).unwrap_err().kind(), ErrorKind::OlderVersion);
    let known = SqliteLedger::look_up_files(&path, "ours", &[[1; 32], [2; 32]]).unwrap();
    assert_eq!((known[0].as_ref().map(|file| file.entries), &known[1]), (Some(700), &None));
    assert!(SqliteLedger::has_account(&path, "ours").unwrap());
    assert!(!SqliteLedger::has_account(&path, "theirs").unwrap());

    let ledger = SqliteLedger::open_with_progress(&path, |_| panic!("no entry is looked at")).unwrap();
    assert!(see(&ledger) == before, "it is what it was");
    let repeated = ledger.store_batches(&[batch(account, "one", &sent[..5])]).unwrap();
    assert_eq!(repeated, [Receipt::Repeated(5)]);
    let copy = ledger.create_account("copy").unwrap();
    let source = Source {
        base_url: "u".to_owned(),
        key_fingerprint: "f".to_owned(),
        settle: Source::SETTLE,
        synced_at: None,
    };
    ledger.set_source(copy, &source).unwrap();
    assert_eq!(ledger.source(account).unwrap(), None);
    drop(ledger);
    let report = SqliteLedger::check(&path, |_| ()).unwrap();
    assert_eq!((report.differences, report.checked.sources), (vec![], 1));
}
