//! The one thread that writes. It stores all batches that wait in one transaction, and then answers all of them.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use billing_ledger::{Batch, ErrorKind, Ledger, Receipt};
use billing_model::Timestamp;
use tokio::sync::oneshot;

use crate::budget::Share;
use crate::error::{Error, describe};
use crate::metrics::{Amounts, Metrics};
use crate::trouble::{LastWrite, Trouble};
use crate::turns::Turn;

/// Batches that wait to be stored, at most. Their memory is bounded apart, by [`crate::budget`].
const QUEUE: usize = 1024;

/// The most entries of one transaction, unless a single batch has more. They are enough that the cost of making them
/// durable is small for each, and few enough that nobody waits for long.
const GROUP_ENTRIES: u64 = 20_000;

/// How long the thread pauses when the ledger could not be written, so that it does not try again and again without a
/// pause.
const PAUSE: Duration = Duration::from_millis(10);

/// How long a batch waits for an account that somebody else has, an import say. Others are stored meanwhile.
const BUSY: Duration = Duration::from_secs(3);

/// How long the ledger itself waits for one, if there is nothing else to do: as long as another server stores a group, and more.
const TURN: Duration = Duration::from_millis(50);

/// Whoever has an account for so long stores no group. From then on it is only looked at, so often.
const LONG: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// While the ledger cannot be written, the time between two tries.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// The free bytes with which a disk no longer counts as full: as many as a large batch takes.
const ROOM: usize = 16 << 20;

/// The time between two recordings of when keys were last used.
const KEY_USES_EVERY: Duration = Duration::from_secs(10);

/// Stores batches, and the uses of keys. Dropped, it stores what is left first.
pub(crate) struct Recorder {
    queue: Option<SyncSender<Job>>,
    uses: Arc<KeyUses>,
    last_write: Arc<LastWrite>,
    thread: Option<JoinHandle<()>>,
}

struct Job {
    batch: Batch,
    since: Instant,
    /// Its amounts, for the metrics.
    amounts: Amounts,
    reply: oneshot::Sender<Result<Receipt, Error>>,
    /// Held until the batch is stored: its memory, and the turn of its key. Its client may be gone by then.
    _held: (Share, Turn),
}

/// When each key was last used; only what is not in the ledger yet.
#[derive(Default)]
struct KeyUses(Mutex<HashMap<String, Timestamp>>);

impl Recorder {
    pub(crate) fn start(ledger: Arc<dyn Ledger>, metrics: Arc<Metrics>) -> Self {
        let (queue, jobs) = sync_channel(QUEUE);
        let uses = Arc::new(KeyUses::default());
        let last_write = Arc::new(LastWrite::default());
        let worker = Worker {
            ledger,
            metrics,
            uses: Arc::clone(&uses),
            last_write: Arc::clone(&last_write),
            waiting: VecDeque::new(),
        };
        let thread = std::thread::Builder::new().name("recorder".to_owned()).spawn(move || worker.run(&jobs));
        // If the thread cannot be started there is no queue, and every batch is refused.
        match thread {
            Ok(thread) => Self { queue: Some(queue), uses, last_write, thread: Some(thread) },
            Err(error) => {
                tracing::error!(%error, "no thread for recording");
                Self { queue: None, uses, last_write, thread: None }
            }
        }
    }

    /// Stores a batch, with others that come at the same time. When it returns, the batch is durable.
    pub(crate) async fn store(
        &self,
        (batch, amounts): (Batch, Amounts),
        held: (Share, Turn),
    ) -> Result<Receipt, Error> {
        let (reply, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or(Error::LedgerBusy)?;
        match queue.try_send(Job { batch, since: Instant::now(), amounts, reply, _held: held }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(Error::IngestFull),
            Err(TrySendError::Disconnected(_)) => return Err(Error::LedgerBusy),
        }
        answer.await.map_err(Error::internal)?
    }

    /// True while batches are taken.
    pub(crate) fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// What keeps batches from being stored at the moment.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.last_write.trouble()
    }

    /// Notes that a key was used. That is written to the ledger some seconds later, which is enough for people who look
    /// at it.
    pub(crate) fn note_use(&self, key_id: &str, at: Timestamp) {
        let mut uses = self.uses.0.lock().unwrap_or_else(PoisonError::into_inner);
        match uses.get_mut(key_id) {
            Some(last) => *last = at.max(*last),
            None => drop(uses.insert(key_id.to_owned(), at)),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic has reported itself already.
            let _ = thread.join();
        }
    }
}

struct Worker {
    ledger: Arc<dyn Ledger>,
    metrics: Arc<Metrics>,
    uses: Arc<KeyUses>,
    last_write: Arc<LastWrite>,
    /// Those whose accounts somebody else has.
    waiting: VecDeque<Job>,
}

impl Worker {
    fn run(mut self, jobs: &Receiver<Job>) {
        let mut next_uses = Instant::now() + KEY_USES_EVERY;
        let mut next_try = None;
        loop {
            let next = match self.waiting.is_empty() {
                true => next_try.map_or(next_uses, |next_try| next_uses.min(next_try)),
                false if wait_for(&self.waiting).is_zero() => Instant::now() + LOOK_EVERY,
                false => Instant::now(),
            };
            let coming = match jobs.recv_timeout(next.saturating_duration_since(Instant::now())) {
                Ok(first) => group(first, jobs),
                Err(RecvTimeoutError::Disconnected) if self.waiting.is_empty() => break,
                Err(RecvTimeoutError::Timeout) => Vec::new(),
                Err(RecvTimeoutError::Disconnected) => {
                    // Nobody sends any more, so that nothing else makes a pause.
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                    Vec::new()
                }
            };
            if !(coming.is_empty() && self.waiting.is_empty()) {
                self.store_beside_waiting(coming);
            }
            if Instant::now() >= next_uses {
                self.record_uses();
                next_uses = Instant::now() + KEY_USES_EVERY;
            }
            if next_try.is_some_and(|next_try| Instant::now() >= next_try) {
                self.last_write.note(self.ledger.try_writing(ROOM).err().map(|error| error.kind()));
                next_try = None;
            }
            // A batch that is stored ends the trouble too.
            next_try = match self.last_write.trouble() {
                None => None,
                Some(_) => next_try.or_else(|| Some(Instant::now() + TRY_EVERY)),
            };
        }
        self.record_uses();
    }

