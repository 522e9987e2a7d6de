//! A sync that can be repeated, and what must hold whatever happens to it.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use billing_ledger::{AccountId, Amendment, Change, Ledger as _, PackedEntries, Turn};
use billing_model::{Timestamp, UsageEntry};
use billing_sample::History;
use billing_sqlite::SqliteLedger;
use billing_testkit::OwnedLedger as _;
use rusqlite::Connection;

use crate::billing::{Run, command, finish, ndjson, run};
use crate::check;
use crate::host::Host;
use crate::ledger::{AFTER_REAL, Ledger, Server, at, noted};
use crate::place::Place;

const LEDGER: &str = "ledger.db";

/// The history of the service.
const START: &str = "2026-05-01";
const END: &str = "2026-05-31";
const DAYS: i64 = 30;
const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;

/// What the first sync brings of it. The second one brings the rest, at either end.
const SINCE: &str = "2026-05-04";
const UNTIL: &str = "2026-05-26";

const FIRST: [&str; 5] = ["sync", "--since", SINCE, "--until", UNTIL];
const SECOND: [&str; 7] = ["sync", "--since", START, "--until", END, "--overlap", "10d"];
const REPAIR: [&str; 2] = ["verify", "--repair"];

/// A service, a ledger that may be there already, and what a sync of it that nothing disturbs comes to.
pub(crate) struct SmallSync {
    upstream: Server,
    /// The command and its flags.
    words: Vec<&'static str>,
    /// The ledger before the sync; `None` when there is none yet.
    before: Option<Vec<u8>>,
    /// All entries that may be there at any moment.
    possible: HashSet<Vec<u8>>,
    whole: Held,
    /// The export of it, as it stands on the wire.
    export: Vec<u8>,
}

/// What a synced account has, and what was taken out of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) entries: Vec<UsageEntry>,
    removed: Vec<UsageEntry>,
}

impl Held {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many entries it has, those that were taken out included.
    pub(crate) fn all(&self) -> usize {
        self.entries.len() + self.removed.len()
    }
}

/// A directory of its own with a ledger.
pub(crate) struct Stage<'a> {
    sync: &'a SmallSync,
    pub(crate) place: Place,
}

impl SmallSync {
    /// The first one, into a new ledger, from a service of about so many entries.
    pub(crate) fn first(entries: u64) -> Self {
        let (entries, _) = history(entries);
        Self::of(Ledger::of(&entries).serve(), &FIRST, None, &entries)
    }

    /// The same into a ledger that has the account already, and another one's key. So nothing is made but what is synced.
    pub(crate) fn into_a_ledger(entries: u64) -> Self {
        let (entries, _) = history(entries);
        let target = Ledger::of(&[]);
        target.key("default", "admin");
        let before = Some(fs::read(target.path()).unwrap());
        Self::of(Ledger::of(&entries).serve(), &FIRST, before, &entries)
    }

    /// The second one, some days later: the service has new entries, late, changed and vanished ones, and more of the history is
    /// wanted.
    pub(crate) fn second(entries: u64) -> Self {
        let (known, new) = history(entries);
        let ledger = Ledger::of(&known);
        let path = ledger.path();
        let first = Self::of(ledger.serve(), &FIRST, None, &known);
        let stage = first.stage();
        stage.comes_to_its_end();
        let before = stage.place.read(LEDGER);
        drop(stage);
        let all = move_on(&path, &new);
        let second = Self::of(first.upstream, &SECOND, Some(before), &[known, all].concat());
        assert!(second.whole.removed.len() > 1, "nothing vanished");
        second
    }

    /// A repair of a ledger that somebody else has written to, here and there.
    pub(crate) fn repair(entries: u64) -> Self {
        let second = Self::second(entries);
        let stage = second.stage();
        stage.comes_to_its_end();
        let ledger = stage.open().unwrap();
        let account = account(&ledger).unwrap();
        let placed = ledger.placed_entries(account).unwrap();
        drop(ledger);
        let spoil = Connection::open(stage.ledger()).unwrap();
        // In several windows of each span that was walked.
        for (n, entries) in placed.chunks(placed.len() / 8).enumerate() {
            let statement = match n % 2 {
                0 => "DELETE FROM entries WHERE account = ?1 AND sequence = ?2",
                _ => "UPDATE entries SET request_id = 'another' WHERE account = ?1 AND sequence = ?2",
            };
            let sequence = i64::try_from(entries[0].0.sequence).unwrap();
            assert_eq!(spoil.execute(statement, (account.0, sequence)).unwrap(), 1);
        }
        drop(spoil);
        let before = Some(stage.place.read(LEDGER));
        let possible: Vec<_> = placed.into_iter().map(|(_, entry)| entry).collect();
        drop(stage);
        Self::of(second.upstream, &REPAIR, before, &possible)
    }

