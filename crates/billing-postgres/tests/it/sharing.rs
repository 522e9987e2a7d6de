//! Several programs on one database: what one does, the others see at the next call.

use std::ops::Range;
use std::thread;
use std::time::Duration;

use billing_ledger::{Batch, ErrorKind, Filter, KeyKind, Ledger, PackedEntries, Receipt};
use billing_postgres::{PostgresLedger, Settings};
use billing_testkit::{OwnedLedger, entry_at};

use crate::check::check;
use crate::house::{empty, open, target};
use crate::writing::{at, batch};

#[test]
fn a_key_that_one_revokes_opens_nothing_at_the_other() {
    let Some((one, _, url)) = empty() else { return };
    let other = open(&url);
    let account = one.create_account("ours").unwrap();
    assert_eq!(Ledger::account(&other, "ours").unwrap(), Some(account));
    let (key, secret) = one.create_key(account, KeyKind::Admin, "", at(0)).unwrap();
    let principal = other.authenticate(secret.expose()).unwrap().unwrap();
    assert_eq!((principal.account, &principal.key_id), (account, &key.id));
    assert!(other.revoke_key(&key.id, at(1)).unwrap());
    assert_eq!(one.authenticate(secret.expose()).unwrap(), None);
    let signing_keys = [&one, &other].map(|ledger| ledger.key_material().signing_key());
    assert_eq!(signing_keys[0], signing_keys[1], "a cursor of one is good at the other");
    assert!(!one.revoke_key(&key.id, at(2)).unwrap());
    other.remove_account(account).unwrap();
    assert_eq!(one.remove_account(account).unwrap_err().kind(), ErrorKind::UnknownAccount);
}

#[test]
fn a_walk_that_one_begins_goes_on_at_the_other() {
    let Some((one, _, url)) = empty() else { return };
    let other = open(&url);
    let account = one.create_account("ours").unwrap();
    let store = |ledger: &dyn Ledger, key: &str, seconds: Range<i64>| {
        let entries: Vec<_> = seconds.map(|second| entry_at(at(second), "-1")).collect();
        let batch = Batch {
            account,
            idempotency_key: key.to_owned(),
            digest: [1; 32],
            received_at: at(0),
            entries: PackedEntries::from(entries.as_slice()),
        };
        ledger.store_batches(&[batch]).unwrap();
        entries
    };
    let stored = store(&one, "first", 0..100);
    let filter = Filter::default();
    let (mut snapshot, mut after, mut seen) = (None, None, Vec::new());
    let ledgers: [&dyn Ledger; 2] = [&one, &other];
    for (page, ledger) in ledgers.iter().cycle().enumerate() {
        let found = ledger.positioned_page(account, &filter, snapshot, after, 10).unwrap();
        seen.extend(found.entries);
        (snapshot, after) = (Some(found.snapshot), found.next);
        if after.is_none() {
            break;
        }
        // What comes meanwhile, from either, is of no walk that began before.
        store(ledgers[page % 2], &format!("late {page}"), 40..60);
    }
    assert_eq!(seen, stored);
}

#[test]
fn makers_of_one_account_get_the_same_one() {
    let Some((one, _, url)) = empty() else { return };
    let ledgers = [one, open(&url), open(&url)];
    for round in 0..10 {
        let name = format!("account {round}");
        let made = thread::scope(|scope| {
            let makers: Vec<_> =
                ledgers.iter().map(|ledger| scope.spawn(|| ledger.create_account(&name).unwrap())).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(made.iter().all(|account| *account == made[0]), "{made:?}");
        let accounts = ledgers[0].accounts().unwrap();
        assert_eq!(accounts.len(), round + 1);
        assert_eq!(accounts.last().unwrap().id, made[0], "their names are in order");
    }
}

/// Two servers record the uses of the same keys in any order, again and again: neither waits for the other for ever.
#[test]
fn uses_of_keys_are_recorded_from_everywhere() {
    let Some((one, _, url)) = empty() else { return };
    let other = open(&url);
    let account = one.create_account("ours").unwrap();
    let keys: Vec<_> =
        (0..20).map(|_| one.create_key(account, KeyKind::Ingest, "", at(0)).unwrap().0.id).collect();
    thread::scope(|scope| {
        for (ledger, is_backward) in [(&one, false), (&other, true)] {
            let keys = &keys;
            scope.spawn(move || {
                for round in 0..30 {
                    let mut uses: Vec<_> = keys.iter().map(|id| (id.as_str(), at(round))).collect();
                    // The same key twice: the later use counts.
                    uses.push((&keys[0], at(round + 1)));
                    if is_backward {
                        uses.reverse();
                    }
                    ledger.record_key_uses(&uses).unwrap();
                }
            });
        }
    });
    let used: Vec<_> = one.keys().unwrap().into_iter().map(|key| (key.id, key.last_used_at)).collect();
    for id in &keys {
        let last = if *id == keys[0] { at(30) } else { at(29) };
        assert!(used.contains(&(id.clone(), Some(last))));
    }
}

/// Who stores into several accounts waits for none that somebody else has, a long import say.
#[test]
fn an_account_that_somebody_has_keeps_no_other_waiting() {
    let Some((ledger, postgres, url)) = empty() else { return };
    let hasty = Settings { patience: Duration::from_secs(2), ..Settings::SERVER };
    let hasty = PostgresLedger::open(target(&url), hasty).unwrap();
    let [ours, theirs] = ["ours", "theirs"].map(|name| ledger.create_account(name).unwrap());
    let batch = |account, key: &str| batch(account, key, &[entry_at(at(1), "-1")]);
    let lock = |id: String| format!("SELECT FROM billing.accounts WHERE id IN ({id}) FOR NO KEY UPDATE");
    let short = Duration::from_millis(50);
    let both = [batch(theirs, "first"), batch(ours, "first")];
    let held = postgres.hold(&url, &lock(theirs.0.to_string()));
    assert_eq!(hasty.store_free_batches(&both, Duration::ZERO).unwrap(), [Receipt::Busy, Receipt::Stored(1)]);
    assert_eq!(
        hasty.store_free_batches(&both, Duration::ZERO).unwrap(),
        [Receipt::Busy, Receipt::Repeated(1)]
    );
    assert_eq!(hasty.store_batches(&both).unwrap_err().kind(), ErrorKind::Busy);
    drop(held);
    let held = postgres.hold(&url, &lock(format!("{}, {}", ours.0, theirs.0)));
    let next = [batch(theirs, "next"), batch(ours, "next")];
    assert_eq!(hasty.store_free_batches(&next, short).unwrap(), [Receipt::Busy, Receipt::Busy]);
    assert_eq!(hasty.store_free_batches(&next[..1], Duration::ZERO).unwrap(), [Receipt::Busy]);
    thread::scope(|scope| {
        let patient = scope.spawn(|| ledger.store_batches(&next).unwrap());
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while postgres.sql(&url, waits) == "0" {
            assert!(!patient.is_finished(), "it does not wait");
        }
        drop(held);
        assert_eq!(patient.join().unwrap(), [Receipt::Stored(1), Receipt::Stored(1)]);
    });
    let repeated = [Receipt::Repeated(1), Receipt::Repeated(1)];
    assert_eq!(hasty.store_free_batches(&next, short).unwrap(), repeated);
    assert_eq!(
        hasty.store_free_batches(&both, Duration::ZERO).unwrap(),
        [Receipt::Stored(1), Receipt::Repeated(1)]
    );
    assert!(check(&url).differences.is_empty());
}
