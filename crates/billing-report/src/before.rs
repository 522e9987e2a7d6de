//! The counterparts in the window of the rows of the span before.

use std::collections::HashMap;

use billing_model::Day;

use crate::dimension::Dimension;
use crate::facts::Code;
use crate::group::Group;
use crate::labels::Labels;
use crate::question::Question;
use crate::tally::{Dimensions, Key, Tally, labelled};

/// The sums of the span before.
#[derive(Debug, Default)]
pub(crate) struct Before {
    /// By the keys of their counterparts in the window. What has no counterpart is left out.
    pub(crate) groups: HashMap<Key, Group>,
    /// All of it, by currency.
    pub(crate) totals: HashMap<Code, Group>,
}

impl Before {
    pub(crate) fn new(tally: Tally, question: &Question, labels: &Labels) -> Self {
        let counterparts = Counterparts::of(question, labels);
        let mut before = Self::default();
        for (key, group) in tally.into_groups() {
            before.totals.entry(key.currency).or_default().merge(&group);
            if let Some(labels) = counterparts.labels(key.labels) {
                before.groups.insert(Key { labels, ..key }, group);
            }
        }
        before
    }
}

/// Which labels of the window stand against which of the span before.
struct Counterparts<'a> {
    labels: &'a Labels,
    dimensions: Dimensions,
    each: [Option<Counterpart>; 2],
}

impl<'a> Counterparts<'a> {
    fn of(question: &Question, labels: &'a Labels) -> Self {
        let dimensions = labelled(question.by);
        let each = dimensions.map(|by| Counterpart::of(by?, question, labels));
        Self { labels, dimensions, each }
    }

    /// The labels of the window that stand against these.
    fn labels(&self, [first, second]: [Code; 2]) -> Option<[Code; 2]> {
        let label = |place: usize, code| self.each[place].map_or(Some(code), |each| each.label(code));
        match self.dimensions {
            // Where both follow from the day, each on its own would make pairs that no day has: a Monday that is a Tuesday's date.
            [Some(one), Some(other)] if one.follows_from_day() && other.follows_from_day() => {
                let day = match (one, other) {
                    (Dimension::Day, _) => label(0, first)?,
                    (_, Dimension::Day) => label(1, second)?,
                    // Weeks begin on other days of the month in the span before, so no part of one stands against a part of another.
                    _ => return None,
                };
                Some([one, other].map(|by| self.labels.of_day(by, Day(day.into()))))
            }
            _ => Some([label(0, first)?, label(1, second)?]),
        }
    }
}

/// Spans stand against each other by their place from the start of their windows: the first day against the first day.
#[derive(Clone, Copy, Debug)]
enum Counterpart {
    /// The same distance from one start as from the other, up to the last span of the window.
    Shifted { by: i64, last: Option<Code> },
    /// The window has no start to count from.
    None,
}

impl Counterpart {
    /// `None` where equal labels stand against each other.
    fn of(dimension: Dimension, question: &Question, labels: &Labels) -> Option<Self> {
        let previous = question.previous.filter(|_| dimension.is_span())?;
        let code = |day| labels.of_day(dimension, day);
        let (first, last) = question.zone.days_of(question.window);
        let (start, _) = question.zone.days_of(previous);
        Some(match first.zip(start) {
            Some((first, start)) => {
                Self::Shifted { by: i64::from(code(first)) - i64::from(code(start)), last: last.map(code) }
            }
            None => Self::None,
        })
    }

    fn label(self, code: Code) -> Option<Code> {
        let Self::Shifted { by, last } = self else { return None };
        let shifted = Code::try_from(i64::from(code) + by).ok()?;
        last.is_none_or(|last| shifted <= last).then_some(shifted)
    }
}
