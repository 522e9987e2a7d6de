//! Reads kept entries for a check: what is wrong with one, and what it adds to sums and blocks.

use billing_model::{
    Currency, Decimal, EntryDigest, InferenceDetails, NumberText, OtherFields, Timestamp, UsageEntry,
    WholeDigest, decimal_text, parse_decimal,
};

use super::words::{quoted, quoted_bytes};

const A_NUMBER: &str = "a decimal number";

/// The numbers of an entry.
const NUMBERS: [&str; 6] =
    ["price_per_unit_usd", "units", "amount", "execution_time_ms", "prompt_tokens", "completion_tokens"];

/// Takes what is wrong with an entry: which column, what it has, and what it should have.
pub type Wrong<'w> = dyn FnMut(&'static str, String, String) + 'w;

/// The two digests of an entry.
pub type Digests = (EntryDigest, WholeDigest);

/// What an entry adds to a block.
#[derive(Clone)]
pub struct Share<T> {
    /// The instant of the entry, in nanoseconds since 1970.
    pub timestamp_ns: i64,
    /// Its currency.
    pub currency: T,
    /// Its amount, in its currency.
    pub amount: Decimal,
    /// `None` for an entry that cannot be read.
    pub digests: Option<Digests>,
}

/// Reads entries one after the other, part by part, each in the memory of the one before.
pub struct EntryReader {
    entry: UsageEntry,
    /// False when a part of it could not be read.
    is_whole: bool,
}

/// The texts of an entry.
#[derive(Clone, Copy)]
pub struct EntryTexts<'t> {
    /// Its product.
    pub sku: &'t str,
    /// Its currency.
    pub currency: &'t str,
    /// Its notes.
    pub notes: &'t str,
    /// Its API key.
    pub api_key_id: Option<&'t str>,
}

impl Default for EntryReader {
    fn default() -> Self {
        let details = InferenceDetails {
            request_id: None,
            execution_time_ms: None,
            prompt_tokens: None,
            completion_tokens: None,
        };
        let entry = UsageEntry {
            timestamp: Timestamp::from_unix_ns(0),
            sku: String::new(),
            price_per_unit_usd: Decimal::ZERO,
            units: Decimal::ZERO,
            amount: Decimal::ZERO,
            currency: Currency::from(""),
            notes: String::new(),
            inference_details: Some(details),
            api_key_id: None,
            other_fields: None,
        };
        Self { entry, is_whole: true }
    }
}

impl EntryReader {
    /// Begins an entry with its instant, in nanoseconds since 1970.
    pub fn begin(&mut self, timestamp_ns: i64) {
        self.is_whole = true;
        self.entry.timestamp = Timestamp::from_unix_ns(timestamp_ns);
    }

    /// Notes that a part of the entry cannot be read, so that its digests are not known.
    pub fn is_unreadable(&mut self) {
        self.is_whole = false;
    }

    /// Takes the numbers: price, units and amount, which every entry has, execution time, prompt and completion tokens. They must be in
    /// the form in which pages have them. One that cannot be read counts as zero.
    pub fn numbers(&mut self, texts: [Option<&[u8]>; 6], wrong: &mut Wrong<'_>) {
        let mut numbers = [None; 6];
        for (place, ((number, text), field)) in numbers.iter_mut().zip(texts).zip(NUMBERS).enumerate() {
            *number = match text {
                None if place < 3 => Some(self.number(b"null", field, wrong)),
                None => None,
                Some(text) => Some(self.number(text, field, wrong)),
            };
        }
        let [price, units, amount, execution_time_ms, prompt_tokens, completion_tokens] = numbers;
        self.entry.price_per_unit_usd = price.unwrap_or_default();
        (self.entry.units, self.entry.amount) = (units.unwrap_or_default(), amount.unwrap_or_default());
        if let Some(details) = &mut self.entry.inference_details {
            (details.execution_time_ms, details.prompt_tokens) = (execution_time_ms, prompt_tokens);
            details.completion_tokens = completion_tokens;
        }
    }

    /// Reads a number, which must be in the form in which pages have it.
    fn number(&mut self, text: &[u8], field: &'static str, wrong: &mut Wrong<'_>) -> Decimal {
        let number = std::str::from_utf8(text).ok().and_then(|text| parse_decimal(text).ok());
        let Some(number) = number else {
            self.is_whole = false;
            wrong(field, quoted_bytes(text), A_NUMBER.to_owned());
            return Decimal::ZERO;
        };
        if NumberText::of_bytes(text).is_err() {
            wrong(field, quoted_bytes(text), quoted(&decimal_text(number)));
        }
        number
    }

    /// Takes the texts.
    pub fn texts(&mut self, texts: EntryTexts<'_>) {
        let EntryTexts { sku, currency, notes, api_key_id } = texts;
        sku.clone_into(&mut self.entry.sku);
        notes.clone_into(&mut self.entry.notes);
        if self.entry.currency.as_str() != currency {
            self.entry.currency = Currency::from(currency);
        }
        set(&mut self.entry.api_key_id, api_key_id);
    }

    /// Takes the request of the details.
    pub fn request_id(&mut self, request_id: Option<&str>) {
        if let Some(details) = &mut self.entry.inference_details {
            set(&mut details.request_id, request_id);
        }
    }

    /// Takes the fields that nobody documented, which must be in their one form.
    pub fn other_fields(&mut self, text: Option<&str>, wrong: &mut Wrong<'_>) {
        let Some(text) = text else {
            self.entry.other_fields = None;
            return;
        };
        // Entries of one source mostly have the same ones.
        if self.entry.other_fields.as_ref().is_some_and(|latest| latest.as_str() == text) {
            return;
        }
        let read = OtherFields::from_json(text);
        match &read {
            Ok(Some(other)) if other.as_str() == text => {}
            Ok(Some(other)) => wrong("other_fields", quoted(text), quoted(other.as_str())),
            Ok(None) => wrong("other_fields", quoted(text), "nothing, where there are none".to_owned()),
            Err(_) => {
                self.is_whole = false;
                wrong("other_fields", quoted(text), "a JSON object of other fields".to_owned());
            }
        }
        self.entry.other_fields = read.ok().flatten();
    }

    /// The amount and the units of the entry.
    pub fn amount_and_units(&self) -> (Decimal, Decimal) {
        (self.entry.amount, self.entry.units)
    }

    /// The digests of the entry; `None` when it cannot be read.
    pub fn digests(&self) -> Option<Digests> {
        self.is_whole.then(|| {
            let UsageEntry { api_key_id, other_fields, .. } = &self.entry;
            let digest = EntryDigest::of(&self.entry);
            let other_fields = other_fields.as_ref().map(OtherFields::as_str);
            (digest, digest.whole(api_key_id.as_deref(), other_fields))
        })
    }
}

/// Puts another text into the memory of the former one.
fn set(text: &mut Option<String>, to: Option<&str>) {
    match (text, to) {
        (Some(text), Some(to)) => to.clone_into(text),
        (text, to) => *text = to.map(str::to_owned),
    }
}
