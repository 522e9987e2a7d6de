//! Entries in memory, in little more room than their text needs.

use std::fmt;

use billing_model::{Currency, Decimal, InferenceDetails, OtherFields, Timestamp, UsageEntry};

// The flags of a row, in its first two bytes.
const SAME_SKU: u16 = 1 << 0;
const SAME_NOTES: u16 = 1 << 1;
const SAME_CURRENCY: u16 = 1 << 2;
const HAS_API_KEY: u16 = 1 << 3;
const SAME_API_KEY: u16 = 1 << 4;
const HAS_DETAILS: u16 = 1 << 5;
const HAS_REQUEST_ID: u16 = 1 << 6;
const SAME_REQUEST_ID: u16 = 1 << 7;
const HAS_EXECUTION_TIME: u16 = 1 << 8;
const HAS_PROMPT_TOKENS: u16 = 1 << 9;
const HAS_COMPLETION_TOKENS: u16 = 1 << 10;
/// The timestamp is a text, because 64 bits of nanoseconds do not reach its year.
const IS_FAR: u16 = 1 << 11;
const HAS_OTHER_FIELDS: u16 = 1 << 12;
const SAME_OTHER_FIELDS: u16 = 1 << 13;

// The first byte of a number: the count of its decimal places, or of the zeros that follow its digits.
const POWER: u8 = 0x1f;
const IS_NEGATIVE: u8 = 0x20;
const HAS_ZEROS: u8 = 0x40;
/// There are more places or zeros than fit here: the power of ten follows.
const IS_WIDE: u8 = 0x80;

/// Entries that wait to be stored, in order and unchanged.
///
/// A [`UsageEntry`] takes some 300 bytes and several pieces of memory, however short it is. Here it takes no more bytes than
/// its row of CSV, and mostly half of that: texts that repeat from row to row are kept once, and all of it is one piece of
/// memory.
///
/// ```
/// use billing_model::UsageEntry;
/// use billing_ledger::PackedEntries;
/// let entry = UsageEntry::from_json(r#"{"timestamp":"2026-06-14T19:52:45.087Z","units":1,"notes":"",
///   "sku":"venice-sd35-image-unit","pricePerUnitUsd":0.01,"amount":-1e-2,"currency":"USD"}"#)?;
/// let packed: PackedEntries = vec![entry.clone(), entry.clone()].into();
/// assert_eq!((packed.len(), packed.bytes() < 70), (2, true));
/// let mut rows = packed.rows();
/// assert_eq!(rows.next(), Some(&entry));
/// # Ok::<(), billing_model::DecodeError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PackedEntries {
    bytes: Vec<u8>,
    entries: u64,
    latest: Latest,
}

/// Where the texts of the latest row stand.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Latest {
    sku: TextRange,
    notes: TextRange,
    currency: TextRange,
    api_key: TextRange,
    request_id: TextRange,
    other_fields: TextRange,
}

/// A text within the bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct TextRange {
    start: usize,
    end: usize,
}

