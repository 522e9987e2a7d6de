//! The connections to the database, and the transactions on them.
//!
//! Calls of the ledger block, and the client does not: one thread of a runtime of its own moves the bytes of all connections, and the
//! calling thread waits for its answer. A connection on which anything is not as it should be is closed, never used again.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use billing_ledger::{Error, ErrorKind, KeyMaterial, Pool as PoolState};
use deadpool_postgres::{
    ClientWrapper, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use futures::executor::block_on;
use futures::future::{try_join, try_join3};
use tokio::runtime::{Builder, Runtime as Threads};
use tokio::task::unconstrained;
use tokio::time::{sleep, timeout};
use tokio_postgres::NoTls;

use crate::failure::{self, Failure};
use crate::gate::Gate;
use crate::greeting::{self, Opening, PRESENCE_LOCK, STANDBY};
use crate::session::{Session, Values};
use crate::settings::Settings;
use crate::target::Target;
use crate::tls;
use crate::watch::Watched;

/// Where a peer that is gone without a word is noticed though nobody has a limit of time: after this long without an acknowledgement.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);

/// How long a call without a limit waits for a lock that somebody else has.
const LONG_LOCK: Duration = Duration::from_secs(60);

/// How long the connections of a program that has ended may still be seen: the database looks every two seconds whether a client whose
/// statement runs is there.
const LINGERING: Duration = Duration::from_secs(3);

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// As long as [`Settings::patience`], all in all: somebody waits for an answer.
    Patience,
    /// As long as that and so much more: somebody waits for much.
    Longer(Duration),
    /// As long as it takes: it passes over much, and its connection is watched.
    None,
}

pub(crate) struct Connections {
    target: Target,
    pool: Pool,
    /// It is there until this is dropped.
    threads: Option<Threads>,
    gate: Mutex<Gate>,
    settings: Settings,
    secret: [u8; 32],
    /// The number in the lock of this one's presence.
    presence: i32,
}

