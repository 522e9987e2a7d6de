//! Sums of entries that have the same labels.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;

use crate::dimension::{By, Dimension};
use crate::facts::{ABSENT, Code, Recoded};
use crate::group::{Group, Portion};
use crate::labels::{Labelled, Labels};

/// What entries have in common whose sums are one row: their currency and the codes of their labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) currency: Code,
    /// By the dimensions of the tally; what it has none for is [`ABSENT`].
    pub(crate) labels: [Code; 2],
}

/// Up to two dimensions without the currency, which every row has.
pub(crate) type Dimensions = [Option<Dimension>; 2];

/// The dimensions of a question without the currency.
pub(crate) fn labelled(by: By) -> Dimensions {
    let mut dimensions = by.dimensions().filter(|dimension| *dimension != Dimension::Currency);
    [dimensions.next(), dimensions.next()]
}

/// Groups of entries by their labels.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) dimensions: Dimensions,
    /// Codes are numbers that are given here, so nobody chooses what hashes alike.
    places: HashMap<Key, u32, RandomState>,
    groups: Vec<(Key, Group)>,
    /// The place of the last entry's group: the next one mostly has the same.
    last: usize,
}

impl Tally {
    pub(crate) fn new(dimensions: Dimensions) -> Self {
        Self { dimensions, places: HashMap::default(), groups: Vec::new(), last: 0 }
    }

    /// The key of an entry.
    pub(crate) fn key(&self, labels: &mut Labels, currency: Code, of: &Labelled<'_>) -> Key {
        let code = |dimension: Option<Dimension>| dimension.map_or(ABSENT, |by| labels.code(by, of));
        Key { currency, labels: self.dimensions.map(code) }
    }

    pub(crate) fn add(&mut self, key: Key, portion: &Portion<'_>) {
        self.group(key).add(portion);
    }

    fn group(&mut self, key: Key) -> &mut Group {
        if self.groups.get(self.last).is_none_or(|(last, _)| *last != key) {
            self.last = match self.places.entry(key) {
                Entry::Occupied(place) => *place.get() as usize,
                Entry::Vacant(vacant) => {
                    vacant.insert(place(self.groups.len()));
                    self.groups.push((key, Group::default()));
                    self.groups.len() - 1
                }
            };
        }
        &mut self.groups[self.last].1
    }

    /// Adds what another tally of the same dimensions has, under the codes that its names have here.
    pub(crate) fn merge(&mut self, other: Self, recoded: &Recoded) {
        for (key, group) in other.groups {
            let key = key.recoded(self.dimensions, recoded);
            match self.places.entry(key) {
                Entry::Occupied(place) => self.groups[*place.get() as usize].1.merge(&group),
                Entry::Vacant(vacant) => {
                    vacant.insert(place(self.groups.len()));
                    self.groups.push((key, group));
                }
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    pub(crate) fn has(&self, key: &Key) -> bool {
        self.places.contains_key(key)
    }

    pub(crate) fn groups(&self) -> &[(Key, Group)] {
        &self.groups
    }

    pub(crate) fn into_groups(self) -> Vec<(Key, Group)> {
        self.groups
    }
}

/// Four billion groups do not fit into memory.
fn place(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

impl Key {
    /// The key under other codes.
    pub(crate) fn recoded(self, dimensions: Dimensions, recoded: &Recoded) -> Self {
        let [first, second] = self.labels;
        let label = |dimension: Option<Dimension>, code| {
            dimension.map_or(ABSENT, |dimension| Labels::recoded(dimension, code, recoded))
        };
        Self {
            currency: recoded.currency(self.currency),
            labels: [label(dimensions[0], first), label(dimensions[1], second)],
        }
    }
}
