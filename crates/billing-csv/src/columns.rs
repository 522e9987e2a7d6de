//! The columns of the format: their names, their order, and what they hold of an entry.

use billing_model::{
    Currency, Decimal, InferenceDetails, OtherFields, Timestamp, UsageEntry, ValueError, parse_decimal,
    write_decimal,
};

/// Which columns are written. The documented ones come first and in the documented order, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Columns {
    /// The eleven that the API documents.
    #[default]
    Documented,
    /// Those, and `apiKeyId` after them.
    WithApiKeyId,
    /// The documented ones, and `otherFields` after them: a JSON object of the fields that nobody documented, or nothing.
    WithOtherFields,
    /// All that an entry has: the documented ones, `apiKeyId`, `otherFields`.
    All,
}

impl Columns {
    /// The names, in the order of the file.
    ///
    /// ```
    /// use billing_csv::Columns;
    /// assert_eq!(Columns::Documented.names().nth(4), Some("amount"));
    /// assert_eq!(Columns::WithApiKeyId.names().last(), Some("apiKeyId"));
    /// assert_eq!(Columns::All.names().last(), Some("otherFields"));
    /// ```
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.table().iter().map(|column| column.name)
    }

    /// Appends the header line, for a caller with a buffer of its own. [`Writer`](crate::Writer) has one already.
    pub fn write_header(self, out: &mut Vec<u8>) {
        for name in self.names() {
            out.extend_from_slice(name.as_bytes());
            out.push(b',');
        }
        end_line(out);
    }

    /// Appends the line of one entry.
    pub fn write_row(self, entry: &UsageEntry, out: &mut Vec<u8>) {
        for column in self.table() {
            (column.write)(entry, out);
            out.push(b',');
        }
        end_line(out);
    }

    pub(crate) fn table(self) -> &'static [Column] {
        match self {
            Self::Documented => &TABLE[..DOCUMENTED],
            Self::WithApiKeyId => &TABLE[..=DOCUMENTED],
            Self::WithOtherFields => &WITHOUT_API_KEY_ID,
            Self::All => &TABLE,
        }
    }
}

/// Makes the comma after the last field the end of the line.
fn end_line(out: &mut Vec<u8>) {
    out.pop();
    out.push(b'\n');
}

/// One column: how it is called, whether a file must have it, and the way into an entry and out of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// Another name that a file may use.
    pub(crate) alias: Option<&'static str>,
    pub(crate) required: bool,
    pub(crate) read: fn(&str, &mut UsageEntry) -> Result<(), ValueError>,
    pub(crate) write: fn(&UsageEntry, &mut Vec<u8>),
}

impl Column {
    const fn required(
        name: &'static str,
        read: fn(&str, &mut UsageEntry) -> Result<(), ValueError>,
        write: fn(&UsageEntry, &mut Vec<u8>),
    ) -> Self {
        Self { name, alias: None, required: true, read, write }
    }

    const fn optional(
        name: &'static str,
        read: fn(&str, &mut UsageEntry) -> Result<(), ValueError>,
        write: fn(&UsageEntry, &mut Vec<u8>),
    ) -> Self {
        Self { name, alias: None, required: false, read, write }
    }

    const fn or(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }
}

/// What the first description of the API called `units`.
pub(crate) const UNIT: &str = "unit";

/// How many columns are documented.
const DOCUMENTED: usize = 11;

/// All but `apiKeyId`.
const WITHOUT_API_KEY_ID: [Column; DOCUMENTED + 1] = {
    let mut table = [TABLE[DOCUMENTED + 1]; DOCUMENTED + 1];
    let mut at = 0;
    while at < DOCUMENTED {
        table[at] = TABLE[at];
        at += 1;
    }
    table
};

