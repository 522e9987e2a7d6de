//! Sums of entries by day, sku, currency and API key, gathered until they are stored.

use std::collections::btree_map;
use std::collections::{BTreeMap, HashMap};

use billing_model::{Day, Decimal, Total, is_credit};

use crate::counts::{MinuteCounts, SlotChange};
use crate::span::day_of_unix_ns;

/// The number that stands for no text, of an entry without an API key. Numbers of texts begin at 1.
pub const NO_TEXT: i64 = 0;

/// The key of the sum that an entry goes into. What the numbers of texts mean, the engine says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Line {
    /// The day of the entry.
    pub day: Day,
    /// The number of its sku.
    pub sku: i64,
    /// The number of its currency.
    pub currency: i64,
    /// The number of its API key, or [`NO_TEXT`].
    pub api_key: i64,
    /// True when its amount is money in.
    pub is_credit: bool,
}

/// What an entry adds to counts and sums, with its texts as numbers.
#[derive(Clone, Copy, Debug)]
pub struct Summand {
    /// The instant of the entry, in nanoseconds since 1970.
    pub timestamp_ns: i64,
    /// The number of its sku.
    pub sku: i64,
    /// The number of its currency.
    pub currency: i64,
    /// The number of its API key, or [`NO_TEXT`].
    pub api_key: i64,
    /// Its amount, in its currency.
    pub amount: Decimal,
    /// Its units.
    pub units: Decimal,
}

/// The sums of entries that come in, less those of entries that are taken out.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    /// How many entries they are of. Below zero more are taken out than come in.
    pub entries: i64,
    /// The sum of their amounts.
    pub amount: Total,
    /// The sum of their units.
    pub units: Total,
}

impl Sums {
    /// Adds other sums to these.
    pub fn merge(&mut self, other: &Self) {
        self.entries += other.entries;
        self.amount.merge(&other.amount);
        self.units.merge(&other.units);
    }
}

/// The changes of a transaction to sums and counts. They are gathered, so that each row is read and written once for
/// many entries.
#[derive(Debug, Default)]
pub struct Deltas {
    lines: HashMap<Line, Sums>,
    minutes: MinuteCounts,
}

impl Deltas {
    /// Lines and minutes that are gathered, at most: about a MiB of each.
    const CAPACITY: usize = 8192;

    /// Adds an entry to sums and counts.
    pub fn add(&mut self, summand: &Summand) {
        let sums = self.line(summand);
        sums.entries += 1;
        sums.amount.add(summand.amount);
        sums.units.add(summand.units);
        self.minutes.count(summand.timestamp_ns, summand.currency, 1);
    }

    /// Takes an entry back out of the sums and counts.
    pub fn subtract(&mut self, summand: &Summand) {
        let sums = self.line(summand);
        sums.entries -= 1;
        sums.amount.add(-summand.amount);
        sums.units.add(-summand.units);
        self.minutes.count(summand.timestamp_ns, summand.currency, -1);
    }

    fn line(&mut self, summand: &Summand) -> &mut Sums {
        let Summand { timestamp_ns, sku, currency, api_key, amount, .. } = *summand;
        let is_credit = is_credit(amount);
        let line = Line { day: day_of_unix_ns(timestamp_ns), sku, currency, api_key, is_credit };
        self.lines.entry(line).or_default()
    }

    /// True when so much is gathered that it is time to store it.
    pub fn is_full(&self) -> bool {
        self.lines.len().max(self.minutes.len()) >= Self::CAPACITY
    }

    /// What the counts change by, in the order of level, slot and currency. None are gathered then.
    pub fn drain_slots(&mut self) -> Vec<SlotChange> {
        self.minutes.drain_slots()
    }

    /// What the sums change by, in the order of their lines. None are gathered then.
    ///
    /// A line whose entries cancel out is among them: units and amount of what comes may differ from those of what goes.
    pub fn drain_lines(&mut self) -> Vec<(Line, Sums)> {
        let mut lines: Vec<_> = self.lines.drain().collect();
        // They are stored in the order of the table, so that neighbours are on the same page.
        lines.sort_unstable_by_key(|(line, _)| *line);
        lines
    }
}

