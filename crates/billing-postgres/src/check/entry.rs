//! Reads a kept entry for a check: what is wrong with it, and what it adds to sums and blocks.

use billing_engine::check::{EntryReader, EntryTexts, Facts, Share, Wrong, entry_place, quoted};
use tokio_postgres::Row;

use crate::failure::Failure;
use crate::row::COLUMNS;
use crate::text::{kept, read};

use super::findings::{Text, Texts};

/// The columns that are read: the account, then [`COLUMNS`].
pub(super) fn columns() -> String {
    format!("account, {COLUMNS}")
}

/// Reads entries one after the other, from rows of [`columns`].
#[derive(Default)]
pub(super) struct Reader {
    pub(super) texts: Texts,
    entry: EntryReader,
}

impl Reader {
    /// Reads an entry, and gives what it adds to sums. A number that cannot be read counts as zero.
    pub(super) fn read(&mut self, row: &Row, wrong: &mut Wrong<'_>) -> Result<Facts<Text>, Failure> {
        let timestamp_ns = row.try_get(1)?;
        self.entry.begin(timestamp_ns);
        let text = |column: usize| row.try_get::<_, Option<&str>>(column);
        let number = |column: usize| Ok::<_, Failure>(text(column)?.map(str::as_bytes));
        let numbers = [number(4)?, number(5)?, number(6)?, number(10)?, number(11)?, number(12)?];
        self.entry.numbers(numbers, wrong);
        let (sku, currency, notes) = (row.try_get(3)?, row.try_get(7)?, row.try_get(8)?);
        let (request_id, api_key_id, other_fields) = (text(9)?, text(13)?, text(14)?);
        for (field, text) in [
            ("sku", Some(sku)),
            ("currency", Some(currency)),
            ("notes", Some(notes)),
            ("request_id", request_id),
            ("api_key_id", api_key_id),
            ("other_fields", other_fields),
        ] {
            if let Some(text) = text
                && !is_in_form(text)
            {
                wrong(field, quoted(text), "a text as texts are kept".to_owned());
            }
        }
        self.entry.texts(EntryTexts {
            sku: &read(sku),
            currency: &read(currency),
            notes: &read(notes),
            api_key_id: api_key_id.map(read).as_deref(),
        });
        self.entry.request_id(request_id.map(read).as_deref());
        self.entry.other_fields(other_fields.map(read).as_deref(), wrong);
        let (amount, units) = self.entry.amount_and_units();
        let currency = self.texts.text(currency);
        Ok(Facts {
            timestamp_ns,
            sku: self.texts.text(sku),
            currency_key: self.texts.currency_key(&currency),
            currency,
            api_key: api_key_id.and_then(|key| self.texts.text(key)),
            amount,
            units,
        })
    }

    /// What the entry of a row adds to a block. Its faults are noted elsewhere.
    pub(super) fn share(&mut self, row: &Row) -> Result<Share<Text>, Failure> {
        let facts = self.read(row, &mut |_, _, _| {})?;
        Ok(self.share_of(&facts))
    }

    /// What the latest entry adds to a block; `facts` is what it adds to sums.
    pub(super) fn share_of(&self, facts: &Facts<Text>) -> Share<Text> {
        let Facts { timestamp_ns, currency, amount, .. } = facts;
        let digests = self.entry.digests();
        Share { timestamp_ns: *timestamp_ns, currency: currency.clone(), amount: *amount, digests }
    }
}

/// True for a text in the one form in which it is kept.
fn is_in_form(text: &str) -> bool {
    kept(&read(text)) == text
}

/// The sequence number of a row.
pub(super) fn sequence(row: &Row) -> Result<i64, Failure> {
    Ok(row.try_get(2)?)
}

/// Which entry a row is: its instant and its number.
pub(super) fn place(row: &Row) -> String {
    match (row.try_get(1), row.try_get(2)) {
        (Ok(timestamp_ns), Ok(sequence)) => entry_place(timestamp_ns, sequence),
        _ => "an entry".to_owned(),
    }
}