/// Every column, in the documented order; `apiKeyId` and `otherFields` are last because they are left out unless asked for.
pub(crate) const TABLE: [Column; DOCUMENTED + 2] = [
    Column::required(
        "timestamp",
        |text, entry| set(&mut entry.timestamp, present(text).and_then(str::parse)),
        |entry, out| entry.timestamp.write(out),
    ),
    Column::required(
        "sku",
        |text, entry| set(&mut entry.sku, Ok(text.to_owned())),
        |entry, out| write_text(&entry.sku, out),
    ),
    Column::required(
        "pricePerUnitUsd",
        |text, entry| set(&mut entry.price_per_unit_usd, number(text)),
        |entry, out| write_decimal(out, entry.price_per_unit_usd),
    ),
    Column::required(
        "units",
        |text, entry| set(&mut entry.units, number(text)),
        |entry, out| write_decimal(out, entry.units),
    )
    .or(UNIT),
    Column::required(
        "amount",
        |text, entry| set(&mut entry.amount, number(text)),
        |entry, out| write_decimal(out, entry.amount),
    ),
    Column::required(
        "currency",
        |text, entry| set(&mut entry.currency, Ok(Currency::from(text))),
        |entry, out| write_text(entry.currency.as_str(), out),
    ),
    Column::required(
        "notes",
        |text, entry| set(&mut entry.notes, Ok(text.to_owned())),
        |entry, out| write_text(&entry.notes, out),
    ),
    Column::optional(
        "inferenceDetails.requestId",
        |text, entry| set_detail(text, entry, |details| &mut details.request_id, |id| Ok(id.to_owned())),
        |entry, out| {
            let details = entry.inference_details.as_ref();
            write_text(details.and_then(|details| details.request_id.as_deref()).unwrap_or_default(), out);
        },
    ),
    Column::optional(
        "inferenceDetails.inferenceExecutionTime",
        |text, entry| set_detail(text, entry, |details| &mut details.execution_time_ms, number),
        |entry, out| write_detail(entry, out, |details| details.execution_time_ms),
    ),
    Column::optional(
        "inferenceDetails.promptTokens",
        |text, entry| set_detail(text, entry, |details| &mut details.prompt_tokens, number),
        |entry, out| write_detail(entry, out, |details| details.prompt_tokens),
    ),
    Column::optional(
        "inferenceDetails.completionTokens",
        |text, entry| set_detail(text, entry, |details| &mut details.completion_tokens, number),
        |entry, out| write_detail(entry, out, |details| details.completion_tokens),
    ),
    Column::optional(
        "apiKeyId",
        |text, entry| set(&mut entry.api_key_id, Ok(Some(text.to_owned()).filter(|id| !id.is_empty()))),
        |entry, out| write_text(entry.api_key_id.as_deref().unwrap_or_default(), out),
    ),
    Column::optional("otherFields", set_other_fields, |entry, out| {
        write_text(entry.other_fields.as_ref().map(OtherFields::as_str).unwrap_or_default(), out);
    }),
];

/// An entry for the columns to fill in. Every required column overwrites its field; the others start as absent.
pub(crate) fn blank_entry() -> UsageEntry {
    UsageEntry {
        timestamp: Timestamp::from_unix_ns(0),
        sku: String::new(),
        price_per_unit_usd: Decimal::ZERO,
        units: Decimal::ZERO,
        amount: Decimal::ZERO,
        currency: Currency::Usd,
        notes: String::new(),
        inference_details: None,
        api_key_id: None,
        other_fields: None,
    }
}

fn present(text: &str) -> Result<&str, ValueError> {
    if text.is_empty() { Err(ValueError::missing()) } else { Ok(text) }
}

fn number(text: &str) -> Result<Decimal, ValueError> {
    parse_decimal(present(text)?)
}

fn set<T>(field: &mut T, value: Result<T, ValueError>) -> Result<(), ValueError> {
    *field = value?;
    Ok(())
}

fn set_other_fields(text: &str, entry: &mut UsageEntry) -> Result<(), ValueError> {
    if text.is_empty() {
        return Ok(());
    }
    set(&mut entry.other_fields, OtherFields::from_json(text))
}

