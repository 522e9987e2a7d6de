//! Batches of entries that come with an idempotency key: each is stored once, however often it is sent.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use billing_ledger::{AccountId, Batch, Error, Receipt};
use sha2::{Digest as _, Sha256};
use tokio_postgres::Row;

use crate::connections::Limit;
use crate::failure::{self, Failure};
use crate::intake::{self, Intake};
use crate::ledger::PostgresLedger;
use crate::row::{count, signed};
use crate::session::Session;
use crate::text::kept;

/// As many entries as a server puts into one transaction are stored within the patience of a caller.
const USUAL_ENTRIES: u64 = 20_000;

/// A slow database stores more than so many entries in a second.
const LEAST_ENTRIES_PER_S: u64 = 5000;

/// The account of a batch, and the SHA-256 of its key.
type Key = (i64, [u8; 32]);

/// The digest and the number of entries of what was stored under a key.
type Stored = ([u8; 32], u64);

impl PostgresLedger {
    pub(crate) fn store_batches(&self, batches: &[Batch], waiting: Waiting) -> Result<Vec<Receipt>, Error> {
        let keys: Vec<Key> = batches.iter().map(key_of).collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let entries = batches.iter().map(|batch| batch.entries.len()).sum();
        self.connections().write(limit_for(entries), async |session| {
            let mut known = find(session, &keys).await?;
            if keys.iter().all(|key| known.contains_key(key)) {
                // Who sends all of it again needs no lock.
                let receipts = Plan::of(batches, &keys, &known, &HashMap::new())?.receipts;
                wait_for_all_before(session).await?;
                return Ok(receipts);
            }
            let accounts = lock(session, &keys, waiting).await?;
            let mut plan = Plan::of(batches, &keys, &known, &accounts)?;
            let meanwhile = plan.new.store(session).await?;
            if !meanwhile.is_empty() {
                // Others stored some of them after the look and before the lock.
                let all = find(session, &keys).await?;
                known.extend(all.into_iter().filter(|(key, _)| meanwhile.contains(key)));
                plan = Plan::of(batches, &keys, &known, &accounts)?;
            }
            if plan.coming.is_empty() {
                wait_for_all_before(session).await?;
            }
            plan.store(session, batches).await
        })
    }

    pub(crate) fn find_batch(
        &self,
        account: AccountId,
        idempotency_key: &str,
        digest: &[u8; 32],
    ) -> Result<Option<u64>, Error> {
        let key = Sha256::digest(idempotency_key);
        let sql = "SELECT entries FROM receipts WHERE account = $1 AND key_sha256 = $2 AND digest = $3";
        // Most batches are new, and of one that is not found nothing is said that has to last.
        let is_found = self.connections().ask(Limit::Patience, async |session| {
            let row = session.row_if_any(sql, &[&account.0, &key.as_slice(), &digest.as_slice()]).await?;
            Ok(row.is_some())
        })?;
        if !is_found {
            return Ok(None);
        }
        self.connections().write(Limit::Patience, async |session| {
            let row = session.row_if_any(sql, &[&account.0, &key.as_slice(), &digest.as_slice()]).await?;
            wait_for_all_before(session).await?;
            row.map(|row| count(&row, 0)).transpose()
        })
    }
}

/// Makes the commit of a transaction that writes nothing wait as one that writes: until it and all that was committed before is on the
/// disk, and on the standby where there is a synchronous one. After a crash of the database a batch is seen before the standby has it: if
/// the answer said so at once, and the standby took over then, an acknowledged batch would be lost. It costs what any commit costs.
async fn wait_for_all_before(session: Session<'_>) -> Result<(), Failure> {
    // An empty message in the log, which nobody reads, gives the transaction something to commit. Every role may write one.
    session.row("SELECT pg_logical_emit_message(true, 'billing', '')", &[]).await.map(drop)
}

/// How long it may take to store so many entries. A batch that is refused because it is large would be refused each time it is sent.
fn limit_for(entries: u64) -> Limit {
    match entries.checked_sub(USUAL_ENTRIES) {
        Some(more @ 1..) => Limit::Longer(Duration::from_secs(more.div_ceil(LEAST_ENTRIES_PER_S))),
        _ => Limit::Patience,
    }
}

fn key_of(batch: &Batch) -> Key {
    (batch.account.0, Sha256::digest(&batch.idempotency_key).into())
}

/// What is stored under keys.
async fn find(session: Session<'_>, keys: &[Key]) -> Result<HashMap<Key, Stored>, Failure> {
    let (accounts, sha256s): (Vec<_>, Vec<_>) =
        keys.iter().map(|(account, sha256)| (*account, sha256.as_slice())).unzip();
    // Each is looked up by itself: the database must never choose to pass over all receipts.
    let sql = "SELECT account, key, digest, entries
         FROM unnest($1::bigint[], $2::bytea[]) AS sent (account, key)
         CROSS JOIN LATERAL (
             SELECT digest, entries FROM receipts WHERE account = sent.account AND key_sha256 = sent.key LIMIT 1
         ) AS found";
    let rows = session.rows(sql, &[&accounts, &sha256s]).await?;
    rows.iter()
        .map(|row| {
            Ok(((row.try_get(0)?, sha256(row.try_get(1)?)?), (sha256(row.try_get(2)?)?, count(row, 3)?)))
        })
        .collect()
}