impl PackedEntries {
    /// None yet, and room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.entries
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// The memory that they take.
    pub fn bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives back the room that no entry takes.
    pub fn shrink_to_fit(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Adds an entry behind the others.
    pub fn push(&mut self, entry: &UsageEntry) {
        let details = entry.inference_details.as_ref();
        let request_id = details.and_then(|details| details.request_id.as_deref());
        let (time, prompt, completion) = details.map_or((None, None, None), |details| {
            (details.execution_time_ms, details.prompt_tokens, details.completion_tokens)
        });
        let api_key = entry.api_key_id.as_deref();
        let other_fields = entry.other_fields.as_ref().map(OtherFields::as_str);
        let at_ns = entry.timestamp.unix_ns();
        let is =
            |place: TextRange, text: &str| self.bytes.get(place.start..place.end) == Some(text.as_bytes());
        let latest = self.latest;
        let flags = [
            (SAME_SKU, is(latest.sku, &entry.sku)),
            (SAME_NOTES, is(latest.notes, &entry.notes)),
            (SAME_CURRENCY, is(latest.currency, entry.currency.as_str())),
            (HAS_API_KEY, api_key.is_some()),
            (SAME_API_KEY, api_key.is_some_and(|text| is(latest.api_key, text))),
            (HAS_DETAILS, details.is_some()),
            (HAS_REQUEST_ID, request_id.is_some()),
            (SAME_REQUEST_ID, request_id.is_some_and(|text| is(latest.request_id, text))),
            (HAS_EXECUTION_TIME, time.is_some()),
            (HAS_PROMPT_TOKENS, prompt.is_some()),
            (HAS_COMPLETION_TOKENS, completion.is_some()),
            (IS_FAR, at_ns.is_none()),
            (HAS_OTHER_FIELDS, other_fields.is_some()),
            (SAME_OTHER_FIELDS, other_fields.is_some_and(|text| is(latest.other_fields, text))),
        ];
        let flags = flags.iter().filter(|(_, is_set)| *is_set).fold(0, |flags, (flag, _)| flags | flag);
        self.bytes.extend_from_slice(&flags.to_le_bytes());
        match at_ns {
            Some(ns) => self.bytes.extend_from_slice(&ns.to_le_bytes()),
            None => drop(self.put_text(&entry.timestamp.to_string())),
        }
        self.put_number(entry.price_per_unit_usd);
        self.put_number(entry.units);
        self.put_number(entry.amount);
        [time, prompt, completion].into_iter().flatten().for_each(|number| self.put_number(number));
        self.latest = Latest {
            sku: self.put_new(flags & SAME_SKU != 0, latest.sku, &entry.sku),
            notes: self.put_new(flags & SAME_NOTES != 0, latest.notes, &entry.notes),
            currency: self.put_new(flags & SAME_CURRENCY != 0, latest.currency, entry.currency.as_str()),
            api_key: match api_key {
                Some(text) => self.put_new(flags & SAME_API_KEY != 0, latest.api_key, text),
                None => latest.api_key,
            },
            request_id: match request_id {
                Some(text) => self.put_new(flags & SAME_REQUEST_ID != 0, latest.request_id, text),
                None => latest.request_id,
            },
            other_fields: match other_fields {
                Some(text) => self.put_new(flags & SAME_OTHER_FIELDS != 0, latest.other_fields, text),
                None => latest.other_fields,
            },
        };
        self.entries += 1;
    }

    /// The entries, one at a time.
    pub fn rows(&self) -> PackedRows<'_> {
        PackedRows {
            rest: Bytes(&self.bytes),
            entry: nothing(),
            api_key: String::new(),
            request_id: String::new(),
            other_fields: None,
        }
    }

    fn put_new(&mut self, is_same: bool, latest: TextRange, text: &str) -> TextRange {
        if is_same { latest } else { self.put_text(text) }
    }

    fn put_text(&mut self, text: &str) -> TextRange {
        self.put_count(text.len() as u128);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        TextRange { start, end: self.bytes.len() }
    }

    /// Seven bits a byte, the lowest first; all but the last have the eighth bit set.
    fn put_count(&mut self, mut count: u128) {
        loop {
            let [low, ..] = count.to_le_bytes();
            count >>= 7;
            if count == 0 {
                return self.bytes.push(low & 0x7f);
            }
            self.bytes.push(low | 0x80);
        }
    }

    fn put_number(&mut self, number: Decimal) {
        let sign = if number.is_negative() { IS_NEGATIVE } else { 0 };
        let mut digits = number.mantissa().unsigned_abs();
        let mut exponent = i16::try_from(number.exponent()).unwrap_or_default();
        // `1e27` is four characters of text, and must not take 28 digits here.
        while exponent >= 0 && digits != 0 && digits.is_multiple_of(10) {
            digits /= 10;
            exponent += 1;
        }
        match u8::try_from(exponent.unsigned_abs()) {
            Ok(power @ 0..=POWER) if exponent > 0 => self.bytes.push(sign | HAS_ZEROS | power),
            Ok(power @ 0..=POWER) => self.bytes.push(sign | power),
            _ => {
                self.bytes.push(sign | IS_WIDE);
                self.bytes.extend_from_slice(&exponent.to_le_bytes());
            }
        }
        self.put_count(digits);
    }
}