/// Details exist from their first value on, so that an entry without any has none.
fn set_detail<T>(
    text: &str,
    entry: &mut UsageEntry,
    field: fn(&mut InferenceDetails) -> &mut Option<T>,
    read: fn(&str) -> Result<T, ValueError>,
) -> Result<(), ValueError> {
    if text.is_empty() {
        return Ok(());
    }
    set(field(entry.inference_details.get_or_insert_default()), read(text).map(Some))
}

fn write_detail(
    entry: &UsageEntry,
    out: &mut Vec<u8>,
    number: impl FnOnce(&InferenceDetails) -> Option<Decimal>,
) {
    if let Some(number) = entry.inference_details.as_ref().and_then(number) {
        write_decimal(out, number);
    }
}

/// True when a text has a quote, a comma or a line break in it.
fn needs_quotes(text: &[u8]) -> bool {
    let special = |byte: u8| (byte == b'"') | (byte == b',') | (byte == b'\r') | (byte == b'\n');
    let (Some(_), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) else {
        return text.iter().fold(false, |found, byte| found | special(*byte));
    };
    // Eight bytes at a time, and at the end the last eight once more: nearly all texts are of a few dozen.
    let (words, _) = text.as_chunks::<8>();
    words.iter().fold(marks(*last), |found, word| found | marks(*word)) != 0
}

/// Not zero when one of the eight bytes has to stand between quotes.
fn marks(bytes: [u8; 8]) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let word = u64::from_le_bytes(bytes);
    // Sets the high bit of each byte that equals the one asked for. The borrow of the subtraction can set another high
    // bit only beside such a byte.
    let is = |byte: u8| {
        let differing = word ^ (EACH * u64::from(byte));
        differing.wrapping_sub(EACH) & !differing
    };
    (is(b'"') | is(b',') | is(b'\r') | is(b'\n')) & (EACH * 0x80)
}

/// Appends a text, between quotes only where RFC 4180 asks for them.
fn write_text(text: &str, out: &mut Vec<u8>) {
    if !needs_quotes(text.as_bytes()) {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    for (position, part) in text.split('"').enumerate() {
        if position > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_the_documented_ones_in_order() {
        let documented = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes,inferenceDetails.requestId,\
            inferenceDetails.inferenceExecutionTime,inferenceDetails.promptTokens,inferenceDetails.completionTokens";
        assert_eq!(Columns::default().names().collect::<Vec<_>>().join(","), documented);
        for (columns, more) in [
            (Columns::WithApiKeyId, ",apiKeyId"),
            (Columns::WithOtherFields, ",otherFields"),
            (Columns::All, ",apiKeyId,otherFields"),
        ] {
            let names: Vec<_> = columns.names().collect();
            assert_eq!(names.join(","), format!("{documented}{more}"));
        }
    }

    #[test]
    fn quotes_stand_only_where_they_must() {
        let check = |text: &str, expect: &str| {
            let mut out = Vec::new();
            write_text(text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        for plain in ["", "API Inference", " x ", "=1+1", "é\u{2028}\t;'", "\u{feff}"] {
            check(plain, plain);
        }
        check("a,b", "\"a,b\"");
        check("a\nb", "\"a\nb\"");
        check("a\r", "\"a\r\"");
        check("\"", "\"\"\"\"");
        check("say \"so\"", "\"say \"\"so\"\"\"");
    }

    #[test]
    fn a_text_is_between_quotes_wherever_the_mark_stands() {
        // A byte that differs from a mark in one bit, or is one more or less, is no mark.
        const OTHERS: &[u8] = b"!#+-\x0b\x0c\x0e\t\x00\x7f a\xc2\xa2";
        for length in 0..40 {
            let plain: Vec<u8> = OTHERS.iter().cycle().take(length).copied().collect();
            assert!(!needs_quotes(&plain), "{length}");
            for at in 0..length {
                for mark in *b"\",\r\n" {
                    let mut text = plain.clone();
                    text[at] = mark;
                    assert!(needs_quotes(&text), "{length} {at}");
                }
            }
        }
    }
}
