//! What a check has found so far; and the parts of a ledger that belong to no account.

use billing_ledger::{Checked, Difference, DifferenceKind, ErrorKind, Report};
use billing_model::{Decimal, parse_decimal};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error;

use super::difference;
use super::words::{length, quoted, quoted_bytes};

/// The most messages about the file that the engine is asked for. One lost page can make thousands.
const MOST_MESSAGES: u32 = 1000;

/// Entries between two calls of `progress`: some milliseconds.
const PROGRESS_EVERY: u64 = 4096;

pub(super) struct Findings<'c, F> {
    pub(super) connection: &'c Connection,
    pub(super) report: Report,
    /// The account that is being checked.
    pub(super) account: Option<String>,
    progress: F,
}

/// The field of a difference, and both values.
pub(super) struct Values {
    pub(super) field: &'static str,
    pub(super) held: Option<String>,
    pub(super) expected: Option<String>,
}

impl<'c, F: FnMut(&Checked)> Findings<'c, F> {
    pub(super) fn new(connection: &'c Connection, progress: F) -> Self {
        Self { connection, report: Report::default(), account: None, progress }
    }

    /// Notes a difference. Its place is put into words only when it is listed.
    pub(super) fn add(&mut self, kind: DifferenceKind, place: impl FnOnce(&Self) -> String, values: Values) {
        let found = self.report.found.entry(kind).or_default();
        *found += 1;
        if *found <= Report::LISTED {
            let Values { field, held, expected } = values;
            let (account, place) = (self.account.clone(), place(self));
            let difference = Difference { kind, account, place, field, held, expected };
            self.report.differences.push(difference);
        }
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
        self.report.checked.entries += 1;
        if self.report.checked.entries.is_multiple_of(PROGRESS_EVERY) {
            (self.progress)(&self.report.checked);
        }
    }

    /// The text that has this number, in quotes.
    pub(super) fn text(&self, id: i64) -> String {
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
            self.report.checked.texts += 1;
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
            self.report.checked.keys += 1;
            let (account, digest_bytes): (i64, i64) = (row.get(1)?, row.get(2)?);
            let id = quoted_bytes(row.get_ref(0)?.as_bytes()?);
            if !row.get::<_, bool>(3)? {
                let held = format!("account {account}");
                let values = Values::new("account", Some(held), Some("an account that is there".to_owned()));
                self.add(DifferenceKind::Key, |_| id.clone(), values);
            }
            if digest_bytes != DIGEST_BYTES {
                let values = Values::new("digest", Some(length(digest_bytes)), Some(length(DIGEST_BYTES)));
                self.add(DifferenceKind::Key, |_| id, values);
            }
        }
        Ok(())
    }
}

/// Bytes of a digest, of a key or of a batch.
pub(super) const DIGEST_BYTES: i64 = 32;

impl Values {
    pub(super) fn new(field: &'static str, held: Option<String>, expected: Option<String>) -> Self {
        Self { field, held, expected }
    }
}

/// Reads a number: `None` for NULL, and an error for a value that is no number.
pub(super) fn decimal(value: ValueRef<'_>) -> Result<Option<Decimal>, ()> {
    let text = value.as_str_or_null().map_err(drop)?;
    text.map(parse_decimal).transpose().map_err(drop)
}
