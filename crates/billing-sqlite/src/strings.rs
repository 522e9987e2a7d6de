//! Texts that repeat from entry to entry, kept once each under a number.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use billing_engine::NO_TEXT;
use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension};

/// The most bytes of text that are remembered with their numbers. When there are more, all are dropped and looked up again.
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

/// Texts of an entry: its sku, currency, notes and key.
const MOST_TEXTS: usize = 4;

/// The texts behind the numbers of one answer.
#[derive(Default)]
pub(crate) struct Texts {
    known: HashMap<i64, Rc<str>, RandomState>,
    bytes: usize,
    /// The texts of the entry that was read last. Most are the same in the next entry.
    latest: [(i64, Option<Rc<str>>); MOST_TEXTS],
}

impl Texts {
    pub(crate) fn text(&mut self, connection: &Connection, id: i64) -> rusqlite::Result<&str> {
        self.shared(connection, id).map(|text| &**text)
    }

    fn shared(&mut self, connection: &Connection, id: i64) -> rusqlite::Result<&Rc<str>> {
        Ok(match self.known.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let mut look_up = connection.prepare_cached("SELECT text FROM strings WHERE id = ?1")?;
                let text: Rc<str> = look_up.query_row([id], |row| row.get(0))?;
                self.bytes += text.len() + OVERHEAD_BYTES;
                place.insert(text)
            }
        })
    }

    /// Looks up the texts of an entry, in the same order; `None` for [`NO_TEXT`].
    #[inline]
    pub(crate) fn look_up<const N: usize>(
        &mut self,
        connection: &Connection,
        ids: [i64; N],
    ) -> rusqlite::Result<[Option<&str>; N]> {
        const { assert!(N <= MOST_TEXTS) };
        if self.bytes > REMEMBERED_BYTES {
            self.known.clear();
            self.bytes = 0;
        }
        for (place, id) in ids.into_iter().enumerate() {
            if self.latest[place].0 != id {
                let text = if id == NO_TEXT { None } else { Some(Rc::clone(self.shared(connection, id)?)) };
                self.latest[place] = (id, text);
            }
        }
        Ok(std::array::from_fn(|place| self.latest[place].1.as_deref()))
    }
}
