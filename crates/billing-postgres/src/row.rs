//! Entries as rows: read from columns, and written as PostgreSQL's binary COPY has them ("File Formats" of its COPY).

use std::borrow::Cow;

use billing_ledger::{AccountId, Position, Taken};
use billing_model::{LentEntry, NumberText, OtherFields, Timestamp, UsageEntry, write_decimal};
use bytes::{BufMut, BytesMut};
use tokio_postgres::Row;

use crate::failure::Failure;
use crate::text;

/// The columns of an entry, in the order in which rows are read.
pub(crate) const COLUMNS: &str = "timestamp_ns, sequence, sku, price_per_unit_usd, units, amount, currency, notes, request_id, \
     execution_time_ms, prompt_tokens, completion_tokens, api_key_id, other_fields";

/// What an entry has beside its account and its place: [`COLUMNS`] without the first two.
pub(crate) const REST: &str = COLUMNS.split_at("timestamp_ns, sequence, ".len()).1;

/// Copies entries in: the account, and then [`COLUMNS`].
pub(crate) const COPY: &str = "COPY entries (account, timestamp_ns, sequence, sku, price_per_unit_usd, units, amount, currency, notes, \
     request_id, execution_time_ms, prompt_tokens, completion_tokens, api_key_id, other_fields) FROM STDIN (FORMAT binary)";

/// Copies entries in that were taken out: the account, the number of the removal, and then [`COLUMNS`].
pub(crate) const COPY_REMOVED: &str = "COPY removed (account, removal, timestamp_ns, sequence, sku, price_per_unit_usd, units, amount, \
     currency, notes, request_id, execution_time_ms, prompt_tokens, completion_tokens, api_key_id, other_fields) \
     FROM STDIN (FORMAT binary)";

/// The columns of an entry beside its place.
const OWN_COLUMNS: i16 = 12;

/// What a binary copy begins with.
pub(crate) const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What it ends with.
pub(crate) const TRAILER: &[u8] = &[0xff, 0xff];

/// Writes an entry as a row of [`COPY`].
pub(crate) fn write(rows: &mut BytesMut, account: AccountId, position: Position, entry: &UsageEntry) {
    rows.put_i16(OWN_COLUMNS + 3);
    write_numbers(rows, &[account.0, position.timestamp_ns, signed(position.sequence)]);
    write_own(rows, entry);
}

/// Writes an entry that was taken out as a row of [`COPY_REMOVED`].
pub(crate) fn write_removed(rows: &mut BytesMut, account: AccountId, taken: Taken, entry: &UsageEntry) {
    let Taken { removal, position } = taken;
    rows.put_i16(OWN_COLUMNS + 4);
    write_numbers(rows, &[account.0, signed(removal), position.timestamp_ns, signed(position.sequence)]);
    write_own(rows, entry);
}

fn write_numbers(rows: &mut BytesMut, numbers: &[i64]) {
    for number in numbers {
        rows.put_i32(8);
        rows.put_i64(*number);
    }
}

fn write_own(rows: &mut BytesMut, entry: &UsageEntry) {
    let mut number = Vec::with_capacity(40);
    let mut write_number = |rows: &mut BytesMut, value| {
        number.clear();
        write_decimal(&mut number, value);
        write_bytes(rows, &number);
    };
    write_text(rows, &entry.sku);
    for value in [entry.price_per_unit_usd, entry.units, entry.amount] {
        write_number(rows, value);
    }
    write_text(rows, entry.currency.as_str());
    write_text(rows, &entry.notes);
    let details = entry.inference_details.as_ref();
    write_text_if_any(rows, details.and_then(|details| details.request_id.as_deref()));
    let numbers = details.map(|of| [of.execution_time_ms, of.prompt_tokens, of.completion_tokens]);
    for value in numbers.unwrap_or_default() {
        match value {
            Some(value) => write_number(rows, value),
            None => rows.put_i32(NULL),
        }
    }
    write_text_if_any(rows, entry.api_key_id.as_deref());
    write_text_if_any(rows, entry.other_fields.as_ref().map(OtherFields::as_str));
}

