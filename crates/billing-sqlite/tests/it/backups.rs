//! Backups of a ledger in use.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use billing_ledger::{Batch, ErrorKind, Filter, KeyKind, Ledger as _};
use billing_sqlite::SqliteLedger;
use billing_testkit::OwnedLedger as _;
use billing_testkit::entry_at;

use crate::house::{House, import, walk};

#[test]
fn a_backup_is_a_ledger_like_its_original() {
    let house = House::new();
    let now = "2026-06-15T00:00:00Z".parse().unwrap();
    let (_, secret) = house.ledger.create_key(house.account, KeyKind::Admin, "", now).unwrap();
    import(&house.ledger, house.account, &[entry_at(now, "-1"), entry_at(now, "-1")]);
    let to = house.path().with_file_name("copy.db");
    house.ledger.back_up(&to).unwrap();
    import(&house.ledger, house.account, &[entry_at(now, "-2")]);

    let copy = SqliteLedger::open(&to).unwrap();
    let account = copy.account("ours").unwrap().unwrap();
    assert_eq!(walk(&copy, account, &Filter::default(), 10).len(), 2);
    assert!(copy.authenticate(secret.expose()).unwrap().is_some());
    assert_eq!(house.entries().len(), 3);
    // From here on the copy is a ledger of its own.
    import(&copy, account, &[entry_at(now, "-3")]);
    assert_eq!(house.entries().len(), 3);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_backup_replaces_nothing_and_leaves_nothing_behind() {
    let house = House::new();
    let directory = house.path().parent().unwrap().to_owned();
    let names = || {
        let mut names: Vec<_> = fs::read_dir(&directory)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.retain(|name| !name.starts_with("ledger.db"));
        names.sort();
        names
    };
    let to = directory.join("copy.db");
    fs::write(&to, "mine").unwrap();
    assert_eq!(house.ledger.back_up(&to).unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(house.ledger.back_up(&house.path()).unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(fs::read(&to).unwrap(), b"mine");
    let nowhere = directory.join("missing").join("copy.db");
    assert_eq!(house.ledger.back_up(&nowhere).unwrap_err().kind(), ErrorKind::CannotBackUp);
    assert_eq!(names(), ["copy.db"]);
    fs::remove_file(&to).unwrap();
    fs::write(directory.join("copy.db.part"), "left by a kill").unwrap();
    house.ledger.back_up(&to).unwrap();
    assert_eq!(names(), ["copy.db"]);
}

/// A backup has only whole batches, and all that were acknowledged before it.
#[test]
fn a_backup_beside_a_writer_is_one_moment() {
    let house = House::new();
    let now = "2026-06-15T00:00:00Z".parse().unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (ledger, account, done) = (&house.ledger, house.account, &done);
        scope.spawn(move || {
            let entries: Vec<_> = (0..100).map(|_| entry_at(now, "-1")).collect();
            for n in 0.. {
                let idempotency_key = format!("{n}");
                let batch = Batch {
                    account,
                    idempotency_key,
                    digest: [0; 32],
                    received_at: now,
                    entries: entries.clone().into(),
                };
                ledger.store_batches(&[batch]).unwrap();
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        for n in 0..5 {
            let count = |ledger: &SqliteLedger| {
                let counted = ledger.numbered_page(account, &Filter::default(), Default::default(), 1, 1);
                counted.unwrap().total
            };
            let before = count(ledger);
            let to = house.path().with_file_name(format!("copy {n}.db"));
            ledger.back_up(&to).unwrap();
            let (copied, after) = (count(&SqliteLedger::open(&to).unwrap()), count(ledger));
            assert!(before <= copied && copied <= after && copied % 100 == 0, "{before} {copied} {after}");
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_ledger_that_is_open_is_not_restored_over() {
    let house = House::new();
    let now = "2026-06-15T00:00:00Z".parse().unwrap();
    let copy = house.path().with_file_name("copy.db");
    house.ledger.back_up(&copy).unwrap();
    import(&house.ledger, house.account, &[entry_at(now, "-1")]);
    let error = SqliteLedger::restore(&copy, &house.path(), now).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
    assert_eq!(house.entries().len(), 1);

    let (path, account) = (house.path(), house.account);
    let _directory = house.closed();
    let names: Vec<_> = (0..2).map(|_| SqliteLedger::restore(&copy, &path, now).unwrap().unwrap()).collect();
    assert_eq!(names[0], path.with_file_name("ledger.db.replaced-2026-06-15T00-00-00Z"));
    assert_ne!(names[0], names[1], "in the same second");
    let entries = |path| walk(&SqliteLedger::open(path).unwrap(), account, &Filter::default(), 10).len();
    assert_eq!((entries(&path), entries(&names[0]), entries(&names[1])), (0, 1, 0));
}
