//! A server with four clients is killed again and again: acknowledged batches are there, and none is there in part or
//! twice.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpStream;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use billing_model::{UsageEntry, WholeSet};

use crate::check;
use crate::conversation::{Answer, Connection};
use crate::host::Host;
use crate::ledger::Ledger;

use super::batches::{Batch, Found};
use super::recount::{analytics_agree, rollups_agree};

const KILLS: u32 = 50;
const CLIENTS: u64 = 4;
const MOST_ENTRIES: usize = 300;

/// A limit for a test in which nothing happens any more. No test waits for it.
const LIMIT: Duration = Duration::from_secs(60);

/// Bytes that a client sends between two checks whether it is time for a kill.
const PIECE: usize = 4 << 10;

/// What the clients and the one who kills know of each other.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Where the server is; none while there is none.
    address: Option<String>,
    /// Servers so far.
    servers: u32,
    /// True when clients only finish what they have begun.
    is_ending: bool,
    /// Clients that have.
    ended: u64,
    /// What is still to happen before the next kill.
    fuse: Option<Fuse>,
    /// Every batch that was ever sent.
    begun: BTreeMap<String, Vec<UsageEntry>>,
    /// How often each was acknowledged.
    acknowledged: BTreeMap<String, u32>,
    /// True when somebody found a fault: nobody waits any longer then.
    has_failed: bool,
    /// Batches whose answer was lost, and that were found stored when they were sent again.
    stored_unheard: u32,
}

#[derive(Clone, Copy, Debug)]
enum Fuse {
    Bytes(usize),
    Answers(usize),
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn wait(&self, until: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let (state, late) = self
            .changed
            .wait_timeout_while(self.state(), LIMIT, |state| !until(state) && !state.has_failed)
            .unwrap();
        let has_failed = state.has_failed;
        if late.timed_out() || has_failed {
            // The failing thread must not hold the lock.
            drop(state);
            panic!("{}", if has_failed { "another one failed" } else { "nothing happens any more" });
        }
        state
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Tells the one who kills how far the clients are.
    fn burn(&self, burnt: Fuse) {
        let mut state = self.state();
        let left = match (state.fuse, burnt) {
            (Some(Fuse::Bytes(left)), Fuse::Bytes(sent)) => Fuse::Bytes(left.saturating_sub(sent)),
            (Some(Fuse::Answers(left)), Fuse::Answers(heard)) => Fuse::Answers(left.saturating_sub(heard)),
            _ => return,
        };
        let is_burnt = matches!(left, Fuse::Bytes(0) | Fuse::Answers(0));
        state.fuse = (!is_burnt).then_some(left);
        if is_burnt {
            self.changed.notify_all();
        }
    }
}

/// Tells the others of a failure.
struct Alarm<'a>(&'a Shared);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // If the failure left the lock poisoned, that ends the other threads too.
            if let Ok(mut state) = self.0.state.lock() {
                state.has_failed = true;
            }
            self.0.changed.notify_all();
        }
    }
}

struct Client<'a> {
    shared: &'a Shared,
    key: &'a str,
    number: u64,
    random: fastrand::Rng,
    /// What was acknowledged, to be sent again now and then.
    done: Vec<Batch>,
    /// The server that it talks to.
    server: u32,
}

