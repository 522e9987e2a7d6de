//! Measures the ledger alone: durable imports, and pages.

use std::cell::LazyCell;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;

use billing_ledger::{AccountId, Filter, Ledger as _, Position};
use billing_model::{SortOrder, UsageEntry};
use billing_sqlite::SqliteLedger;
use billing_testkit::OwnedLedger as _;
use criterion::{BatchSize, Criterion, SamplingMode, Throughput};
use tempfile::TempDir;

use crate::history::{PAGE_ENTRIES, batches, history};

/// Entries of one import.
const IMPORTED: u64 = 100_000;

/// Entries of the ledger that pages are read from: so many that a page which is found by counting would be slow.
const STORED: u64 = 1_000_000;

/// The most entries on a page by number.
const LIMIT: u32 = 500;

/// A ledger in a directory of its own. It is beside the build: on many machines `/tmp` is memory, in which nothing is
/// durable.
pub(crate) struct Place {
    pub(crate) ledger: SqliteLedger,
    pub(crate) account: AccountId,
    pub(crate) directory: TempDir,
}

impl Place {
    fn empty() -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        let ledger = SqliteLedger::open_or_create(&directory.path().join("ledger.db")).expect("a ledger");
        let account = ledger.create_account("bench").expect("an account");
        Self { ledger, account, directory }
    }

    /// A ledger with a history in it.
    pub(crate) fn with_history(entries: u64) -> Self {
        let place = Self::empty();
        place.import(batches(entries));
        place
    }

    fn import(&self, batches: impl IntoIterator<Item = impl AsRef<[UsageEntry]>>) -> u64 {
        let mut import = self.ledger.import(self.account).expect("an import");
        batches.into_iter().for_each(|batch| import.write(batch.as_ref()).expect("entries that fit"));
        import.finish().expect("a commit")
    }
}

pub(crate) fn run(criterion: &mut Criterion) {
    import(criterion);
    pages(criterion);
}

fn import(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ledger-import");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(IMPORTED));
    let file = LazyCell::new(|| {
        let place = Place::with_history(IMPORTED);
        let path = place.directory.path().join("ledger.db");
        // When the last connection of a ledger is closed, its log is copied into the file.
        drop(place.ledger);
        fs::read(path).expect("the ledger's file")
    });
    group.bench_function("floor-fsync", |b| b.iter(|| write_durably(&file)));
    let batches = LazyCell::new(|| batches(IMPORTED).collect::<Vec<_>>());
    group.bench_function("whole", |b| {
        b.iter_batched(
            Place::empty,
            |place| {
                assert_eq!(place.import(batches.iter()), IMPORTED);
                place
            },
            BatchSize::PerIteration,
        );
    });
}

/// Writes the bytes of a ledger into a new file and syncs it.
fn write_durably(bytes: &[u8]) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("floor-fsync");
    let mut file = File::create(path).expect("a file");
    file.write_all(bytes).expect("a write");
    file.sync_all().expect("a sync");
}

fn pages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ledger-page");
    let place = LazyCell::new(|| Place::with_history(STORED));
    let all = Filter::default();

    group.throughput(Throughput::Elements(LIMIT.into()));
    let pages = u32::try_from(STORED).expect("a small number") / LIMIT;
    for (name, page) in [("by-number-first", 1), ("by-number-middle", pages / 2), ("by-number-last", pages)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let page = place.ledger.numbered_page(place.account, &all, SortOrder::Asc, LIMIT, page);
                assert_eq!(page.expect("a page").entries.len(), 500);
            });
        });
    }

    group.throughput(Throughput::Elements(PAGE_ENTRIES));
    let middle = LazyCell::new(|| {
        let entry = history(STORED).nth(500_000).expect("an entry");
        Position { timestamp_ns: entry.timestamp.unix_ns().expect("a year of ours"), sequence: 0 }
    });
    group.bench_function("by-position-middle", |b| {
        b.iter(|| {
            let page = place.ledger.positioned_page(place.account, &all, None, Some(*middle), 1000);
            assert_eq!(black_box(page.expect("a page")).entries.len(), 1000);
        });
    });
}
