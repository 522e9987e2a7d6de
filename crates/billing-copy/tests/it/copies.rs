//! A copy tells what its source tells, in either engine and back again.

use proptest::prelude::*;

use crate::house::{Place, copied};
use crate::same::assert_same;
use crate::story::{Step, any_story};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn a_file_is_copied_into_a_file(story in any_story(14)) {
        let (one, other) = (Place::file(), Place::file());
        let ledger = one.make();
        story.iter().for_each(|step: &Step| step.happen(ledger.ledger()));
        copied(&*ledger, &other);
        assert_same(&*ledger, &*other.open());
        other.check();
    }
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn a_file_is_copied_into_a_database_and_back(story in any_story(14)) {
        let Some(database) = Place::database() else { return Ok(()) };
        let (one, back) = (Place::file(), Place::file());
        let ledger = one.make();
        story.iter().for_each(|step: &Step| step.happen(ledger.ledger()));
        copied(&*ledger, &database);
        let copy = database.open();
        assert_same(&*ledger, &*copy);
        database.check();
        copied(&*copy, &back);
        assert_same(&*copy, &*back.open());
        back.check();
    }

    #[test]
    fn a_database_is_copied_into_a_database(story in any_story(14)) {
        let (Some(one), Some(other)) = (Place::database(), Place::database()) else { return Ok(()) };
        let ledger = one.make();
        story.iter().for_each(|step: &Step| step.happen(ledger.ledger()));
        copied(&*ledger, &other);
        assert_same(&*ledger, &*other.open());
        other.check();
    }
}

#[test]
fn a_copy_is_used_like_its_source() {
    let Some(database) = Place::database() else { return };
    let file = Place::file();
    let ledger = file.make();
    let account = ledger.ledger().create_account("default").unwrap();
    let gone = ledger.ledger().create_account("gone").unwrap();
    ledger.ledger().remove_account(gone).unwrap();
    let at = "2026-06-14T19:52:45.087Z".parse().unwrap();
    let (_, key) = ledger.ledger().create_key(account, billing_ledger::KeyKind::Admin, "books", at).unwrap();
    copied(&*ledger, &database);
    let copy = database.open();
    let principal = copy.ledger().authenticate(key.expose()).unwrap();
    assert_eq!(principal.map(|principal| principal.account), Some(account));
    // The number of the account that is gone is not given again.
    let next = copy.ledger().create_account("next").unwrap();
    assert!(next > gone, "{next:?}");
}
