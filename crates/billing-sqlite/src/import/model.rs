//! Imports, batches and walks in any order, compared with a list in memory.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use billing_ledger::{AccountId, Batch, ErrorKind, Filter, Import as _, Position, Receipt, Snapshot};
use billing_model::{Currency, Day, SortOrder, TimeWindow, Timestamp, Total, UsageEntry, parse_decimal};
use billing_testkit::{OwnedLedger as _, entry_at};
use proptest::prelude::*;
use tempfile::TempDir;

use super::SqliteImport;
use crate::ledger::SqliteLedger;

/// Entries that an import holds in these tests.
const HELD: usize = 4;

const SECOND: i64 = 1_000_000_000;

#[derive(Clone, Debug)]
enum Step {
    /// A batch of so many entries.
    Post(Lot),
    Begin,
    Write(Lot),
    Finish,
    Drop,
    /// The import is killed: what it has stored stays.
    Kill,
    /// Somebody removes the import's entries as left over while it still runs.
    Rob,
    CleanUp,
    BeginWalk(Filter, u32),
    GoOn(prop::sample::Index),
}

/// Entries from an instant on, one every few seconds.
#[derive(Clone, Debug)]
struct Lot {
    first_s: i64,
    every_s: i64,
    entries: usize,
}

fn any_lot() -> impl Strategy<Value = Lot> {
    // A few entries anywhere, some at one instant, or so many side by side that pages pass over them.
    let place = (any_second(), prop::sample::select(vec![0, 1, 1, 59, 3600]));
    let entries = prop_oneof![6 => 1..20usize, 1 => 230..500usize];
    (place, entries).prop_map(|((first_s, every_s), entries)| Lot { first_s, every_s, entries })
}

