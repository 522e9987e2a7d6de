//! An entry as a row of its table, both ways.

use billing_ledger::{AccountId, Position};
use billing_model::{
    Currency, Decimal, LentEntry, NumberText, OtherFields, Timestamp, Total, UsageEntry, ValueError,
    parse_decimal, write_decimal,
};
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, Row, Rows, Statement, params};

use crate::strings::Texts;

/// The columns of an entry, in the order of [`insert`] and [`lend`]; the account stands before them.
pub(crate) const COLUMNS: &str =
    "timestamp_ns, sequence, sku, currency, notes, api_key, numbers, request_id, other_fields";

/// Where in [`COLUMNS`] an entry's numbers stand, its request and its other fields.
pub(crate) const NUMBERS: usize = 6;
pub(crate) const REQUEST_ID: usize = 7;
pub(crate) const OTHER_FIELDS: usize = 8;

/// The texts of an entry that are kept once.
#[derive(Clone, Copy)]
pub(crate) struct TextIds {
    pub(crate) sku: i64,
    pub(crate) currency: i64,
    pub(crate) notes: i64,
    pub(crate) api_key: i64,
}

/// Writes the account and then [`COLUMNS`].
pub(crate) const INSERT: &str = "INSERT INTO entries (account, timestamp_ns, sequence, sku, currency, notes, api_key, \
     numbers, request_id, other_fields) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

/// Writes an entry with the statement [`INSERT`].
pub(crate) fn insert(
    statement: &mut Statement<'_>,
    account: AccountId,
    position: Position,
    ids: TextIds,
    entry: &UsageEntry,
) -> rusqlite::Result<()> {
    let request_id = entry.inference_details.as_ref().and_then(|details| details.request_id.as_deref());
    statement.execute(params![
        account.0,
        position.timestamp_ns,
        signed(position.sequence),
        ids.sku,
        ids.currency,
        ids.notes,
        ids.api_key,
        numbers_text(entry),
        request_id,
        entry.other_fields.as_ref().map(OtherFields::as_str),
    ])?;
    Ok(())
}

/// The texts of an entry by their numbers, from a row of [`COLUMNS`].
pub(crate) fn text_ids(row: &Row<'_>) -> rusqlite::Result<TextIds> {
    Ok(TextIds {
        sku: integer(row, 2)?,
        currency: integer(row, 3)?,
        notes: integer(row, 4)?,
        api_key: integer(row, 5)?,
    })
}

/// The place of an entry, from a row of [`COLUMNS`].
pub(crate) fn position(row: &Row<'_>) -> rusqlite::Result<Position> {
    let (timestamp_ns, sequence) = (integer(row, 0)?, integer(row, 1)?);
    let sequence =
        u64::try_from(sequence).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(1, sequence))?;
    Ok(Position { timestamp_ns, sequence })
}

/// Room for what a lent entry needs beside its row.
#[derive(Default)]
pub(crate) struct Scratch {
    texts: Texts,
    other_fields: Option<OtherFields>,
}

/// Lends the entry of a row of [`COLUMNS`], which is at this place.
pub(crate) fn lend<'r>(
    row: &'r Row<'_>,
    position: Position,
    connection: &Connection,
    scratch: &'r mut Scratch,
) -> rusqlite::Result<LentEntry<'r>> {
    let Scratch { texts, other_fields } = scratch;
    let TextIds { sku, currency, notes, api_key } = text_ids(row)?;
    let found = texts.look_up(connection, [sku, currency, notes, api_key])?;
    let [Some(sku), Some(currency), Some(notes), api_key_id] = found else {
        // Every entry has the first three.
        return Err(rusqlite::Error::QueryReturnedNoRows);
    };
    *other_fields = match row.get_ref(OTHER_FIELDS)? {
        ValueRef::Null => None,
        _ => parse(row, OTHER_FIELDS, OtherFields::from_json)?,
    };
    let [price_per_unit_usd, units, amount, details @ ..] = numbers(row)?;
    let [execution_time_ms, prompt_tokens, completion_tokens] = details;
    Ok(LentEntry {
        timestamp: Timestamp::from_unix_ns(position.timestamp_ns),
        sku,
        price_per_unit_usd: price_per_unit_usd.ok_or(rusqlite::Error::QueryReturnedNoRows)?,
        units: units.ok_or(rusqlite::Error::QueryReturnedNoRows)?,
        amount: amount.ok_or(rusqlite::Error::QueryReturnedNoRows)?,
        currency,
        notes,
        request_id: optional_str(row, REQUEST_ID)?,
        execution_time_ms,
        prompt_tokens,
        completion_tokens,
        api_key_id,
        other_fields: other_fields.as_ref(),
    })
}

