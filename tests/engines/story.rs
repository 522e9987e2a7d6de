//! What happens to both ledgers, and what is looked at afterwards, drawn at random.

use billing_ledger::{Filter, KeyKind};
use billing_model::{
    Currency, Decimal, OtherFields, SortOrder, TimeWindow, Timestamp, UsageEntry, parse_decimal,
};
use billing_sample::History;
use billing_testkit::ledger_suite::house::{any_filter, any_mixed_entries, any_near_timestamp};
use billing_testkit::{any_decimal, any_entries, entry_at};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::requests::{Request, any_request};

/// Names of accounts, not in the order of their bytes.
pub(crate) const NAMES: [&str; 6] = ["main", "Zoë", "a b", "ä", "😀", "Main"];

/// Ids of keys, and what is known of the key by them.
pub(crate) const KEYS: usize = 4;

/// Contents of files, told apart by their digests.
pub(crate) const FILES: u8 = 3;

/// Idempotency keys, of which two are strange.
pub(crate) const BATCHES: [&str; 5] = ["1", "2", "a key", "\u{0}", "\u{1}\u{2}"];

/// What happens, and what is looked at after each step.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    pub(crate) steps: Vec<(Step, Look)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// The account with one of [`NAMES`] is made or found, and perhaps becomes a copy of a service.
    Account {
        name: usize,
        is_copy: bool,
    },
    /// A name that nobody can read is refused.
    BadName(&'static str),
    Batches(Vec<Sent>),
    Import(Imported),
    /// An import begins, and goes on in steps of its own.
    Begin(Index),
    Write(Vec<UsageEntry>),
    /// It ends, or is dropped.
    End {
        is_dropped: bool,
    },
    Change(Changed),
    Repair(Changed, TimeWindow),
    /// The account becomes a copy of a service.
    Source(Index, Option<Timestamp>),
    Allocation(Index, Option<Decimal>),
    Key {
        number: usize,
        account: Index,
        kind: KeyKind,
        description: String,
    },
    Revoke(usize),
    Uses(Vec<(usize, i64)>),
    Remove(Index),
    /// A walk begins.
    Open {
        account: Index,
        filter: Filter,
        limit: u32,
    },
    /// One of the walks goes on for so many pages.
    GoOn(Index, usize),
    /// A batch comes over the API.
    Post {
        account: Index,
        key: &'static str,
        entries: Vec<UsageEntry>,
    },
    /// Both ledgers are closed and opened.
    Reopen,
}

/// A batch; which of the digests it has is told by `version`.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) account: Index,
    pub(crate) key: String,
    pub(crate) version: u8,
    pub(crate) entries: Vec<UsageEntry>,
}

/// An import of files. Entries of the last lot belong to no file.
#[derive(Clone, Debug)]
pub(crate) struct Imported {
    pub(crate) account: Index,
    pub(crate) files: Vec<File>,
    pub(crate) rest: Vec<UsageEntry>,
    pub(crate) is_dropped: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) content: u8,
    pub(crate) name: String,
    pub(crate) again: bool,
    pub(crate) entries: Vec<UsageEntry>,
}

/// A change. Entries are named by their places among those of the account.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    pub(crate) account: Index,
    pub(crate) remove: Vec<Index>,
    pub(crate) amend: Vec<(Index, Option<String>, Option<OtherFields>)>,
    pub(crate) add: Vec<UsageEntry>,
    /// An entry that is not there is named too.
    pub(crate) is_lost: bool,
    /// The state that it is for: none, the present one, or one that is so far from it.
    pub(crate) seen: Option<u64>,
    /// What was walked: from an hour on, or from before every entry, so many hours.
    pub(crate) cover: Option<(i64, bool, Vec<i64>)>,
}

/// What is looked at.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) account: Index,
    pub(crate) filter: Filter,
    pub(crate) order: SortOrder,
    pub(crate) limit: u32,
    /// Which page, among all and two behind them.
    pub(crate) page: Index,
    /// Days from the first to the last.
    pub(crate) days: (i64, i64),
    /// At which entry, sum or block whoever looks has seen enough.
    pub(crate) enough: usize,
    pub(crate) requests: Vec<Request>,
}

pub(crate) fn any_story(most: usize) -> impl Strategy<Value = Story> {
    // Something can only happen where there is an account.
    let first = any_look().prop_map(|look| (Step::Account { name: 0, is_copy: false }, look));
    let rest = prop::collection::vec((any_step(), any_look()), 4..=most);
    (first, rest).prop_map(|(first, rest)| Story { steps: std::iter::once(first).chain(rest).collect() })
}

