//! API keys: which account a key opens, and what the file has of it.

use std::fs;

use billing_ledger::{KeyKind, Ledger as _};
use billing_model::Timestamp;

use crate::house::House;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn the_file_knows_no_key() {
    let house = House::new();
    let (_, secret) =
        house.ledger.create_key(house.account, KeyKind::Admin, "", at("2026-06-15T00:00:00Z")).unwrap();
    let random = secret.expose().strip_prefix("billing-admin-").unwrap();
    let pieces = [&random[..random.len() - 6], &random[10..30]];
    for file in fs::read_dir(house.path().parent().unwrap()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        for piece in pieces {
            assert!(!bytes.windows(piece.len()).any(|window| window == piece.as_bytes()));
        }
    }
}

#[test]
fn a_key_of_another_ledger_opens_nothing() {
    let (one, other) = (House::new(), House::new());
    let now = at("2026-06-15T00:00:00Z");
    let (_, secret) = one.ledger.create_key(one.account, KeyKind::Admin, "", now).unwrap();
    assert_eq!(other.ledger.authenticate(secret.expose()).unwrap(), None);
    let one = one.reopened();
    assert!(one.ledger.authenticate(secret.expose()).unwrap().is_some());
}
