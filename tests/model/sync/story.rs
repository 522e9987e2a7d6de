//! What happens to a source and its copy, drawn at random.

use billing_testkit::Moment;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::fault::{Fault, any_fault};

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 60 * MINUTE_S;
const DAY_S: i64 = 24 * HOUR_S;

/// How the sync is asked for, all the time, and what happens.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    /// The ledger is in memory, and not in a file.
    pub(crate) is_in_memory: bool,
    pub(crate) page_size: u32,
    pub(crate) walkers: u32,
    /// By page number, and not by cursor.
    pub(crate) by_number: bool,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// So many seconds pass.
    Time(i64),
    Change(Change),
    Sync(Run),
    Verify,
    /// Somebody writes to the ledger, and it is repaired.
    Repair(Vec<(Index, Tampering)>),
    /// A walk over the ledger's server begins.
    Open,
    /// One of these walks goes on for so many pages.
    GoOn(Index, usize),
}

/// A sync, and what comes between.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) is_full: bool,
    pub(crate) is_rehearsal: bool,
    /// So many seconds before the present.
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    pub(crate) ending: Ending,
    pub(crate) faults: Vec<(usize, Fault)>,
    /// What happens to the source before which request.
    pub(crate) meanwhile: Option<(usize, Change)>,
    /// The service hangs on windows that are narrow or empty.
    pub(crate) is_reluctant: bool,
}

/// How a sync ends, when nothing else ends it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    Complete,
    /// It is dropped when it has told so much.
    Dropped(usize),
    /// It is killed at this change of the ledger.
    Killed(usize, Moment),
}

/// Something that happens to the source.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Add(Lot),
    /// So many entries from there on have another amount.
    Amounts(Index, usize),
    /// They have another API key.
    Keys(Index, usize),
    /// They have another field that nobody documented.
    Fields(Index, usize),
    Vanish(Index, usize),
    /// What has vanished is there again.
    Return,
}

/// Entries that are new.
#[derive(Clone, Debug)]
pub(crate) struct Lot {
    pub(crate) place: Place,
    pub(crate) entries: usize,
    /// Milliseconds from one to the next.
    pub(crate) apart_ms: i64,
    pub(crate) kind: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// So many milliseconds before the present.
    Ago(i64),
    /// At an entry.
    With(Index),
}

/// What somebody does to a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tampering {
    Delete,
    Amount,
    Double,
}

fn any_change() -> impl Strategy<Value = Change> {
    let place = prop_oneof![
        4 => (1i64..900_000).prop_map(Place::Ago),
        2 => (1..DAY_S * 1000).prop_map(Place::Ago),
        2 => (1..400 * DAY_S * 1000).prop_map(Place::Ago),
        2 => any::<Index>().prop_map(Place::With),
    ];
    let entries = prop_oneof![20 => 1usize..5, 20 => 5usize..60, 2 => 60usize..300, 1 => 3_000usize..6_000];
    let apart_ms = select(vec![0, 0, 1, 1_000, 60_000, 3_600_000]);
    let lot = (place, entries, apart_ms, 0usize..4)
        .prop_map(|(place, entries, apart_ms, kind)| Change::Add(Lot { place, entries, apart_ms, kind }));
    let few = || (any::<Index>(), prop_oneof![6 => 1usize..4, 1 => 4usize..200]);
    prop_oneof![
        8 => lot,
        1 => few().prop_map(|(from, entries)| Change::Amounts(from, entries)),
        2 => few().prop_map(|(from, entries)| Change::Keys(from, entries)),
        1 => few().prop_map(|(from, entries)| Change::Fields(from, entries)),
        2 => few().prop_map(|(from, entries)| Change::Vanish(from, entries)),
        1 => Just(Change::Return),
    ]
}

fn any_run() -> impl Strategy<Value = Run> {
    let moment = select(vec![Moment::Before, Moment::After]);
    let ending = prop_oneof![
        6 => Just(Ending::Complete),
        2 => (1usize..14).prop_map(Ending::Dropped),
        2 => (1usize..4, moment).prop_map(|(change, moment)| Ending::Killed(change, moment)),
    ];
    let faults =
        prop_oneof![4 => Just(Vec::new()), 1 => prop::collection::vec((1usize..20, any_fault()), 1..7)];
    let ago = || prop::option::weighted(0.15, prop_oneof![1 => 1..2 * HOUR_S, 2 => 1..200 * DAY_S]);
    (
        (prop::bool::weighted(0.15), prop::bool::weighted(0.1), ago(), ago()),
        (ending, faults, prop::option::weighted(0.12, (1usize..12, any_change())), prop::bool::weighted(0.2)),
    )
        .prop_map(
            |((is_full, is_rehearsal, since, until), (ending, faults, meanwhile, is_reluctant))| Run {
                is_full,
                is_rehearsal,
                since,
                // A window that ends before it begins is refused elsewhere.
                until: until.filter(|until| since.is_none_or(|since| *until < since)),
                ending,
                faults,
                meanwhile,
                is_reluctant,
            },
        )
}

fn any_step() -> impl Strategy<Value = Step> {
    let seconds =
        prop_oneof![2 => 1..MINUTE_S, 3 => MINUTE_S..HOUR_S, 2 => HOUR_S..DAY_S, 2 => DAY_S..30 * DAY_S];
    let tampering = select(vec![Tampering::Delete, Tampering::Amount, Tampering::Double]);
    let tamperings = prop::collection::vec((any::<Index>(), tampering), 0..5);
    prop_oneof![
        3 => seconds.prop_map(Step::Time),
        6 => any_change().prop_map(Step::Change),
        5 => any_run().prop_map(Step::Sync),
        1 => Just(Step::Verify),
        2 => tamperings.prop_map(Step::Repair),
        2 => Just(Step::Open),
        3 => (any::<Index>(), 1usize..4).prop_map(|(walk, pages)| Step::GoOn(walk, pages)),
    ]
}

/// What there is at first. Where it is much, it is more than one window.
fn any_history() -> impl Strategy<Value = Vec<Lot>> {
    let entries = prop_oneof![12 => 20usize..200, 1 => 4_500usize..9_000];
    let apart_ms = select(vec![1, 1_000, 60_000, 600_000]);
    let lot = (1..300 * DAY_S * 1000, entries, apart_ms, 0usize..4)
        .prop_map(|(ms, entries, apart_ms, kind)| Lot { place: Place::Ago(ms), entries, apart_ms, kind });
    prop::collection::vec(lot, 0..4)
}

pub(crate) fn any_story() -> impl Strategy<Value = Story> {
    let page_size = prop_oneof![3 => 10u32..14, 3 => 14u32..120, 1 => Just(500)];
    let steps = prop::collection::vec(any_step(), 1..24);
    let asked = (prop::bool::weighted(0.15), page_size, 1u32..5, prop::bool::weighted(0.15));
    (asked, any_history(), steps).prop_map(
        |((is_in_memory, page_size, walkers, by_number), history, steps)| Story {
            is_in_memory,
            page_size,
            walkers,
            by_number,
            steps: history.into_iter().map(|lot| Step::Change(Change::Add(lot))).chain(steps).collect(),
        },
    )
}