fn sha256(bytes: &[u8]) -> Result<[u8; 32], Failure> {
    bytes.try_into().map_err(|_| Failure::damaged("a receipt has a digest that has not 32 bytes"))
}

const LOCK: &str =
    "SELECT id, next_sequence FROM accounts WHERE id = ANY ($1::bigint[]) ORDER BY id FOR NO KEY UPDATE";

/// An account of batches.
enum Held {
    Ours {
        next_sequence: u64,
        is_synced: bool,
    },
    /// Somebody else has the lock.
    Theirs,
}

/// How long batches wait for an account that somebody else has.
#[derive(Clone, Copy)]
pub(crate) enum Waiting {
    /// As long as any lock is waited for.
    ForAll,
    /// So long, if no account is free.
    ForOne(Duration),
}

/// Locks the accounts of batches, in the order of their numbers.
async fn lock(session: Session<'_>, keys: &[Key], waiting: Waiting) -> Result<HashMap<i64, Held>, Failure> {
    let mut ids: Vec<_> = keys.iter().map(|(account, _)| *account).collect();
    ids.sort_unstable();
    ids.dedup();
    let (rows, theirs) = match waiting {
        Waiting::ForAll => (session.rows(LOCK, &[&ids]).await?, Vec::new()),
        Waiting::ForOne(wait) => lock_free(session, &ids, wait).await?,
    };
    // What those statements saw of other tables would be of before they had the locks.
    let sql = "SELECT account FROM sources WHERE account = ANY ($1::bigint[])";
    let synced = session.rows(sql, &[&ids]).await?;
    let synced = synced.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<HashSet<i64>, Failure>>()?;
    let ours = rows.iter().map(|row| {
        let id = row.try_get(0)?;
        Ok((id, Held::Ours { next_sequence: count(row, 1)?, is_synced: synced.contains(&id) }))
    });
    ours.chain(theirs.into_iter().map(|id| Ok((id, Held::Theirs)))).collect()
}

/// Locks the accounts that nobody else has, and finds the others: whoever imports into one account for a minute keeps nobody from another.
/// If all are somebody else's, it waits so long for the first, in a queue with whoever else waits, so that it has its turn.
async fn lock_free(
    session: Session<'_>,
    ids: &[i64],
    wait: Duration,
) -> Result<(Vec<Row>, Vec<i64>), Failure> {
    let sql = "SELECT id, next_sequence FROM accounts WHERE id = ANY ($1::bigint[]) ORDER BY id
         FOR NO KEY UPDATE SKIP LOCKED";
    let mut rows = session.rows(sql, &[&ids]).await?;
    if rows.len() == ids.len() {
        return Ok((rows, Vec::new()));
    }
    // The others are locked, or are not there.
    let ours = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<HashSet<i64>, Failure>>()?;
    let sql = "SELECT id FROM accounts WHERE id = ANY ($1::bigint[]) ORDER BY id";
    let all = session.rows(sql, &[&ids]).await?;
    let mut theirs = all.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<i64>, Failure>>()?;
    theirs.retain(|id| !ours.contains(id));
    if let (true, Some(first)) = (ours.is_empty() && !wait.is_zero(), theirs.first().copied()) {
        let sql = "SELECT current_setting('lock_timeout')";
        let usual: String = session.row(sql, &[]).await?.try_get(0)?;
        session.run(&format!("SAVEPOINT free; SET LOCAL lock_timeout = {}", wait.as_millis().max(1))).await?;
        match session.rows(LOCK, &[&[first].as_slice()]).await {
            Ok(locked) => {
                session.run(&format!("SET LOCAL lock_timeout = '{usual}'")).await?;
                theirs.retain(|id| *id != first);
                rows = locked;
            }
            Err(failure) if failure::is_of_lock(&failure) => session.run("ROLLBACK TO free").await?,
            Err(failure) => return Err(failure),
        }
    }
    Ok((rows, theirs))
}

/// What becomes of batches.
struct Plan<'b> {
    receipts: Vec<Receipt>,
    new: NewReceipts<'b>,
    /// The batches that come in, by their accounts and in their order.
    coming: BTreeMap<i64, (Intake, Vec<&'b Batch>)>,
}

