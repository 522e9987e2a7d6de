//! An entry as a row of its table, both ways.

use billing_ledger::{AccountId, Position};
use billing_model::{
    Decimal, InferenceDetails, LentEntry, NumberText, OtherFields, Timestamp, UsageEntry, ValueError,
    decimal_text,
};
use rusqlite::types::{Type, ValueRef};
use rusqlite::{CachedStatement, Connection, Row, params};

use crate::strings::{NO_TEXT, Texts};

/// The columns of an entry, in the order of [`insert`] and [`decode`]; the account stands before them.
pub(crate) const COLUMNS: &str = "timestamp_ns, sequence, sku, price_per_unit_usd, units, amount, currency, notes, \
     api_key, request_id, execution_time_ms, prompt_tokens, completion_tokens, other_fields";

/// The texts of an entry that are kept once.
#[derive(Clone, Copy)]
pub(crate) struct TextIds {
    pub(crate) sku: i64,
    pub(crate) currency: i64,
    pub(crate) notes: i64,
    pub(crate) api_key: i64,
}

/// Writes an entry with a statement that takes the account and then [`COLUMNS`].
pub(crate) fn insert(
    statement: &mut CachedStatement<'_>,
    account: AccountId,
    position: Position,
    ids: TextIds,
    entry: &UsageEntry,
) -> rusqlite::Result<()> {
    let details = entry.inference_details.as_ref();
    let text = |number: fn(&InferenceDetails) -> Option<Decimal>| details.and_then(number).map(decimal_text);
    statement.execute(params![
        account.0,
        position.timestamp_ns,
        signed(position.sequence),
        ids.sku,
        decimal_text(entry.price_per_unit_usd),
        decimal_text(entry.units),
        decimal_text(entry.amount),
        ids.currency,
        ids.notes,
        ids.api_key,
        details.and_then(|details| details.request_id.as_deref()),
        text(|details| details.execution_time_ms),
        text(|details| details.prompt_tokens),
        text(|details| details.completion_tokens),
        entry.other_fields.as_ref().map(OtherFields::as_str),
    ])?;
    Ok(())
}

/// The texts of an entry by their numbers, from a row of [`COLUMNS`].
pub(crate) fn text_ids(row: &Row<'_>) -> rusqlite::Result<TextIds> {
    Ok(TextIds {
        sku: integer(row, 2)?,
        currency: integer(row, 6)?,
        notes: integer(row, 7)?,
        api_key: integer(row, 8)?,
    })
}

/// The place of an entry, from a row of [`COLUMNS`].
pub(crate) fn position(row: &Row<'_>) -> rusqlite::Result<Position> {
    Ok(Position { timestamp_ns: row.get(0)?, sequence: count(row, 1)? })
}

/// What of an entry that is lent is not in its row.
#[derive(Default)]
pub(crate) struct Scratch {
    texts: Texts,
    other_fields: Option<OtherFields>,
}

/// Lends the entry of a row of [`COLUMNS`].
pub(crate) fn lend<'r>(
    row: &'r Row<'_>,
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
    *other_fields = match row.get_ref(13)? {
        ValueRef::Null => None,
        _ => parse(row, 13, OtherFields::from_json)?,
    };
    Ok(LentEntry {
        timestamp: Timestamp::from_unix_ns(integer(row, 0)?),
        sku,
        price_per_unit_usd: number(row, 3)?,
        units: number(row, 4)?,
        amount: number(row, 5)?,
        currency,
        notes,
        request_id: optional_str(row, 9)?,
        execution_time_ms: optional_number(row, 10)?,
        prompt_tokens: optional_number(row, 11)?,
        completion_tokens: optional_number(row, 12)?,
        api_key_id,
        other_fields: other_fields.as_ref(),
    })
}

/// The same as an entry of one's own.
pub(crate) fn owned(
    row: &Row<'_>,
    connection: &Connection,
    scratch: &mut Scratch,
) -> rusqlite::Result<UsageEntry> {
    let lent = lend(row, connection, scratch)?;
    lent.to_entry().map_err(|cause| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, cause.into()))
}

/// The text of a number, none for [`NO_TEXT`].
pub(crate) fn optional_text(
    id: i64,
    connection: &Connection,
    texts: &mut Texts,
) -> rusqlite::Result<Option<String>> {
    if id == NO_TEXT {
        return Ok(None);
    }
    texts.text(connection, id).map(|text| Some(text.to_owned()))
}

#[inline]
fn integer(row: &Row<'_>, column: usize) -> rusqlite::Result<i64> {
    match row.get_ref(column)? {
        ValueRef::Integer(number) => Ok(number),
        // Says what is wrong with it.
        _ => row.get(column),
    }
}

fn optional_str<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Option<&'r str>> {
    Ok(row.get_ref(column)?.as_str_or_null()?)
}

#[inline]
fn number<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<NumberText<'r>> {
    let value = row.get_ref(column)?;
    text_of_number(value).ok_or_else(|| no_number(value, column))
}

#[inline]
fn optional_number<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<Option<NumberText<'r>>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => number(row, column).map(Some),
    }
}

#[inline]
fn text_of_number(value: ValueRef<'_>) -> Option<NumberText<'_>> {
    match value {
        ValueRef::Text(text) => NumberText::of_bytes(text).ok(),
        _ => None,
    }
}

#[cold]
fn no_number(value: ValueRef<'_>, column: usize) -> rusqlite::Error {
    match value.as_str().map(NumberText::new) {
        Ok(Err(cause)) => rusqlite::Error::FromSqlConversionFailure(column, Type::Text, cause.into()),
        Err(cause) => cause.into(),
        Ok(Ok(_)) => rusqlite::Error::QueryReturnedNoRows,
    }
}

/// Reads a column of text; what is not the text of such a value is the file's fault.
pub(crate) fn parse<T>(
    row: &Row<'_>,
    column: usize,
    read: impl FnOnce(&str) -> Result<T, ValueError>,
) -> rusqlite::Result<T> {
    read(row.get_ref(column)?.as_str()?)
        .map_err(|cause| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, cause.into()))
}

/// Reads a number that is never negative.
pub(crate) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// As the engine counts. No ledger holds 2⁶³ of anything.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
