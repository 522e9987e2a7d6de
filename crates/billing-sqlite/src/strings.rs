//! Texts that repeat from entry to entry, kept once each under a number.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use billing_model::OtherFields;
use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension};

/// The number that stands for no text; real ones begin at 1.
pub(crate) const NO_TEXT: i64 = 0;

/// Bytes of text that are remembered with their numbers. Beyond it, all are forgotten and looked up anew.
const REMEMBERED_BYTES: usize = 1 << 20;
/// What a remembered text costs beside its bytes, about.
const OVERHEAD_BYTES: usize = 64;

/// Finds the numbers of texts, and gives new ones, within the transaction of one import.
#[derive(Default)]
pub(crate) struct Interner {
    ids: HashMap<Box<str>, i64>,
    bytes: usize,
}

impl Interner {
    pub(crate) fn id(&mut self, connection: &Connection, text: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.ids.get(text) {
            return Ok(*id);
        }
        let id = match find(connection, text)? {
            Some(id) => id,
            None => {
                connection.prepare_cached("INSERT INTO strings (text) VALUES (?1)")?.execute([text])?;
                connection.last_insert_rowid()
            }
        };
        let bytes = text.len() + OVERHEAD_BYTES;
        if self.bytes + bytes > REMEMBERED_BYTES {
            self.ids.clear();
            self.bytes = 0;
        }
        if bytes <= REMEMBERED_BYTES {
            self.bytes += bytes;
            self.ids.insert(text.into(), id);
        }
        Ok(id)
    }
}

/// The number of a text, if an entry has ever had it.
pub(crate) fn find(connection: &Connection, text: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM strings WHERE text = ?1")?
        .query_row([text], |row| row.get(0))
        .optional()
}

/// The texts behind the numbers of one answer.
#[derive(Default)]
pub(crate) struct Texts {
    /// Those of the entry at hand.
    pub(crate) other_fields: Option<OtherFields>,
    known: HashMap<i64, Box<str>, RandomState>,
    bytes: usize,
}

impl Texts {
    pub(crate) fn text(&mut self, connection: &Connection, id: i64) -> rusqlite::Result<&str> {
        Ok(match self.known.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let mut look_up = connection.prepare_cached("SELECT text FROM strings WHERE id = ?1")?;
                let text: Box<str> = look_up.query_row([id], |row| row.get(0))?;
                self.bytes += text.len() + OVERHEAD_BYTES;
                place.insert(text)
            }
        })
    }

    /// Looks up the texts that are not known yet. Those of the call before may be forgotten.
    pub(crate) fn look_up(&mut self, connection: &Connection, ids: &[i64]) -> rusqlite::Result<()> {
        if self.bytes > REMEMBERED_BYTES {
            self.known.clear();
            self.bytes = 0;
        }
        ids.iter().filter(|id| **id != NO_TEXT).try_for_each(|id| self.text(connection, *id).map(drop))
    }

    /// A text that was looked up; none for [`NO_TEXT`].
    pub(crate) fn known(&self, id: i64) -> Option<&str> {
        self.known.get(&id).map(|text| &**text)
    }
}
