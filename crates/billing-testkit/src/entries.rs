//! Entries of every legal kind, also those that hardly anybody sends.

use billing_model::{Currency, Decimal, InferenceDetails, OtherFields, Timestamp, UsageEntry, parse_decimal};
use proptest::prelude::*;

/// Any decimal that can be held, in the one form that reading gives it.
pub fn any_decimal() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        4 => (any::<i32>(), 0i32..=12).prop_map(|(digits, places)| (i128::from(digits), -places)),
        1 => (any::<i64>(), 0i32..=28).prop_map(|(digits, places)| (i128::from(digits), -places)),
        1 => (any::<i128>(), 0i32..=28).prop_map(|(digits, places)| (digits >> 32, -places)),
        // Numbers that JavaScript prints: residues of sums, and numbers that no ledger should hold.
        1 => (0..10_i64.pow(17), -60i32..=-20).prop_map(|(digits, exponent)| (-i128::from(digits), exponent)),
        1 => Just((0, 0)),
        1 => (any::<i64>(), -342i32..=308).prop_map(|(digits, exponent)| (i128::from(digits), exponent)),
    ]
    .prop_map(|(digits, exponent)| Decimal::from_parts(digits, exponent).unwrap_or(Decimal::ONE))
}

/// Any timestamp of the years that a ledger holds: mostly whole milliseconds, some finer.
pub fn any_timestamp() -> impl Strategy<Value = Timestamp> {
    const MS: i64 = 1_000_000;
    let ms = 1_700_000_000_000i64..1_800_000_000_000;
    prop_oneof![
        4 => ms.clone().prop_map(|ms| Timestamp::from_unix_ns(ms * MS)),
        1 => (ms, 0..MS).prop_map(|(ms, ns)| Timestamp::from_unix_ns(ms * MS + ns)),
        1 => any::<i64>().prop_map(Timestamp::from_unix_ns),
    ]
}

/// Text with everything that a format has to escape.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("API Inference".to_owned()),
        1 => prop::string::string_regex("[ -~\u{e9}\u{2028}\u{feff}\u{1f600}\t\r\n\",'\\\\]{0,20}").expect("a regex"),
        1 => any::<String>(),
    ]
}

fn any_id() -> impl Strategy<Value = Option<String>> {
    prop::option::of(any_text().prop_map(|text| if text.is_empty() { "id".to_owned() } else { text }))
}

fn any_currency() -> impl Strategy<Value = Currency> {
    prop_oneof![
        8 => prop::sample::select(vec!["DIEM", "USD", "BUNDLED_CREDITS", "EARNED_CREDITS", "VCU"])
            .prop_map(Currency::from),
        1 => any_text().prop_map(|name| Currency::from(name.as_str())),
    ]
}

fn any_details() -> impl Strategy<Value = Option<InferenceDetails>> {
    let number = || prop::option::of(any_decimal());
    (any_id(), number(), number(), number()).prop_map(
        |(request_id, execution_time_ms, prompt_tokens, completion_tokens)| {
            InferenceDetails { request_id, execution_time_ms, prompt_tokens, completion_tokens }.into_option()
        },
    )
}

/// A JSON value as somebody may write it: with white space, escapes, and numbers that no number type holds.
fn any_json() -> impl Strategy<Value = String> {
    const STRANGE: [&str; 8] = [
        r#""""#,
        r#""\u0041\/""#,
        r#""cut \ud83d""#,
        r#""},\"inferenceDetails\":{""#,
        "-0.0e+5",
        "1.50",
        "12345678901234567890123456789012345.5E400",
        r#"{"amount":1,"amount":2}"#,
    ];
    let leaf = prop_oneof![
        2 => prop::sample::select(vec!["null", "true", "0", "\"eu\""]).prop_map(str::to_owned),
        1 => prop::sample::select(&STRANGE[..]).prop_map(str::to_owned),
        1 => any_text().prop_map(|text| in_json(&text)),
    ];
    leaf.prop_recursive(3, 12, 3, |value| {
        let space = prop::sample::select(vec!["", " ", "\r\n\t"]);
        let members = prop::collection::vec((any_text(), value.clone()), 0..3);
        prop_oneof![
            (prop::collection::vec(value, 0..3), space.clone())
                .prop_map(|(values, space)| format!("[{space}{}]", values.join(space))),
            (members, space).prop_map(|(members, space)| object(&members, space)),
        ]
    })
}

