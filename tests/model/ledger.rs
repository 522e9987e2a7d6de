//! Random ledgers, and windows whose borders fall where it hurts.

use std::fmt;

use billing_model::{Currency, TimeWindow, Timestamp, UsageEntry};
use billing_testkit::any_entry;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Entries of a ledger, at most.
const MOST: usize = 400;

const START_NS: i64 = 1_750_000_000_000_000_000;
const MS: i64 = 1_000_000;
const S: i64 = 1000 * MS;
const HOUR: i64 = 3600 * S;
const DAY: i64 = 24 * HOUR;

/// Entries that follow one another: after a pause, so many, so far apart.
#[derive(Clone, Debug)]
struct Burst {
    pause_ns: i64,
    entries: usize,
    apart_ns: i64,
    /// Which of the ledger's entries it repeats, and how many of them in turn: one alone is equal to the last byte.
    kind: usize,
    kinds: usize,
}

fn any_burst() -> impl Strategy<Value = Burst> {
    let pause_ns = prop_oneof![
        1 => Just(0),
        2 => 1..2 * MS,
        2 => MS..10 * S,
        2 => HOUR..DAY,
        // Months in which nothing happens.
        2 => 20 * DAY..200 * DAY,
    ];
    let entries = prop_oneof![2 => 1usize..4, 3 => 4usize..40, 2 => 40usize..150];
    let apart_ns = prop_oneof![
        3 => Just(0),
        1 => 1i64..1000,
        // Finer than the borders that a service can read.
        2 => 1000..MS,
        2 => prop::sample::select(vec![MS, 17 * MS, S]),
        2 => S..HOUR,
    ];
    (pause_ns, entries, apart_ns, 0usize..3, 1usize..3).prop_map(
        |(pause_ns, entries, apart_ns, kind, kinds)| Burst { pause_ns, entries, apart_ns, kind, kinds },
    )
}

/// The entries of a ledger, shown on a page.
#[derive(Clone)]
pub(crate) struct Ledger(pub(crate) Vec<UsageEntry>);

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for equal in self.0.chunk_by(|one, other| one == other) {
            let [entry, ..] = equal else { continue };
            list.entry(&format_args!(
                "{} × {} {} {}",
                equal.len(),
                entry.timestamp,
                entry.amount,
                entry.currency
            ));
        }
        list.finish()
    }
}

/// Any ledger, ascending: bursts, equal entries, more of them at one instant than a page holds, and long times without any.
pub(crate) fn any_ledger() -> impl Strategy<Value = Ledger> {
    let kinds = prop::collection::vec((any_entry(), any_currency()), 1..4).no_shrink();
    (kinds, prop::collection::vec(any_burst(), 0..10)).prop_map(|(kinds, bursts)| {
        let mut at_ns = START_NS;
        let mut ledger = Vec::new();
        for Burst { pause_ns, entries, apart_ns, kind, kinds: in_turn } in bursts {
            at_ns += pause_ns;
            for number in 0..entries.min(MOST - ledger.len()) {
                let (entry, currency) = kinds[(kind + number % in_turn) % kinds.len()].clone();
                let timestamp = Timestamp::from_unix_ns(at_ns);
                ledger.push(UsageEntry { timestamp, currency: currency.unwrap_or(entry.currency), ..entry });
                at_ns += apart_ns;
            }
        }
        Ledger(ledger)
    })
}

/// A currency that both endpoints can be asked for, mostly.
pub(crate) fn any_currency() -> impl Strategy<Value = Option<Currency>> {
    select(vec![Some(Currency::Usd), Some(Currency::Usd), Some(Currency::Diem), None])
}

/// A place in time that matters to a ledger.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// So long before its first entry.
    Before(i64),
    /// So long after its last entry.
    After(i64),
    /// At one of its entries, or so far from it.
    Near(Index, i64),
}

impl Place {
    /// The instant, in a ledger.
    pub(crate) fn of(&self, ledger: &[UsageEntry]) -> Timestamp {
        let at_ns = |entry: Option<&UsageEntry>| {
            entry.and_then(|entry| entry.timestamp.unix_ns()).unwrap_or(START_NS)
        };
        Timestamp::from_unix_ns(match self {
            Self::Before(ns) => at_ns(ledger.first()) - ns,
            Self::After(ns) => at_ns(ledger.last()) + ns,
            Self::Near(_, ns) if ledger.is_empty() => START_NS + ns,
            Self::Near(index, ns) => at_ns(Some(index.get(ledger))) + ns,
        })
    }
}

fn any_distance() -> impl Strategy<Value = i64> {
    select(vec![1, 999, MS / 2, MS, 700 * MS, HOUR, 30 * DAY])
}

/// A place at an entry or close to one.
pub(crate) fn any_near() -> impl Strategy<Value = Place> {
    let offset = select(vec![0, 0, 0, 1, -1, MS / 2, -MS / 2, MS, -MS, HOUR, -HOUR]);
    (any::<Index>(), offset).prop_map(|(index, offset)| Place::Near(index, offset))
}

/// A window of a ledger; not seldom all of it.
#[derive(Clone, Debug)]
pub(crate) struct Borders {
    since: Option<Place>,
    until: Option<Place>,
}

pub(crate) fn any_borders() -> impl Strategy<Value = Borders> {
    let since = prop_oneof![
        3 => any_distance().prop_map(|ns| Some(Place::Before(ns))),
        2 => any_near().prop_map(Some),
        1 => Just(None),
    ];
    let until = prop_oneof![
        4 => any_distance().prop_map(|ns| Some(Place::After(ns))),
        3 => any_near().prop_map(Some),
        1 => Just(None),
    ];
    (since, until).prop_map(|(since, until)| Borders { since, until })
}

impl Borders {
    /// The window of a ledger. Borders in the wrong order are exchanged.
    pub(crate) fn of(&self, ledger: &[UsageEntry]) -> TimeWindow {
        let [since, until] =
            [&self.since, &self.until].map(|place| place.as_ref().map(|place| place.of(ledger)));
        let window = match (since, until) {
            (Some(since), Some(until)) if since == until => TimeWindow::new(Some(since), Some(until.next())),
            (Some(since), Some(until)) if since > until => TimeWindow::new(Some(until), Some(since)),
            _ => TimeWindow::new(since, until),
        };
        window.unwrap()
    }
}