    /// Stores batches that come, with those that wait.
    fn store_beside_waiting(&mut self, mut group: Vec<Job>) {
        let mut entries = 0;
        while entries < GROUP_ENTRIES
            && let Some(job) = self.waiting.pop_front()
        {
            entries += job.batch.entries.len();
            group.push(job);
        }
        self.store(group);
    }

    fn store(&mut self, group: Vec<Job>) {
        let wait = wait_for(&group);
        let (batches, rest): (Vec<_>, Vec<_>) =
            group.into_iter().map(|job| (job.batch, (job.since, job.amounts, job.reply, job._held))).unzip();
        let start = Instant::now();
        let stored = self.ledger.store_free_batches(&batches, wait);
        let jobs = batches.into_iter().zip(rest).map(|(batch, (since, amounts, reply, _held))| Job {
            batch,
            since,
            amounts,
            reply,
            _held,
        });
        // Where all are busy, nothing was written, well or not.
        let has_written = |receipts: &Vec<Receipt>| receipts.iter().any(|receipt| *receipt != Receipt::Busy);
        if stored.as_ref().map_or(true, has_written) {
            self.last_write.note(stored.as_ref().err().map(|error| error.kind()));
        }
        match stored {
            Ok(receipts) => {
                let busy = receipts.iter().filter(|receipt| **receipt == Receipt::Busy).count();
                if busy < receipts.len() {
                    self.metrics.committed(receipts.len() - busy, start.elapsed());
                }
                for (job, receipt) in jobs.zip(receipts) {
                    self.answer(job, receipt);
                }
            }
            // With a single batch, no other one can be at fault. Where the outcome is not known, all clients send theirs again.
            Err(error)
                if jobs.len() > 1
                    && !is_everybodys(error.kind())
                    && error.kind() != ErrorKind::OutcomeNotKnown =>
            {
                self.metrics.committed(jobs.len(), start.elapsed());
                jobs.for_each(|job| self.store(vec![job]));
            }
            Err(error) => {
                self.metrics.committed(jobs.len(), start.elapsed());
                let kind = error.kind();
                let outcome = match kind {
                    ErrorKind::OutcomeNotKnown => "it is not known whether batches were stored",
                    _ => "batches were not stored",
                };
                tracing::warn!(error = describe(&error), batches = jobs.len(), "{outcome}");
                let cause = error.to_string();
                for Job { reply, .. } in jobs {
                    let error = match Trouble::of(kind) {
                        Some(trouble) => Error::Unwritable(trouble),
                        // The client sends it again, and its key tells whether it is stored.
                        None if is_everybodys(kind) || kind == ErrorKind::OutcomeNotKnown => {
                            Error::LedgerBusy
                        }
                        // The account was removed while its batch was on the way.
                        None if kind == ErrorKind::UnknownAccount => Error::Unauthenticated,
                        None => Error::internal(cause.clone()),
                    };
                    let _ = reply.send(Err(error));
                }
                if is_everybodys(kind) {
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    /// Answers a batch, or lets it wait for its account.
    fn answer(&mut self, job: Job, receipt: Receipt) {
        if receipt == Receipt::Busy && job.since.elapsed() < BUSY {
            self.waiting.push_back(job);
            return;
        }
        self.metrics.batch(job.batch.account, &job.amounts, receipt);
        // The client may be gone. It will send the batch again with the same key.
        let _ = job.reply.send(Ok(receipt));
    }

    fn record_uses(&self) {
        let uses = std::mem::take(&mut *self.uses.0.lock().unwrap_or_else(PoisonError::into_inner));
        if uses.is_empty() {
            return;
        }
        let recorded =
            self.ledger.record_key_uses(&uses.iter().map(|(id, at)| (id.as_str(), *at)).collect::<Vec<_>>());
        if let Err(error) = recorded {
            self.last_write.note(Some(error.kind()));
            tracing::debug!(error = describe(&error), "uses of keys were not recorded");
            let mut later = self.uses.0.lock().unwrap_or_else(PoisonError::into_inner);
            uses.into_iter().for_each(|(id, at)| {
                let last = later.entry(id).or_insert(at);
                *last = at.max(*last);
            });
        }
    }
}

/// How long the ledger shall wait for an account of these batches.
fn wait_for<'j>(jobs: impl IntoIterator<Item = &'j Job>) -> Duration {
    match jobs.into_iter().any(|job| job.since.elapsed() > LONG) {
        true => Duration::ZERO,
        false => TURN,
    }
}

/// The batches that wait already, up to a full transaction.
fn group(first: Job, jobs: &Receiver<Job>) -> Vec<Job> {
    let mut entries = first.batch.entries.len();
    let mut group = vec![first];
    while entries < GROUP_ENTRIES
        && let Ok(job) = jobs.try_recv()
    {
        entries += job.batch.entries.len();
        group.push(job);
    }
    group
}

/// True for an error of the ledger at the moment, and not of one batch.
fn is_everybodys(kind: ErrorKind) -> bool {
    kind == ErrorKind::Busy || Trouble::of(kind).is_some()
}