/// The length of a value that is not there.
const NULL: i32 = -1;

fn write_text_if_any(rows: &mut BytesMut, value: Option<&str>) {
    match value {
        Some(value) => write_text(rows, value),
        None => rows.put_i32(NULL),
    }
}

fn write_text(rows: &mut BytesMut, value: &str) {
    write_bytes(rows, text::kept(value).as_bytes());
}

fn write_bytes(rows: &mut BytesMut, value: &[u8]) {
    // A longer text than the database takes is refused by it: the length is then one that no row can have.
    rows.put_i32(i32::try_from(value.len()).unwrap_or(i32::MAX));
    rows.put_slice(value);
}

/// The place of an entry, from a row of [`COLUMNS`].
pub(crate) fn position(row: &Row) -> Result<Position, Failure> {
    Ok(Position { timestamp_ns: row.try_get(0)?, sequence: count(row, 1)? })
}

/// Room for what a lent entry needs beside its row: texts that are kept in another form, and other fields.
#[derive(Default)]
pub(crate) struct Scratch {
    texts: [Option<String>; 5],
    other_fields: Option<OtherFields>,
}

/// Lends the entry of a row of [`COLUMNS`], which is at this place.
pub(crate) fn lend<'r>(
    row: &'r Row,
    position: Position,
    scratch: &'r mut Scratch,
) -> Result<LentEntry<'r>, Failure> {
    let Scratch { texts, other_fields } = scratch;
    let [sku, currency, notes, request_id, api_key_id] = texts;
    *other_fields = match row.try_get::<_, Option<&str>>(13)? {
        Some(kept) => OtherFields::from_json(&text::read(kept))?,
        None => None,
    };
    Ok(LentEntry {
        timestamp: Timestamp::from_unix_ns(position.timestamp_ns),
        sku: read(sku, row.try_get(2)?),
        price_per_unit_usd: number(row, 3)?,
        units: number(row, 4)?,
        amount: number(row, 5)?,
        currency: read(currency, row.try_get(6)?),
        notes: read(notes, row.try_get(7)?),
        request_id: row.try_get::<_, Option<_>>(8)?.map(|kept| read(request_id, kept)),
        execution_time_ms: number_if_any(row, 9)?,
        prompt_tokens: number_if_any(row, 10)?,
        completion_tokens: number_if_any(row, 11)?,
        api_key_id: row.try_get::<_, Option<_>>(12)?.map(|kept| read(api_key_id, kept)),
        other_fields: other_fields.as_ref(),
    })
}

/// The same as an entry that owns its texts.
pub(crate) fn owned(row: &Row, scratch: &mut Scratch) -> Result<UsageEntry, Failure> {
    Ok(lend(row, position(row)?, scratch)?.to_entry()?)
}

/// The text that is kept so; one that is kept in another form is put into `place`.
fn read<'r>(place: &'r mut Option<String>, kept: &'r str) -> &'r str {
    match text::read(kept) {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => place.insert(text),
    }
}

fn number(row: &Row, column: usize) -> Result<NumberText<'_>, Failure> {
    Ok(NumberText::of_bytes(row.try_get::<_, &str>(column)?.as_bytes())?)
}

fn number_if_any(row: &Row, column: usize) -> Result<Option<NumberText<'_>>, Failure> {
    match row.try_get::<_, Option<&str>>(column)? {
        Some(text) => Ok(Some(NumberText::of_bytes(text.as_bytes())?)),
        None => Ok(None),
    }
}

/// Reads a number that is never negative.
pub(crate) fn count(row: &Row, column: usize) -> Result<u64, Failure> {
    let number: i64 = row.try_get(column)?;
    u64::try_from(number).map_err(|_| Failure::damaged(format!("it has {number} of something")))
}

/// The number as the database has it. No ledger has 2⁶³ of anything.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
