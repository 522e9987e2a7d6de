//! Odd texts and numbers in every place of an entry: what is read is what came, and the sums are those of a plain model.

use billing_ledger::{AccountId, Batch, Filter, KeyKind, Ledger, NewKey, PackedEntries};
use billing_model::{
    Currency, InferenceDetails, OtherFields, SortOrder, Timestamp, UsageEntry, parse_decimal,
};
use billing_postgres::PostgresLedger;
use billing_testkit::{MemoryLedger, OwnedLedger, entry_at};

use crate::house::empty;

/// The database has no text with U+0000, and orders by bytes where it is told so. An index has no room for the last ones.
fn texts() -> Vec<String> {
    let short = [
        "",
        "\0",
        "\u{1}",
        "\u{1}\u{2}",
        "\u{1}\u{3}",
        "a",
        "a\0",
        "a\u{1}",
        "\0\u{1}\0",
        "a\u{2}",
        "Z",
        "é",
        "\u{10ffff}",
    ];
    let mut texts: Vec<_> = short.iter().map(|text| (*text).to_owned()).collect();
    // The database compresses what repeats, so this one does not.
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b' ' + u8::try_from(state >> 24).unwrap() % 94)
    };
    let noise: String = (0..10_000).map(|_| next()).collect();
    texts.extend(["x".repeat(10_000), format!("{noise}\0"), format!("{noise}\u{1}"), noise]);
    texts
}

fn at(second: usize) -> Timestamp {
    Timestamp::from_unix_ns(1_780_000_000_000_000_000 + i64::try_from(second).unwrap() * 1_000_000_000)
}

/// Each text in each place, the others being plain.
fn odd_entries() -> Vec<UsageEntry> {
    let mut entries = Vec::new();
    for text in texts() {
        let plain = entry_at(at(entries.len() * 40), "-0.25");
        let id = (!text.is_empty()).then(|| text.clone());
        let details = InferenceDetails { request_id: id.clone(), ..InferenceDetails::default() };
        let json = format!("{{\"odd\":{}}}", json_text(&text));
        entries.extend([
            UsageEntry { sku: text.clone(), ..plain.clone() },
            UsageEntry { currency: Currency::from(text.as_str()), ..plain.clone() },
            UsageEntry { notes: text.clone(), ..plain.clone() },
            UsageEntry { inference_details: details.into_option(), ..plain.clone() },
            UsageEntry { api_key_id: id, ..plain.clone() },
            UsageEntry { other_fields: OtherFields::from_json(&json).unwrap(), ..plain.clone() },
        ]);
    }
    entries
}

