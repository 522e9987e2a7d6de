//! Sums under names that nobody knows beforehand.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use crate::hashed::Hashed;

/// Values under names. A name is stored when it first comes. All names are in one piece of memory, which goes back to
/// the system as a whole, however many there were.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByName<T> {
    names: String,
    rows: Vec<Row<T>>,
    hashes: RandomState,
    /// The latest row of each hash.
    places: HashMap<u64, usize, Hashed>,
    /// The row of the last call's name: the next call mostly has the same name.
    last: usize,
}

#[derive(Clone, Debug)]
struct Row<T> {
    name: Range<usize>,
    value: T,
    /// The latest of the earlier rows whose name has the same hash.
    before: Option<usize>,
}

impl<T: Default> ByName<T> {
    /// The value of a name, a new one when there is none yet.
    pub(crate) fn of(&mut self, name: &str) -> &mut T {
        self.entry(name).1
    }

    /// The place of a name, and its value.
    pub(crate) fn entry(&mut self, name: &str) -> (usize, &mut T) {
        let place = self.place_of(name);
        (place, &mut self.rows[place].value)
    }

    /// The place of a name in the order in which they came, from 0. It stays the same.
    pub(crate) fn place_of(&mut self, name: &str) -> usize {
        if self.rows.get(self.last).is_none_or(|last| self.names[last.name.clone()] != *name) {
            self.last = self.place(name);
        }
        self.last
    }

    /// The name at a place; an empty one where there is none.
    pub(crate) fn name_at(&self, place: usize) -> &str {
        self.rows.get(place).map_or("", |row| &self.names[row.name.clone()])
    }

    fn place(&mut self, name: &str) -> usize {
        let latest = self.places.entry(self.hashes.hash_one(name)).or_insert(usize::MAX);
        let before = Some(*latest).filter(|place| *place < self.rows.len());
        let mut known = before;
        while let Some(place) = known {
            let row = &self.rows[place];
            if self.names[row.name.clone()] == *name {
                return place;
            }
            known = row.before;
        }
        let start = self.names.len();
        self.names.push_str(name);
        *latest = self.rows.len();
        self.rows.push(Row { name: start..self.names.len(), value: T::default(), before });
        *latest
    }

    /// The memory that it takes, about, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        /// Bytes of a row, with its place among the hashes and what its value may hold.
        const ROW: usize = 512;
        self.names.len() + self.rows.len() * ROW
    }

    /// Names and values, in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.rows.iter().map(|row| (&self.names[row.name.clone()], &row.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_hash_are_told_apart() {
        let mut names = ByName::<i32>::default();
        let mut add = |name: &str, seems: &str| {
            let hash = |name: &str| names.hashes.hash_one(name);
            let (from, to) = (hash(seems), hash(name));
            if let Some(place) = names.places.get(&from).copied() {
                names.places.insert(to, place);
            }
            *names.of(name) += 1;
        };
        add("a", "a");
        add("b", "a");
        // Now `b` is the latest row of the hash that both share.
        add("a", "b");
        add("b", "b");
        add("c", "a");
        let found: Vec<_> = names.iter().collect();
        assert_eq!(found, [("a", &2), ("b", &2), ("c", &1)]);
    }
}
