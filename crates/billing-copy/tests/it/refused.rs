//! Where no copy goes, and what an unfinished one is to everybody else.

use billing_copy::{Unfinished, copy};
use billing_ledger::{CopyFrom, ErrorKind, LedgerSecret};
use billing_sqlite::SqliteLedger;

use crate::house::{Place, copied, names};
use crate::same::assert_same;
use crate::story::fixed_story;

fn places() -> Vec<Place> {
    [Some(Place::file()), Place::database()].into_iter().flatten().collect()
}

fn source() -> (Box<dyn CopyFrom>, Place) {
    let place = Place::file();
    let ledger = place.make();
    fixed_story().iter().for_each(|step| step.happen(ledger.ledger()));
    (ledger, place)
}

#[test]
fn a_ledger_that_has_anything_is_left_alone() {
    let (ledger, _place) = source();
    for other in places() {
        let there = other.make();
        there.ledger().create_account("theirs").unwrap();
        drop(there);
        let refused = other.try_begin(ledger.secret()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Exists, "{refused}");
        assert_eq!(names(other.open().ledger()), ["theirs"]);
    }
}

#[test]
fn a_ledger_without_anything_makes_room() {
    let (ledger, _place) = source();
    for other in places() {
        drop(other.make());
        copied(&*ledger, &other);
        assert_same(&*ledger, &*other.open());
        // Now it is a ledger like any other.
        let refused = other.try_begin(LedgerSecret([7; 32])).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Exists, "{refused}");
    }
}

#[test]
fn an_unfinished_copy_is_no_ledger_and_takes_no_other() {
    let ((ledger, _place), (another, _other_place)) = (source(), source());
    for other in places() {
        let begun = other.begin(ledger.secret());
        // Two copies at once would each take the other's blocks for their own.
        assert_eq!(other.try_begin(ledger.secret()).unwrap_err().kind(), ErrorKind::InUse);
        drop(begun);
        assert_eq!(other.try_open().unwrap_err().kind(), ErrorKind::UnfinishedCopy);
        let refused = other.try_begin(another.secret()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Exists, "{refused}");
        if let Place::File(path, _) = &other {
            let kind = |error: billing_ledger::Error| error.kind();
            assert_eq!(
                SqliteLedger::open_or_create(path).map_err(kind).err(),
                Some(ErrorKind::UnfinishedCopy)
            );
            assert_eq!(SqliteLedger::open_to_read(path).map_err(kind).err(), Some(ErrorKind::UnfinishedCopy));
            assert_eq!(
                SqliteLedger::check(path, |_| {}).map_err(kind).err(),
                Some(ErrorKind::UnfinishedCopy)
            );
            assert_eq!(
                SqliteLedger::has_account(path, "x").map_err(kind).err(),
                Some(ErrorKind::UnfinishedCopy)
            );
        }
        copied(&*ledger, &other);
        assert_same(&*ledger, &*other.open());
    }
}

/// Nothing goes into a ledger over which a server runs already, though it has nothing yet.
#[test]
fn a_ledger_that_somebody_has_open_is_left_alone() {
    let (ledger, _place) = source();
    for other in places() {
        let theirs = other.make();
        assert_eq!(other.try_begin(ledger.secret()).unwrap_err().kind(), ErrorKind::InUse);
        theirs.ledger().create_account("theirs").unwrap();
        assert_eq!(names(theirs.ledger()), ["theirs"]);
        drop(theirs);
        assert_eq!(names(other.open().ledger()), ["theirs"]);
    }
}

#[test]
fn a_ledger_without_anything_is_copied_too() {
    for other in places() {
        let one = Place::file();
        let ledger = one.make();
        let beside = one.open();
        let ahead = copy(&*ledger, other.begin(ledger.secret()), &|_| ()).unwrap();
        assert_eq!(ahead.unfinished, Some(Unfinished::InUse));
        drop(beside);
        copied(&*ledger, &other);
        assert_same(&*ledger, &*other.open());
    }
}