impl From<&[UsageEntry]> for PackedEntries {
    fn from(entries: &[UsageEntry]) -> Self {
        let mut packed = Self::default();
        entries.iter().for_each(|entry| packed.push(entry));
        packed
    }
}

impl From<Vec<UsageEntry>> for PackedEntries {
    fn from(entries: Vec<UsageEntry>) -> Self {
        entries.as_slice().into()
    }
}

impl fmt::Debug for PackedEntries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedEntries")
            .field("entries", &self.entries)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// The entries of [`PackedEntries::rows`], each of which is lent until the next one is asked for.
#[derive(Debug)]
pub struct PackedRows<'a> {
    rest: Bytes<'a>,
    entry: UsageEntry,
    /// The latest key that a row had: rows in between may have none.
    api_key: String,
    request_id: String,
    other_fields: Option<OtherFields>,
}

impl PackedRows<'_> {
    /// The next entry; `None` after the last.
    // It lends what it holds, which an `Iterator` cannot.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<&UsageEntry> {
        let flags = u16::from_le_bytes(self.rest.take()?);
        let has = |flag| flags & flag != 0;
        self.entry.timestamp = match has(IS_FAR) {
            true => self.rest.text()?.parse().ok()?,
            false => Timestamp::from_unix_ns(i64::from_le_bytes(self.rest.take()?)),
        };
        self.entry.price_per_unit_usd = self.rest.number()?;
        self.entry.units = self.rest.number()?;
        self.entry.amount = self.rest.number()?;
        let execution_time_ms = self.rest.number_if(has(HAS_EXECUTION_TIME))?;
        let prompt_tokens = self.rest.number_if(has(HAS_PROMPT_TOKENS))?;
        let completion_tokens = self.rest.number_if(has(HAS_COMPLETION_TOKENS))?;
        if !has(SAME_SKU) {
            self.rest.text()?.clone_into(&mut self.entry.sku);
        }
        if !has(SAME_NOTES) {
            self.rest.text()?.clone_into(&mut self.entry.notes);
        }
        if !has(SAME_CURRENCY) {
            self.entry.currency = Currency::from(self.rest.text()?);
        }
        if has(HAS_API_KEY) && !has(SAME_API_KEY) {
            self.rest.text()?.clone_into(&mut self.api_key);
        }
        lend(&mut self.entry.api_key_id, has(HAS_API_KEY).then_some(&*self.api_key));
        if has(HAS_REQUEST_ID) && !has(SAME_REQUEST_ID) {
            self.rest.text()?.clone_into(&mut self.request_id);
        }
        let details = self.entry.inference_details.take().filter(|_| has(HAS_DETAILS));
        self.entry.inference_details = has(HAS_DETAILS).then(|| {
            let mut request_id = details.and_then(|details| details.request_id);
            lend(&mut request_id, has(HAS_REQUEST_ID).then_some(&*self.request_id));
            InferenceDetails { request_id, execution_time_ms, prompt_tokens, completion_tokens }
        });
        if has(HAS_OTHER_FIELDS) && !has(SAME_OTHER_FIELDS) {
            self.other_fields = OtherFields::from_json(self.rest.text()?).ok()?;
        }
        self.entry.other_fields = self.other_fields.clone().filter(|_| has(HAS_OTHER_FIELDS));
        Some(&self.entry)
    }
}

/// What is left to read.
#[derive(Debug)]
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn count(&mut self) -> Option<u128> {
        let (mut count, mut shift) = (0, 0);
        loop {
            let [byte] = self.take()?;
            count |= u128::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(count);
            }
            shift += 7;
        }
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.count()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn number_if(&mut self, is_there: bool) -> Option<Option<Decimal>> {
        if is_there { self.number().map(Some) } else { Some(None) }
    }

    fn number(&mut self) -> Option<Decimal> {
        let [form] = self.take()?;
        let power = i32::from(form & POWER);
        let exponent = match (form & IS_WIDE != 0, form & HAS_ZEROS != 0) {
            (true, _) => i16::from_le_bytes(self.take()?).into(),
            (false, true) => power,
            (false, false) => -power,
        };
        let digits = i128::try_from(self.count()?).ok()?;
        Decimal::from_parts(if form & IS_NEGATIVE == 0 { digits } else { -digits }, exponent)
    }
}