    fn of(
        upstream: Server,
        words: &[&'static str],
        before: Option<Vec<u8>>,
        possible: &[UsageEntry],
    ) -> Self {
        let possible = possible.iter().map(|entry| ndjson(std::slice::from_ref(entry))).collect();
        let (whole, export) = (Held::default(), Vec::new());
        let mut sync = Self { upstream, words: words.to_vec(), before, possible, whole, export };
        let stage = sync.stage();
        finish(stage.command(), b"").done();
        check::is_clean(&stage.ledger());
        let (whole, export) = (stage.held(), stage.export());
        let [since, until] = if words == FIRST { [SINCE, UNTIL] } else { [START, END] }.map(at_day);
        let is_asked = |entry: &UsageEntry| since <= entry.timestamp && entry.timestamp < until;
        let exported = sync.upstream.export(&["--until", AFTER_REAL, "--format", "ndjson"]).done();
        let source: Vec<_> = exported.entries().into_iter().filter(is_asked).collect();
        assert!(whole.entries.iter().all(is_asked) && same(&whole.entries, &source), "it is a copy");
        drop(stage);
        (sync.whole, sync.export) = (whole, export);
        sync
    }

    /// With the ledger as it was before the sync.
    pub(crate) fn stage(&self) -> Stage<'_> {
        let place = Place::new();
        if let Some(before) = &self.before {
            place.write(LEDGER, before);
        }
        Stage { sync: self, place }
    }

    /// True for what an undisturbed sync comes to.
    pub(crate) fn is_whole(&self, held: &Held) -> bool {
        *held == self.whole
    }
}

impl Stage<'_> {
    pub(crate) fn ledger(&self) -> String {
        self.place.path(LEDGER)
    }

    /// A file of the ledger, by what its name ends in.
    pub(crate) fn path(&self, suffix: &str) -> String {
        self.place.path(&format!("{LEDGER}{suffix}"))
    }

    /// The sync, the same command every time.
    pub(crate) fn command(&self) -> Command {
        service_command(&self.sync.upstream, &self.ledger(), &self.sync.words)
    }

    /// Asserts what must hold at any moment: the ledger is whole, and what it holds was at the service at one time or another.
    #[track_caller]
    pub(crate) fn is_sound(&self) -> Held {
        // Killed while the ledger was made.
        let Some(ledger) = self.open() else { return Held::default() };
        drop(ledger);
        let SmallSync { words, possible, whole, .. } = self.sync;
        if words[..] != REPAIR {
            check::is_clean(&self.ledger());
        }
        let held = self.held();
        for entry in held.entries.iter().chain(&held.removed).filter(|_| words[..] != REPAIR) {
            assert!(possible.contains(&ndjson(std::slice::from_ref(entry))), "made up: {entry:?}");
        }
        if words[..] == FIRST {
            assert!(whole.entries.starts_with(&held.entries), "windows come in order, each of them whole");
        }
        held
    }

    /// The same command again, undisturbed: the ledger is as if nothing had happened, and nobody is kept from anything.
    #[track_caller]
    pub(crate) fn comes_to_its_end(&self) -> Run {
        let run = finish(self.command(), b"").done();
        check::is_clean(&self.ledger());
        assert!(self.held() == self.sync.whole, "as if nothing had happened");
        assert_eq!(self.place.names(), [LEDGER]);
        self.is_free();
        run
    }

    /// The export of it has the bytes that it would have.
    #[track_caller]
    pub(crate) fn exports_the_same(&self) {
        assert!(self.export() == self.sync.export);
    }

    /// The ledger, if it was made.
    fn open(&self) -> Option<SqliteLedger> {
        let ledger = SqliteLedger::open(Path::new(&self.ledger())).ok();
        assert!(ledger.is_some() || self.sync.before.is_none(), "the ledger is gone");
        ledger
    }

    /// The locks that a kill may leave are nobody's.
    #[track_caller]
    fn is_free(&self) {
        let ledger = self.open().unwrap();
        let turn = ledger.take_turn(account(&ledger).unwrap(), "a test").unwrap();
        assert!(matches!(turn, Turn::Taken(_)), "{turn:?}");
        let other = ledger.create_account("other").unwrap();
        let mut add = PackedEntries::default();
        add.push(&noted("2026-05-02T00:00:00Z", "of another account"));
        ledger.change(&Change { add, ..Change::of(other, at("2026-06-01T00:00:00Z")) }).unwrap();
    }

    pub(crate) fn held(&self) -> Held {
        let Some(ledger) = self.open() else { return Held::default() };
        let Some(account) = account(&ledger) else { return Held::default() };
        let entries = ledger.placed_entries(account).unwrap().into_iter().map(|(_, entry)| entry).collect();
        let removed = ledger.removed_entries(account).unwrap();
        let mut removed: Vec<_> = removed.into_iter().map(|(_, entry)| entry).collect();
        // In the order in which they were taken out, which depends on where windows end.
        removed.sort_by_key(|entry| entry.timestamp);
        Held { entries, removed }
    }

    fn export(&self) -> Vec<u8> {
        let key = ["keys", "create", "--account", "default", "--kind", "admin", "--ledger", &self.ledger()];
        let key = run(&key).done().text().trim_end().to_owned();
        let host = Host::start(&self.ledger(), &[]);
        let export = host.export(&key, &["--until", AFTER_REAL, "--format", "csv", "--with-api-key-id"]);
        host.stop();
        export.done().stdout
    }
}

