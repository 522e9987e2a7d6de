//! What a check has found so far; and the parts of a ledger that belong to no account.

use billing_engine::check::{self, Facts, Findings as _, Notes, Values, look_at_key, quoted, quoted_bytes};
use billing_engine::{NO_TEXT, Span};
use billing_ledger::{Checked, Difference, DifferenceKind, ErrorKind};
use billing_model::{Decimal, parse_decimal};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error;
use crate::row::units_and_amount;

use super::difference;

/// The most messages about the file that the engine is asked for. One lost page can make thousands.
const MOST_MESSAGES: u32 = 1000;

/// Entries between two calls of `progress`: some milliseconds.
const PROGRESS_EVERY: u64 = 4096;

pub(super) struct Findings<'c, F> {
    pub(super) connection: &'c Connection,
    pub(super) notes: Notes,
    /// The first and the last sequence number of the account's hidden entries, which no sum has. When none is hidden, the last is
    /// lower than the first.
    pub(super) hidden: (i64, i64),
    progress: F,
}

impl<F: FnMut(&Checked)> check::Findings for Findings<'_, F> {
    type Text = i64;
    type Error = rusqlite::Error;

    fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }

    fn text(&self, id: &i64) -> String {
        let sql = "SELECT text FROM strings WHERE id = ?1";
        let found = self.connection.prepare_cached(sql).and_then(|mut select| {
            let text = |row: &Row<'_>| Ok(String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned());
            select.query_row([id], text).optional()
        });
        match found {
            Ok(Some(text)) => quoted(&text),
            _ => format!("text {id}"),
        }
    }

    fn key_name(&self, api_key: &i64) -> String {
        match *api_key {
            NO_TEXT => "no API key".to_owned(),
            _ => format!("API key {}", self.text(api_key)),
        }
    }

    fn read_again(&self, account: i64, span: Span, add: &mut dyn FnMut(&Facts<i64>)) -> rusqlite::Result<()> {
        let mut select = self.connection.prepare_cached(
            "SELECT timestamp_ns, sku, currency, api_key, numbers FROM entries
             WHERE account = ?1 AND timestamp_ns BETWEEN ?2 AND ?3 AND sequence NOT BETWEEN ?4 AND ?5",
        )?;
        let (first, last) = self.hidden;
        let mut rows = select.query((account, span.first_ns, span.last_ns, first, last))?;
        while let Some(row) = rows.next()? {
            // What is no number counts as zero. The first reading has noted it.
            let [units, amount] = units_and_amount(row.get_ref(4)?).map(Option::unwrap_or_default);
            let (sku, currency, api_key) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let timestamp_ns = row.get(0)?;
            add(&Facts { timestamp_ns, sku, currency, currency_key: currency, api_key, amount, units });
        }
        Ok(())
    }
}

impl<'c, F: FnMut(&Checked)> Findings<'c, F> {
    pub(super) fn new(connection: &'c Connection, progress: F) -> Self {
        Self { connection, notes: Notes::default(), hidden: (0, -1), progress }
    }

    /// Checks everything. A part that cannot be read because the file is damaged is a finding, and the other parts are
    /// still checked.
    pub(super) fn look(&mut self) -> rusqlite::Result<()> {
        let looked = self.look_at_file();
        self.bear("the file", looked)?;
        let looked = self.look_at_texts();
        self.bear("the texts", looked)?;
        let looked = self.look_at_keys();
        self.bear("the keys", looked)?;
        let looked = self.look_at_block_numbers();
        self.bear("the blocks", looked)?;
        let looked = self.look_at_accounts();
        self.bear("the accounts", looked)
    }

    /// Notes damage to the file, and passes on every other error.
    pub(super) fn bear(&mut self, part: &str, looked: rusqlite::Result<()>) -> rusqlite::Result<()> {
        match looked {
            Err(cause) if error::kind_of(&cause) == ErrorKind::Corrupt => {
                self.is_damaged(part, &cause.to_string());
                Ok(())
            }
            looked => looked,
        }
    }

    fn is_damaged(&mut self, part: &str, words: &str) {
        let Difference { kind, place, field, held, expected, .. } = difference::of_damage(part, words);
        self.add(kind, |_| place, Values { field, held, expected });
    }

    pub(super) fn count_entry(&mut self) {
        self.notes.report.checked.entries += 1;
        if self.notes.report.checked.entries.is_multiple_of(PROGRESS_EVERY) {
            (self.progress)(&self.notes.report.checked);
        }
    }

    /// Runs the engine's own check of the file: each page, each row, each index.
    pub(super) fn look_at_file(&mut self) -> rusqlite::Result<()> {
        let mut select = self.connection.prepare(&format!("PRAGMA integrity_check({MOST_MESSAGES})"))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let words = row.get_ref(0)?.as_str()?;
            if words != "ok" {
                self.is_damaged("the file", words);
            }
        }
        Ok(())
    }

    pub(super) fn look_at_texts(&mut self) -> rusqlite::Result<()> {
        let mut select = self.connection.prepare("SELECT id, text FROM strings")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            self.notes.report.checked.texts += 1;
            let (id, text): (i64, _) = (row.get(0)?, row.get_ref(1)?);
            if text.as_str().is_err() {
                let held = text.as_bytes().map_or_else(|_| "no text".to_owned(), quoted_bytes);
                let values = Values::new("text", Some(held), Some("a text in UTF-8".to_owned()));
                self.add(DifferenceKind::Text, |_| format!("text {id}"), values);
            }
        }
        Ok(())
    }

    pub(super) fn look_at_keys(&mut self) -> rusqlite::Result<()> {
        let mut select = self.connection.prepare(
            "SELECT id, account, length(digest), EXISTS (SELECT 1 FROM accounts WHERE accounts.id = keys.account)
             FROM keys",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let id = quoted_bytes(row.get_ref(0)?.as_bytes()?);
            look_at_key(&id, (row.get(1)?, row.get(3)?), row.get(2)?, self);
        }
        Ok(())
    }
}

/// Reads a number: `None` for NULL, and an error for a value that is no number.
pub(super) fn decimal(value: ValueRef<'_>) -> Result<Option<Decimal>, ()> {
    let text = value.as_str_or_null().map_err(drop)?;
    text.map(parse_decimal).transpose().map_err(drop)
}
