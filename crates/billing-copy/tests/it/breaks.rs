//! A copy that breaks off anywhere is gone on with, and comes to the same.

use billing_copy::{Copied, ErrorKind, copy};
use billing_ledger::CopyFrom;
use proptest::prelude::*;

use crate::house::{Place, copied};
use crate::same::assert_same;
use crate::story::{Step, any_story, fixed_story};
use crate::trouble::Trouble;

/// Copies until the call of a number. True when the copy has ended before.
fn copy_until(from: &dyn CopyFrom, into: &Place, limit: u32, calls: i64, fails_after: bool) -> bool {
    let failing = Trouble::failing(into.begin(from.secret()), limit, calls, fails_after);
    match copy(&Trouble::of(from, limit), Box::new(failing), &|_| ()) {
        Ok(Copied { unfinished, .. }) => {
            assert_eq!(unfinished, None);
            true
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Target, "{error}");
            false
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Several breaks, and between them things happen to the source.
    #[test]
    fn a_copy_into_a_file_breaks_off_again_and_again(
        story in any_story(10), breaks in prop::collection::vec((0..30i64, any::<bool>(), any_story(3)), 0..5), limit in 1..5u32,
    ) {
        let (one, other) = (Place::file(), Place::file());
        let ledger = one.make();
        story.iter().for_each(|step: &Step| step.happen(ledger.ledger()));
        let mut has_ended = false;
        for (calls, fails_after, meanwhile) in &breaks {
            has_ended = copy_until(&*ledger, &other, limit, *calls, *fails_after);
            if has_ended {
                break;
            }
            meanwhile.iter().for_each(|step| step.happen(ledger.ledger()));
        }
        if !has_ended {
            copied(&*ledger, &other);
        }
        assert_same(&*ledger, &*other.open());
        other.check();
    }
}

/// Breaks off at each call, once before it was done and once after.
fn breaks_off_at_each_call(target: impl Fn() -> Option<Place>) {
    let one = Place::file();
    let ledger = one.make();
    fixed_story().iter().for_each(|step| step.happen(ledger.ledger()));
    for calls in 0.. {
        let mut has_ended = false;
        for fails_after in [false, true] {
            let Some(other) = target() else { return };
            has_ended = copy_until(&*ledger, &other, 2, calls, fails_after);
            if !has_ended {
                copied(&*ledger, &other);
            }
            assert_same(&*ledger, &*other.open());
            other.check();
        }
        if has_ended {
            assert!(calls > 20, "the story has too few calls: {calls}");
            return;
        }
    }
}

#[test]
fn a_copy_into_a_file_breaks_off_at_each_call() {
    breaks_off_at_each_call(|| Some(Place::file()));
}

#[test]
fn a_copy_into_a_database_breaks_off_at_each_call() {
    breaks_off_at_each_call(Place::database);
}

/// An older state of the source, a backup say, has the same secret. It ends nothing that was begun from a later one.
#[test]
fn an_older_state_of_the_source_is_refused_before_anything_is_copied() {
    let (one, older) = (Place::file(), Place::file());
    let ledger = one.make();
    let story = fixed_story();
    let (first, rest) = story.split_at(story.len() / 2);
    first.iter().for_each(|step| step.happen(ledger.ledger()));
    copied(&*ledger, &older);
    rest.iter().for_each(|step| step.happen(ledger.ledger()));
    let mut refused = 0;
    for calls in 0..30 {
        let other = Place::file();
        if copy_until(&*ledger, &other, 2, calls, true) {
            break;
        }
        let stale = older.open();
        if let Err(error) = copy(&*stale, other.begin(stale.secret()), &|_| ()) {
            assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
            refused += 1;
            copied(&*ledger, &other);
            assert_same(&*ledger, &*other.open());
        }
    }
    assert!(refused > 5, "{refused}");
}