/// True with `BILLING_TEST_LONG=1`: then syncs are of several windows, and make thousands of calls.
pub(crate) fn is_long() -> bool {
    std::env::var_os("BILLING_TEST_LONG").is_some_and(|value| value == "1")
}

/// A command that compares an account with a service.
pub(crate) fn service_command(upstream: &Server, ledger: &str, words: &[&str]) -> Command {
    let mut command = command(words);
    command.args(["--base-url", &upstream.base_url, "--ledger", ledger]);
    command.env("BILLING_API_KEY", &upstream.key);
    command
}

fn account(ledger: &SqliteLedger) -> Option<AccountId> {
    ledger.account("default").unwrap()
}

fn at_day(day: &str) -> Timestamp {
    at(&format!("{day}T00:00:00Z"))
}

/// True when the entries are the same, and each is as often there.
fn same(one: &[UsageEntry], other: &[UsageEntry]) -> bool {
    let sorted = |entries: &[UsageEntry]| {
        let mut lines: Vec<_> = entries.iter().map(|entry| ndjson(std::slice::from_ref(entry))).collect();
        lines.sort_unstable();
        lines
    };
    sorted(one) == sorted(other)
}

/// About so many entries at even distances, two of which share each instant: those that the service has at first, and those of
/// the days behind them.
fn history(entries: u64) -> (Vec<UsageEntry>, Vec<UsageEntry>) {
    let start = at_day(START).unix_ns().unwrap();
    let half = i64::try_from(entries / 2).unwrap();
    let moment =
        |n: i64| Timestamp::from_unix_ns(start + (n / 2) * (DAYS * DAY_NS / half / 1_000_000 * 1_000_000));
    let all =
        History::new(1, entries).zip(0..).map(|(entry, n)| UsageEntry { timestamp: moment(n), ..entry });
    all.partition(|entry| entry.timestamp < at_day(UNTIL))
}

/// Some days later at the service. Returns what it has then.
fn move_on(path: &str, new: &[UsageEntry]) -> Vec<UsageEntry> {
    let ledger = SqliteLedger::open(Path::new(path)).unwrap();
    let account = account(&ledger).unwrap();
    let placed = ledger.placed_entries(account).unwrap();
    let recent = placed.iter().filter(|(_, entry)| entry.timestamp >= at_day("2026-05-17"));
    let mut change = Change::of(account, at("2026-06-01T00:00:00Z"));
    new.iter().for_each(|entry| change.add.push(entry));
    for (n, (position, entry)) in recent.enumerate() {
        match n % 12 {
            1 | 2 => change.remove.push(*position),
            5 => change.amend.push(Amendment {
                position: *position,
                api_key_id: Some("renamed".to_owned()),
                other_fields: entry.other_fields.clone(),
            }),
            8 | 9 => change.add.push(&UsageEntry { notes: "late".to_owned(), ..entry.clone() }),
            // One more that is equal.
            10 => change.add.push(entry),
            _ => {}
        }
    }
    ledger.change(&change).unwrap();
    ledger.placed_entries(account).unwrap().into_iter().map(|(_, entry)| entry).collect()
}