/// A story of one account with many entries: more than a block has, than an import holds in memory, and than sums are gathered of at once.
pub(crate) fn any_long_story() -> impl Strategy<Value = Story> {
    let account = any::<Index>().prop_filter("the only one", |index| index.index(9) < 8);
    let looks = prop::collection::vec((any_look(), select(vec![100, 500])), 6..=6);
    let seeds = (any::<u64>(), any::<u64>(), any::<u64>());
    // Of 26,000 entries so many leave 20,000 and more, in two blocks.
    let taken = prop::collection::vec(any::<Index>(), 40_000..=40_000);
    (account, looks, seeds, taken).prop_map(|(account, looks, (one, two, three), remove)| {
        let file = |content, seed, count| {
            let entries = History::new(seed, count).collect();
            File { content, name: "a.csv".to_owned(), again: false, entries }
        };
        let sent = |key: &str, count| Sent {
            account,
            key: key.to_owned(),
            version: 0,
            entries: History::new(three, count).collect(),
        };
        let (files, rest) = (vec![file(0, one, 21_000), file(1, two, 4_000)], Vec::new());
        let steps = [
            Step::Account { name: 0, is_copy: false },
            Step::Import(Imported { account, files, rest, is_dropped: false }),
            Step::Batches(vec![sent("1", 900), sent("2", 700)]),
            Step::Open { account, filter: Filter::default(), limit: 4_000 },
            Step::Change(Changed {
                account,
                remove,
                amend: Vec::new(),
                add: History::new(one, 1_500).collect(),
                is_lost: false,
                seen: None,
                cover: None,
            }),
            Step::GoOn(account, 2),
        ];
        let look = |(look, limit)| Look { account, limit, ..look };
        Story { steps: steps.into_iter().zip(looks.into_iter().map(look)).collect() }
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..NAMES.len(), prop::bool::weighted(0.3)).prop_map(|(name, is_copy)| Step::Account { name, is_copy }),
        1 => select(vec!["", " a", "a\n", "\u{0}", "\u{202e}x"]).prop_map(Step::BadName),
        10 => prop::collection::vec(any_sent(), 0..5).prop_map(Step::Batches),
        6 => any_imported().prop_map(Step::Import),
        2 => any::<Index>().prop_map(Step::Begin),
        3 => any_lot().prop_map(Step::Write),
        2 => prop::bool::weighted(0.3).prop_map(|is_dropped| Step::End { is_dropped }),
        8 => any_changed().prop_map(Step::Change),
        2 => (any_changed(), any_filter()).prop_map(|(changed, filter)| Step::Repair(changed, filter.window)),
        2 => (any::<Index>(), prop::option::of(any_near_timestamp())).prop_map(|(at, synced)| Step::Source(at, synced)),
        2 => (any::<Index>(), prop::option::of(any_decimal())).prop_map(|(at, diem)| Step::Allocation(at, diem)),
        3 => any_key(),
        1 => (0..KEYS).prop_map(Step::Revoke),
        1 => prop::collection::vec((0..KEYS, 0..100i64), 0..4).prop_map(Step::Uses),
        2 => any::<Index>().prop_map(Step::Remove),
        4 => (any::<Index>(), any_filter(), 1..12u32)
            .prop_map(|(account, filter, limit)| Step::Open { account, filter, limit }),
        6 => (any::<Index>(), 1..4usize).prop_map(|(walk, pages)| Step::GoOn(walk, pages)),
        4 => (any::<Index>(), select(BATCHES[..3].to_vec()), any_lot())
            .prop_map(|(account, key, entries)| Step::Post { account, key, entries }),
        1 => Just(Step::Reopen),
    ]
}

fn any_sent() -> impl Strategy<Value = Sent> {
    let key = prop_oneof![
        12 => select(BATCHES.to_vec()).prop_map(str::to_owned),
        1 => Just("k".repeat(10_000)),
    ];
    (any::<Index>(), key, 0..2u8, any_lot()).prop_map(|(account, key, version, entries)| Sent {
        account,
        key,
        version,
        entries,
    })
}

fn any_imported() -> impl Strategy<Value = Imported> {
    let name = prop_oneof![Just("a.csv".to_owned()), any_text()];
    let file = (0..FILES, name, prop::bool::weighted(0.3), any_lot())
        .prop_map(|(content, name, again, entries)| File { content, name, again, entries });
    (any::<Index>(), prop::collection::vec(file, 0..3), any_lot(), prop::bool::weighted(0.15))
        .prop_map(|(account, files, rest, is_dropped)| Imported { account, files, rest, is_dropped })
}