/// The changes of an account's balances: sums by the number of the currency, and whether they are money in.
#[derive(Clone, Debug, Default)]
pub struct Balances(BTreeMap<(i64, bool), Sums>);

impl Balances {
    /// Adds the sums of a line.
    pub fn add(&mut self, line: &Line, sums: &Sums) {
        self.0.entry((line.currency, line.is_credit)).or_default().merge(sums);
    }
}

impl IntoIterator for Balances {
    type Item = ((i64, bool), Sums);
    type IntoIter = btree_map::IntoIter<(i64, bool), Sums>;

    /// The changes in order.
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::NS_PER_DAY;

    fn summand(timestamp_ns: i64, sku: i64, amount: &str) -> Summand {
        let amount = amount.parse().unwrap();
        Summand { timestamp_ns, sku, currency: 1, api_key: NO_TEXT, amount, units: "2".parse().unwrap() }
    }

    fn texts(lines: &[(Line, Sums)]) -> Vec<(i64, i64, bool, i64, String, String)> {
        let text = |(line, sums): &(Line, Sums)| {
            let Sums { entries, amount, units } = sums;
            (line.day.0, line.sku, line.is_credit, *entries, amount.to_string(), units.to_string())
        };
        lines.iter().map(text).collect()
    }

    #[test]
    fn entries_of_a_line_are_summed_exactly_and_lines_come_in_order() {
        let mut deltas = Deltas::default();
        for (at_ns, sku, amount) in
            [(NS_PER_DAY, 4, "-0.1"), (0, 5, "-1e-300"), (0, 5, "-0.2"), (0, 4, "3"), (-1, 9, "-7")]
        {
            deltas.add(&summand(at_ns, sku, amount));
        }
        deltas.subtract(&summand(0, 5, "-0.2"));
        deltas.subtract(&summand(NS_PER_DAY, 6, "-8"));
        let lines = deltas.drain_lines();
        let line = |day, sku, is_credit, entries, amount: &str, units: &str| {
            (day, sku, is_credit, entries, amount.to_owned(), units.to_owned())
        };
        assert_eq!(
            texts(&lines),
            [
                line(-1, 9, false, 1, "-7", "2"),
                line(0, 4, true, 1, "3", "2"),
                line(0, 5, false, 1, "-1e-300", "2"),
                line(1, 4, false, 1, "-0.1", "2"),
                line(1, 6, false, -1, "8", "-2"),
            ],
        );
        assert!(deltas.drain_lines().is_empty());
        let minutes: i64 =
            deltas.drain_slots().iter().filter(|slot| slot.level == 3).map(|slot| slot.entries).sum();
        assert_eq!(minutes, 3);

        let mut balances = Balances::default();
        lines.iter().for_each(|(line, sums)| balances.add(line, sums));
        let balances: Vec<_> = balances.into_iter().collect();
        let [((1, false), spent), ((1, true), credited)] = balances.as_slice() else {
            panic!("{balances:?}")
        };
        assert_eq!((spent.entries, credited.entries), (2, 1));
        let whole: Total =
            ["-7", "-1e-300", "-0.1", "8"].into_iter().fold(Total::default(), |mut sum, amount| {
                sum.add(amount.parse().unwrap());
                sum
            });
        assert_eq!(
            (spent.amount.to_string(), credited.amount.to_string()),
            (whole.to_string(), "3".to_owned())
        );
    }

    #[test]
    fn deltas_are_full_of_lines_or_of_minutes_alone() {
        let mut of_lines = Deltas::default();
        let mut of_minutes = Deltas::default();
        for at in 0..8192 {
            assert!(!of_lines.is_full() && !of_minutes.is_full(), "{at}");
            of_lines.add(&summand(0, at, "-1"));
            of_minutes.add(&summand(at * 60_000_000_000, 1, "-1"));
        }
        assert!(of_lines.is_full() && of_minutes.is_full());
        of_lines.drain_lines();
        of_minutes.drain_slots();
        assert!(!of_lines.is_full() && !of_minutes.is_full());
    }
}