fn in_json(text: &str) -> String {
    serde_json::to_string(text).expect("a text")
}

fn object(members: &[(String, String)], space: &str) -> String {
    let member = |(name, value): &(String, String)| format!("{space}{}{space}:{space}{value}", in_json(name));
    format!("{{{}{space}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
}

/// Fields that nobody documented: of most entries none.
fn any_other_fields() -> impl Strategy<Value = Option<OtherFields>> {
    const NAMES: [&str; 8] =
        ["region", "aFieldOfTheFuture", "", "amounts", "Units", "otherFields", "apiKeyID", "cached"];
    let name = prop_oneof![4 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => any_text()];
    let members = move || prop::collection::vec((name.clone(), any_json()), 0..4);
    let own = (members(), prop::option::of(members())).prop_map(|(mut members, nested)| {
        members.extend(nested.map(|nested| ("inferenceDetails".to_owned(), object(&nested, ""))));
        // A random name may be a known one, and is then no other field.
        OtherFields::from_json(&object(&members, " ")).unwrap_or_default()
    });
    prop_oneof![3 => Just(None), 1 => own]
}

/// Any entry that a format must bring through unchanged.
pub fn any_entry() -> impl Strategy<Value = UsageEntry> {
    (any_documented_entry(), any_other_fields())
        .prop_map(|(entry, other_fields)| UsageEntry { other_fields, ..entry })
}

/// Any entry without fields that nobody documented, as a ledger brings it through unchanged.
pub fn any_documented_entry() -> impl Strategy<Value = UsageEntry> {
    (
        (any_timestamp(), any_text(), any_decimal(), any_decimal(), any_decimal()),
        (any_currency(), any_text(), any_details(), any_id()),
    )
        .prop_map(
            |(
                (timestamp, sku, price_per_unit_usd, units, amount),
                (currency, notes, inference_details, api_key_id),
            )| {
                UsageEntry {
                    timestamp,
                    sku,
                    price_per_unit_usd,
                    units,
                    amount,
                    currency,
                    notes,
                    inference_details,
                    api_key_id,
                    other_fields: None,
                }
            },
        )
}

/// Up to `most` entries, some of them equal to the last byte.
pub fn any_entries(most: usize) -> impl Strategy<Value = Vec<UsageEntry>> {
    lots(any_entry(), most)
}

/// The same without fields that nobody documented.
pub fn any_documented_entries(most: usize) -> impl Strategy<Value = Vec<UsageEntry>> {
    lots(any_documented_entry(), most)
}

fn lots(entry: impl Strategy<Value = UsageEntry>, most: usize) -> impl Strategy<Value = Vec<UsageEntry>> {
    let repeated = (entry, prop_oneof![4 => Just(1usize), 1 => 2usize..5]);
    prop::collection::vec(repeated, 0..=most).prop_map(move |lots| {
        lots.into_iter().flat_map(|(entry, times)| std::iter::repeat_n(entry, times)).take(most).collect()
    })
}

/// A plain entry: one `USD` charge of `amount` at an instant.
///
/// # Panics
/// When the amount is not a decimal number.
pub fn entry_at(timestamp: Timestamp, amount: &str) -> UsageEntry {
    let number = |text| parse_decimal(text).expect("a decimal number");
    UsageEntry {
        timestamp,
        sku: "zai-org-glm-5-1-llm-output-mtoken".to_owned(),
        price_per_unit_usd: number("4.84"),
        units: number("0.000044"),
        amount: number(amount),
        currency: Currency::Usd,
        notes: "API Inference".to_owned(),
        inference_details: None,
        api_key_id: None,
        other_fields: None,
    }
}
