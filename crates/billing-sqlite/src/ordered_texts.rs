//! Texts behind numbers, and the order in which they stand.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;
use rusqlite::Connection;

/// The texts of one answer. Each is looked up once, and known by its place from then on.
#[derive(Default)]
pub(crate) struct OrderedTexts {
    /// The places of texts by their numbers.
    places: HashMap<i64, usize, RandomState>,
    /// In the order in which they came.
    texts: Vec<Box<str>>,
    /// Places, in the order of their texts.
    order: Vec<usize>,
    /// Which is the how manieth in that order, by their places.
    ranks: Vec<usize>,
}

impl OrderedTexts {
    /// The place of the text with this number.
    pub(crate) fn place(&mut self, connection: &Connection, id: i64) -> rusqlite::Result<usize> {
        match self.places.entry(id) {
            Entry::Occupied(place) => Ok(*place.get()),
            Entry::Vacant(vacant) => {
                let mut look_up = connection.prepare_cached("SELECT text FROM strings WHERE id = ?1")?;
                self.texts.push(look_up.query_row([id], |row| row.get(0))?);
                Ok(*vacant.insert(self.texts.len() - 1))
            }
        }
    }

    /// The text at a place.
    pub(crate) fn text(&self, place: usize) -> &str {
        &self.texts[place]
    }

    /// By their places, which text is the how manieth in the order of all that had come by the last [`rank`](Self::rank).
    pub(crate) fn ranks(&self) -> &[usize] {
        &self.ranks
    }

    /// Puts the texts that came since into the order.
    pub(crate) fn rank(&mut self) {
        // On most days of a ledger no text is new, and comparing numbers is much faster than comparing texts.
        if self.ranks.len() < self.texts.len() {
            self.order.extend(self.ranks.len()..self.texts.len());
            self.order.sort_by(|one, other| self.texts[*one].cmp(&self.texts[*other]));
            self.ranks.resize(self.texts.len(), 0);
            for (rank, place) in self.order.iter().enumerate() {
                self.ranks[*place] = rank;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_come_later_take_their_places_in_the_order() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "CREATE TABLE strings (id INTEGER PRIMARY KEY, text TEXT);
                 INSERT INTO strings VALUES (7, 'm'), (2, 'z'), (3, ''), (4, 'n'), (9, 'a');",
            )
            .unwrap();
        let mut texts = OrderedTexts::default();
        for (ids, expect) in [
            (&[7, 2, 7][..], &["m", "z"][..]),
            (&[3, 4], &["", "m", "n", "z"]),
            (&[2], &["", "m", "n", "z"]),
            (&[9], &["", "a", "m", "n", "z"]),
        ] {
            for id in ids {
                texts.place(&connection, *id).unwrap();
            }
            texts.rank();
            let mut found = vec![""; expect.len()];
            texts.ranks().iter().enumerate().for_each(|(place, rank)| found[*rank] = texts.text(place));
            assert_eq!(found, expect);
        }
        assert!(texts.place(&connection, 1).is_err());
    }
}