/// An entry to begin with.
fn nothing() -> UsageEntry {
    UsageEntry {
        timestamp: Timestamp::from_unix_ns(0),
        sku: String::new(),
        price_per_unit_usd: Decimal::ZERO,
        units: Decimal::ZERO,
        amount: Decimal::ZERO,
        currency: Currency::from(""),
        notes: String::new(),
        inference_details: None,
        api_key_id: None,
        other_fields: None,
    }
}

/// Puts another text into the memory of the former one.
fn lend(text: &mut Option<String>, to: Option<&str>) {
    match (text, to) {
        (Some(text), Some(to)) => to.clone_into(text),
        (text, to) => *text = to.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_format::{RowFormat, rows};
    use billing_testkit::{any_entry, entry_at};
    use proptest::prelude::*;

    fn unpacked(packed: &PackedEntries) -> Vec<UsageEntry> {
        let (mut rows, mut entries) = (packed.rows(), Vec::new());
        while let Some(entry) = rows.next() {
            entries.push(entry.clone());
        }
        entries
    }

    proptest! {
        /// Rows that repeat the texts of the one before, and rows that do not.
        #[test]
        fn entries_come_out_as_they_went_in(
            lots in prop::collection::vec((any_entry(), 1..4usize, any::<bool>()), 0..12),
        ) {
            let mut entries = Vec::new();
            for (entry, times, has_key) in lots {
                entries.extend(vec![entry.clone(); times]);
                entries.push(UsageEntry { api_key_id: has_key.then(|| "k".to_owned()), ..entry });
            }
            let packed = PackedEntries::from(entries.clone());
            prop_assert_eq!(packed.len(), entries.len() as u64);
            prop_assert_eq!(unpacked(&packed), entries);
        }
    }

    /// What a batch may take is known from the size of its body.
    #[test]
    fn they_take_no_more_than_their_text_however_short_it_is() {
        const HEAD: &str = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes,inferenceDetails.requestId,\
            inferenceDetails.inferenceExecutionTime,inferenceDetails.promptTokens,inferenceDetails.completionTokens,apiKeyId";
        for numbers in ["0", "1", "-1", "7e28", "-1e28", "1.1e-27", "79228162514264337593543950335", "128"] {
            for text in ["", "a", &"a".repeat(127), &"a".repeat(128), &"a".repeat(300)] {
                let n = numbers;
                let bare = format!("2026-05-01T00:00:00Z,{text},{n},{n},{n},,{text},,,,,");
                let full =
                    format!("2026-05-01T00:00:00Z,{text},{n},{n},{n},U,{text},{text},{n},{n},{n},{text}");
                for row in [bare, full] {
                    // Two that repeat nothing.
                    let body = format!("{HEAD}\n{row}\n{}\n", row.replace('a', "b"));
                    let entries: Result<Vec<_>, _> = rows(body.as_bytes(), RowFormat::Csv).collect();
                    let packed = PackedEntries::from(entries.unwrap());
                    assert!(packed.bytes.len() <= 2 * (row.len() + 1), "{row}: {packed:?}");
                }
            }
        }
    }

    #[test]
    fn a_million_rows_are_one_piece_of_memory() {
        let at = |n: i64| Timestamp::from_unix_ns(1_780_000_000_000_000_000 + n);
        let mut packed = PackedEntries::default();
        (0..1_000_000).for_each(|n| packed.push(&entry_at(at(n), "-0.0023")));
        packed.shrink_to_fit();
        assert!(packed.bytes() < 24_000_000, "{packed:?}");
        let mut rows = packed.rows();
        for n in 0..1_000_000 {
            assert_eq!(rows.next(), Some(&entry_at(at(n), "-0.0023")));
        }
        assert_eq!(rows.next(), None);
    }

    #[test]
    fn a_year_that_no_ledger_holds_is_kept_until_it_is_refused() {
        let entry = UsageEntry { timestamp: "2500-01-01T00:00:00Z".parse().unwrap(), ..nothing() };
        assert_eq!(unpacked(&vec![entry.clone()].into()), [entry]);
    }
}
