//! Groups on their way to rows.

use std::collections::HashMap;

use billing_model::Total;

use crate::facts::ABSENT;
use crate::group::Group;
use crate::tally::{Key, Tally};
use crate::trend::Lines;

/// A row whose labels are still codes. The sums stay where they are: a report may have a line for each request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'g> {
    pub(crate) key: Key,
    pub(crate) group: &'g Group,
    pub(crate) before: Option<&'g Group>,
    /// True for the rest of many, which have no label in common.
    pub(crate) is_rest: bool,
}

/// A line for each group, with its counterpart of the span before, and one for each group that only that span has.
pub(crate) fn lines<'g>(tally: &'g Tally, before: &'g HashMap<Key, Group>) -> Vec<Line<'g>> {
    static NOTHING: Group = Group::EMPTY;
    let of_window = tally.groups().iter();
    let of_window =
        of_window.map(|(key, group)| Line { key: *key, group, before: before.get(key), is_rest: false });
    let gone = before.iter().filter(|(key, _)| !tally.has(key));
    let gone =
        gone.map(|(key, group)| Line { key: *key, group: &NOTHING, before: Some(group), is_rest: false });
    of_window.chain(gone).collect()
}

/// Lines as one.
#[derive(Debug)]
pub(crate) struct Sum {
    pub(crate) key: Key,
    pub(crate) group: Group,
    pub(crate) before: Option<Group>,
    pub(crate) trend: Vec<Total>,
    /// How many rows it stands for, where it is the rest of them.
    pub(crate) rest: Option<u64>,
}

impl Sum {
    /// Its key is that of the first line.
    pub(crate) fn of(lines: &[Line<'_>], trend: Option<&Lines>) -> Self {
        let first = lines.first().map(|line| line.key);
        let key = first.unwrap_or(Key { currency: ABSENT, labels: [ABSENT; 2] });
        let mut sum = Self { key, group: Group::default(), before: None, trend: Vec::new(), rest: None };
        for line in lines {
            sum.group.merge(line.group);
            if let Some(before) = line.before {
                sum.before.get_or_insert_default().merge(before);
            }
            // All points of a trend are of the same days.
            let points = trend.map(|trend| trend.of(line.key)).unwrap_or_default();
            sum.trend.resize(points.len(), Total::default());
            sum.trend.iter_mut().zip(&points).for_each(|(point, more)| point.merge(more));
        }
        sum
    }

    /// The lines that are left out, as one. It has no label at that place.
    pub(crate) fn rest(lines: &[Line<'_>], place: usize, trend: Option<&Lines>) -> Self {
        let mut rest = Self::of(lines, trend);
        rest.key.labels[place] = ABSENT;
        rest.rest = u64::try_from(lines.len()).ok();
        rest
    }

    pub(crate) fn line(&self) -> Line<'_> {
        Line { key: self.key, group: &self.group, before: self.before.as_ref(), is_rest: self.rest.is_some() }
    }
}

/// Lines in order, and the rest of them as one.
#[derive(Debug)]
pub(crate) struct Section<'g> {
    pub(crate) lines: Vec<Line<'g>>,
    pub(crate) rest: Option<Sum>,
}
