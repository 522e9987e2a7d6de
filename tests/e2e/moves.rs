//! docs/moving.md, step by step: its commands are typed as they stand there, while clients send batches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use billing_testkit::Postgres;
use serde::Deserialize;

use crate::billing::{Run, run};
use crate::conversation::{Connection, Request};
use crate::host::{HISTORY, Host};
use crate::ingest::batches::{Batch, Found, Walk};
use crate::ledger::Ledger;
use crate::place::Place;

const DOCS: &str = include_str!("../../docs/moving.md");

const CLIENTS: u64 = 3;

/// Batches that are acknowledged between two steps, at least.
const BETWEEN_STEPS: usize = 12;

/// No test waits for it; it ends one in which nothing happens any more.
const LIMIT: Duration = Duration::from_secs(60);

/// The calls of the program in a chapter, with the places of a test in the place of those of the document.
fn calls(chapter: &str, places: &[(&str, &str)]) -> Vec<Vec<String>> {
    let chapter = DOCS.split_once(&format!("\n## {chapter}\n")).unwrap().1;
    let chapter = chapter.split("\n## ").next().unwrap();
    let words = |line: &str| {
        let place = |word: &str| {
            places.iter().find(|(said, _)| *said == word).map_or(word, |(_, place)| place).to_owned()
        };
        line.strip_prefix("billing ").map(|line| line.split_whitespace().map(place).collect::<Vec<_>>())
    };
    chapter.lines().filter_map(words).collect()
}

fn typed(call: &[String]) -> Run {
    run(&call.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Serves what a call of the document serves, on a free port.
fn serve(call: &[String]) -> Host {
    let [command, flag, ledger] = call else { panic!("{call:?}") };
    assert_eq!((command.as_str(), flag.as_str()), ("serve", "--ledger"));
    Host::start(ledger, &[])
}

/// What the clients know of the server, and what came of their batches.
#[derive(Default)]
struct Gateway {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Where the server is, and how often it has moved.
    address: String,
    moves: u32,
    /// How many entries each batch has that was ever sent.
    begun: BTreeMap<String, usize>,
    /// Those that were acknowledged.
    acknowledged: BTreeSet<String>,
    is_over: bool,
}

impl Gateway {
    fn wait(&self, until: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.state.lock().unwrap();
        let (state, late) = self.changed.wait_timeout_while(state, LIMIT, |state| !until(state)).unwrap();
        assert!(!late.timed_out(), "nothing happens any more");
        state
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn move_to(&self, host: &Host) {
        self.change(|state| {
            state.address = host.address().to_owned();
            state.moves += 1;
        });
    }

    /// Waits until some more batches are acknowledged.
    fn some_more(&self) {
        let before = self.state.lock().unwrap().acknowledged.len();
        drop(self.wait(|state| state.acknowledged.len() >= before + BETWEEN_STEPS));
    }

    /// A client that sends batch after batch, each until it is acknowledged, wherever the server is.
    fn client(&self, number: u64, key: &str) {
        let mut random = fastrand::Rng::with_seed(number);
        for place in 0.. {
            let batch = Batch::random(&format!("client-{number}-{place}"), &mut random, 40);
            self.change(|state| {
                state.begun.insert(batch.name.clone(), batch.entries.len());
            });
            loop {
                let (address, moves, is_over) = {
                    let state = self.state.lock().unwrap();
                    (state.address.clone(), state.moves, state.is_over)
                };
                if is_over {
                    return;
                }
                let asked = Connection::open(&address).and_then(|mut to| to.ask(&batch.request(key, false)));
                match asked {
                    Ok(answer) if answer.status == 201 => break,
                    // A server that is being stopped.
                    Ok(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
                    Err(_) => {}
                }
                drop(self.wait(|state| state.moves > moves || state.is_over));
            }
            self.change(|state| {
                state.acknowledged.insert(batch.name.clone());
            });
        }
    }
}

/// Ends the clients when the test ends, however it does.
struct End<'a>(&'a Gateway);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if let Ok(mut state) = self.0.state.lock() {
            state.is_over = true;
        }
        self.0.changed.notify_all();
    }
}

impl State {
    /// Every batch that was found is there whole and once.
    #[track_caller]
    fn has_whole(&self, found: &Found) {
        found.is_of_whole_batches(|name| self.begun.get(name).copied().unwrap_or_default());
    }
}

/// All that was acknowledged is there. What was sent and has no answer may be.
#[track_caller]
fn has_all(gateway: &Gateway, host: &Host, key: &str) {
    let found = Found::by_walk(host, key);
    let state = gateway.state.lock().unwrap();
    state.has_whole(&found);
    let lost: Vec<_> = state.acknowledged.iter().filter(|name| !found.has(name)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn a_live_gateway_moves_into_a_database_and_back_as_the_document_says() {
    let Some(postgres) = Postgres::need() else { return };
    let (url, place, ledger) = (postgres.database(), Place::new(), Ledger::of(&[]));
    let (file, back) = (ledger.path(), place.path("back.db"));
    let places = [
        ("ledger.db", file.as_str()),
        ("postgres://gateway@db.example.org/billing", url.as_str()),
        ("back.db", back.as_str()),
    ];
    let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
    let revoked = ledger.key("other", "admin");
    ledger.revoke_keys_of("other");
    let gateway = Gateway::default();
    let host = Host::start(&file, &[]);
    gateway.move_to(&host);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (gateway, ingest) = (&gateway, &ingest);
            scope.spawn(move || gateway.client(number, ingest));
        }
        let _end = End(&gateway);
        gateway.some_more();

        let steps = calls("Move a live gateway", &places);
        let [ahead, to_the_end, serving] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!(ahead, to_the_end, "it is the same command");
        typed(ahead).failed(6, "is open in another program");
        run(&["serve", "--ledger", &url]).failed(1, "has not ended");
        gateway.some_more();
        typed(ahead).failed(6, "run the same command again");
        // A walk that begins here sees the ledger as it is now, wherever it goes on.
        let mut walk = Walk::new(&host, &admin, "pageSize=10");
        assert!(walk.next_page());
        gateway.some_more();
        host.stop();
        let copied = typed(to_the_end).done();
        assert!(copied.stderr.contains("all are the same"), "{}", copied.stderr);
        let host = serve(serving);
        gateway.move_to(&host);
        gateway.some_more();
        walk.reconnect(&host);
        while walk.next_page() {}
        gateway.state.lock().unwrap().has_whole(&walk.found);
        assert!(walk.pages > 1 && walk.found.names().count() >= BETWEEN_STEPS);
        let refused = host.ask(&Request::get(HISTORY).bearing(&revoked));
        assert_eq!(refused.status, 401, "it was revoked");

        let steps = calls("Move back", &places);
        let [ahead, to_the_end, check, serving] = steps.as_slice() else { panic!("{steps:?}") };
        typed(ahead).failed(6, "is open in another program");
        gateway.some_more();
        host.stop();
        typed(to_the_end).done();
        typed(check).done();
        let host = serve(serving);
        gateway.move_to(&host);
        gateway.some_more();
        // It ends while clients send: what they have no answer for is there as a whole, or not at all.
        drop(host);
    });
    let host = Host::start(&back, &[]);
    has_all(&gateway, &host, &admin);
    // Sent again after both moves, the first batch of all is known.
    let mut random = fastrand::Rng::with_seed(0);
    let first = Batch::random("client-0-0", &mut random, 40);
    assert_eq!(host.ask(&first.request(&ingest, false)).status, 201);
    has_all(&gateway, &host, &admin);
    host.stop();
    run(&["check", "--ledger", &back]).done();
}