/// Seconds that are mostly close together, with the border of a minute among them.
fn any_second() -> impl Strategy<Value = i64> {
    prop_oneof![8 => -20..220i64, 1 => 0..400_000i64]
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let currency = prop::sample::select(vec![None, None, None, Some(Currency::Usd)]);
    let end = || prop::option::of(any_second().prop_map(|second| Timestamp::from_unix_ns(second * SECOND)));
    (currency, end(), end()).prop_map(|(currency, one, other)| {
        let window = TimeWindow::new(one, other).or_else(|_| TimeWindow::new(other, one)).unwrap_or_default();
        Filter { window, currency }
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any_lot().prop_map(Step::Post),
        6 => Just(Step::Begin),
        8 => any_lot().prop_map(Step::Write),
        2 => Just(Step::Finish),
        1 => Just(Step::Drop),
        1 => Just(Step::Kill),
        1 => Just(Step::Rob),
        1 => Just(Step::CleanUp),
        6 => (any_filter(), 1..12u32).prop_map(|(filter, limit)| Step::BeginWalk(filter, limit)),
        8 => any::<prop::sample::Index>().prop_map(Step::GoOn),
    ]
}

/// A walk, and what it is expected to see.
struct Walk {
    filter: Filter,
    limit: u32,
    snapshot: Option<Snapshot>,
    after: Option<Position>,
    expected: Vec<UsageEntry>,
}

/// An import, as the list knows it.
#[derive(Default)]
struct Running {
    entries: Vec<UsageEntry>,
    held: usize,
    /// Its place among what is stored, from the first chunk on.
    place: Option<u64>,
    is_robbed: bool,
}

struct Model {
    ledger: &'static SqliteLedger,
    account: AccountId,
    /// The visible entries, by their places in the order of storing.
    stored: BTreeMap<(Timestamp, u64, usize), UsageEntry>,
    places: u64,
    made: usize,
    import: Option<(Box<SqliteImport>, Running)>,
    walks: Vec<Walk>,
}

impl Model {
    fn new() -> Self {
        static SHARED: LazyLock<(TempDir, SqliteLedger)> = LazyLock::new(|| {
            let directory = tempfile::tempdir().unwrap();
            let ledger = SqliteLedger::open_or_create(&directory.path().join("ledger.db")).unwrap();
            (directory, ledger)
        });
        let ledger = &SHARED.1;
        let account = ledger.create_account(&format!("{}", ledger.accounts().unwrap().len())).unwrap();
        let stored = BTreeMap::new();
        Self { ledger, account, stored, places: 0, made: 0, import: None, walks: Vec::new() }
    }

    /// Entries that are all different.
    fn make(&mut self, lot: &Lot) -> Vec<UsageEntry> {
        (0..lot.entries)
            .map(|n| {
                self.made += 1;
                let at_ns = (lot.first_s + lot.every_s * i64::try_from(n).unwrap()) * SECOND;
                UsageEntry {
                    amount: parse_decimal(&format!("-{}e-9", self.made)).unwrap(),
                    currency: Currency::from(["USD", "VCU", "DIEM"][self.made % 3]),
                    ..entry_at(Timestamp::from_unix_ns(at_ns), "0")
                }
            })
            .collect()
    }

    fn place(&mut self) -> u64 {
        self.places += 1;
        self.places
    }

    fn show(&mut self, place: u64, entries: Vec<UsageEntry>) {
        let places = entries.into_iter().enumerate();
        self.stored.extend(places.map(|(n, entry)| ((entry.timestamp, place, n), entry)));
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Post(lot) => self.post(&lot),
            Step::Begin if self.import.is_none() => {
                let import = self.ledger.import_holding(self.account, HELD).unwrap();
                self.import = Some((Box::new(import), Running::default()));
            }
            Step::Write(lot) => self.write(&lot),
            Step::Finish => self.finish(),
            Step::Drop => self.import = None,
            Step::Kill => {
                if let Some((mut import, _)) = self.import.take() {
                    drop(import.running.take());
                }
            }
            Step::Rob => {
                if let Some((import, running)) = &mut self.import
                    && let Some(stored) = &import.running
                    && !running.is_robbed
                {
                    stored.pending.remove(&self.ledger.0.connections).unwrap();
                    running.is_robbed = true;
                }
            }
            Step::CleanUp => self.clean_up(),
            Step::BeginWalk(filter, limit) => {
                let expected = self.expected(&filter);
                self.walks.push(Walk { filter, limit, snapshot: None, after: None, expected });
                self.go_on(self.walks.len() - 1);
            }
            Step::GoOn(walk) if !self.walks.is_empty() => self.go_on(walk.index(self.walks.len())),
            Step::Begin | Step::GoOn(_) => {}
        }
    }

    fn post(&mut self, lot: &Lot) {
        let (entries, place) = (self.make(lot), self.place());
        let batch = Batch {
            account: self.account,
            idempotency_key: place.to_string(),
            digest: [0; 32],
            received_at: Timestamp::from_unix_ns(0),
            entries: entries.clone().into(),
        };
        let count = u64::try_from(entries.len()).unwrap();
        assert_eq!(self.ledger.store_batches(&[batch]).unwrap(), [Receipt::Stored(count)]);
        self.show(place, entries);
    }

    fn write(&mut self, lot: &Lot) {
        let entries = self.make(lot);
        let next = self.places + 1;
        let Some((import, running)) = &mut self.import else { return };
        running.held += entries.len();
        let written = import.write(&entries);
        running.entries.extend(entries);
        if running.is_robbed {
            // The import finds out when it stores something, or at its end.
            if let Err(error) = written {
                assert_eq!(error.kind(), ErrorKind::Aborted);
                self.import = None;
            }
            return;
        }
        written.unwrap();
        if running.held >= HELD {
            running.held = 0;
            running.place.get_or_insert(next);
            self.places = next;
        }
    }

    fn finish(&mut self) {
        let Some((import, running)) = self.import.take() else { return };
        let finished = import.finish();
        if running.is_robbed {
            assert_eq!(finished.unwrap_err().kind(), ErrorKind::Aborted);
            return;
        }
        assert_eq!(finished.unwrap(), u64::try_from(running.entries.len()).unwrap());
        let place = running.place.unwrap_or_else(|| self.place());
        self.show(place, running.entries);
    }

    /// After this, the file has only visible entries and those of a running import.
    fn clean_up(&mut self) {
        self.ledger.remove_unfinished_import().unwrap();
        let is_running = self.import.as_ref().is_some_and(|(_, running)| running.place.is_some());
        if !is_running {
            let count = "SELECT COUNT(*) FROM entries WHERE account = ?1";
            let found = self.ledger.0.connections.read(|reader| {
                let imports: i64 = reader.query_row("SELECT COUNT(*) FROM imports", [], |row| row.get(0))?;
                let entries: i64 = reader.query_row(count, [self.account.0], |row| row.get(0))?;
                Ok((imports, entries))
            });
            assert_eq!(found.unwrap(), (0, i64::try_from(self.stored.len()).unwrap()));
        }
    }

    fn expected(&self, filter: &Filter) -> Vec<UsageEntry> {
        let is_let_through = |entry: &&UsageEntry| {
            filter.window.contains(entry.timestamp)
                && filter.currency.as_ref().is_none_or(|currency| *currency == entry.currency)
        };
        self.stored.values().filter(is_let_through).cloned().collect()
    }

    /// Walks one page.
    fn go_on(&mut self, at: usize) {
        let walk = &mut self.walks[at];
        let page = self
            .ledger
            .positioned_page(self.account, &walk.filter, walk.snapshot, walk.after, walk.limit)
            .unwrap();
        assert!(walk.snapshot.is_none_or(|snapshot| snapshot == page.snapshot));
        let rest = walk.expected.split_off(page.entries.len().min(walk.expected.len()));
        assert_eq!(page.entries, walk.expected);
        assert_eq!(page.next.is_none(), rest.is_empty());
        (walk.snapshot, walk.after, walk.expected) = (Some(page.snapshot), page.next, rest);
        if page.next.is_none() {
            self.walks.swap_remove(at);
        }
    }

    /// Checks that pages by number, counts and sums are those of the visible entries.
    fn check(&self, filter: &Filter, page: u32, limit: u32) {
        let (ledger, account) = (self.ledger, self.account);
        let mut expected = self.expected(filter);
        for order in [SortOrder::Asc, SortOrder::Desc] {
            let found = ledger.numbered_page(account, filter, order, limit, page).unwrap();
            assert_eq!(found.total, u64::try_from(expected.len()).unwrap());
            let skipped = usize::try_from((page - 1) * limit).unwrap();
            let entries = expected.iter().skip(skipped).take(usize::try_from(limit).unwrap());
            assert!(found.entries.iter().eq(entries), "{order:?}, page {page} of {limit}");
            expected.reverse();
        }
        let mut sums = BTreeMap::<(Day, Currency), (u64, Total)>::new();
        for entry in self.stored.values() {
            let (count, sum) =
                sums.entry((Day::of(entry.timestamp).unwrap(), entry.currency.clone())).or_default();
            *count += 1;
            sum.add(entry.amount);
        }
        let rollups = ledger.owned_rollups(account, None).unwrap();
        assert!(
            rollups
                .iter()
                .all(|row| sums[&(row.day, row.currency.clone())] == (row.entries, row.amount.clone()))
        );
        assert_eq!(rollups.len(), sums.len());
        let mut nets = BTreeMap::<Currency, Total>::new();
        sums.iter()
            .for_each(|((_, currency), (_, sum))| nets.entry(currency.clone()).or_default().merge(sum));
        assert_eq!(ledger.funds(account, Day(0)).unwrap().nets.into_iter().collect::<BTreeMap<_, _>>(), nets);
        let accounts = ledger.accounts().unwrap();
        let entries = accounts.iter().find(|found| found.id == account).unwrap().entries;
        assert_eq!(entries, u64::try_from(self.stored.len()).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_import_is_seen_whole_or_not_at_all_by_whoever_reads_meanwhile(
        steps in prop::collection::vec((any_step(), any_filter(), 1..4u32, 1..60u32), 1..60),
    ) {
        let mut model = Model::new();
        for (step, filter, page, limit) in steps {
            model.take(step);
            model.check(&filter, page, limit);
        }
        model.import = None;
        while !model.walks.is_empty() {
            model.go_on(0);
        }
        model.clean_up();
        model.check(&Filter::default(), 1, 50);
    }
}
