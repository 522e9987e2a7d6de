//! The short way of nearly all entries: from the bytes to the entry, with nothing in between.
//!
//! It takes entries of the plain kind, whatever the order of their keys. For all others, and for faulty ones, the long
//! way of `entry_json.rs` and `page.rs` is there, with the same result wherever both have one.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::currency::Currency;
use crate::decimal::Decimal;
use crate::entry::{InferenceDetails, UsageEntry};
use crate::other_fields::{Members, OtherFields};
use crate::plain_json::{Member, PlainJson, Slots};

/// The entry that the text is, when it is of the plain kind.
pub(crate) fn entry(text: &str) -> Option<UsageEntry> {
    let mut json = PlainJson::new(text);
    let entry = next_entry(&mut json)?;
    json.is_at_end().then_some(entry)
}

/// The entries of a page, when all are of the plain kind and no more than `most`; and the text of the page without
/// them, whose `data` is empty. `as_it_came` is what the text was before half characters were mended.
pub(crate) fn entries(text: &str, as_it_came: &str, most: usize) -> Option<(Vec<UsageEntry>, String)> {
    let mut json = PlainJson::mended(text, as_it_came);
    json.take(b'{')?;
    while json.string()? != "data" {
        json.take(b':')?;
        json.value::<IgnoredAny>()?;
        json.take(b',')?;
    }
    json.take(b':')?;
    let start = json.position();
    let mut entries = Vec::new();
    json.array(|json| {
        entries.push(next_entry(json)?);
        (entries.len() <= most).then_some(())
    })?;
    let end = json.position();
    Some((entries, [&text[..start], "[]", &text[end..]].concat()))
}

/// The value of a key: `None` until the key comes, `Some(None)` for null.
type Slot<T> = Option<Option<T>>;

fn fill<'a, T>(
    slot: &mut Slot<T>,
    json: &mut PlainJson<'a>,
    value: impl Fn(&mut PlainJson<'a>) -> Option<T>,
) -> Option<()> {
    // A key that comes twice is a fault.
    if slot.is_some() {
        return None;
    }
    *slot = Some(if json.takes_null() { None } else { Some(value(json)?) });
    Some(())
}

#[derive(Default)]
struct EntrySlots<'a> {
    timestamp: Slot<Cow<'a, str>>,
    sku: Slot<Cow<'a, str>>,
    price_per_unit_usd: Slot<Decimal>,
    units: Slot<Decimal>,
    unit: Slot<Decimal>,
    amount: Slot<Decimal>,
    currency: Slot<Cow<'a, str>>,
    notes: Slot<Cow<'a, str>>,
    /// With what is unknown in them.
    inference_details: Slot<(InferenceDetails, Members)>,
    api_key_id: Slot<Cow<'a, str>>,
    others: Members,
}

impl Slots for EntrySlots<'_> {
    fn others(&mut self) -> &mut Members {
        &mut self.others
    }
}

impl<'a> EntrySlots<'a> {
    /// In upstream's order.
    const TABLE: [Member<'a, Self>; 10] = [
        ("amount", |json, entry| fill(&mut entry.amount, json, PlainJson::number)),
        ("apiKeyId", |json, entry| fill(&mut entry.api_key_id, json, PlainJson::text)),
        ("currency", |json, entry| fill(&mut entry.currency, json, PlainJson::text)),
        ("inferenceDetails", |json, entry| fill(&mut entry.inference_details, json, next_details)),
        ("notes", |json, entry| fill(&mut entry.notes, json, PlainJson::text)),
        ("pricePerUnitUsd", |json, entry| fill(&mut entry.price_per_unit_usd, json, PlainJson::number)),
        ("sku", |json, entry| fill(&mut entry.sku, json, PlainJson::text)),
        ("timestamp", |json, entry| fill(&mut entry.timestamp, json, PlainJson::text)),
        ("units", |json, entry| fill(&mut entry.units, json, PlainJson::number)),
        ("unit", |json, entry| fill(&mut entry.unit, json, PlainJson::number)),
    ];
}

fn next_entry(json: &mut PlainJson<'_>) -> Option<UsageEntry> {
    let mut slots = EntrySlots::default();
    json.object(&EntrySlots::TABLE, &mut slots)?;
    let units = match (slots.units.flatten(), slots.unit.flatten()) {
        (Some(units), None) | (None, Some(units)) => units,
        // Of two the long way decides, which knows how strictly it reads.
        _ => return None,
    };
    let (details, of_details) = slots.inference_details.flatten().unwrap_or_default();
    Some(UsageEntry {
        timestamp: slots.timestamp??.parse().ok()?,
        sku: slots.sku??.into_owned(),
        price_per_unit_usd: slots.price_per_unit_usd??,
        units,
        amount: slots.amount??,
        currency: Currency::from(&*slots.currency??),
        // Null is the empty text.
        notes: slots.notes?.map(Cow::into_owned).unwrap_or_default(),
        inference_details: details.into_option(),
        api_key_id: id(slots.api_key_id),
        other_fields: OtherFields::of(slots.others, of_details),
    })
}

#[derive(Default)]
struct DetailsSlots<'a> {
    request_id: Slot<Cow<'a, str>>,
    execution_time_ms: Slot<Decimal>,
    prompt_tokens: Slot<Decimal>,
    completion_tokens: Slot<Decimal>,
    others: Members,
}

impl Slots for DetailsSlots<'_> {
    fn others(&mut self) -> &mut Members {
        &mut self.others
    }
}

impl<'a> DetailsSlots<'a> {
    /// In upstream's order.
    const TABLE: [Member<'a, Self>; 4] = [
        ("completionTokens", |json, slots| fill(&mut slots.completion_tokens, json, PlainJson::number)),
        ("inferenceExecutionTime", |json, slots| fill(&mut slots.execution_time_ms, json, PlainJson::number)),
        ("promptTokens", |json, slots| fill(&mut slots.prompt_tokens, json, PlainJson::number)),
        ("requestId", |json, slots| fill(&mut slots.request_id, json, PlainJson::text)),
    ];
}

fn next_details(json: &mut PlainJson<'_>) -> Option<(InferenceDetails, Members)> {
    let mut slots = DetailsSlots::default();
    json.object(&DetailsSlots::TABLE, &mut slots)?;
    let details = InferenceDetails {
        request_id: id(slots.request_id),
        execution_time_ms: slots.execution_time_ms.flatten(),
        prompt_tokens: slots.prompt_tokens.flatten(),
        completion_tokens: slots.completion_tokens.flatten(),
    };
    Some((details, slots.others))
}

/// An empty id is none.
fn id(slot: Slot<Cow<'_, str>>) -> Option<String> {
    slot.flatten().filter(|id| !id.is_empty()).map(Cow::into_owned)
}