/// The same as an entry that owns its texts.
pub(crate) fn owned(
    row: &Row<'_>,
    connection: &Connection,
    scratch: &mut Scratch,
) -> rusqlite::Result<UsageEntry> {
    let lent = lend(row, position(row)?, connection, scratch)?;
    lent.to_entry().map_err(|cause| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, cause.into()))
}

#[inline]
fn integer(row: &Row<'_>, column: usize) -> rusqlite::Result<i64> {
    match row.get_ref(column)? {
        ValueRef::Integer(number) => Ok(number),
        // This call reports what is wrong with it.
        _ => row.get(column),
    }
}

fn optional_str<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Option<&'r str>> {
    Ok(row.get_ref(column)?.as_str_or_null()?)
}

/// The numbers of an entry as they are kept.
fn numbers_text(entry: &UsageEntry) -> String {
    let mut text = Vec::with_capacity(64);
    for (number, before) in [entry.price_per_unit_usd, entry.units, entry.amount].into_iter().zip(b"[,,") {
        text.push(*before);
        write_decimal(&mut text, number);
    }
    let details = entry.inference_details.as_ref();
    let details = details.map(|of| [of.execution_time_ms, of.prompt_tokens, of.completion_tokens]);
    if let Some(details) = details.filter(|details| details.iter().any(Option::is_some)) {
        for number in details {
            text.push(b',');
            match number {
                Some(number) => write_decimal(&mut text, number),
                None => text.extend_from_slice(NONE),
            }
        }
    }
    text.push(b']');
    String::from_utf8(text).unwrap_or_default()
}

/// The text for a number that an entry does not have.
const NONE: &[u8] = b"null";

/// The texts between the commas of kept numbers: three or six of them, and `None` for those that are missing. `None` as
/// a whole when it is no such array.
pub(crate) fn split_numbers(text: &[u8]) -> Option<[Option<&[u8]>; 6]> {
    let mut rest = text.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let mut numbers = [None; 6];
    for (place, number) in numbers.iter_mut().enumerate() {
        let end = rest.iter().position(|byte| *byte == b',');
        let (this, others) = end.map_or((rest, None), |end| (&rest[..end], Some(&rest[end + 1..])));
        *number = (this != NONE).then_some(this);
        match (others, place) {
            (Some(others), 0..5) => rest = others,
            (None, 2 | 5) => return Some(numbers),
            _ => return None,
        }
    }
    None
}

/// Units and amount of kept numbers; `None` for what is no number.
pub(crate) fn units_and_amount(numbers: ValueRef<'_>) -> [Option<Decimal>; 2] {
    let split = numbers.as_bytes().ok().and_then(split_numbers).unwrap_or_default();
    [split[1], split[2]].map(|text| parse_decimal(std::str::from_utf8(text?).ok()?).ok())
}

/// The numbers of the entry of a row of [`COLUMNS`]: price, units, amount, execution time, prompt and completion tokens.
#[inline]
fn numbers<'r>(row: &'r Row<'_>) -> rusqlite::Result<[Option<NumberText<'r>>; 6]> {
    let value = row.get_ref(NUMBERS)?;
    let ValueRef::Text(text) = value else { return Err(no_numbers(value)) };
    let split = split_numbers(text).ok_or_else(|| no_numbers(value))?;
    let mut numbers = [None; 6];
    for (number, text) in numbers.iter_mut().zip(split) {
        *number = match text {
            Some(text) => Some(NumberText::of_bytes(text).map_err(|_| no_numbers(value))?),
            None => None,
        };
    }
    Ok(numbers)
}

#[cold]
fn no_numbers(value: ValueRef<'_>) -> rusqlite::Error {
    let text = value.as_bytes().map(String::from_utf8_lossy).unwrap_or_default();
    let cause = format!("`{text}` are no numbers of an entry");
    rusqlite::Error::FromSqlConversionFailure(NUMBERS, Type::Text, cause.into())
}

/// Reads a column of text. A text that is no such value means that the file is damaged.
pub(crate) fn parse<T>(
    row: &Row<'_>,
    column: usize,
    read: impl FnOnce(&str) -> Result<T, ValueError>,
) -> rusqlite::Result<T> {
    read(row.get_ref(column)?.as_str()?)
        .map_err(|cause| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, cause.into()))
}

/// Reads rows of a currency and its sum, and puts them into the order of the currencies.
pub(crate) fn currency_sums(
    connection: &Connection,
    texts: &mut Texts,
    mut rows: Rows<'_>,
) -> rusqlite::Result<Vec<(Currency, Total)>> {
    let mut sums = Vec::new();
    while let Some(row) = rows.next()? {
        let currency = Currency::from(texts.text(connection, row.get(0)?)?);
        sums.push((currency, parse(row, 1, str::parse)?));
    }
    sums.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(sums)
}

/// Reads a number that is never negative.
pub(crate) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// The number as the engine has it. No ledger has 2⁶³ of anything.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
