//! Reads a kept entry for a check: what is wrong with it, and what it adds to sums and blocks.

use billing_model::{
    Currency, Decimal, EntryDigest, InferenceDetails, NumberText, OtherFields, Timestamp, UsageEntry,
    WholeDigest, decimal_text, parse_decimal,
};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};

use super::record::Facts;
use super::words::{held, instant, quoted, quoted_bytes};
use crate::row::{NUMBERS, OTHER_FIELDS, REQUEST_ID, TextIds, split_numbers, text_ids};
use crate::strings::{NO_TEXT, Texts};

const A_NUMBER: &str = "a decimal number";
const NUMBERS_OF_AN_ENTRY: &str = "a JSON array of 3 or 6 numbers";
const A_TEXT: &str = "a text in UTF-8";

/// Takes what is wrong with an entry: which column, what it has, and what it should have.
pub(super) type Wrong<'w> = dyn FnMut(&'static str, String, String) + 'w;

/// Reads entries one after the other, from rows of [`COLUMNS`](crate::row::COLUMNS).
pub(super) struct Reader<'c> {
    connection: &'c Connection,
    texts: Texts,
    /// The latest entry, in the memory of the one before.
    entry: UsageEntry,
    /// False when a part of it could not be read.
    is_whole: bool,
}

/// What an entry adds to a block.
#[derive(Clone, Copy)]
pub(super) struct Share {
    pub(super) timestamp_ns: i64,
    pub(super) currency: i64,
    pub(super) amount: Decimal,
    /// `None` for an entry that cannot be read.
    pub(super) digests: Option<Digests>,
}

/// The two digests of an entry.
type Digests = (EntryDigest, WholeDigest);

