//! The spend of rows day by day, which is drawn as a small line. Rows that are by time have none.

use std::collections::HashMap;

use billing_model::{Day, DayRange, Total};

use crate::dimension::Dimension;
use crate::facts::Recoded;
use crate::group::Number;
use crate::question::Question;
use crate::tally::{Dimensions, Key, labelled};
use crate::zone::Zone;

/// The most points of a line.
const POINTS: i64 = 31;

/// The most rows that have lines. Nobody looks at more, and days of each would take memory.
pub(crate) const ROWS: usize = 1_000;

/// The spend of each group on each day.
#[derive(Clone, Debug)]
pub(crate) struct Trend {
    dimensions: Dimensions,
    days: HashMap<(Key, Day), Total>,
    ends: Option<DayRange>,
}

impl Trend {
    /// For a question whose rows are by one thing that lasts; `None` for any other.
    pub(crate) fn of(question: &Question) -> Option<Self> {
        let lasts = matches!(
            question.by.first,
            Dimension::Model | Dimension::Sku | Dimension::Currency | Dimension::Key | Dimension::Kind
        );
        let dimensions = labelled(question.by);
        (lasts && question.by.second.is_none()).then(|| Self { dimensions, days: HashMap::new(), ends: None })
    }

    /// The zone of its days: UTC where sums of UTC days are enough for the question, so that its answer is the same whether sums or
    /// entries were read.
    pub(crate) fn zone(question: &Question) -> Zone {
        if question.needs_entries() { question.zone } else { Zone::UTC }
    }

    pub(crate) fn add(&mut self, key: Key, day: Day, is_credit: bool, amount: Number<'_>) {
        self.reach(DayRange { first: day, last: day });
        if !is_credit {
            amount.take_from(self.days.entry((key, day)).or_default());
        }
    }

    fn reach(&mut self, days: DayRange) {
        let ends = self.ends.get_or_insert(days);
        *ends = DayRange { first: ends.first.min(days.first), last: ends.last.max(days.last) };
    }

    pub(crate) fn merge(&mut self, other: &Self, recoded: &Recoded) {
        for ((key, day), spend) in &other.days {
            let key = key.recoded(self.dimensions, recoded);
            self.days.entry((key, *day)).or_default().merge(spend);
        }
        if let Some(ends) = other.ends {
            self.reach(ends);
        }
    }

    /// The lines, from the window's first day to its last; where an end is open, from the first day with entries or to the last.
    pub(crate) fn into_lines(self, question: &Question) -> Option<Lines> {
        let (first, last) = Self::zone(question).days_of(question.window);
        let first = first.or(self.ends.map(|ends| ends.first))?;
        let last = last.or(self.ends.map(|ends| ends.last))?;
        let days = (last.0 - first.0 + 1).max(1);
        let step = (days + POINTS - 1) / POINTS;
        let mut lines = Lines {
            step,
            points: usize::try_from((days + step - 1) / step).unwrap_or_default(),
            spend: HashMap::new(),
        };
        for ((key, day), spend) in self.days {
            let point = usize::try_from((day.0 - first.0) / step).unwrap_or_default();
            let line = lines.spend.entry(key).or_insert_with(|| vec![Total::default(); lines.points]);
            if let Some(total) = line.get_mut(point) {
                total.merge(&spend);
            }
        }
        Some(lines)
    }
}

/// The lines of groups.
#[derive(Debug)]
pub(crate) struct Lines {
    step: i64,
    points: usize,
    spend: HashMap<Key, Vec<Total>>,
}

impl Lines {
    /// How many days a point stands for.
    pub(crate) fn days_per_point(&self) -> u32 {
        u32::try_from(self.step).unwrap_or(u32::MAX)
    }

    /// The line of a group, which has no spend where nothing was spent.
    pub(crate) fn of(&self, key: Key) -> Vec<Total> {
        self.spend.get(&key).cloned().unwrap_or_else(|| vec![Total::default(); self.points])
    }
}
