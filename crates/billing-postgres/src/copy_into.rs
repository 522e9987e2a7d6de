//! Writes a copy of another ledger into a database.

use billing_ledger::{
    AccountId, Amendment, CopiedBlock, CopiedFile, CopiedKey, CopiedReceipt, CopyFrom, CopyInto, Coverage,
    Error, ErrorKind, LedgerSecret, Outline, PackedEntries, Position, Source, Taken,
};
use billing_model::{OtherFields, UsageEntry, WholeSet, decimal_text};
use bytes::BytesMut;
use futures::SinkExt as _;
use sha2::{Digest as _, Sha256};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use deadpool_postgres::ClientWrapper;

use crate::blocks::BlockRows;
use crate::connections::{Connections, Limit};
use crate::coverage;
use crate::failure::{self, Failure};
use crate::greeting::Opening;
use crate::intake::{self, Intake};
use crate::ledger::PostgresLedger;
use crate::removal::GOES_WITH_IT;
use crate::row::{self, COPY_REMOVED, HEADER, TRAILER, signed};
use crate::session::{Session, Values};
use crate::settings::Settings;
use crate::source;
use crate::target::Target;
use crate::text::kept;

/// A ledger in a database into which another one is copied. Until the copy ends no program opens it as a ledger.
#[derive(Debug)]
pub struct PostgresCopy {
    ledger: PostgresLedger,
    /// Everything is written on this one connection. Its commits wait for no disk, so a crash of the database takes the last ones back:
    /// the connection is lost then, and there is none any more, so nothing is written behind what is missing. Nor is there one after the
    /// copy has ended.
    writer: Mutex<Option<ClientWrapper>>,
    has_ended: bool,
}