impl<'b> Plan<'b> {
    /// The plan for batches with these keys, where these are known and their accounts are these.
    fn of(
        batches: &'b [Batch],
        keys: &[Key],
        known: &HashMap<Key, Stored>,
        accounts: &HashMap<i64, Held>,
    ) -> Result<Self, Failure> {
        let mut plan = Self { receipts: Vec::new(), new: NewReceipts::default(), coming: BTreeMap::new() };
        let mut sent: HashMap<&Key, Stored> = HashMap::new();
        for (batch, key) in batches.iter().zip(keys) {
            if let Some((digest, entries)) = known.get(key).or_else(|| sent.get(key)) {
                let is_same = *digest == batch.digest;
                plan.receipts.push(if is_same { Receipt::Repeated(*entries) } else { Receipt::Conflict });
                continue;
            }
            let Some(account) = accounts.get(&batch.account.0) else {
                check_timestamps(batches, &plan.receipts)?;
                return Err(Failure::unknown_account(batch.account));
            };
            let next_sequence = match account {
                Held::Ours { next_sequence, is_synced: false } => *next_sequence,
                Held::Ours { .. } => {
                    plan.receipts.push(Receipt::Synced);
                    continue;
                }
                Held::Theirs => {
                    plan.receipts.push(Receipt::Busy);
                    continue;
                }
            };
            plan.new.push(batch, key)?;
            let entries = batch.entries.len();
            sent.insert(key, (batch.digest, entries));
            let begin = || (Intake::new(batch.account, next_sequence), Vec::new());
            plan.coming.entry(batch.account.0).or_insert_with(begin).1.push(batch);
            plan.receipts.push(Receipt::Stored(entries));
        }
        Ok(plan)
    }

    /// Stores the entries of the batches that come in.
    async fn store(self, session: Session<'_>, all: &[Batch]) -> Result<Vec<Receipt>, Failure> {
        let (mut copy, mut intakes) = (intake::copy(session), Vec::new());
        for (mut intake, batches) in self.coming.into_values() {
            for batch in batches {
                if let Err(failure) = intake.store_packed(&mut copy, session, &batch.entries).await {
                    check_timestamps(all, &self.receipts)?;
                    return Err(failure);
                }
            }
            intakes.push(intake);
        }
        copy.end().await?;
        intake::close(session, &mut intakes).await?;
        Ok(self.receipts)
    }
}

/// Looks at the times of the batches that come in, by these receipts: of several faults the one of the first batch is told, though batches
/// are stored by their accounts.
fn check_timestamps(batches: &[Batch], receipts: &[Receipt]) -> Result<(), Error> {
    let coming = batches.iter().zip(receipts).filter(|(_, receipt)| matches!(receipt, Receipt::Stored(_)));
    for (batch, _) in coming {
        let mut rows = batch.entries.rows();
        while let Some(entry) = rows.next() {
            entry.timestamp.unix_ns().ok_or_else(|| Error::timestamp(entry.timestamp))?;
        }
    }
    Ok(())
}

/// Receipts of batches that are new, as columns.
#[derive(Default)]
struct NewReceipts<'b> {
    accounts: Vec<i64>,
    sha256s: Vec<[u8; 32]>,
    keys: Vec<Cow<'b, str>>,
    digests: Vec<&'b [u8]>,
    entries: Vec<i64>,
    received_ns: Vec<i64>,
}

impl<'b> NewReceipts<'b> {
    fn push(&mut self, batch: &'b Batch, (account, sha256): &Key) -> Result<(), Error> {
        let received_ns = batch.received_at.unix_ns().ok_or_else(|| Error::timestamp(batch.received_at))?;
        self.accounts.push(*account);
        self.sha256s.push(*sha256);
        self.keys.push(kept(&batch.idempotency_key));
        self.digests.push(&batch.digest);
        self.entries.push(signed(batch.entries.len()));
        self.received_ns.push(received_ns);
        Ok(())
    }

    /// Stores them, whose accounts are locked. Those under whose keys something was stored already are left out, and returned.
    async fn store(&self, session: Session<'_>) -> Result<HashSet<Key>, Failure> {
        let Self { accounts, sha256s, keys, digests, entries, received_ns } = self;
        let mut left: HashSet<Key> = accounts.iter().copied().zip(sha256s.iter().copied()).collect();
        if left.is_empty() {
            return Ok(left);
        }
        let key_sha256s: Vec<_> = sha256s.iter().map(<[u8; 32]>::as_slice).collect();
        let sql = "INSERT INTO receipts (account, key_sha256, idempotency_key, digest, entries, received_ns)
             SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::bytea[], $5::bigint[], $6::bigint[])
             ON CONFLICT (account, key_sha256) DO NOTHING RETURNING account, key_sha256";
        let rows = session.rows(sql, &[accounts, &key_sha256s, keys, digests, entries, received_ns]).await?;
        for row in rows {
            left.remove(&(row.try_get(0)?, sha256(row.try_get(1)?)?));
        }
        Ok(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_much_has_time_for_it() {
        let seconds = |entries| match limit_for(entries) {
            Limit::Longer(more) => more.as_secs(),
            _ => 0,
        };
        assert_eq!([0, 20_000, 20_001, 25_000, 170_000].map(seconds), [0, 0, 1, 1, 30]);
        assert_eq!(limit_for(20_000), Limit::Patience);
    }
}
