//! What is said and asked on a new connection, and when a ledger is opened.

use billing_ledger::ErrorKind;
use futures::future::try_join;

use crate::failure::{self, Failure};
use crate::schema::{self, Identity, VERSION};
use crate::session::Session;
use crate::settings::Settings;

/// The advisory locks by which a ledger's users see each other: `open` as a number, and a random number of who has it open. Each of
/// its connections shares the lock, which ends with it.
pub(crate) const PRESENCE_LOCK: i32 = 0x6f70_656e;

/// What is said of a server that only follows another one.
pub(crate) const STANDBY: &str = "the server there is a standby, which stores nothing and may be behind";

/// As what a ledger is opened.
#[derive(Clone, Copy)]
pub(crate) struct Opening {
    /// Where there is none, one is made.
    pub(crate) may_create: bool,
    /// A copy into it may have begun and not have ended.
    pub(crate) may_be_unfinished: bool,
}

/// Sets a new connection up.
pub(crate) async fn set_up(session: Session<'_>, settings: &Settings, presence: i32) -> Result<(), Failure> {
    let patience_ms = settings.patience.as_millis();
    // A lock is waited for half as long as a statement may take, so that the error says which it was. One plan does for all
    // values: planning a statement takes longer than most of them run. It is kept while the tables grow, so it must be the one for
    // large tables: along an index, in its order, and as it comes. A plan for a few thousand rows would be of no use for so many
    // million. A commit is durable here, and on the standbys that the server waits for; a server that waits for more than `on` says
    // keeps its own setting. Warnings are told because of those waits; see `watch`.
    let set_up = format!(
        "SET search_path TO billing; SET statement_timeout = {patience_ms}; SET lock_timeout = {}; \
         SET idle_in_transaction_session_timeout = 120000; SET plan_cache_mode = force_generic_plan; \
         SET enable_seqscan = off; SET enable_bitmapscan = off; SET jit = off; \
         SET max_parallel_workers_per_gather = 0; \
         SET extra_float_digits = 1; SET client_min_messages = warning; \
         SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write'); \
         SELECT pg_advisory_lock_shared({PRESENCE_LOCK}, {presence})",
        patience_ms / 2,
    );
    let ((), is_standby) = try_join(session.run(&set_up), is_standby(session)).await?;
    if is_standby && !settings.may_be_standby {
        return Err(Failure::Kind(ErrorKind::Away, STANDBY.to_owned()));
    }
    // Ends the work of a client that is gone. Some systems do not have it.
    match session.run("SET client_connection_check_interval = 2000").await {
        Err(Failure::Database(cause)) if failure::says_not_stored(&cause) => Ok(()),
        done => done,
    }
}

/// True for a server that only follows another one.
pub(crate) async fn is_standby(session: Session<'_>) -> Result<bool, Failure> {
    Ok(session.0.query_typed_one("SELECT pg_catalog.pg_is_in_recovery()", &[]).await?.try_get(0)?)
}

/// Sees that the ledger is still the one that was opened.
pub(crate) async fn recognize(session: Session<'_>, opened: &[u8; 32]) -> Result<(), Failure> {
    match schema::identify(session.0).await? {
        Identity::Ledger { version, secret, .. } if secret == opened => refuse_other(version),
        Identity::Ledger { .. } => {
            Err(Failure::Kind(ErrorKind::Replaced, "another ledger is there".to_owned()))
        }
        Identity::Nothing | Identity::Other => {
            Err(Failure::Kind(ErrorKind::Replaced, "no ledger is there".to_owned()))
        }
    }
}

/// Sees that nobody has taken the schema forward since the connection was made. The table must be locked: its row is read as it was when
/// the statement began to wait for a lock.
pub(crate) async fn check_version(session: Session<'_>) -> Result<(), Failure> {
    refuse_other(session.row("SELECT version FROM ledger", &[]).await?.try_get(0)?)
}

fn refuse_other(version: i32) -> Result<(), Failure> {
    if version == VERSION { Ok(()) } else { Err(schema::newer(version)) }
}

/// Looks what is there, migrates where that is needed, and gives the ledger's secret.
pub(crate) async fn open(
    session: Session<'_>,
    opening: Opening,
    settings: &Settings,
) -> Result<[u8; 32], Failure> {
    let found = match schema::identify(session.0).await? {
        Identity::Nothing if !opening.may_create => {
            let detail = "its schema `billing` is not there, or has nothing in it".to_owned();
            return Err(Failure::Kind(ErrorKind::NotFound, detail));
        }
        Identity::Ledger { version, .. } if version > VERSION => return Err(schema::newer(version)),
        found @ Identity::Ledger { version: VERSION, .. } => found,
        Identity::Ledger { version, .. } if !settings.may_migrate => return Err(schema::older(version)),
        Identity::Other => {
            return Err(Failure::Kind(ErrorKind::NotALedger, "it has other tables".to_owned()));
        }
        Identity::Nothing | Identity::Ledger { .. } => {
            schema::migrate(session).await?;
            schema::identify(session.0).await?
        }
    };
    match found {
        Identity::Ledger { is_copying: true, .. } if !opening.may_be_unfinished => {
            let detail = "a copy into it has not ended: run `billing ledger copy` again".to_owned();
            Err(Failure::Kind(ErrorKind::UnfinishedCopy, detail))
        }
        Identity::Ledger { secret, .. } => {
            secret.try_into().map_err(|_| Failure::damaged("its secret has not 32 bytes"))
        }
        Identity::Nothing | Identity::Other => {
            Err(Failure::Kind(ErrorKind::Replaced, "it was removed meanwhile".to_owned()))
        }
    }
}
