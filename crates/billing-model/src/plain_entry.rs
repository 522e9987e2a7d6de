//! The short way, which nearly all entries take: from bytes to an entry, without a value in between.
//!
//! It takes entries of the plain kind, whatever the order of their keys. All others, and faulty ones, take the long way
//! of `entry_json.rs` and `page.rs`. Where both ways have a result, it is the same.

use serde::de::IgnoredAny;

use crate::currency::Currency;
use crate::decimal::Decimal;
use crate::entry::{InferenceDetails, UsageEntry};
use crate::other_fields::{Members, OtherFields};
use crate::plain_json::{Key, PlainJson, Slots};
use crate::timestamp::Timestamp;

/// Bytes of a short entry in JSON. The text can hold no more entries than its length divided by this, so with room for
/// as many the list need not move while it grows.
const SHORT_BYTES: usize = 320;

/// Room for more entries than a full page has: a walk puts the entries that it held back in front of the next page.
const SPARE: usize = 12;

/// The entry that the text is, when it is of the plain kind.
pub(crate) fn entry(text: &str) -> Option<UsageEntry> {
    let mut json = PlainJson::new(text);
    let mut entry = BLANK;
    take_entry(&mut entry, &mut json)?;
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
    let mut entries = Vec::with_capacity((text.len() / SHORT_BYTES).min(most) + SPARE);
    json.array(|json| {
        // The entry is read at its place in the list. It is large, and moving it would add to the time of reading it.
        entries.push(BLANK);
        take_entry(entries.last_mut()?, json)?;
        (entries.len() <= most).then_some(())
    })?;
    let end = json.position();
    Some((entries, [&text[..start], "[]", &text[end..]].concat()))
}

/// An entry before it is read.
const BLANK: UsageEntry = UsageEntry {
    timestamp: Timestamp::EPOCH,
    sku: String::new(),
    price_per_unit_usd: Decimal::ZERO,
    units: Decimal::ZERO,
    amount: Decimal::ZERO,
    currency: Currency::Usd,
    notes: String::new(),
    inference_details: None,
    api_key_id: None,
    other_fields: None,
};

/// Rows of a table of keys.
#[derive(Clone, Copy, Default)]
struct Rows(u16);

impl Rows {
    const fn of<const N: usize>(rows: [usize; N]) -> Self {
        let (mut all, mut at) = (0, 0);
        while at < N {
            all |= 1 << rows[at];
            at += 1;
        }
        Self(all)
    }

    fn has(self, row: usize) -> bool {
        self.0 >> row & 1 == 1
    }

    fn has_all(self, rows: Self) -> bool {
        self.0 & rows.0 == rows.0
    }

    fn add(&mut self, row: usize) {
        self.0 |= 1 << row;
    }
}

/// The keys of an object that came, and those of them whose values are not null.
#[derive(Clone, Copy, Default)]
struct Came {
    keys: Rows,
    values: Rows,
}

impl Came {
    /// Notes a key, and says whether a value is still to be taken. A key that comes twice is a fault.
    fn note(&mut self, row: usize, json: &mut PlainJson<'_>) -> Option<bool> {
        if self.keys.has(row) {
            return None;
        }
        self.keys.add(row);
        let is_value = !json.takes_null();
        if is_value {
            self.values.add(row);
        }
        Some(is_value)
    }
}

/// An entry that is being read.
struct EntrySlots<'e> {
    entry: &'e mut UsageEntry,
    came: Came,
    others: Members,
    of_details: Members,
}

// Rows of the table.
const AMOUNT: usize = 0;
const API_KEY_ID: usize = 1;
const CURRENCY: usize = 2;
const INFERENCE_DETAILS: usize = 3;
const NOTES: usize = 4;
const PRICE_PER_UNIT_USD: usize = 5;
const SKU: usize = 6;
const TIMESTAMP: usize = 7;
const UNITS: usize = 8;
const UNIT: usize = 9;

/// The keys that every entry has to have, with values.
const REQUIRED: Rows = Rows::of([AMOUNT, CURRENCY, PRICE_PER_UNIT_USD, SKU, TIMESTAMP]);

