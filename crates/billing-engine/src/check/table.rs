//! The tables that are kept beside the entries, as a check compares them: their keys, and their rows in words.

use billing_ledger::{Checked, DifferenceKind};
use billing_model::is_credit;

use crate::counts::LEVELS;
use crate::span::{NS_PER_DAY, Span, day_of_unix_ns};

use super::findings::{Facts, Findings};
use super::words::{day_name, side, slot_name};

/// A table whose rows are made anew from entries.
pub trait Table<T>: Copy {
    /// The key of a row, in the order of the table.
    type Key: Ord + Clone;

    /// What a row of it that differs is.
    const KIND: DifferenceKind;

    /// True when its rows have sums of amounts, and of units.
    const HAS_TOTALS: (bool, bool);

    /// The key of the row that an entry goes into.
    fn key(self, facts: &Facts<T>) -> Self::Key;

    /// The slot of time of a row, by its number; `None` for a table whose rows are of all time. Entries come slot by slot.
    fn slot(self, key: &Self::Key) -> Option<i64>;

    /// The time of a slot.
    fn span(self, slot: Option<i64>) -> Span;

    /// Which row it is.
    fn place<F: Findings<Text = T>>(self, key: &Self::Key, findings: &F) -> String;

    /// Where rows of it are counted.
    fn checked(self, checked: &mut Checked) -> &mut u64;
}

/// Counts of one of [`LEVELS`], by its place there. The key is slot and currency.
#[derive(Clone, Copy, Debug)]
pub struct Counts(pub usize);

impl Counts {
    fn width_ns(self) -> i64 {
        LEVELS.get(self.0).map_or(NS_PER_DAY, |(_, width_ns)| *width_ns)
    }
}

impl<T: Ord + Clone> Table<T> for Counts {
    type Key = (i64, T);

    const KIND: DifferenceKind = DifferenceKind::Count;
    const HAS_TOTALS: (bool, bool) = (false, false);

    fn key(self, facts: &Facts<T>) -> Self::Key {
        (facts.timestamp_ns.div_euclid(self.width_ns()), facts.currency_key.clone())
    }

    fn slot(self, key: &Self::Key) -> Option<i64> {
        Some(key.0)
    }

    fn span(self, slot: Option<i64>) -> Span {
        slot.map_or(Span::ALL, |slot| Span::of_slot(slot, self.width_ns()))
    }

    fn place<F: Findings<Text = T>>(self, (slot, currency): &Self::Key, findings: &F) -> String {
        format!("{}, {}", slot_name(self.0, *slot), findings.text(currency))
    }

    fn checked(self, checked: &mut Checked) -> &mut u64 {
        &mut checked.counts
    }
}

/// The key is day, product, currency, API key and side.
#[derive(Clone, Copy, Debug)]
pub struct Rollups;

impl<T: Ord + Clone> Table<T> for Rollups {
    type Key = (i64, T, T, T, i64);

    const KIND: DifferenceKind = DifferenceKind::Rollup;
    const HAS_TOTALS: (bool, bool) = (true, true);

    fn key(self, facts: &Facts<T>) -> Self::Key {
        let day = day_of_unix_ns(facts.timestamp_ns).0;
        let texts = (facts.sku.clone(), facts.currency.clone(), facts.api_key.clone());
        (day, texts.0, texts.1, texts.2, is_credit(facts.amount).into())
    }

    fn slot(self, key: &Self::Key) -> Option<i64> {
        Some(key.0)
    }

    fn span(self, slot: Option<i64>) -> Span {
        slot.map_or(Span::ALL, |day| Span::of_slot(day, NS_PER_DAY))
    }

    fn place<F: Findings<Text = T>>(self, key: &Self::Key, findings: &F) -> String {
        let (day, sku, currency, api_key, is_credit) = key;
        let (sku, currency) = (findings.text(sku), findings.text(currency));
        let api_key = findings.key_name(api_key);
        format!("{}, {sku}, {currency}, {api_key}, {}", day_name(*day), side(*is_credit))
    }

    fn checked(self, checked: &mut Checked) -> &mut u64 {
        &mut checked.rollups
    }
}

/// The key is currency and side.
#[derive(Clone, Copy, Debug)]
pub struct Balances;

impl<T: Ord + Clone> Table<T> for Balances {
    type Key = (T, i64);

    const KIND: DifferenceKind = DifferenceKind::Balance;
    const HAS_TOTALS: (bool, bool) = (true, false);

    fn key(self, facts: &Facts<T>) -> Self::Key {
        (facts.currency_key.clone(), is_credit(facts.amount).into())
    }

    fn slot(self, _: &Self::Key) -> Option<i64> {
        None
    }

    fn span(self, _: Option<i64>) -> Span {
        Span::ALL
    }

    fn place<F: Findings<Text = T>>(self, (currency, is_credit): &Self::Key, findings: &F) -> String {
        format!("{}, {}", findings.text(currency), side(*is_credit))
    }

    fn checked(self, checked: &mut Checked) -> &mut u64 {
        &mut checked.balances
    }
}
