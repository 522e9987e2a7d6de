//! API keys: who opens what, and what is known of them.

use billing_ledger::{ErrorKind, Key, KeyKind, Principal};
use billing_model::Timestamp;

use super::house::{House, Make};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn a_key_opens_its_account_until_it_is_revoked(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let theirs = ledger.create_account("theirs").unwrap();
    let (created, revoked) = (at("2026-06-15T00:00:00Z"), at("2026-06-16T00:00:00Z"));
    let (admin, secret) = ledger.create_key(*account, KeyKind::Admin, "books", created).unwrap();
    let (inference, other_secret) = ledger.create_key(theirs, KeyKind::Inference, "", revoked).unwrap();
    let principal = |account, kind, key: &Key| Some(Principal { account, kind, key_id: key.id.clone() });

    let authenticate = |key: &str| ledger.authenticate(key).unwrap();
    assert_eq!(authenticate(secret.expose()), principal(*account, KeyKind::Admin, &admin));
    assert_eq!(authenticate(other_secret.expose()), principal(theirs, KeyKind::Inference, &inference));
    let cut = &secret.expose()[..secret.expose().len() - 1];
    for wrong in ["", cut, &format!("{} ", secret.expose()), &secret.expose().to_uppercase(), &admin.id] {
        assert_eq!(authenticate(wrong), None, "{wrong}");
    }

    assert!(ledger.revoke_key(&admin.id, revoked).unwrap());
    assert_eq!(authenticate(secret.expose()), None);
    assert!(!ledger.revoke_key(&admin.id, at("2026-06-17T00:00:00Z")).unwrap(), "revoked before");
    assert!(!ledger.revoke_key("0123456789abcdef", revoked).unwrap());
    assert!(authenticate(other_secret.expose()).is_some());
    let admin = Key { revoked_at: Some(revoked), ..admin };
    assert_eq!(ledger.keys().unwrap(), [admin, inference]);
}

pub fn a_key_says_what_it_is_and_is_shown_only_when_asked(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    for (kind, prefix) in [
        (KeyKind::Admin, "billing-admin-"),
        (KeyKind::Inference, "billing-inference-"),
        (KeyKind::Ingest, "billing-ingest-"),
    ] {
        let (key, secret) = ledger.create_key(*account, kind, "", at("2026-06-15T00:00:00Z")).unwrap();
        let random = secret.expose().strip_prefix(prefix).unwrap();
        assert_eq!(random.len(), 43);
        assert!(random.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        assert!(random.ends_with(&key.last_six) && key.last_six.len() == 6);
        assert_eq!((key.account.as_str(), key.id.len()), ("ours", 16));
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}

pub fn times_that_a_ledger_cannot_hold_are_refused(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let error = ledger.create_key(*account, KeyKind::Admin, "", at("1600-01-01T00:00:00Z")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimestampOutOfRange);
    assert!(error.to_string().contains("1600-01-01"), "{error}");
    assert_eq!(ledger.keys().unwrap(), []);
}

pub fn the_last_use_of_a_key_is_its_latest(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let (key, _) =
        ledger.create_key(*account, KeyKind::Ingest, "gateway", at("2026-06-15T00:00:00Z")).unwrap();
    let (other, _) = ledger.create_key(*account, KeyKind::Admin, "", at("2026-06-15T00:00:01Z")).unwrap();
    assert_eq!((key.kind, key.last_used_at), (KeyKind::Ingest, None));
    let (early, late) = (at("2026-06-16T00:00:00Z"), at("2026-06-17T00:00:00Z"));
    ledger.record_key_uses(&[(key.id.as_str(), late), ("no such key", late)]).unwrap();
    ledger.record_key_uses(&[(key.id.as_str(), early)]).unwrap();
    let used = Key { last_used_at: Some(late), ..key };
    assert_eq!(ledger.keys().unwrap(), [used, other]);
}

pub fn a_key_has_a_name_of_its_account_only(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let now = at("2026-06-15T00:00:00Z");
    let theirs = ledger.create_account("theirs").unwrap();
    let (named, _) = ledger.create_key(*account, KeyKind::Inference, "chat bot", now).unwrap();
    ledger.create_key(*account, KeyKind::Inference, "", now).unwrap();
    ledger.create_key(theirs, KeyKind::Inference, "secret project", now).unwrap();
    let names = ledger.key_descriptions(*account).unwrap();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), [(named.id, "chat bot".to_owned())]);
    let error = ledger.create_key(*account, KeyKind::Admin, "a\nb", now).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidName);
}
