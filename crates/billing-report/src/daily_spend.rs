//! What was spent each day, and the daily rows that show it for the names with the greatest spend.

use std::borrow::Borrow;
use std::collections::HashSet;

use billing_model::{AnalyticsQuery, Day, DayRange, DaySeries, Total};

/// The name, in a daily row, of the sum of everything that has no number of its own there.
pub(crate) const OTHER: &str = "Other";

/// Bytes of the names in all daily rows of one kind, at most.
const DAILY_BYTES: usize = 4 << 20;

/// Sums by the day's place in the range, ascending. Days without spend take no room: there may be many skus and keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpendByDay(Vec<(usize, Total)>);

impl SpendByDay {
    pub(crate) fn add(&mut self, day: usize, spend: &Total) {
        // Most charges are of the same day as the one before, or of a later day, so the last sum is looked at first.
        match self.0.last_mut() {
            Some((last, sum)) if *last == day => sum.merge(spend),
            Some((last, _)) if *last > day => match self.0.binary_search_by_key(&day, |(day, _)| *day) {
                Ok(place) => self.0[place].1.merge(spend),
                Err(place) => self.0.insert(place, (day, spend.clone())),
            },
            _ => self.0.push((day, spend.clone())),
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (day, spend) in &other.0 {
            self.add(*day, spend);
        }
    }

    fn on(&self, day: usize) -> Total {
        let place = self.0.binary_search_by_key(&day, |(day, _)| *day);
        place.map_or_else(|_| Total::default(), |place| self.0[place].1.clone())
    }
}

/// The rows and the names in them. `ranked` has the greatest spend first. `name` is called once for each that gets a
/// number of its own, and gives its name.
///
/// Without `top_n` the first names get a number of their own and the others none. With it the others are summed as
/// [`OTHER`], and so they are when the names are too long.
pub(crate) fn daily_rows<N, S: Borrow<SpendByDay>>(
    days: DayRange,
    mut ranked: impl Iterator<Item = (N, S)>,
    top_n: Option<u32>,
    mut name: impl FnMut(N) -> String,
) -> (Vec<DaySeries>, Vec<String>) {
    let most = usize::try_from(top_n.unwrap_or(AnalyticsQuery::DEFAULT_TOP)).unwrap_or(usize::MAX);
    let (mut top, mut bytes, mut others) = (Vec::new(), 0, None::<SpendByDay>);
    while top.len() < most
        && let Some((wanted, spend)) = ranked.next()
    {
        let name = name(wanted);
        bytes += name.len() * days.count();
        if bytes > DAILY_BYTES {
            others = Some(spend.borrow().clone());
            break;
        }
        top.push((name, spend));
    }
    if top_n.is_some() || others.is_some() {
        for (_, spend) in ranked {
            others.get_or_insert_default().merge(spend.borrow());
        }
    }
    let row = |(place, day): (usize, Day)| {
        let named = top.iter().map(|(name, spend)| (name.clone(), spend.borrow().on(place)));
        let other = others.iter().map(|spend| (OTHER.to_owned(), spend.on(place)));
        DaySeries { date_unix_ms: day.start_unix_ms(), spend: named.chain(other).collect() }
    };
    let rows = days.iter().enumerate().map(row).collect();
    let names = top.iter().map(|(name, _)| name.clone()).chain(others.iter().map(|_| OTHER.to_owned()));
    (rows, names.collect())
}

/// Gives out names for daily rows. It gives each name once, and no name that means something else in a row.
pub(crate) struct RowNames(HashSet<String>);

impl RowNames {
    pub(crate) fn except(reserved: &[&str]) -> Self {
        Self([DaySeries::DATE, OTHER].iter().chain(reserved).map(|name| (*name).to_owned()).collect())
    }

    /// The wanted name, if it is free and not shared; else that name with a mark behind it that tells it from others.
    pub(crate) fn give(&mut self, wanted: &str, is_shared: bool, mark: &str) -> String {
        let marked = |name: &str| format!("{name} ({mark})");
        let mut name = if is_shared { marked(wanted) } else { wanted.to_owned() };
        while !self.0.insert(name.clone()) {
            name = marked(&name);
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(text: &str) -> Total {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_summed_in_whatever_order_they_come() {
        let mut spend = SpendByDay::default();
        for (day, amount) in [(3, "1"), (3, "0.5"), (1, "2"), (5, "4"), (1, "0.25"), (3, "1"), (0, "7")] {
            spend.add(day, &total(amount));
        }
        let found: Vec<_> = (0..7).map(|day| spend.on(day).to_string()).collect();
        assert_eq!(found, ["7", "2.25", "0", "2.5", "0", "4", "0"]);
    }

    fn rows(names: usize, top_n: Option<u32>) -> (Vec<DaySeries>, Vec<String>) {
        let named = |place: usize| {
            let mut spend = SpendByDay::default();
            spend.add(1, &total("0.1"));
            (format!("n{place}"), spend)
        };
        daily_rows(DayRange { first: Day(0), last: Day(1) }, (0..names).map(named), top_n, |name| name)
    }

    #[test]
    fn the_rest_is_summed_only_where_asked_for_and_there_is_one() {
        for (names, top_n, count, rest) in [
            (0, None, 0, None),
            (8, None, 8, None),
            (9, None, 8, None),
            (0, Some(3), 0, None),
            (3, Some(3), 3, None),
            (5, Some(3), 4, Some("0.2")),
        ] {
            let (rows, top) = rows(names, top_n);
            assert_eq!((rows.len(), top.len()), (2, count), "{names} {top_n:?}");
            for (row, date) in rows.iter().zip([0, 86_400_000]) {
                assert_eq!(row.date_unix_ms, date);
                assert!(row.spend.iter().map(|(name, _)| name).eq(&top));
            }
            let last = rows[1].spend.last().filter(|(name, _)| name == OTHER);
            assert_eq!(last.map(|(_, spend)| spend.clone()), rest.map(total));
        }
    }

    #[test]
    fn names_are_given_once() {
        let mut names = RowNames::except(&["Web App"]);
        for (wanted, is_shared, mark, given) in [
            ("laptop", false, "k1", "laptop"),
            ("shared", true, "k2", "shared (k2)"),
            ("shared", true, "k3", "shared (k3)"),
            ("shared (k3)", false, "k4", "shared (k3) (k4)"),
            ("date", false, "k5", "date (k5)"),
            ("Other", false, "k6", "Other (k6)"),
            ("Web App", false, "k7", "Web App (k7)"),
            ("", false, "k8", ""),
        ] {
            assert_eq!(names.give(wanted, is_shared, mark), given);
        }
    }
}