fn json_text(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c < ' ' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// The least and the greatest number that a double can be, in each place.
fn extreme_entries() -> Vec<UsageEntry> {
    let numbers = ["5e-324", "-5e-324", "1.7976931348623157e308", "-1.7976931348623157e308", "0", "-1e-7"];
    let mut entries = Vec::new();
    for number in numbers.map(|number| parse_decimal(number).unwrap()) {
        let plain = entry_at(at(entries.len()), "-0.25");
        let details = InferenceDetails {
            request_id: None,
            execution_time_ms: Some(number),
            prompt_tokens: Some(number),
            completion_tokens: Some(number),
        };
        entries.extend([
            UsageEntry { price_per_unit_usd: number, ..plain.clone() },
            UsageEntry { units: number, ..plain.clone() },
            UsageEntry { amount: number, ..plain.clone() },
            UsageEntry { amount: number, currency: Currency::Diem, ..plain.clone() },
            UsageEntry { inference_details: details.into_option(), ..plain },
        ]);
    }
    entries
}

/// The same entries in the database and in a plain model.
fn stored(entries: &[UsageEntry]) -> Option<[(Box<dyn Ledger>, AccountId); 2]> {
    let (ledger, ..) = empty()?;
    let ledgers: [Box<dyn Ledger>; 2] = [Box::new(ledger), Box::new(MemoryLedger::new().unwrap())];
    Some(ledgers.map(|ledger| {
        let account = ledger.create_account("ours").unwrap();
        for (number, part) in entries.chunks(entries.len() / 2 + 1).enumerate() {
            let batch = Batch {
                account,
                idempotency_key: format!("batch {number}"),
                digest: [1; 32],
                received_at: at(0),
                entries: PackedEntries::from(part),
            };
            ledger.store_batches(&[batch]).unwrap();
        }
        (ledger, account)
    }))
}

fn check_all_is_as_in_the_model(entries: &[UsageEntry]) {
    let Some([(ledger, account), (model, same)]) = stored(entries) else { return };
    assert_eq!(ledger.placed_entries(account).unwrap(), model.placed_entries(same).unwrap());
    let rollups =
        |days| [ledger.owned_rollups(account, days), model.owned_rollups(same, days)].map(Result::unwrap);
    let [all, expected] = rollups(None);
    assert_eq!(all, expected);
    for day in expected.iter().map(|rollup| rollup.day) {
        let [of_day, expected] = rollups(Some((day, day)));
        assert_eq!(of_day, expected);
        let funds = [(&ledger, account), (&model, same)].map(|(ledger, account)| {
            let mut funds = ledger.funds(account, day).unwrap();
            funds.nets.sort();
            funds
        });
        assert_eq!(funds[0], funds[1]);
    }
    assert_eq!(ledger.owned_blocks(0).unwrap(), model.owned_blocks(0).unwrap());
    let currencies = entries.iter().map(|entry| Some(entry.currency.clone()));
    for currency in currencies.chain([None, Some(Currency::from("\0\0"))]) {
        let filter = Filter { currency, ..Filter::default() };
        for (order, page) in [(SortOrder::Asc, 1), (SortOrder::Desc, 1), (SortOrder::Asc, 2)] {
            let pages = [(&ledger, account), (&model, same)]
                .map(|(ledger, account)| ledger.numbered_page(account, &filter, order, 3, page).unwrap());
            assert_eq!(pages[0], pages[1], "{filter:?} {order} {page}");
        }
        let [first, expected] = [(&ledger, account), (&model, same)]
            .map(|(ledger, account)| ledger.positioned_page(account, &filter, None, None, 3).unwrap());
        assert_eq!(first, expected);
    }
}

#[test]
fn odd_texts_come_back_from_every_place() {
    check_all_is_as_in_the_model(&odd_entries());
}

#[test]
fn the_least_and_the_greatest_numbers_keep_every_digit() {
    check_all_is_as_in_the_model(&extreme_entries());
}

#[test]
fn odd_names_are_found_or_are_not_there() {
    let Some((ledger, ..)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    for text in texts() {
        assert_eq!(Ledger::account(&ledger, &text).unwrap(), None, "{text:?}");
        check_key(&ledger, account, &text);
        assert_eq!(ledger.find_batch(account, &text, &[1; 32]).unwrap(), None);
        let batch = Batch {
            account,
            idempotency_key: text.clone(),
            digest: [1; 32],
            received_at: at(0),
            entries: PackedEntries::from([entry_at(at(0), "-1")].as_slice()),
        };
        ledger.store_batches(&[batch]).unwrap();
        assert_eq!(ledger.find_batch(account, &text, &[1; 32]).unwrap(), Some(1), "{text:?}");
    }
}

/// A key whose names all are this text.
fn check_key(ledger: &PostgresLedger, account: AccountId, text: &str) {
    let id: String = text.chars().take(100).collect();
    let digest = ledger.key_material().digest(text);
    let new = NewKey {
        account,
        id: &id,
        kind: KeyKind::Admin,
        description: text,
        digest,
        last_six: text,
        created_at: at(0),
    };
    let known = ledger.keys().unwrap().iter().any(|key| key.id == id);
    if known {
        return;
    }
    ledger.add_key(&new).unwrap();
    let keys = ledger.keys().unwrap();
    let key = keys.iter().find(|key| key.id == id).unwrap();
    assert_eq!((key.description.as_str(), key.last_six.as_str()), (text, text));
    assert_eq!(ledger.principal(&digest).unwrap().unwrap().0.key_id, id);
    ledger.record_key_uses(&[(&id, at(1))]).unwrap();
    let descriptions = ledger.key_descriptions(account).unwrap();
    assert_eq!(descriptions.get(&id).map(String::as_str), (!text.is_empty()).then_some(text));
    assert!(ledger.revoke_key(&id, at(2)).unwrap());
    assert!(ledger.principal(&digest).unwrap().is_none());
}