impl Connections {
    /// Connects to a database that holds a ledger, and takes an older schema forward.
    pub(crate) fn open(target: Target, settings: Settings, opening: Opening) -> Result<Self, Error> {
        let threads = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(|cause| Error::new(ErrorKind::Engine, "no thread for the database").caused_by(cause))?;
        let tls = tls::connector(&target)?;
        let mut config = target.config().clone();
        // To open a connection takes half of a call's patience at most, however many servers the URL names: one that is gone does not
        // use up the time of the next one.
        let half = settings.patience / 2;
        let servers = config.get_hosts().len().max(config.get_hostaddrs().len()).max(1);
        config
            .connect_timeout(half / u32::try_from(servers).unwrap_or(u32::MAX))
            .tcp_user_timeout(UNACKNOWLEDGED)
            .keepalives_idle(UNACKNOWLEDGED)
            .keepalives_interval(Duration::from_secs(2))
            .keepalives_retries(3);
        let recycled = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match target.has_tls() {
            true => Manager::from_connect(config, Watched(tls), recycled),
            false => Manager::from_connect(config, Watched(NoTls), recycled),
        };
        let pool = Pool::builder(manager)
            .max_size(target.connections().unwrap_or(settings.connections))
            .wait_timeout(Some(half))
            .create_timeout(Some(half))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|cause| Error::new(ErrorKind::Engine, "the pool cannot be made").caused_by(cause))?;
        let [a, b, c, d, ..] = KeyMaterial::random()?;
        let mut connections = Self {
            target,
            pool,
            threads: Some(threads),
            gate: Mutex::default(),
            settings,
            secret: [0; 32],
            presence: i32::from_le_bytes([a, b, c, d]),
        };
        connections.secret = connections.call(Limit::None, async |session, _| {
            greeting::open(session, opening, &connections.settings).await
        })?;
        Ok(connections)
    }

    /// The random number that all keys of the ledger are derived from.
    pub(crate) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// How many connections there may be.
    pub(crate) fn most(&self) -> usize {
        self.pool.status().max_size
    }

    /// The pool at this moment.
    pub(crate) fn state(&self) -> PoolState {
        let status = self.pool.status();
        PoolState {
            most: status.max_size,
            open: status.size,
            idle: status.available,
            waiting: status.waiting,
        }
    }

    /// True when anybody else has a connection to the ledger. The connections of one who has just ended are seen for a moment, so it is
    /// asked again for some time.
    pub(crate) fn is_in_use(&self) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (
                 SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
                 AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
                 AND classid::bigint = $1 AND objid::bigint <> $2)";
        let unsigned = |number: i32| i64::from(number.cast_unsigned());
        self.ask(Limit::None, async |session| {
            let begun = Instant::now();
            loop {
                let values: Values<'_> = &[&unsigned(PRESENCE_LOCK), &unsigned(self.presence)];
                let is_seen: bool = session.row(sql, values).await?.try_get(0)?;
                if !is_seen || begun.elapsed() >= LINGERING {
                    return Ok(is_seen);
                }
                sleep(LINGERING / 20).await;
            }
        })
    }

    /// One or several statements that need not be of one moment.
    pub(crate) fn ask<T>(
        &self,
        limit: Limit,
        work: impl AsyncFnOnce(Session<'_>) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        self.call(limit, async |session, _| work(session).await)
    }

    /// Reads in a transaction: all of it is of one moment.
    pub(crate) fn read<T>(
        &self,
        limit: Limit,
        work: impl AsyncFnOnce(Session<'_>) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let begin = begin("REPEATABLE READ READ ONLY", limit);
        self.call(limit, async |session, _| {
            // The first statement is sent with it, and answered after it.
            let sent = try_join3(session.run(&begin), greeting::check_version(session), work(session));
            let ((), (), done) = sent.await?;
            session.run("COMMIT").await?;
            Ok(done)
        })
    }

    /// Writes in a transaction: when it returns, all of it is durable, or nothing is stored, but for [`ErrorKind::OutcomeNotKnown`].
    ///
    /// Each statement sees what was committed before it began. Lock accounts in the order of their numbers, and the number of blocks
    /// last, so that nobody waits for anybody who waits for them.
    pub(crate) fn write<T>(
        &self,
        limit: Limit,
        work: impl AsyncFnOnce(Session<'_>) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        self.call(limit, async |session, stage| transact(session, limit, stage, work).await)
    }

    /// The same on a connection that was taken. After an error it is of no further use.
    pub(crate) fn write_on<T>(
        &self,
        client: &ClientWrapper,
        limit: Limit,
        work: impl AsyncFnOnce(Session<'_>) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let mut stage = Stage::Working;
        let done = self.wait(limit, transact(Session(client), limit, &mut stage, work));
        done.map_err(|failure| self.fail(Some(client), stage, failure).0)
    }

    /// A connection that is nobody else's any more. It ends when it is dropped.
    pub(crate) fn take(&self) -> Result<ClientWrapper, Error> {
        let taken = self.wait(Limit::Patience, async {
            let client = Object::take(self.acquire().await?);
            // Nothing passes over it for hours, perhaps, or much does over a slow line. Who waits for it limits the wait.
            let sql = "SET idle_session_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
                       SET statement_timeout = 0";
            Session(&client).run(sql).await?;
            Ok(client)
        });
        taken.map_err(|failure| failure::error(&self.target, failure))
    }

    /// Waits for something on such a connection.
    pub(crate) fn on<T>(
        &self,
        limit: Limit,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Error> {
        self.wait(limit, work).map_err(|failure| failure::error(&self.target, failure))
    }

    /// Does a call on a connection. What fails without a word of the database closes the connection.
    fn call<T>(
        &self,
        limit: Limit,
        work: impl AsyncFnOnce(Session<'_>, &mut Stage) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let (mut held, mut stage) = (None, Stage::Working);
        let done = self.wait(limit, async {
            let client: &Object = held.insert(Held::of(self.acquire().await?)).client()?;
            work(Session(client), &mut stage).await
        });
        match done {
            Ok(done) => {
                if let Some(held) = held {
                    held.release();
                }
                Ok(done)
            }
            Err(failure) => {
                let client = held.as_ref().and_then(|held| held.client().ok());
                let (error, is_of_use) = self.fail(client.map(|client| &**client), stage, failure);
                if is_of_use && let Some(held) = held {
                    held.release();
                }
                Err(error)
            }
        }
    }

    /// The error of a call, and whether its connection is of further use: if a rollback gets through. Otherwise it is closed, and so are
    /// those that nobody uses, because the database may be away, or another server's.
    fn fail(&self, client: Option<&ClientWrapper>, stage: Stage, mut failure: Failure) -> (Error, bool) {
        let was_lost = is_lost(&failure);
        let (mut closes, mut is_read_only) = (was_lost, false);
        if let Failure::Database(cause) = &failure {
            closes |= failure::is_of_stale_statement(cause);
            is_read_only = failure::is_of_reading_only(cause);
        }
        let mut is_of_use = false;
        if let Some(client) = client.filter(|_| !closes) {
            let session = Session(client);
            let is_standby = self.wait(Limit::Patience, async {
                session.run("ROLLBACK").await?;
                Ok(is_read_only && greeting::is_standby(session).await?)
            });
            match is_standby {
                // A session keeps the default with which it began: when somebody takes it back, only a new one hears so.
                Ok(false) if is_read_only => closes = true,
                Ok(false) => is_of_use = true,
                // Somewhere there is a server that takes it.
                Ok(true) => (failure, closes) = (away(STANDBY), true),
                Err(_) => {}
            }
        }
        if closes {
            self.pool.retain(|_, _| false);
        }
        let error = failure::error(&self.target, failure);
        match (stage, was_lost) {
            (Stage::Committing, true) => {
                let failure = Failure::Kind(ErrorKind::OutcomeNotKnown, error.to_string());
                (failure::error(&self.target, failure).caused_by(error), is_of_use)
            }
            _ => (error, is_of_use),
        }
    }

    /// Waits on this thread for work that others do. A caller in a task of some other runtime has used up the task's budget at some
    /// time; then nothing that asks for a part of it would ever be ready here, timers among it. So it asks for none.
    fn wait<T>(&self, limit: Limit, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let Some(threads) = &self.threads else { return Err(away("it was closed")) };
        let _context = threads.enter();
        let patience = match limit {
            Limit::Patience => self.settings.patience,
            Limit::Longer(more) => self.settings.patience + more,
            Limit::None => return block_on(unconstrained(work)),
        };
        block_on(unconstrained(timeout(patience, work)))
            .unwrap_or_else(|_| Err(away(format!("no answer within {:.1} s", patience.as_secs_f64()))))
    }

    /// A connection of the pool, or a new one.
    async fn acquire(&self) -> Result<Object, Failure> {
        let status = self.pool.status();
        let is_new = status.available == 0 && status.size < status.max_size;
        if is_new && !self.gate(|gate| gate.pass(Instant::now())) {
            return Err(away("it was away a moment ago"));
        }
        let client = match self.pool.get().await {
            Ok(client) => client,
            Err(PoolError::Timeout(TimeoutType::Wait)) => {
                return Err(Failure::Kind(ErrorKind::Busy, "all connections are in use".to_owned()));
            }
            Err(failed) => {
                self.gate(|gate| gate.fail(Instant::now()));
                return Err(match failed {
                    // Who has been let in before is let in again, when somebody has given the new password to the database or to us.
                    PoolError::Backend(cause) if self.is_open() && failure::is_of_letting_in(&cause) => {
                        away(failure::detail_of(&cause))
                    }
                    PoolError::Backend(cause) => cause.into(),
                    PoolError::Timeout(_) => away("no answer to a new connection"),
                    other => away(other.to_string()),
                });
            }
        };
        if Object::metrics(&client).recycle_count == 0 {
            let held = Held::of(client);
            let greeted = self.greet(Session(held.client()?)).await;
            if greeted.as_ref().is_err_and(is_lost) {
                self.gate(|gate| gate.fail(Instant::now()));
            }
            greeted?;
            self.gate(Gate::open);
            return held.into_client();
        }
        Ok(client)
    }

    async fn greet(&self, session: Session<'_>) -> Result<(), Failure> {
        greeting::set_up(session, &self.settings, self.presence).await?;
        match self.is_open() {
            true => greeting::recognize(session, &self.secret).await,
            false => Ok(()),
        }
    }

    /// False while it is being opened.
    fn is_open(&self) -> bool {
        self.secret != [0; 32]
    }

    fn gate<T>(&self, work: impl FnOnce(&mut Gate) -> T) -> T {
        work(&mut self.gate.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.pool.close();
        // A runtime that waits for its threads may not be dropped where nothing may block.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connections").field(&self.target).finish()
    }
}

/// How far a call is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Working,
    /// COMMIT was sent, perhaps: a connection that is lost now leaves the outcome open.
    Committing,
}

/// A connection that is closed when it is dropped, unless it is released. So one that a panic or a limit of time has left in the middle
/// of something is never used again.
struct Held(Option<Object>);

impl Held {
    fn of(client: Object) -> Self {
        Self(Some(client))
    }

    fn client(&self) -> Result<&Object, Failure> {
        self.0.as_ref().ok_or_else(|| away("it was closed"))
    }

    fn into_client(mut self) -> Result<Object, Failure> {
        self.0.take().ok_or_else(|| away("it was closed"))
    }

    /// Gives it back to the pool.
    fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Object::take(client));
        }
    }
}

/// Does work in a transaction, and commits it.
async fn transact<T>(
    session: Session<'_>,
    limit: Limit,
    stage: &mut Stage,
    work: impl AsyncFnOnce(Session<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let begin = begin("READ COMMITTED", limit);
    try_join(session.run(&begin), greeting::check_version(session)).await?;
    let done = work(session).await?;
    *stage = Stage::Committing;
    // COMMIT alone would be answered with success after a statement that failed and whose answer nobody read. Any statement fails then.
    session.run("SELECT; COMMIT").await?;
    Ok(done)
}

/// The statements that begin a transaction. How it is isolated is said, because a role or a database may have another default; a default
/// by which it only reads is respected, with which a database is protected, when its disk is full say.
///
/// A program of a newer version may take the schema forward at any time. So the table of its version is locked, before the transaction
/// sees anything.
fn begin(isolation: &str, limit: Limit) -> String {
    let limits = match limit {
        Limit::Patience => String::new(),
        // It ends with the caller's wait, which ends the connection.
        Limit::Longer(_) => "SET LOCAL statement_timeout = 0;".to_owned(),
        Limit::None => {
            let lock_ms = LONG_LOCK.as_millis();
            format!("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {lock_ms};")
        }
    };
    format!("BEGIN ISOLATION LEVEL {isolation}; {limits} LOCK TABLE ledger IN ACCESS SHARE MODE")
}

/// True when the connection is lost, or the server is one that cannot be used. Any other failure is an answer of the database.
fn is_lost(failure: &Failure) -> bool {
    match failure {
        Failure::Database(cause) => !failure::says_not_stored(cause),
        Failure::Kind(kind, _) => *kind == ErrorKind::Away,
        Failure::Error(_) => false,
    }
}

fn away(detail: impl Into<String>) -> Failure {
    Failure::Kind(ErrorKind::Away, detail.into())
}

#[cfg(test)]
mod tests;