#[test]
fn a_ledger_in_use_is_copied_by_its_backup_as_the_document_says() {
    let Some(postgres) = Postgres::need() else { return };
    let (url, place) = (postgres.database(), Place::new());
    let ledger = Ledger::of(&[crate::ledger::noted("2026-05-01T00:00:00Z", "kept")]);
    let server = ledger.serve();
    let (file, backup) = (ledger.path(), place.path("backup.db"));
    let places = [
        ("ledger.db", file.as_str()),
        ("postgres://gateway@db.example.org/billing", url.as_str()),
        ("backup.db", backup.as_str()),
    ];
    let steps = calls("Copy without moving", &places);
    assert_eq!(steps.len(), 2);
    steps.iter().for_each(|call| drop(typed(call).done()));
    let copy = Host::start(&url, &[]);
    assert_eq!(copy.export(&server.key, &["--format", "ndjson"]).done().entries().len(), 1);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Copied {
    finished: bool,
    copied_entries: u64,
    compared_entries: u64,
}

#[test]
fn a_copy_goes_nowhere_where_a_ledger_is() {
    let (one, other) = (Ledger::of(&[crate::ledger::noted("2026-05-01T00:00:00Z", "kept")]), Ledger::of(&[]));
    let copy = |from: &str, to: &str, more: &[&str]| {
        run(&[&["ledger", "copy", "--from", from, "--to", to], more].concat())
    };
    copy(&one.path(), &other.path(), &[]).failed(1, "there is a ledger at");
    copy(&one.path(), &one.path(), &[]).failed(2, "is the ledger that is copied");
    copy("/nowhere/ledger.db", &other.path(), &[]).failed(1, "there is no ledger at");
    copy("postgres://u:s3cret@db.example.org/b?sslmode=disable", &other.path(), &[]).failed(2, "plain text");
    let place = Place::new();
    let printed = copy(&one.path(), &place.path("copy.db"), &["--json"]).done();
    let json: Copied = serde_json::from_str(printed.text()).unwrap();
    assert_eq!((json.finished, json.copied_entries, json.compared_entries), (true, 1, 1));
    run(&["check", "--ledger", &place.path("copy.db")]).done();
    assert_eq!(one.listed("accounts").accounts.len(), 1);
}
