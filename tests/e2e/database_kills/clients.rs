//! Clients that send batches until each is acknowledged, whatever happens to the server and to its database.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpStream;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use billing_model::UsageEntry;

use crate::conversation::{Answer, Connection};
use crate::ingest::Batch;

const MOST_ENTRIES: usize = 60;

/// A limit for a test in which nothing happens any more. No test waits for it.
const LIMIT: Duration = Duration::from_secs(60);

/// The longest that a client who was told to ask again later waits for something to change.
const PAUSE: Duration = Duration::from_millis(20);

/// What the clients and the one who kills know of each other.
#[derive(Default)]
pub(super) struct Clients {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Where the server is; none while there is none.
    address: Option<String>,
    /// True when clients only finish what they have begun.
    is_ending: bool,
    ended: usize,
    /// Every batch that was ever sent, by its name.
    begun: BTreeMap<String, Begun>,
    /// True when somebody found a fault: nobody waits any longer then.
    has_failed: bool,
    counts: Counts,
}

struct Begun {
    account: usize,
    entries: Vec<UsageEntry>,
    is_acknowledged: bool,
}

/// How often something happened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Acknowledgements, of batches that were sent again too.
    pub(super) answers: usize,
    /// Batches whose acknowledgement was lost, and that were found stored when they were sent again.
    pub(super) unheard: usize,
    /// Requests that were refused for now.
    pub(super) refused: usize,
    /// The longest that a refusal took.
    pub(super) longest_refusal: Duration,
}

impl Clients {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
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

    /// The server is here; `None` while there is none.
    pub(super) fn send_to(&self, address: Option<&str>) {
        self.change(|state| state.address = address.map(str::to_owned));
    }

    /// Waits until so many more batches are acknowledged.
    pub(super) fn wait_for_answers(&self, more: usize) {
        let before = self.counts().answers;
        drop(self.wait(|state| state.counts.answers >= before + more));
    }

    pub(super) fn counts(&self) -> Counts {
        self.state().counts
    }

    /// Tells the clients to come to an end, and waits for it.
    pub(super) fn end(&self, clients: usize) {
        self.change(|state| state.is_ending = true);
        drop(self.wait(|state| state.ended == clients));
    }

    /// The batches of an account that are acknowledged.
    pub(super) fn acknowledged(&self, account: usize) -> Vec<String> {
        let state = self.state();
        let ours = state.begun.iter().filter(|(_, batch)| batch.account == account && batch.is_acknowledged);
        ours.map(|(name, _)| name.clone()).collect()
    }

    /// How many entries a batch has.
    #[track_caller]
    pub(super) fn entries_of(&self, name: &str) -> usize {
        self.state().begun[name].entries.len()
    }

    /// All entries of an account that were ever sent, and the number of their batches. Each is acknowledged.
    #[track_caller]
    pub(super) fn all(&self, account: usize) -> (Vec<UsageEntry>, usize) {
        let state = self.state();
        assert!(
            state.begun.values().all(|batch| batch.is_acknowledged),
            "each is sent until it is acknowledged"
        );
        let ours: Vec<_> = state.begun.values().filter(|batch| batch.account == account).collect();
        (ours.iter().flat_map(|batch| batch.entries.clone()).collect(), ours.len())
    }
}

/// Tells the others of a failure.
pub(super) struct Alarm<'a>(pub(super) &'a Clients);

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

pub(super) struct Client<'a> {
    clients: &'a Clients,
    account: usize,
    key: &'a str,
    number: usize,
    random: fastrand::Rng,
    /// What was acknowledged, to be sent again now and then.
    done: Vec<Batch>,
    connection: Option<Connection<TcpStream>>,
}

impl<'a> Client<'a> {
    pub(super) fn new(clients: &'a Clients, account: usize, key: &'a str, number: usize) -> Self {
        let random = fastrand::Rng::with_seed(number.try_into().unwrap());
        Self { clients, account, key, number, random, done: Vec::new(), connection: None }
    }

    pub(super) fn run(mut self) {
        let _alarm = Alarm(self.clients);
        let mut batches = 0;
        loop {
            let again = if self.random.u8(..6) == 0 { self.random.choice(&self.done).cloned() } else { None };
            let is_new = again.is_none();
            let batch = again.unwrap_or_else(|| {
                batches += 1;
                let name = format!("client-{}/batch-{batches}", self.number);
                Batch::random(&name, &mut self.random, MOST_ENTRIES)
            });
            let mut state = self.clients.state();
            if state.is_ending || state.has_failed {
                state.ended += 1;
                self.clients.changed.notify_all();
                return;
            }
            if is_new {
                let (account, entries) = (self.account, batch.entries.clone());
                state.begun.insert(batch.name.clone(), Begun { account, entries, is_acknowledged: false });
            }
            drop(state);
            self.deliver(&batch, is_new);
            if is_new {
                self.done.push(batch);
            }
        }
    }

    /// Sends a batch until it is acknowledged.
    fn deliver(&mut self, batch: &Batch, is_new: bool) {
        for tries in 1.. {
            let start = Instant::now();
            let Ok(answer) = self.send(batch) else {
                // Only a kill of the server breaks a connection, so there is going to be another one.
                self.connection = None;
                continue;
            };
            if answer.status == 503 {
                assert!(answer.header("retry-after").is_some(), "{}", answer.head());
                let mut state = self.clients.state();
                state.counts.refused += 1;
                state.counts.longest_refusal = state.counts.longest_refusal.max(start.elapsed());
                // It asks sooner than it is told to, so that the test is short and the server has more to do.
                drop(self.clients.changed.wait_timeout(state, PAUSE).unwrap());
                continue;
            }
            assert_eq!(answer.status, 201, "{}", answer.text());
            let recorded = format!("\"recorded\":{}}}", batch.entries.len());
            assert!(answer.text().ends_with(&recorded), "{}", answer.text());
            let was_there = answer.header("idempotency-replayed").is_some();
            match is_new {
                true => assert!(!was_there || tries > 1, "{} is new", batch.name),
                false => assert!(was_there, "{} was acknowledged before", batch.name),
            }
            self.clients.change(|state| {
                state.begun.get_mut(&batch.name).unwrap().is_acknowledged = true;
                state.counts.answers += 1;
                state.counts.unheard += usize::from(is_new && was_there);
            });
            return;
        }
    }

    fn send(&mut self, batch: &Batch) -> io::Result<Answer> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let address = self.clients.wait(|state| state.address.is_some()).address.clone().unwrap();
                none.insert(Connection::open(&address)?)
            }
        };
        connection.send(&batch.request(self.key, self.random.u8(..3) == 0).bytes())?;
        connection.answer()
    }
}