/// Notes the sequences that no block has, between two of an account or behind the last: no entry will ever have these.
const NOTE_UNUSED: &str = "
    WITH places AS (
        SELECT account, first_sequence, first_sequence + CASE WHEN removed_ns IS NULL THEN entries ELSE 1 END AS next
        FROM blocks UNION ALL SELECT id, next_sequence, next_sequence FROM accounts
    ), gaps AS (
        SELECT account, first_sequence, coalesce(max(next) OVER (
            PARTITION BY account ORDER BY first_sequence, next ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS from_sequence FROM places
    )
    INSERT INTO unused (account, first_sequence, last_sequence)
    SELECT account, from_sequence, first_sequence - 1 FROM gaps WHERE from_sequence < first_sequence";

/// What was there before a copy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The copy had begun.
    Begun,
    /// The copy had ended, and the ledger is one like any other.
    Ended,
    /// A ledger without anything.
    Bare,
    /// The same, into which a copy was about to begin. Its own secret is kept.
    Claimed,
}

/// What the state of a ledger begins with from when a copy takes it until it is certain that nobody uses it. Its own secret follows.
const CLAIM: &str = "was ";

/// What a copy fills.
const FILLED: &str = "billing.accounts, billing.keys, billing.entries, billing.removed, billing.counts, billing.rollups, \
     billing.balances, billing.blocks, billing.receipts, billing.files, billing.sources, billing.coverage";

impl PostgresCopy {
    /// Begins a copy of the ledger with this secret in a database without a ledger, or with one that has nothing; or goes on with one. One
    /// that has ended is only compared.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when the ledger there has anything, which is not touched; [`ErrorKind::InUse`] when somebody has it open. Or
    /// as [`PostgresLedger::open_or_create`].
    pub fn begin(target: Target, settings: Settings, secret: LedgerSecret) -> Result<Self, Error> {
        let opening = Opening { may_create: true, may_be_unfinished: true };
        let ledger = PostgresLedger::open_as(opening, target.clone(), settings)?;
        let connections = ledger.connections();
        // Who has it open is asked before anything is touched: a server would fail from then on.
        let found = connections.ask(Limit::Patience, async |session| look(session, secret).await)?;
        refuse_in_use(connections)?;
        if found == Found::Claimed {
            connections.write(Limit::Patience, give_back)?;
        }
        let found = connections.write(Limit::Patience, async |session| claim(session, secret).await)?;
        if found == Found::Bare {
            // From here on nobody can open it. Who has opened it since the first look is seen now.
            if let Err(in_use) = refuse_in_use(connections) {
                connections.write(Limit::Patience, give_back)?;
                return Err(in_use);
            }
            let sql = "UPDATE ledger SET copy_state = ''";
            connections.write(Limit::Patience, async |session| session.run(sql).await)?;
            // Each connection looks whether the ledger has the secret that it was opened with.
            drop(ledger);
            let opening = Opening { may_create: false, ..opening };
            return PostgresLedger::open_as(opening, target, settings)
                .and_then(|ledger| Self::of(ledger, found));
        }
        Self::of(ledger, found)
    }

    fn of(ledger: PostgresLedger, found: Found) -> Result<Self, Error> {
        let has_ended = found == Found::Ended;
        // It is taken before anybody reads how far the copy is: what is read then is lost with it, if at all.
        let writer = if has_ended { None } else { Some(ledger.connections().take()?) };
        Ok(Self { ledger, writer: Mutex::new(writer), has_ended })
    }

    /// Writes in one transaction. It need not be durable: what ends the copy comes on the same connection, and makes everything before it
    /// durable too.
    fn put(&self, work: impl AsyncFnOnce(Session<'_>) -> Result<(), Failure>) -> Result<(), Error> {
        self.write(async |session| {
            session.run("SET LOCAL synchronous_commit = off").await?;
            work(session).await
        })
    }

    /// Writes in one transaction, which is durable with all before it. After an error nothing is written any more.
    fn write(&self, work: impl AsyncFnOnce(Session<'_>) -> Result<(), Failure>) -> Result<(), Error> {
        let connections = self.ledger.connections();
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(client) = writer.take() else {
            let detail = "the connection of the copy was lost: copy again".to_owned();
            return Err(failure::error(connections.target(), Failure::Kind(ErrorKind::Away, detail)));
        };
        connections.write_on(&client, Limit::None, work)?;
        *writer = Some(client);
        Ok(())
    }
}

/// Refuses to write over a ledger that somebody else has open.
fn refuse_in_use(connections: &Connections) -> Result<(), Error> {
    if !connections.is_in_use()? {
        return Ok(());
    }
    let detail = "it is open in another program, a server perhaps, or it is the ledger that is copied: stop what uses it first";
    Err(failure::error(connections.target(), Failure::Kind(ErrorKind::InUse, detail.to_owned())))
}

/// Looks what is there. If it is a transaction, it stays so until its end.
async fn look(session: Session<'_>, secret: LedgerSecret) -> Result<Found, Failure> {
    let sql = "SELECT secret, is_copying, copy_state, EXISTS (SELECT FROM accounts) FROM ledger FOR UPDATE";
    let row = session.row(sql, &[]).await?;
    let is_same = row.try_get::<_, &[u8]>(0)? == secret.0;
    let (is_copying, state, is_used): (bool, &str, bool) =
        (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    let exists = |detail: &str| Err(Failure::Kind(ErrorKind::Exists, detail.to_owned()));
    match (is_copying, is_used) {
        (true, _) if state.starts_with(CLAIM) => Ok(Found::Claimed),
        (true, _) if is_same => Ok(Found::Begun),
        (true, _) => exists("a copy of another ledger into it has begun: go on with that one, or remove it"),
        // The answer to the commit that ended it may have been lost.
        (false, true) if is_same => Ok(Found::Ended),
        (false, true) => exists("it has accounts: copy into a database without a ledger"),
        (false, false) => Ok(Found::Bare),
    }
}

/// Marks a ledger without anything as a copy that is about to begin. Its own secret is kept until nobody can have it open.
async fn claim(session: Session<'_>, secret: LedgerSecret) -> Result<Found, Failure> {
    let found = look(session, secret).await?;
    if found == Found::Bare {
        let sql =
            "UPDATE ledger SET secret = $1, is_copying = true, copy_state = $2 || encode(secret, 'hex')";
        session.execute(sql, &[&secret.0.as_slice(), &CLAIM]).await?;
    }
    Ok(found)
}

/// Makes a ledger that was claimed what it was before.
async fn give_back(session: Session<'_>) -> Result<(), Failure> {
    let sql = "UPDATE ledger SET secret = decode(substr(copy_state, length($1) + 1), 'hex'), is_copying = false, copy_state = ''
         WHERE is_copying AND starts_with(copy_state, $1)";
    session.execute(sql, &[&CLAIM]).await.map(drop)
}

impl CopyInto for PostgresCopy {
    fn so_far(&self) -> &dyn CopyFrom {
        &self.ledger
    }

    fn has_ended(&self) -> bool {
        self.has_ended
    }

    fn state(&self) -> Result<String, Error> {
        self.ledger.connections().ask(Limit::Patience, async |session| {
            Ok(session.row("SELECT copy_state FROM ledger", &[]).await?.try_get(0)?)
        })
    }

    fn last_receipt_ns(&self) -> Result<Option<i64>, Error> {
        self.ledger.connections().read(Limit::None, async |session| {
            Ok(session.row("SELECT max(received_ns) FROM receipts", &[]).await?.try_get(0)?)
        })
    }

    fn put_accounts(&self, outline: &Outline, state: &str) -> Result<(), Error> {
        self.put(async |session| {
            put_accounts(session, outline).await?;
            keep(session, state).await
        })
    }

    fn put_blocks(&self, blocks: &[CopiedBlock], state: &str) -> Result<(), Error> {
        self.put(async |session| {
            let mut rows = BlockRows::default();
            blocks.iter().for_each(|block| rows.push_copied(block));
            // They get the next numbers, which are their own.
            rows.store(session).await?;
            keep(session, state).await
        })
    }

    fn put_entries(
        &self,
        account: AccountId,
        sequences: &[u64],
        entries: &PackedEntries,
        state: &str,
    ) -> Result<(), Error> {
        self.put(async |session| {
            let (mut copy, mut rows) = (intake::copy(session), entries.rows());
            for sequence in sequences {
                let entry = rows.next().ok_or_else(early)?;
                let position = Position { timestamp_ns: instant(entry)?, sequence: *sequence };
                copy.write(account, position, entry).await?;
            }
            copy.end().await?;
            keep(session, state).await
        })
    }

    fn put_taken(&self, account: AccountId, taken: &[(Taken, UsageEntry)], state: &str) -> Result<(), Error> {
        self.put(async |session| {
            put_taken(session, account, taken).await?;
            keep(session, state).await
        })
    }

    fn put_amended(
        &self,
        account: AccountId,
        amended: &[Amendment],
        block: u64,
        whole_set: WholeSet,
    ) -> Result<(), Error> {
        self.put(async |session| {
            let places = amended.iter().map(|amendment| amendment.position);
            let (times, sequences) = columns(places);
            let keys: Vec<_> =
                amended.iter().map(|amendment| amendment.api_key_id.as_deref().map(kept)).collect();
            let fields = amended.iter().map(|amendment| amendment.other_fields.as_ref());
            let fields: Vec<_> = fields.map(|fields| fields.map(OtherFields::as_str).map(kept)).collect();
            let sql =
                "UPDATE entries SET api_key_id = amended.api_key_id, other_fields = amended.other_fields
                 FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[])
                     AS amended (timestamp_ns, sequence, api_key_id, other_fields)
                 WHERE entries.account = $1 AND entries.timestamp_ns = amended.timestamp_ns
                 AND entries.sequence = amended.sequence";
            session.execute(sql, &[&account.0, &times, &sequences, &keys, &fields]).await?;
            let sql = "UPDATE blocks SET whole_set = $2 WHERE number = $1";
            session.execute(sql, &[&signed(block), &whole_set.to_string()]).await.map(drop)
        })
    }

    fn put_receipts(&self, receipts: &[CopiedReceipt]) -> Result<(), Error> {
        self.put(async |session| {
            let accounts: Vec<_> = receipts.iter().map(|receipt| receipt.account.0).collect();
            let sha256s: Vec<[u8; 32]> =
                receipts.iter().map(|receipt| Sha256::digest(&receipt.idempotency_key).into()).collect();
            let sha256s: Vec<_> = sha256s.iter().map(<[u8; 32]>::as_slice).collect();
            let keys: Vec<_> = receipts.iter().map(|receipt| kept(&receipt.idempotency_key)).collect();
            let digests: Vec<_> = receipts.iter().map(|receipt| receipt.digest.as_slice()).collect();
            let entries: Vec<_> = receipts.iter().map(|receipt| signed(receipt.entries)).collect();
            let received_ns: Vec<_> = receipts.iter().map(|receipt| receipt.received_ns).collect();
            let sql = "INSERT INTO receipts (account, key_sha256, idempotency_key, digest, entries, received_ns)
                 SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::bytea[], $5::bigint[], $6::bigint[])
                 ON CONFLICT DO NOTHING";
            let values: Values<'_> = &[&accounts, &sha256s, &keys, &digests, &entries, &received_ns];
            session.execute(sql, values).await.map(drop)
        })
    }

    fn put_files(&self, files: &[CopiedFile]) -> Result<(), Error> {
        self.put(async |session| {
            let accounts: Vec<_> = files.iter().map(|file| file.account.0).collect();
            let sha256s: Vec<_> = files.iter().map(|file| file.sha256.as_slice()).collect();
            let copies: Vec<_> = files.iter().map(|file| signed(file.copy)).collect();
            let names: Vec<_> = files.iter().map(|file| kept(&file.name)).collect();
            let imported_ns: Vec<_> = files.iter().map(|file| file.imported_ns).collect();
            let entries: Vec<_> = files.iter().map(|file| signed(file.entries)).collect();
            let first: Vec<_> = files.iter().map(|file| signed(file.first_sequence)).collect();
            let sql = "INSERT INTO files (account, sha256, copy, name, imported_ns, entries, first_sequence)
                 SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[],
                     $7::bigint[])
                 ON CONFLICT DO NOTHING";
            let values: Values<'_> = &[&accounts, &sha256s, &copies, &names, &imported_ns, &entries, &first];
            session.execute(sql, values).await.map(drop)
        })
    }

    fn put_keys(&self, keys: &[CopiedKey], sources: &[(AccountId, Source)]) -> Result<(), Error> {
        self.put(async |session| {
            put_keys(session, keys).await?;
            session.run("DELETE FROM sources").await?;
            for (account, source) in sources {
                source::put(session, *account, source).await?;
            }
            Ok(())
        })
    }

    fn put_coverage(&self, account: AccountId, records: &[Coverage]) -> Result<(), Error> {
        self.put(async |session| coverage::put_all(session, account, records).await)
    }

    fn begin_sums(&self) -> Result<(), Error> {
        self.put(async |session| session.run("TRUNCATE counts, rollups, balances").await)
    }

    fn add_sums(&self, account: AccountId, entries: &PackedEntries) -> Result<(), Error> {
        self.put(async |session| {
            let (mut intake, mut rows) = (Intake::new(account, 0), entries.rows());
            while let Some(entry) = rows.next() {
                intake.add(entry, instant(entry)?);
                if intake.is_full() {
                    intake.store_sums(session).await?;
                }
            }
            intake.store_sums(session).await
        })
    }

    fn finish(self: Box<Self>) -> Result<(), Error> {
        if self.has_ended {
            return Ok(());
        }
        self.write(async |session| {
            session.execute(NOTE_UNUSED, &[]).await?;
            session.run("UPDATE ledger SET is_copying = false, copy_state = ''").await
        })?;
        // The database would do so by itself, minutes later. If it fails, it will.
        let _ = self.ledger.connections().ask(Limit::None, async |session| {
            session
                .run(&format!("SET statement_timeout = 0; ANALYZE {FILLED}; RESET statement_timeout"))
                .await
        });
        Ok(())
    }
}

/// Keeps how far the copy is.
async fn keep(session: Session<'_>, state: &str) -> Result<(), Failure> {
    session.execute("UPDATE ledger SET copy_state = $1", &[&state]).await.map(drop)
}

fn instant(entry: &UsageEntry) -> Result<i64, Error> {
    entry.timestamp.unix_ns().ok_or_else(|| Error::timestamp(entry.timestamp))
}

fn early() -> Failure {
    Failure::Kind(ErrorKind::Aborted, "packed entries end early".to_owned())
}

/// Instants and sequences of places.
fn columns(places: impl Iterator<Item = Position>) -> (Vec<i64>, Vec<i64>) {
    places.map(|position| (position.timestamp_ns, signed(position.sequence))).unzip()
}

async fn put_accounts(session: Session<'_>, outline: &Outline) -> Result<(), Failure> {
    let Outline { last_account, accounts, .. } = outline;
    let ids: Vec<_> = accounts.iter().map(|account| account.id.0).collect();
    for table in GOES_WITH_IT {
        let sql = format!("DELETE FROM {table} WHERE account <> ALL ($1::bigint[])");
        session.execute(&sql, &[&ids]).await?;
    }
    session.execute("DELETE FROM accounts WHERE id <> ALL ($1::bigint[])", &[&ids]).await?;
    let names: Vec<_> = accounts.iter().map(|account| kept(&account.name)).collect();
    let next: Vec<_> = accounts.iter().map(|account| signed(account.next_sequence)).collect();
    let renumbered: Vec<_> = accounts.iter().map(|account| account.renumbered_from.map(signed)).collect();
    let allocations: Vec<_> =
        accounts.iter().map(|account| account.diem_allocation.map(decimal_text)).collect();
    let sql = "INSERT INTO accounts (id, name, next_sequence, renumbered_from, diem_allocation)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[])
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, next_sequence = excluded.next_sequence,
             renumbered_from = excluded.renumbered_from, diem_allocation = excluded.diem_allocation";
    session.execute(sql, &[&ids, &names, &next, &renumbered, &allocations]).await?;
    let sql = "UPDATE numbers SET last = $1 WHERE name = 'account'";
    session.execute(sql, &[last_account]).await.map(drop)
}

async fn put_keys(session: Session<'_>, keys: &[CopiedKey]) -> Result<(), Failure> {
    session.run("DELETE FROM keys").await?;
    let ids: Vec<_> = keys.iter().map(|key| kept(&key.id)).collect();
    let accounts: Vec<_> = keys.iter().map(|key| key.account.0).collect();
    let kinds: Vec<_> = keys.iter().map(|key| key.kind.as_str()).collect();
    let descriptions: Vec<_> = keys.iter().map(|key| kept(&key.description)).collect();
    let digests: Vec<_> = keys.iter().map(|key| key.digest.0.as_slice()).collect();
    let last_six: Vec<_> = keys.iter().map(|key| kept(&key.last_six)).collect();
    let created_ns: Vec<_> = keys.iter().map(|key| key.created_ns).collect();
    let revoked_ns: Vec<_> = keys.iter().map(|key| key.revoked_ns).collect();
    let used_ns: Vec<_> = keys.iter().map(|key| key.last_used_ns).collect();
    let sql = "INSERT INTO keys
             (id, account, kind, description, digest, last_six, created_ns, revoked_ns, last_used_ns)
         SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::text[], $7::bigint[],
             $8::bigint[], $9::bigint[])";
    let values: Values<'_> =
        &[&ids, &accounts, &kinds, &descriptions, &digests, &last_six, &created_ns, &revoked_ns, &used_ns];
    session.execute(sql, values).await.map(drop)
}

async fn put_taken(
    session: Session<'_>,
    account: AccountId,
    taken: &[(Taken, UsageEntry)],
) -> Result<(), Failure> {
    let (times, sequences) = columns(taken.iter().map(|(taken, _)| taken.position));
    let sql = "DELETE FROM entries USING unnest($2::bigint[], $3::bigint[]) AS taken (timestamp_ns, sequence)
         WHERE entries.account = $1 AND entries.timestamp_ns = taken.timestamp_ns
         AND entries.sequence = taken.sequence";
    session.execute(sql, &[&account.0, &times, &sequences]).await?;
    let mut sink = pin!(session.copy_in(COPY_REMOVED).await?);
    let mut rows = BytesMut::from(HEADER);
    for (taken, entry) in taken {
        row::write_removed(&mut rows, account, *taken, entry);
        sink.feed(rows.split().freeze()).await?;
    }
    rows.extend_from_slice(TRAILER);
    sink.feed(rows.freeze()).await?;
    sink.as_mut().finish().await.map(drop).map_err(Failure::from)
}