fn any_changed() -> impl Strategy<Value = Changed> {
    let key = prop::option::of(any_text().prop_filter("an id has characters", |text| !text.is_empty()));
    let fields = prop::option::of(select(vec![r#"{"region":"eu"}"#, r#"{"a":"\u0000","b":[1.50]}"#]));
    let amendment = (any::<Index>(), key, fields).prop_map(|(at, key, fields)| {
        (at, key, fields.and_then(|json| OtherFields::from_json(json).unwrap()))
    });
    let seen = prop::option::of(prop_oneof![4 => Just(0u64), 1 => 1..3u64]);
    let cover = (-30..60i64, any::<bool>(), prop::collection::vec(0..30i64, 1..4));
    (
        (any::<Index>(), prop::collection::vec(any::<Index>(), 0..6), prop::collection::vec(amendment, 0..4)),
        (any_lot(), prop::bool::weighted(0.08), seen, prop::option::weighted(0.3, cover)),
    )
        .prop_map(|((account, remove, amend), (add, is_lost, seen, cover))| Changed {
            account,
            remove,
            amend,
            add,
            is_lost,
            seen,
            cover,
        })
}

fn any_key() -> impl Strategy<Value = Step> {
    let kind = select(vec![KeyKind::Admin, KeyKind::Inference, KeyKind::Ingest]);
    (0..KEYS, any::<Index>(), kind, any_text()).prop_map(|(number, account, kind, description)| Step::Key {
        number,
        account,
        kind,
        description,
    })
}

fn any_look() -> impl Strategy<Value = Look> {
    let order = prop_oneof![Just(SortOrder::Asc), Just(SortOrder::Desc)];
    let limit = prop_oneof![4 => 1..12u32, 1 => Just(500)];
    let days = (-3..5i64, -3..5i64);
    let far_days = (20_400..20_700i64, 20_400..20_700i64);
    (
        (any::<Index>(), any_filter_of_all(), order, limit, any::<Index>()),
        (prop_oneof![days, far_days], 0..8usize, prop::collection::vec(any_request(), 0..3)),
    )
        .prop_map(|((account, filter, order, limit, page), (days, enough, requests))| Look {
            account,
            filter,
            order,
            limit,
            page,
            days,
            enough,
            requests,
        })
}

/// A filter of the times that [`any_lot`] has.
fn any_filter_of_all() -> impl Strategy<Value = Filter> {
    let year = (0..180i64, 0..180i64).prop_map(|(one, other)| {
        let day = |day| Some(Timestamp::from_unix_ns((20_454 + day) * 86_400_000_000_000));
        let window = TimeWindow::new(day(one.min(other)), day(one.max(other) + 1)).unwrap_or_default();
        Filter { window, currency: None }
    });
    prop_oneof![2 => any_filter(), 1 => year, 3 => Just(Filter::default())]
}

/// Entries that come together: of any kind, close together, at the ends of time, with strange texts, or of a real year.
pub(crate) fn any_lot() -> impl Strategy<Value = Vec<UsageEntry>> {
    prop_oneof![
        6 => any_mixed_entries(20),
        2 => any_entries(6),
        2 => prop::collection::vec(any_strange_entry(), 0..6),
        2 => (any::<u64>(), 1..120u64).prop_map(|(seed, count)| History::new(seed, count).collect()),
        1 => (any_near_timestamp(), 1..80usize).prop_map(|(at, count)| {
            (0..count).map(|n| UsageEntry { notes: (n % 7).to_string(), ..entry_at(at, "-0.1") }).collect()
        }),
    ]
}

/// An entry with what a database may stumble over.
fn any_strange_entry() -> impl Strategy<Value = UsageEntry> {
    let number = prop_oneof![
        2 => any_decimal(),
        1 => select(vec!["1e308", "-1e308", "5e-324", "-5e-324", "170141183460469231731687303715884105727e-28"])
            .prop_map(|text| parse_decimal(text).unwrap_or(Decimal::ONE)),
    ];
    let fields = select(vec!["{}", r#"{"a":"\u0000"}"#, "{\"b\": \"\u{1}\"}", r#"{"c": 1E400}"#]);
    ((any_edge(), any_text(), any_text(), number), (any_text(), any_text(), fields)).prop_map(
        |((timestamp, sku, notes, number), (currency, id, fields))| UsageEntry {
            sku,
            notes,
            amount: number,
            units: number,
            currency: Currency::from(currency.as_str()),
            api_key_id: (!id.is_empty()).then_some(id),
            other_fields: OtherFields::from_json(fields).unwrap_or_default(),
            ..entry_at(timestamp, "0")
        },
    )
}

/// The ends of the time that a ledger holds, of a day, of a minute; and rarely an instant that none holds.
fn any_edge() -> impl Strategy<Value = Timestamp> {
    let ns =
        select(vec![i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX, -1, 0, 59_999_999_999, 60_000_000_000]);
    let beyond = select(vec!["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z"]);
    prop_oneof![
        20 => ns.prop_map(Timestamp::from_unix_ns),
        1 => beyond.prop_map(|text| text.parse().unwrap()),
    ]
}

/// Texts whose bytes, length or order could be lost.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    let odd = select(vec![
        "",
        "\u{0}",
        "\u{1}",
        "\u{1}\u{1}",
        "\u{1}\u{2}",
        "\u{0}\u{1}",
        "a\u{0}",
        "a\u{1}b",
        "a",
        "A",
        "\\",
        "\\N",
        "\\.",
        "NULL",
        "é",
        "e\u{301}",
        "\u{7f}",
        "\u{ffff}",
        "\u{10ffff}",
        "\u{e000}",
    ]);
    prop_oneof![
        8 => odd.prop_map(str::to_owned),
        1 => select(vec!["x", "\u{0}", "é"]).prop_map(|text| text.repeat(10_000)),
        1 => Just("x".repeat(500)),
        1 => Just("x".repeat(501)),
    ]
}