impl<'c> Reader<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
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
        Self { connection, texts: Texts::default(), entry, is_whole: true }
    }

    /// Reads an entry, and gives what it adds to sums. A number that cannot be read counts as zero.
    pub(super) fn read(&mut self, row: &Row<'_>, wrong: &mut Wrong<'_>) -> rusqlite::Result<Facts> {
        self.is_whole = true;
        let timestamp_ns = row.get(0)?;
        self.entry.timestamp = Timestamp::from_unix_ns(timestamp_ns);
        let ids = text_ids(row)?;
        let [execution_time_ms, prompt_tokens, completion_tokens] = self.read_numbers(row, wrong)?;
        self.read_texts(ids, wrong)?;
        let request_id = self.text(row.get_ref(REQUEST_ID)?, "request_id", wrong);
        if let Some(details) = &mut self.entry.inference_details {
            set(&mut details.request_id, request_id);
            (details.execution_time_ms, details.prompt_tokens) = (execution_time_ms, prompt_tokens);
            details.completion_tokens = completion_tokens;
        }
        self.read_other_fields(row.get_ref(OTHER_FIELDS)?, wrong);
        let UsageEntry { amount, units, .. } = self.entry;
        let TextIds { sku, currency, api_key, .. } = ids;
        Ok(Facts { timestamp_ns, sku, currency, api_key, amount, units })
    }

    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// What the entry of a row adds to a block. Its faults are noted elsewhere.
    pub(super) fn share(&mut self, row: &Row<'_>) -> rusqlite::Result<Share> {
        let facts = self.read(row, &mut |_, _, _| {})?;
        Ok(self.share_of(&facts))
    }

    /// What the latest entry adds to a block; `facts` is what it adds to sums.
    pub(super) fn share_of(&self, facts: &Facts) -> Share {
        let Facts { timestamp_ns, currency, amount, .. } = *facts;
        Share { timestamp_ns, currency, amount, digests: self.digests() }
    }

    /// The digests of the latest entry; `None` when it cannot be read.
    fn digests(&self) -> Option<Digests> {
        self.is_whole.then(|| {
            let UsageEntry { api_key_id, other_fields, .. } = &self.entry;
            let digest = EntryDigest::of(&self.entry);
            let other_fields = other_fields.as_ref().map(OtherFields::as_str);
            (digest, digest.whole(api_key_id.as_deref(), other_fields))
        })
    }

    /// Reads the numbers, which must be in the form in which pages have them. Gives those of the details.
    fn read_numbers(
        &mut self,
        row: &Row<'_>,
        wrong: &mut Wrong<'_>,
    ) -> rusqlite::Result<[Option<Decimal>; 3]> {
        const FIELDS: [&str; 6] = [
            "price_per_unit_usd",
            "units",
            "amount",
            "execution_time_ms",
            "prompt_tokens",
            "completion_tokens",
        ];
        let value = row.get_ref(NUMBERS)?;
        let split = value.as_bytes().ok().and_then(split_numbers);
        // Zeros stand in for them, so that nothing more is noted about each.
        let split = split.unwrap_or_else(|| {
            self.is_whole = false;
            wrong("numbers", held(value), NUMBERS_OF_AN_ENTRY.to_owned());
            [Some(b"0"), Some(b"0"), Some(b"0"), None, None, None]
        });
        let mut numbers = [None; 6];
        for (place, text) in split.into_iter().enumerate() {
            numbers[place] = match text {
                None if place < 3 => Some(self.number(b"null", FIELDS[place], wrong)),
                None => None,
                Some(text) => Some(self.number(text, FIELDS[place], wrong)),
            };
        }
        let [price, units, amount, details @ ..] = numbers;
        let known = |number: Option<Decimal>| number.unwrap_or_default();
        (self.entry.price_per_unit_usd, self.entry.units) = (known(price), known(units));
        self.entry.amount = known(amount);
        Ok(details)
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

    fn text<'r>(
        &mut self,
        value: ValueRef<'r>,
        field: &'static str,
        wrong: &mut Wrong<'_>,
    ) -> Option<&'r str> {
        let text = value.as_str_or_null();
        if text.is_err() {
            self.is_whole = false;
            wrong(field, held(value), A_TEXT.to_owned());
        }
        text.ok().flatten()
    }

    /// Reads the texts that entries share.
    fn read_texts(&mut self, ids: TextIds, wrong: &mut Wrong<'_>) -> rusqlite::Result<()> {
        let TextIds { sku, currency, notes, api_key } = ids;
        let named = [("sku", sku), ("currency", currency), ("notes", notes), ("api_key", api_key)];
        let found = self.texts.look_up(self.connection, named.map(|(_, id)| id));
        if let Ok([Some(sku), Some(currency), Some(notes), api_key]) = found {
            sku.clone_into(&mut self.entry.sku);
            notes.clone_into(&mut self.entry.notes);
            if self.entry.currency.as_str() != currency {
                self.entry.currency = Currency::from(currency);
            }
            set(&mut self.entry.api_key_id, api_key);
            return Ok(());
        }
        self.is_whole = false;
        for (field, id) in named {
            let is_none = field == "api_key" && id == NO_TEXT;
            // A text that is there and cannot be read was noted among the texts.
            if !is_none && !self.has_text(id)? {
                wrong(field, format!("text {id}"), "a text that is there".to_owned());
            }
        }
        Ok(())
    }

    fn has_text(&self, id: i64) -> rusqlite::Result<bool> {
        let mut select = self.connection.prepare_cached("SELECT 1 FROM strings WHERE id = ?1")?;
        Ok(select.query_row([id], |_| Ok(())).optional()?.is_some())
    }

    /// Reads the fields that nobody documented, which must be in their one form.
    fn read_other_fields(&mut self, value: ValueRef<'_>, wrong: &mut Wrong<'_>) {
        let Some(text) = self.text(value, "other_fields", wrong) else {
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
            Ok(Some(other)) => wrong("other_fields", held(value), quoted(other.as_str())),
            Ok(None) => wrong("other_fields", held(value), "nothing, where there are none".to_owned()),
            Err(_) => {
                self.is_whole = false;
                wrong("other_fields", held(value), "a JSON object of other fields".to_owned());
            }
        }
        self.entry.other_fields = read.ok().flatten();
    }
}

/// Which entry a row is: its instant and its number.
pub(super) fn place(row: &Row<'_>) -> String {
    match (row.get(0), row.get::<_, i64>(1)) {
        (Ok(timestamp_ns), Ok(sequence)) => format!("{}, sequence {sequence}", instant(timestamp_ns)),
        _ => "an entry".to_owned(),
    }
}

/// Which removal a number is that of.
pub(super) fn removal_place(removal: i64) -> String {
    format!("removal {removal}")
}

/// Puts another text into the memory of the former one.
fn set(text: &mut Option<String>, to: Option<&str>) {
    match (text, to) {
        (Some(text), Some(to)) => to.clone_into(text),
        (text, to) => *text = to.map(str::to_owned),
    }
}