impl Client<'_> {
    fn run(mut self) {
        let _alarm = Alarm(self.shared);
        let mut batches = 0;
        let mut connection = None;
        loop {
            let again = if self.random.u8(..6) == 0 { self.random.choice(&self.done).cloned() } else { None };
            let is_new = again.is_none();
            let batch = again.unwrap_or_else(|| {
                batches += 1;
                let name = format!("client-{}/batch-{batches}", self.number);
                Batch::random(&name, &mut self.random, MOST_ENTRIES)
            });
            let mut state = self.shared.state();
            if state.is_ending {
                state.ended += 1;
                self.shared.changed.notify_all();
                return;
            }
            state.begun.insert(batch.name.clone(), batch.entries.clone());
            drop(state);
            self.deliver(&batch, is_new, &mut connection);
            if is_new {
                self.done.push(batch);
            }
        }
    }

    /// Sends a batch until it is acknowledged.
    fn deliver(&mut self, batch: &Batch, is_new: bool, connection: &mut Option<Connection<TcpStream>>) {
        let mut tries = 0;
        loop {
            tries += 1;
            let answer = match self.try_to_deliver(batch, connection) {
                Ok(answer) => answer,
                Err(_) => {
                    // Nothing but a kill breaks a connection, so there is going to be another server.
                    *connection = None;
                    let old = self.server;
                    drop(self.shared.wait(|state| state.servers > old && state.address.is_some()));
                    continue;
                }
            };
            assert_eq!(answer.status, 201, "{}", answer.text());
            let recorded = format!("\"recorded\":{}}}", batch.entries.len());
            assert!(answer.text().ends_with(&recorded), "{}", answer.text());
            let was_there = answer.header("idempotency-replayed").is_some();
            if is_new {
                assert!(!was_there || tries > 1, "{} is new", batch.name);
            } else {
                assert!(was_there, "{} was acknowledged before", batch.name);
            }
            self.shared.change(|state| {
                *state.acknowledged.entry(batch.name.clone()).or_default() += 1;
                state.stored_unheard += u32::from(is_new && was_there);
            });
            self.shared.burn(Fuse::Answers(1));
            return;
        }
    }

    fn try_to_deliver(
        &mut self,
        batch: &Batch,
        connection: &mut Option<Connection<TcpStream>>,
    ) -> io::Result<Answer> {
        let connection = match connection {
            Some(connection) => connection,
            None => {
                let state = self.shared.wait(|state| state.address.is_some());
                self.server = state.servers;
                let address = state.address.clone().unwrap();
                drop(state);
                connection.insert(Connection::open(&address)?)
            }
        };
        for piece in batch.request(self.key, self.random.u8(..3) == 0).bytes().chunks(PIECE) {
            connection.send(piece)?;
            self.shared.burn(Fuse::Bytes(piece.len()));
        }
        connection.answer()
    }
}

/// What is true of the ledger after every kill.
#[track_caller]
fn is_sound(shared: &Shared, found: &Found) {
    let state = shared.state();
    found.is_of_whole_batches(|name| state.begun[name].len());
    for name in state.acknowledged.keys() {
        assert!(found.has(name), "batch {name} was acknowledged and is not there");
    }
}

#[test]
fn killed_fifty_times_while_clients_send() {
    let ledger = Ledger::of(&[]);
    let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
    let (path, shared) = (ledger.path(), Shared::default());
    let mut random = fastrand::Rng::with_seed(7);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let random = fastrand::Rng::with_seed(number);
            let client =
                Client { shared: &shared, key: &ingest, number, random, done: Vec::new(), server: 0 };
            scope.spawn(|| client.run());
        }
        let _alarm = Alarm(&shared);
        for _ in 0..KILLS {
            // As the kill left it, the log too, and then as the next server has it.
            check::is_clean(&path);
            let host = Host::start(&path, &[]);
            check::is_clean(&path);
            is_sound(&shared, &Found::by_walk(&host, &admin));
            shared.change(|state| {
                state.fuse = Some(match random.bool() {
                    true => Fuse::Bytes(random.usize(1..100_000)),
                    false => Fuse::Answers(random.usize(1..12)),
                });
                state.address = Some(host.address().to_owned());
                state.servers += 1;
            });
            drop(shared.wait(|state| state.fuse.is_none()));
            // Waits a random moment more: the fuse burns when a client sends or hears something, and a server does most
            // of its work in between.
            for _ in 0..random.u32(..300) {
                thread::yield_now();
            }
            shared.change(|state| state.address = None);
            host.kill();
        }
        let host = Host::start(&path, &[]);
        is_sound(&shared, &Found::by_walk(&host, &admin));
        shared.change(|state| {
            state.address = Some(host.address().to_owned());
            state.servers += 1;
            state.is_ending = true;
        });
        // The clients send what they still have; the server is there until then.
        drop(shared.wait(|state| state.ended == CLIENTS));
        host.stop();
    });

    let host = Host::start(&path, &[]);
    is_sound(&shared, &Found::by_walk(&host, &admin));
    let state = shared.state();
    assert!(state.begun.keys().eq(state.acknowledged.keys()), "each was sent until it was acknowledged");
    let all: Vec<_> = state.begun.values().flatten().cloned().collect();
    let found = host.export(&admin, &["--until", "2026-07", "--format", "ndjson"]).done().entries();
    assert_eq!(whole_set(&found), whole_set(&all), "the ledger is exactly what was acknowledged");
    assert!(found.is_sorted_by_key(|entry| entry.timestamp));
    analytics_agree(&host, &admin, &found);
    host.stop();
    rollups_agree(&path, "default", &found);
    check::is_clean(&path);
    // Otherwise it was not tested: kills between the commit and the answer.
    assert!(state.stored_unheard > 0, "no kill came between a commit and its answer");
    println!(
        "{KILLS} kills, {} batches of {} entries, {} of them stored without an answer",
        state.begun.len(),
        all.len(),
        state.stored_unheard
    );
}

fn whole_set(entries: &[UsageEntry]) -> WholeSet {
    entries.iter().collect()
}
