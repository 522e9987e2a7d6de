//! Accounts that are kept in step with a service: which one it is, and whose turn it is to bring them in line.

use std::time::Duration;

use billing_ledger::{AccountId, Error, ErrorKind, Source, TakenTurn, Turn};
use billing_model::Timestamp;
use deadpool_postgres::ClientWrapper;

use crate::connections::Limit;
use crate::failure::Failure;
use crate::ledger::PostgresLedger;
use crate::removal;
use crate::row::count;
use crate::session::Session;
use crate::text;

/// What is said of a holder that says nothing of itself.
const SOMEBODY: &str = "another process";

/// The advisory locks of turns: `turn` as a number, and the account. Locks are a database's own, and the first number tells them from those
/// of who has the ledger open.
const TURN_LOCK: i32 = 0x7475_726e;

impl PostgresLedger {
    pub(crate) fn source(&self, account: AccountId) -> Result<Option<Source>, Error> {
        self.connections().ask(Limit::Patience, async |session| {
            let sql = "SELECT base_url, key_fingerprint, settle_ns, synced_ns
                 FROM accounts LEFT JOIN sources ON sources.account = accounts.id WHERE accounts.id = $1";
            let row = session.row_if_any(sql, &[&account.0]).await?;
            let row = row.ok_or_else(|| Failure::unknown_account(account))?;
            let Some(base_url) = row.try_get::<_, Option<&str>>(0)? else { return Ok(None) };
            Ok(Some(Source {
                base_url: text::read(base_url).into_owned(),
                key_fingerprint: text::read(row.try_get(1)?).into_owned(),
                settle: Duration::from_nanos(count(&row, 2)?),
                synced_at: row.try_get::<_, Option<i64>>(3)?.map(Timestamp::from_unix_ns),
            }))
        })
    }

    pub(crate) fn set_source(&self, account: AccountId, source: &Source) -> Result<(), Error> {
        let used = self.connections().write(Limit::Patience, async |session| {
            // Who writes entries has this lock too, so what is stored is seen from here on.
            let sql = "SELECT name FROM accounts WHERE id = $1 FOR NO KEY UPDATE";
            let row = session.row_if_any(sql, &[&account.0]).await?;
            let row = row.ok_or_else(|| Failure::unknown_account(account))?;
            if !is_synced(session, account).await? && !removal::is_bare(session, account).await? {
                return Ok(Some(text::read(row.try_get(0)?).into_owned()));
            }
            put(session, account, source).await?;
            Ok(None)
        })?;
        let Some(name) = used else { return Ok(()) };
        // Counting may take a while, and others wait to write: so it is done without the lock.
        self.connections().read(Limit::Patience, async |session| {
            let obstacles = removal::content(session, account).await?.join(", ");
            let detail =
                format!("the account `{name}` cannot become a copy of a service: it has {obstacles}");
            Err(Failure::Kind(ErrorKind::AccountInUse, detail))
        })
    }

    pub(crate) fn take_turn(&self, account: AccountId, holder: &str) -> Result<Turn, Error> {
        let connections = self.connections();
        connections.ask(Limit::Patience, async |session| {
            let found = session.row_if_any("SELECT FROM accounts WHERE id = $1", &[&account.0]).await?;
            found.map(drop).ok_or_else(|| Failure::unknown_account(account))
        })?;
        // The lock is the connection's: it ends with it, however the process ends.
        let client = connections.take()?;
        let is_taken = connections.on(Limit::Patience, async {
            let sql = "SELECT pg_try_advisory_lock($1, $2)";
            Ok(Session(&client).row(sql, &[&TURN_LOCK, &number_of(account)]).await?.try_get(0)?)
        })?;
        if is_taken {
            let held = HeldTurn { ledger: self.clone(), client, account };
            held.say(holder)?;
            return Ok(Turn::Taken(TakenTurn::new(held)));
        }
        connections.ask(Limit::Patience, async |session| {
            let sql = "SELECT holder FROM turns WHERE account = $1";
            let row = session.row_if_any(sql, &[&account.0]).await?;
            let holder = row.map(|row| row.try_get::<_, String>(0)).transpose()?.unwrap_or_default();
            Ok(Turn::HeldBy(match text::read(&holder) {
                nobody if nobody.is_empty() => SOMEBODY.to_owned(),
                holder => holder.into_owned(),
            }))
        })
    }
}

/// Keeps the source of an account.
pub(crate) async fn put(session: Session<'_>, account: AccountId, source: &Source) -> Result<(), Failure> {
    let in_range = |at: Timestamp| at.unix_ns().ok_or_else(|| Error::timestamp(at));
    let synced_ns = source.synced_at.map(in_range).transpose()?;
    let settle_ns = i64::try_from(source.settle.as_nanos()).unwrap_or(i64::MAX);
    let sql = "INSERT INTO sources (account, base_url, key_fingerprint, settle_ns, synced_ns)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (account) DO UPDATE SET base_url = excluded.base_url,
             key_fingerprint = excluded.key_fingerprint, settle_ns = excluded.settle_ns,
             synced_ns = excluded.synced_ns";
    let (base_url, fingerprint) = (text::kept(&source.base_url), text::kept(&source.key_fingerprint));
    session.execute(sql, &[&account.0, &base_url, &fingerprint, &settle_ns, &synced_ns]).await.map(drop)
}

/// A turn of this process.
struct HeldTurn {
    ledger: PostgresLedger,
    client: ClientWrapper,
    account: AccountId,
}

impl HeldTurn {
    /// Says who has it. Nobody else does so meanwhile.
    fn say(&self, holder: &str) -> Result<(), Error> {
        let sql = "INSERT INTO turns (account, holder) VALUES ($1, $2)
             ON CONFLICT (account) DO UPDATE SET holder = excluded.holder";
        let (session, holder) = (Session(&self.client), text::kept(holder));
        self.ledger
            .connections()
            .on(Limit::Patience, async { session.execute(sql, &[&self.account.0, &holder]).await })
            .map(drop)
    }
}

impl Drop for HeldTurn {
    /// Ends the turn before the connection ends, which may take a moment: who comes next gets it at once.
    fn drop(&mut self) {
        let sql = "SELECT pg_advisory_unlock($1, $2)";
        let session = Session(&self.client);
        // If that fails, the connection is gone, and the lock with it.
        let _ended = self.ledger.connections().on(Limit::Patience, async {
            session.execute(sql, &[&TURN_LOCK, &number_of(self.account)]).await
        });
    }
}

/// The number of an account in its lock. Two accounts that are four milliards apart share one, and then a turn.
fn number_of(account: AccountId) -> i32 {
    let [a, b, c, d, ..] = account.0.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// True for an account that is a copy of a service. If the account is locked, it stays so.
pub(crate) async fn is_synced(session: Session<'_>, account: AccountId) -> Result<bool, Failure> {
    let sql = "SELECT EXISTS (SELECT FROM sources WHERE account = $1)";
    Ok(session.row(sql, &[&account.0]).await?.try_get(0)?)
}

/// Refuses an import into an account that is a copy of a service.
pub(crate) async fn refuse_synced(session: Session<'_>, account: AccountId) -> Result<(), Failure> {
    match is_synced(session, account).await? {
        true => Err(Failure::Kind(ErrorKind::SyncedAccount, String::new())),
        false => Ok(()),
    }
}
