//! Proof that digests are as `docs/identity.md` has them, and that they tell entries apart exactly as their values do.

use proptest::prelude::*;

use crate::canonical::{put_entry, put_whole};
use crate::currency::Currency;
use crate::decimal::Decimal;
use crate::digest_set::{DigestSet, EntrySet, WholeSet};
use crate::entry::{InferenceDetails, UsageEntry};
use crate::identity::{EntryDigest, WholeDigest};
use crate::other_fields::OtherFields;
use crate::timestamp::Timestamp;

const DOCUMENT: &str = include_str!("../../../docs/identity.md");

fn entry_bytes(entry: &UsageEntry) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_entry(&mut bytes, entry);
    bytes
}

fn whole_bytes(entry: &UsageEntry) -> Vec<u8> {
    let mut bytes = Vec::new();
    let other_fields = entry.other_fields.as_ref().map(OtherFields::as_str);
    put_whole(&mut bytes, EntryDigest::of(entry).to_bytes(), entry.api_key_id.as_deref(), other_fields);
    bytes
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_vectors_of_the_document_hold() {
    let lines = |name: &str| {
        let name = format!("{name}: ");
        DOCUMENT.lines().filter_map(move |line| line.strip_prefix(&*name)).collect::<Vec<_>>()
    };
    let entries: Vec<_> =
        lines("entry").into_iter().map(|text| UsageEntry::from_json(text).unwrap()).collect();
    assert!(entries.len() >= 5, "{}", entries.len());
    let check = |name: &str, of: fn(&UsageEntry) -> String| {
        assert_eq!(entries.iter().map(of).collect::<Vec<_>>(), lines(name), "{name}");
    };
    check("canonical", |entry| digits(&entry_bytes(entry)));
    check("digest", |entry| EntryDigest::of(entry).to_string());
    check("whole canonical", |entry| digits(&whole_bytes(entry)));
    check("whole digest", |entry| WholeDigest::of(entry).to_string());
    assert_eq!([entries.iter().collect::<EntrySet>().to_string()], *lines("set of digests"));
    assert_eq!([entries.iter().collect::<WholeSet>().to_string()], *lines("set of whole digests"));
}

fn entry() -> UsageEntry {
    UsageEntry {
        timestamp: Timestamp::from_unix_ns(1_781_466_765_087_000_000),
        sku: "a-sku".to_owned(),
        price_per_unit_usd: Decimal::ONE,
        units: Decimal::ONE,
        amount: Decimal::ONE,
        currency: Currency::Usd,
        notes: "notes".to_owned(),
        inference_details: None,
        api_key_id: None,
        other_fields: None,
    }
}

fn details(change: impl FnOnce(&mut InferenceDetails)) -> UsageEntry {
    let mut details = InferenceDetails::default();
    change(&mut details);
    UsageEntry { inference_details: Some(details), ..entry() }
}

#[test]
fn every_field_counts_and_where_it_stands() {
    let text = |text: &str| Some(text.to_owned());
    let (one, two) = (Some(1.into()), 2.into());
    let different = [
        entry(),
        UsageEntry { timestamp: entry().timestamp.next(), ..entry() },
        UsageEntry { sku: "another-sku".to_owned(), ..entry() },
        UsageEntry { price_per_unit_usd: two, ..entry() },
        UsageEntry { units: two, ..entry() },
        UsageEntry { amount: two, ..entry() },
        UsageEntry { amount: (-1).into(), ..entry() },
        UsageEntry { currency: Currency::Diem, ..entry() },
        UsageEntry { currency: "NEW".into(), ..entry() },
        UsageEntry { notes: "other notes".to_owned(), ..entry() },
        UsageEntry { notes: String::new(), ..entry() },
        // The border between two texts.
        UsageEntry { currency: "USDn".into(), notes: "otes".to_owned(), ..entry() },
        UsageEntry { currency: "US".into(), notes: "Dnotes".to_owned(), ..entry() },
        UsageEntry { notes: "notes,-,".to_owned(), ..entry() },
        UsageEntry { notes: "5:notes,1:a".to_owned(), ..entry() },
        details(|details| details.request_id = text("a")),
        details(|details| details.request_id = text("1")),
        details(|details| details.request_id = text("-,-")),
        details(|details| details.execution_time_ms = one),
        details(|details| details.prompt_tokens = one),
        details(|details| details.completion_tokens = one),
        details(|details| details.completion_tokens = Some(Decimal::ZERO)),
    ];
    let digests: std::collections::BTreeSet<_> = different.iter().map(EntryDigest::of).collect();
    assert_eq!(digests.len(), different.len());

    let (digest, with_key) = (EntryDigest::of(&entry()), UsageEntry { api_key_id: text("k"), ..entry() });
    assert_eq!(EntryDigest::of(&with_key), digest);
    assert_eq!(EntryDigest::of(&details(|_| ())), digest, "details without a value are as none");
    let wholes = [
        digest.whole(None, None),
        digest.whole(Some("k"), None),
        digest.whole(Some("l"), None),
        digest.whole(Some("{}"), None),
        digest.whole(None, Some("{}")),
        digest.whole(Some("k"), Some("{}")),
        digest.whole(Some("k"), Some(r#"{"a":1}"#)),
        EntryDigest::of(&different[1]).whole(None, None),
    ];
    assert_eq!(wholes.into_iter().collect::<std::collections::BTreeSet<_>>().len(), wholes.len());
    assert_eq!(WholeDigest::of(&with_key), wholes[1]);
    let other_fields = OtherFields::from_json(r#"{"a":1}"#).unwrap();
    assert_eq!(EntryDigest::of(&UsageEntry { other_fields: other_fields.clone(), ..entry() }), digest);
    assert_eq!(WholeDigest::of(&UsageEntry { other_fields, ..with_key }), wholes[6]);
}

#[test]
fn keys_that_change_places_are_seen() {
    let row = |amount: i64, key: &str| UsageEntry {
        amount: amount.into(),
        api_key_id: Some(key.to_owned()),
        ..entry()
    };
    let (before, after) = ([row(1, "k"), row(2, "l")], [row(1, "l"), row(2, "k")]);
    assert_eq!(before.iter().collect::<EntrySet>(), after.iter().collect());
    assert_ne!(before.iter().collect::<WholeSet>(), after.iter().collect());
}

#[test]
fn a_text_of_any_length_is_hashed_as_one_piece_would_be() {
    use sha2::{Digest, Sha256};
    for length in (0..700).chain([4096, 70_000]) {
        let entry = UsageEntry { notes: "é".repeat(length), ..entry() };
        let hash = Sha256::digest(entry_bytes(&entry));
        assert_eq!(EntryDigest::of(&entry).to_bytes(), hash[..16], "{length}");
    }
}

#[test]
fn a_number_has_one_text() {
    let long = |digits: &str, zeros: usize| format!("{digits}{}", "0".repeat(zeros));
    let small = |zeros: usize, digits: &str| format!("0.{}{digits}", "0".repeat(zeros));
    for (number, text) in [
        ("-0", "0".to_owned()),
        ("1e0", "1".to_owned()),
        ("-2500e-2", "-25".to_owned()),
        ("100", "100".to_owned()),
        ("-0.0000008", "-0.0000008".to_owned()),
        ("0.5", "0.5".to_owned()),
        ("12.5", "12.5".to_owned()),
        ("0.0023000000000000004", "0.0023000000000000004".to_owned()),
        ("79228162514264337593543950335", "79228162514264337593543950335".to_owned()),
        ("1e29", long("1", 29)),
        ("-1.5e350", long("-15", 349)),
        ("1e-29", small(28, "1")),
        ("-79228162514264337593543950335e-350", format!("-{}", small(321, "79228162514264337593543950335"))),
        ("79228162514264337593543950335e-29", small(0, "79228162514264337593543950335")),
    ] {
        let entry = UsageEntry { amount: number.parse().unwrap(), ..entry() };
        let bytes = String::from_utf8(entry_bytes(&entry)).unwrap();
        let expect = format!(
            "8:entry v1,14:1781466765.087,5:a-sku,1:1,1:1,{}:{text},3:USD,5:notes,-,-,-,-,",
            text.len()
        );
        assert_eq!(bytes, expect, "{number}");
    }
}

#[test]
fn the_text_of_a_set_has_one_form() {
    let text = "v1:18446744073709551615:00000000000000000000000000000001";
    assert_eq!(text.parse::<EntrySet>().unwrap().to_string(), text);
    for text in [
        "",
        "v1",
        "v1:0",
        "v1:0:",
        "v1:0:0",
        "0:00000000000000000000000000000000",
        "v2:0:00000000000000000000000000000000",
        "v1:00:00000000000000000000000000000000",
        "v1:+1:00000000000000000000000000000000",
        "v1:-1:00000000000000000000000000000000",
        "v1:18446744073709551616:00000000000000000000000000000000",
        "v1:0:+0000000000000000000000000000000",
        "v1:0:0000000000000000000000000000000A",
        "v1:0:0000000000000000000000000000000g",
        "v1:0:000000000000000000000000000000000",
        "v1:0:00000000000000000000000000000000 ",
        " v1:0:00000000000000000000000000000000",
    ] {
        let error = text.parse::<EntrySet>().unwrap_err();
        assert_eq!(error.kind(), crate::error::ValueErrorKind::NotADigestSet, "{text}");
    }
}

/// Values of few kinds, so that two entries have many alike.
fn any_entry() -> impl Strategy<Value = UsageEntry> {
    let number = || {
        prop_oneof![
            prop::sample::select(vec!["0", "1", "-1", "10", "0.1", "1e30", "-1e-30"])
                .prop_map(|text| text.parse::<Decimal>().unwrap()),
            (any::<i64>(), -342i32..=308).prop_map(|(digits, exponent)| Decimal::from_parts(
                digits.into(),
                exponent
            )
            .unwrap()),
        ]
    };
    let text = || prop_oneof![4 => "[a:,1-]{0,3}", 1 => any::<String>()];
    let id = move || prop::option::of(text().prop_map(|text| text + "x"));
    let at = prop_oneof![(-2i64..2).prop_map(|ns| ns * 500_000_000), any::<i64>()];
    let details = (id(), prop::option::of(number()), prop::option::of(number()), prop::option::of(number()))
        .prop_map(|(request_id, execution_time_ms, prompt_tokens, completion_tokens)| {
            InferenceDetails { request_id, execution_time_ms, prompt_tokens, completion_tokens }.into_option()
        });
    let other_fields =
        prop::sample::select(vec!["{}", r#"{"a":1}"#, r#"{"a":1.0}"#, r#"{"inferenceDetails":{"a":1}}"#])
            .prop_map(|text| OtherFields::from_json(text).unwrap());
    ((at, text(), number(), number(), number()), (text(), text(), details, id(), other_fields)).prop_map(
        |(
            (at, sku, price_per_unit_usd, units, amount),
            (currency, notes, inference_details, api_key_id, other_fields),
        )| {
            UsageEntry {
                timestamp: Timestamp::from_unix_ns(at),
                sku,
                price_per_unit_usd,
                units,
                amount,
                currency: Currency::from(&*currency),
                notes,
                inference_details,
                api_key_id,
                other_fields,
            }
        },
    )
}

/// The entry with one field of another in the place of its own.
fn with_field(entry: &UsageEntry, other: &UsageEntry, field: usize) -> UsageEntry {
    let (mut entry, other) = (entry.clone(), other.clone());
    let mut details = entry.inference_details.take().unwrap_or_default();
    let others = other.inference_details.unwrap_or_default();
    match field {
        0 => entry.timestamp = other.timestamp,
        1 => entry.sku = other.sku,
        2 => entry.price_per_unit_usd = other.price_per_unit_usd,
        3 => entry.units = other.units,
        4 => entry.amount = other.amount,
        5 => entry.currency = other.currency,
        6 => entry.notes = other.notes,
        7 => details.request_id = others.request_id,
        8 => details.execution_time_ms = others.execution_time_ms,
        9 => details.prompt_tokens = others.prompt_tokens,
        10 => details.completion_tokens = others.completion_tokens,
        11 => entry.api_key_id = other.api_key_id,
        _ => entry.other_fields = other.other_fields,
    }
    UsageEntry { inference_details: details.into_option(), ..entry }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn digests_are_equal_exactly_where_the_fields_are(one in any_entry(), other in any_entry(), field in 0usize..13) {
        let changed = with_field(&one, &other, field);
        for (one, other) in [(&one, &other), (&one, &changed), (&changed, &other)] {
            let documented =
                |entry: &UsageEntry| UsageEntry { api_key_id: None, other_fields: None, ..entry.clone() };
            let is_same = documented(one) == documented(other);
            prop_assert_eq!(is_same, entry_bytes(one) == entry_bytes(other), "{:?} {:?}", one, other);
            prop_assert_eq!(is_same, EntryDigest::of(one) == EntryDigest::of(other));
            prop_assert_eq!(one == other, WholeDigest::of(one) == WholeDigest::of(other));
        }
    }

    #[test]
    fn a_digest_survives_the_json_of_its_entry(entry in any_entry()) {
        let again = UsageEntry::from_json(&serde_json::to_string(&entry).unwrap()).unwrap();
        prop_assert_eq!(EntryDigest::of(&again), EntryDigest::of(&entry));
        prop_assert_eq!(WholeDigest::of(&again), WholeDigest::of(&entry));
        prop_assert_eq!(EntryDigest::from_bytes(EntryDigest::of(&entry).to_bytes()), EntryDigest::of(&entry));
        let shown = WholeDigest::of(&entry);
        prop_assert_eq!(shown.to_string(), digits(&shown.to_bytes()));
    }

    #[test]
    fn a_set_is_the_same_in_any_order_and_in_any_parts(
        bytes in prop::collection::vec(prop_oneof![any::<[u8; 16]>(), Just([255; 16])], 0..20),
        order in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let digests: Vec<_> = bytes.into_iter().map(EntryDigest::from_bytes).collect();
        let whole: EntrySet = digests.iter().copied().collect();
        prop_assert_eq!(whole.entries(), digests.len() as u64);
        prop_assert_eq!(whole.to_string().parse::<EntrySet>().unwrap(), whole);

        let mut turned = digests.clone();
        turned.rotate_left(order.index(digests.len() + 1));
        turned.reverse();
        prop_assert_eq!(turned.iter().copied().collect::<EntrySet>(), whole);

        let (left, right) = digests.split_at(cut.index(digests.len() + 1));
        let set = |digests: &[EntryDigest]| digests.iter().copied().collect::<EntrySet>();
        let mut merged = set(left);
        merged.merge(set(right));
        prop_assert_eq!(merged, whole);
        merged.subtract(set(left));
        prop_assert_eq!(merged, set(right));

        // What is taken out and put in again, in whatever order.
        let mut again = whole;
        for digest in left {
            again.remove(*digest);
        }
        prop_assert_eq!(again, set(right));
        let mut less = DigestSet::EMPTY;
        left.iter().for_each(|digest| less.remove(*digest));
        less.merge(whole);
        prop_assert_eq!(less, set(right));
    }

    #[test]
    fn another_lot_is_another_set(entries in prop::collection::vec(any_entry(), 1..6), field in 0usize..13) {
        let mut other = entries.clone();
        other[0] = with_field(&entries[0], &entries[entries.len() - 1], field);
        let mut sorted = [&entries, &other].map(|lot| lot.iter().map(|entry| format!("{entry:?}")).collect::<Vec<_>>());
        sorted.iter_mut().for_each(|lot| lot.sort());
        let is_same = sorted[0] == sorted[1];
        prop_assert_eq!(is_same, entries.iter().collect::<WholeSet>() == other.iter().collect());
        other.push(entries[0].clone());
        prop_assert_ne!(entries.iter().collect::<EntrySet>(), other.iter().collect());
    }
}
