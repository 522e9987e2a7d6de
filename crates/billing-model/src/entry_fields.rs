//! The JSON of an entry, written from wherever its fields stand.

use crate::decimal::Decimal;
use crate::decimal_text::write_decimal;
use crate::entry::{InferenceDetails, UsageEntry};
use crate::json_text::{write_members, write_optional_string, write_string};
use crate::lent_entry::{LentEntry, NumberText};
use crate::other_fields::OtherFields;
use crate::timestamp::Timestamp;

/// A number as an entry has it: as a value, or as its text.
pub(crate) trait Number: Copy {
    fn write(self, out: &mut Vec<u8>);
}

impl Number for Decimal {
    fn write(self, out: &mut Vec<u8>) {
        write_decimal(out, self);
    }
}

impl Number for NumberText<'_> {
    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
}

/// The fields of an entry, where they stand.
pub(crate) struct Fields<'a, N> {
    timestamp: Timestamp,
    sku: &'a str,
    price_per_unit_usd: N,
    units: N,
    amount: N,
    currency: &'a str,
    notes: &'a str,
    details: Option<Details<'a, N>>,
    api_key_id: Option<&'a str>,
    /// The members that nobody documented, of the entry.
    others: &'a str,
}

struct Details<'a, N> {
    request_id: Option<&'a str>,
    execution_time_ms: Option<N>,
    prompt_tokens: Option<N>,
    completion_tokens: Option<N>,
    /// The same of the details.
    others: &'a str,
}

impl<'a> Fields<'a, Decimal> {
    #[inline]
    pub(crate) fn of(entry: &'a UsageEntry) -> Self {
        let (own, of_details) = members(entry.other_fields.as_ref());
        let details = |details: &'a InferenceDetails| Details {
            request_id: details.request_id.as_deref(),
            execution_time_ms: details.execution_time_ms,
            prompt_tokens: details.prompt_tokens,
            completion_tokens: details.completion_tokens,
            others: of_details,
        };
        // Details that have only unknown members are written too.
        let only_others = Details {
            request_id: None,
            execution_time_ms: None,
            prompt_tokens: None,
            completion_tokens: None,
            others: of_details,
        };
        let only_others = (!of_details.is_empty()).then_some(only_others);
        Self {
            timestamp: entry.timestamp,
            sku: &entry.sku,
            price_per_unit_usd: entry.price_per_unit_usd,
            units: entry.units,
            amount: entry.amount,
            currency: entry.currency.as_str(),
            notes: &entry.notes,
            details: entry.inference_details.as_ref().map(details).or(only_others),
            api_key_id: entry.api_key_id.as_deref(),
            others: own,
        }
    }
}

impl<'a> Fields<'a, NumberText<'a>> {
    #[inline]
    pub(crate) fn lent(entry: &LentEntry<'a>) -> Self {
        let LentEntry { request_id, execution_time_ms, prompt_tokens, completion_tokens, .. } = *entry;
        let (own, others) = members(entry.other_fields);
        let has_details = request_id.is_some()
            || execution_time_ms.is_some()
            || prompt_tokens.is_some()
            || completion_tokens.is_some()
            || !others.is_empty();
        let details = Details { request_id, execution_time_ms, prompt_tokens, completion_tokens, others };
        Self {
            timestamp: entry.timestamp,
            sku: entry.sku,
            price_per_unit_usd: entry.price_per_unit_usd,
            units: entry.units,
            amount: entry.amount,
            currency: entry.currency,
            notes: entry.notes,
            details: has_details.then_some(details),
            api_key_id: entry.api_key_id,
            others: own,
        }
    }
}

/// The members of an entry that nobody documented, and those of its details.
fn members(other_fields: Option<&OtherFields>) -> (&str, &str) {
    other_fields.map_or(("", ""), |other| (other.own_members(), other.members_of_details()))
}

impl LentEntry<'_> {
    /// Appends the entry as [`UsageEntry::write_json`] does.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        Fields::lent(self).write_json(out);
    }
}

impl<N: Number> Fields<'_, N> {
    /// Appends one JSON object, keys in upstream's (alphabetical) order, without a line break.
    #[inline]
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"amount\":");
        self.amount.write(out);
        out.extend_from_slice(b",\"apiKeyId\":");
        write_optional_string(out, self.api_key_id);
        out.extend_from_slice(b",\"currency\":");
        write_string(out, self.currency);
        out.extend_from_slice(b",\"inferenceDetails\":");
        match &self.details {
            None => out.extend_from_slice(b"null"),
            Some(details) => details.write_json(out),
        }
        out.extend_from_slice(b",\"notes\":");
        write_string(out, self.notes);
        out.extend_from_slice(b",\"pricePerUnitUsd\":");
        self.price_per_unit_usd.write(out);
        out.extend_from_slice(b",\"sku\":");
        write_string(out, self.sku);
        out.extend_from_slice(b",\"timestamp\":\"");
        self.timestamp.write(out);
        out.extend_from_slice(b"\",\"units\":");
        self.units.write(out);
        write_members(out, self.others);
        out.push(b'}');
    }
}

impl<N: Number> Details<'_, N> {
    fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"completionTokens\":");
        write_optional_number(out, self.completion_tokens);
        out.extend_from_slice(b",\"inferenceExecutionTime\":");
        write_optional_number(out, self.execution_time_ms);
        out.extend_from_slice(b",\"promptTokens\":");
        write_optional_number(out, self.prompt_tokens);
        out.extend_from_slice(b",\"requestId\":");
        write_optional_string(out, self.request_id);
        write_members(out, self.others);
        out.push(b'}');
    }
}

fn write_optional_number<N: Number>(out: &mut Vec<u8>, number: Option<N>) {
    match number {
        None => out.extend_from_slice(b"null"),
        Some(number) => number.write(out),
    }
}
