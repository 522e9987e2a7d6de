//! A source that is written to while it is copied.

use std::sync::Mutex;

use billing_copy::{Unfinished, copy};
use billing_ledger::ErrorKind;
use proptest::prelude::*;

use crate::house::{Place, copied};
use crate::same::assert_same;
use crate::story::{Step, any_story, fixed_story};
use crate::trouble::Trouble;

/// Copies from a file while things happen, some calls apart, and then once more when nothing does.
fn copies_beside(story: &[Step], meanwhile: &[(u8, Step)], limit: u32, other: &Place) {
    let one = Place::file();
    let ledger = one.make();
    story.iter().for_each(|step| step.happen(ledger.ledger()));
    let mut to_come = meanwhile.to_vec();
    to_come.reverse();
    let to_come = Mutex::new(to_come);
    let live = Trouble::live(&*ledger, limit, || {
        let mut to_come = to_come.lock().unwrap();
        match to_come.last_mut() {
            Some((0, _)) => {
                let (_, step) = to_come.pop().unwrap();
                step.happen(ledger.ledger());
            }
            Some((calls, _)) => *calls -= 1,
            None => {}
        }
    });
    for _ in 0..2 {
        let ahead = copy(&live, other.begin(ledger.secret()), &|_| ()).unwrap();
        assert_eq!(ahead.unfinished, Some(Unfinished::InUse));
        assert_eq!(other.try_open().unwrap_err().kind(), ErrorKind::UnfinishedCopy);
    }
    drop(live);
    to_come.into_inner().unwrap().into_iter().rev().for_each(|(_, step)| step.happen(ledger.ledger()));
    copied(&*ledger, other);
    assert_same(&*ledger, &*other.open());
    other.check();
}

fn any_meanwhile() -> impl Strategy<Value = Vec<(u8, Step)>> {
    (any_story(10), prop::collection::vec(0..6u8, 10))
        .prop_map(|(story, calls)| calls.into_iter().zip(story).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_happens_meanwhile_comes_with_the_next_run(
        story in any_story(10), meanwhile in any_meanwhile(), limit in 1..5u32,
    ) {
        copies_beside(&story, &meanwhile, limit, &Place::file());
    }
}

#[test]
fn what_happens_meanwhile_comes_into_a_database_too() {
    for calls in 0..12 {
        let Some(database) = Place::database() else { return };
        let story = fixed_story();
        let (before, after) = story.split_at(7);
        let meanwhile: Vec<_> = after.iter().map(|step| (calls, step.clone())).collect();
        copies_beside(before, &meanwhile, 2, &database);
    }
}

/// Whoever has the ledger open may write to it the next moment, also without a word in between.
#[test]
fn a_copy_does_not_end_while_somebody_has_the_source_open() {
    let mut places = vec![(Place::file(), Place::file())];
    places.extend(Place::database().zip(Place::database()));
    for (one, other) in places {
        let ledger = one.make();
        fixed_story().iter().for_each(|step| step.happen(ledger.ledger()));
        let beside = one.open();
        let ahead = copy(&*ledger, other.begin(ledger.secret()), &|_| ()).unwrap();
        assert_eq!(ahead.unfinished, Some(Unfinished::InUse));
        assert!(ahead.new_entries > 0);
        drop(beside);
        let copied = copied(&*ledger, &other);
        assert_eq!(copied.new_entries, 0, "all was there");
        assert_same(&*ledger, &*other.open());
    }
}
