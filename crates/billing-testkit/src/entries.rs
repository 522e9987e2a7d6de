//! Entries of every legal kind, also those that hardly anybody sends.

use billing_model::{Currency, Decimal, InferenceDetails, Timestamp, UsageEntry, parse_decimal};
use proptest::prelude::*;

/// Any decimal that can be held, in the one form that reading gives it.
pub fn any_decimal() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        4 => (any::<i32>(), 0i32..=12).prop_map(|(digits, places)| (i128::from(digits), -places)),
        1 => (any::<i64>(), 0i32..=28).prop_map(|(digits, places)| (i128::from(digits), -places)),
        1 => (any::<i128>(), 0i32..=28).prop_map(|(digits, places)| (digits >> 32, -places)),
        // Of those that JavaScript prints: residues of sums, and what no ledger should hold.
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

/// Any entry that a format must bring through unchanged.
pub fn any_entry() -> impl Strategy<Value = UsageEntry> {
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
                }
            },
        )
}

/// Up to `most` entries, some of them equal to the last byte.
pub fn any_entries(most: usize) -> impl Strategy<Value = Vec<UsageEntry>> {
    let repeated = (any_entry(), prop_oneof![4 => Just(1usize), 1 => 2usize..5]);
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
    }
}
