//! Reads a kept entry for a check: what is wrong with it, and what it adds to sums and blocks.

use billing_engine::NO_TEXT;
use billing_engine::check::{EntryReader, EntryTexts, Facts, Share, Wrong, entry_place};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};

use super::words::held;
use crate::row::{NUMBERS, OTHER_FIELDS, REQUEST_ID, TextIds, split_numbers, text_ids};
use crate::strings::Texts;

const NUMBERS_OF_AN_ENTRY: &str = "a JSON array of 3 or 6 numbers";
const A_TEXT: &str = "a text in UTF-8";

/// Reads entries one after the other, from rows of [`COLUMNS`](crate::row::COLUMNS).
pub(super) struct Reader<'c> {
    connection: &'c Connection,
    texts: Texts,
    entry: EntryReader,
}

impl<'c> Reader<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, texts: Texts::default(), entry: EntryReader::default() }
    }

    /// Reads an entry, and gives what it adds to sums. A number that cannot be read counts as zero.
    pub(super) fn read(&mut self, row: &Row<'_>, wrong: &mut Wrong<'_>) -> rusqlite::Result<Facts<i64>> {
        let timestamp_ns = row.get(0)?;
        self.entry.begin(timestamp_ns);
        let ids = text_ids(row)?;
        self.read_numbers(row, wrong)?;
        self.read_texts(ids, wrong)?;
        let request_id = self.text(row.get_ref(REQUEST_ID)?, "request_id", wrong);
        self.entry.request_id(request_id);
        let other_fields = self.text(row.get_ref(OTHER_FIELDS)?, "other_fields", wrong);
        self.entry.other_fields(other_fields, wrong);
        let (amount, units) = self.entry.amount_and_units();
        let TextIds { sku, currency, api_key, .. } = ids;
        Ok(Facts { timestamp_ns, sku, currency, currency_key: currency, api_key, amount, units })
    }

    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// What the entry of a row adds to a block. Its faults are noted elsewhere.
    pub(super) fn share(&mut self, row: &Row<'_>) -> rusqlite::Result<Share<i64>> {
        let facts = self.read(row, &mut |_, _, _| {})?;
        Ok(self.share_of(&facts))
    }

    /// What the latest entry adds to a block; `facts` is what it adds to sums.
    pub(super) fn share_of(&self, facts: &Facts<i64>) -> Share<i64> {
        let Facts { timestamp_ns, currency, amount, .. } = *facts;
        Share { timestamp_ns, currency, amount, digests: self.entry.digests() }
    }

    fn read_numbers(&mut self, row: &Row<'_>, wrong: &mut Wrong<'_>) -> rusqlite::Result<()> {
        let value = row.get_ref(NUMBERS)?;
        let split = value.as_bytes().ok().and_then(split_numbers);
        // Zeros stand in for them, so that nothing more is noted about each.
        let split = split.unwrap_or_else(|| {
            self.entry.is_unreadable();
            wrong("numbers", held(value), NUMBERS_OF_AN_ENTRY.to_owned());
            [Some(b"0"), Some(b"0"), Some(b"0"), None, None, None]
        });
        self.entry.numbers(split, wrong);
        Ok(())
    }

    fn text<'r>(
        &mut self,
        value: ValueRef<'r>,
        field: &'static str,
        wrong: &mut Wrong<'_>,
    ) -> Option<&'r str> {
        let text = value.as_str_or_null();
        if text.is_err() {
            self.entry.is_unreadable();
            wrong(field, held(value), A_TEXT.to_owned());
        }
        text.ok().flatten()
    }

    /// Reads the texts that entries share.
    fn read_texts(&mut self, ids: TextIds, wrong: &mut Wrong<'_>) -> rusqlite::Result<()> {
        let TextIds { sku, currency, notes, api_key } = ids;
        let named = [("sku", sku), ("currency", currency), ("notes", notes), ("api_key", api_key)];
        let found = self.texts.look_up(self.connection, named.map(|(_, id)| id));
        if let Ok([Some(sku), Some(currency), Some(notes), api_key_id]) = found {
            self.entry.texts(EntryTexts { sku, currency, notes, api_key_id });
            return Ok(());
        }
        self.entry.is_unreadable();
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
}

/// Which entry a row is: its instant and its number.
pub(super) fn place(row: &Row<'_>) -> String {
    match (row.get(0), row.get(1)) {
        (Ok(timestamp_ns), Ok(sequence)) => entry_place(timestamp_ns, sequence),
        _ => "an entry".to_owned(),
    }
}