impl<'a> Slots<'a> for EntrySlots<'_> {
    /// In upstream's order.
    const KEYS: &'static [Key] = &[
        Key::new("amount"),
        Key::new("apiKeyId"),
        Key::new("currency"),
        Key::new("inferenceDetails"),
        Key::new("notes"),
        Key::new("pricePerUnitUsd"),
        Key::new("sku"),
        Key::new("timestamp"),
        Key::new("units"),
        Key::new("unit"),
    ];

    fn take(&mut self, row: usize, json: &mut PlainJson<'a>) -> Option<()> {
        if !self.came.note(row, json)? {
            return Some(());
        }
        let entry = &mut *self.entry;
        let number = match row {
            AMOUNT => &mut entry.amount,
            PRICE_PER_UNIT_USD => &mut entry.price_per_unit_usd,
            // Only one of them can have a value.
            UNITS | UNIT => &mut entry.units,
            _ => return self.take_other(row, json),
        };
        json.number(number)
    }

    fn others(&mut self) -> &mut Members {
        &mut self.others
    }
}

impl EntrySlots<'_> {
    /// Takes a value that is no number.
    #[inline]
    fn take_other(&mut self, row: usize, json: &mut PlainJson<'_>) -> Option<()> {
        let entry = &mut *self.entry;
        match row {
            SKU => entry.sku = json.text()?.into_owned(),
            NOTES => entry.notes = json.text()?.into_owned(),
            API_KEY_ID => entry.api_key_id = id(json)?,
            CURRENCY => entry.currency = Currency::from(&*json.text()?),
            TIMESTAMP => entry.timestamp = json.text()?.parse().ok()?,
            INFERENCE_DETAILS => {
                let details = entry.inference_details.insert(InferenceDetails::default());
                let mut slots = DetailsSlots { details, came: Came::default(), others: Members::default() };
                json.object(&mut slots)?;
                self.of_details = slots.others;
                // Details without a value become `None`.
                entry.inference_details.take_if(|details| *details == InferenceDetails::default());
            }
            _ => return None,
        }
        Some(())
    }
}

/// Takes an entry into one that is blank.
fn take_entry(entry: &mut UsageEntry, json: &mut PlainJson<'_>) -> Option<()> {
    let (others, of_details) = (Members::default(), Members::default());
    let mut slots = EntrySlots { entry, came: Came::default(), others, of_details };
    json.object(&mut slots)?;
    let Came { keys, values } = slots.came;
    // Notes that are null are empty. When `units` and `unit` both have a value, the long way decides, because it knows
    // how strictly to read.
    let is_whole = values.has_all(REQUIRED) && keys.has(NOTES) && values.has(UNITS) != values.has(UNIT);
    slots.entry.other_fields = OtherFields::of(slots.others, slots.of_details);
    is_whole.then_some(())
}

/// Details that are being read.
struct DetailsSlots<'d> {
    details: &'d mut InferenceDetails,
    came: Came,
    others: Members,
}

impl<'a> Slots<'a> for DetailsSlots<'_> {
    /// In upstream's order.
    const KEYS: &'static [Key] = &[
        Key::new("completionTokens"),
        Key::new("inferenceExecutionTime"),
        Key::new("promptTokens"),
        Key::new("requestId"),
    ];

    fn take(&mut self, row: usize, json: &mut PlainJson<'a>) -> Option<()> {
        if !self.came.note(row, json)? {
            return Some(());
        }
        let number = match row {
            0 => &mut self.details.completion_tokens,
            1 => &mut self.details.execution_time_ms,
            2 => &mut self.details.prompt_tokens,
            _ => {
                self.details.request_id = id(json)?;
                return Some(());
            }
        };
        json.number(number.insert(Decimal::ZERO))
    }

    fn others(&mut self) -> &mut Members {
        &mut self.others
    }
}

/// Takes an id. An empty one is none.
fn id(json: &mut PlainJson<'_>) -> Option<Option<String>> {
    let id = json.text()?;
    Some((!id.is_empty()).then(|| id.into_owned()))
}
