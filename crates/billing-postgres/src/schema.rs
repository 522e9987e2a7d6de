//! The tables, and how an older schema is taken forward.

use billing_ledger::{ErrorKind, KeyMaterial};
use tokio_postgres::Client;

use crate::failure::Failure;
use crate::session::Session;

/// The version that this crate writes, and the newest that it reads.
pub(crate) const VERSION: i32 = 1;

/// The steps from nothing to the present form. Never change a step that was released: add another one.
const MIGRATIONS: [&str; 1] = [V1];

/// The advisory lock of those who migrate, one after the other: `billing` as a number. Locks are a database's own.
const MIGRATION_LOCK: i64 = 0x62_696c_6c69_6e67;

/// Accounts lead the key of everything that grows with entries, so that the tables can be distributed by account.
///
/// Texts stand in the rows, in the form of [`text`](crate::text), in the order of their bytes: a table of texts would be one that all
/// accounts and all servers write to. Numbers of an entry are the canonical text, which keeps every digit as it came and is lent as it
/// is. Sums are `numeric`, which adds exactly, so that the database itself adds to them. Every entry is in one block, or was.
const V1: &str = r#"
    CREATE TABLE ledger (
        is_one boolean PRIMARY KEY DEFAULT true CHECK (is_one),
        version integer NOT NULL,
        secret bytea NOT NULL,
        -- A copy of another ledger has begun and has not ended: nobody else may use the ledger.
        is_copying boolean NOT NULL DEFAULT false,
        -- How far that copy is, in words of its own.
        copy_state text COLLATE "C" NOT NULL DEFAULT ''
    );

    -- The last number that was given to an account and to a block. A transaction takes the lock of `block` last.
    CREATE TABLE numbers (
        name text COLLATE "C" PRIMARY KEY,
        last bigint NOT NULL
    ) WITH (fillfactor = 10);
    INSERT INTO numbers (name, last) VALUES ('account', 0), ('block', 0);

    CREATE TABLE accounts (
        id bigint PRIMARY KEY,
        name text COLLATE "C" NOT NULL UNIQUE,
        next_sequence bigint NOT NULL DEFAULT 0,
        diem_allocation text COLLATE "C",
        -- The first number that the last repair gave in place of others: walks of earlier snapshots are outdated.
        renumbered_from bigint
    ) WITH (fillfactor = 50);

    CREATE TABLE keys (
        id text COLLATE "C" PRIMARY KEY,
        account bigint NOT NULL REFERENCES accounts (id),
        kind text COLLATE "C" NOT NULL CHECK (kind IN ('admin', 'inference', 'ingest')),
        description text COLLATE "C" NOT NULL,
        digest bytea NOT NULL UNIQUE,
        last_six text COLLATE "C" NOT NULL,
        created_ns bigint NOT NULL,
        revoked_ns bigint,
        last_used_ns bigint
    );
    CREATE INDEX keys_by_account ON keys (account);

    CREATE TABLE entries (
        account bigint NOT NULL,
        timestamp_ns bigint NOT NULL,
        sequence bigint NOT NULL,
        sku text COLLATE "C" NOT NULL,
        price_per_unit_usd text COLLATE "C" NOT NULL,
        units text COLLATE "C" NOT NULL,
        amount text COLLATE "C" NOT NULL,
        currency text COLLATE "C" NOT NULL,
        notes text COLLATE "C" NOT NULL,
        request_id text COLLATE "C",
        execution_time_ms text COLLATE "C",
        prompt_tokens text COLLATE "C",
        completion_tokens text COLLATE "C",
        api_key_id text COLLATE "C",
        other_fields text COLLATE "C",
        PRIMARY KEY (account, timestamp_ns, sequence)
    );

    -- Entries that were taken out, by the number of their removal, which is a sequence of the account.
    CREATE TABLE removed (
        account bigint NOT NULL,
        removal bigint NOT NULL,
        timestamp_ns bigint NOT NULL,
        sequence bigint NOT NULL,
        sku text COLLATE "C" NOT NULL,
        price_per_unit_usd text COLLATE "C" NOT NULL,
        units text COLLATE "C" NOT NULL,
        amount text COLLATE "C" NOT NULL,
        currency text COLLATE "C" NOT NULL,
        notes text COLLATE "C" NOT NULL,
        request_id text COLLATE "C",
        execution_time_ms text COLLATE "C",
        prompt_tokens text COLLATE "C",
        completion_tokens text COLLATE "C",
        api_key_id text COLLATE "C",
        other_fields text COLLATE "C",
        PRIMARY KEY (account, removal, timestamp_ns, sequence)
    );

    -- Numbers that no entry and no removal has for good: they came so with a copy, or a repair left them.
    CREATE TABLE unused (
        account bigint NOT NULL,
        first_sequence bigint NOT NULL,
        last_sequence bigint NOT NULL,
        PRIMARY KEY (account, first_sequence)
    );

    -- How many entries lie in a slot of a level; see `billing_engine::LEVELS`. `currency` is the indexed form of the text. It stands
    -- before the slot: a rare currency has its minutes side by side, and there are few currencies to ask for one after the other.
    CREATE TABLE counts (
        account bigint NOT NULL,
        level smallint NOT NULL,
        currency text COLLATE "C" NOT NULL,
        slot bigint NOT NULL,
        entries bigint NOT NULL,
        PRIMARY KEY (account, level, currency, slot)
    ) WITH (fillfactor = 70);

    -- `line` is a digest of product, currency, key and kind: an index has no room for long texts.
    CREATE TABLE rollups (
        account bigint NOT NULL,
        day bigint NOT NULL,
        line bytea NOT NULL,
        sku text COLLATE "C" NOT NULL,
        currency text COLLATE "C" NOT NULL,
        api_key_id text COLLATE "C",
        is_credit boolean NOT NULL,
        entries bigint NOT NULL,
        amount numeric NOT NULL,
        units numeric NOT NULL,
        PRIMARY KEY (account, day, line)
    ) WITH (fillfactor = 70);

    -- `indexed_currency` is the indexed form of `currency`.
    CREATE TABLE balances (
        account bigint NOT NULL,
        indexed_currency text COLLATE "C" NOT NULL,
        is_credit boolean NOT NULL,
        currency text COLLATE "C" NOT NULL,
        entries bigint NOT NULL,
        amount numeric NOT NULL,
        PRIMARY KEY (account, indexed_currency, is_credit)
    ) WITH (fillfactor = 50);

    -- Currencies and amounts are the sums of a block, in the order of the currencies' bytes.
    CREATE TABLE blocks (
        account bigint NOT NULL,
        first_sequence bigint NOT NULL,
        number bigint NOT NULL,
        removed_ns bigint,
        entries bigint NOT NULL,
        first_ns bigint NOT NULL,
        last_ns bigint NOT NULL,
        currencies text[] COLLATE "C" NOT NULL,
        amounts text[] COLLATE "C" NOT NULL,
        entry_set text COLLATE "C" NOT NULL,
        whole_set text COLLATE "C" NOT NULL,
        PRIMARY KEY (account, first_sequence)
    );
    CREATE INDEX blocks_by_number ON blocks (number);

    -- A key may be longer than an index has room for: `key_sha256` is the SHA-256 of it.
    CREATE TABLE receipts (
        account bigint NOT NULL,
        key_sha256 bytea NOT NULL,
        idempotency_key text COLLATE "C" NOT NULL,
        digest bytea NOT NULL,
        entries bigint NOT NULL,
        received_ns bigint NOT NULL,
        PRIMARY KEY (account, key_sha256)
    );

    -- `copy` counts the times that the same content was imported before.
    CREATE TABLE files (
        account bigint NOT NULL,
        sha256 bytea NOT NULL,
        copy bigint NOT NULL,
        name text COLLATE "C" NOT NULL,
        imported_ns bigint NOT NULL,
        entries bigint NOT NULL,
        first_sequence bigint NOT NULL,
        PRIMARY KEY (account, sha256, copy)
    );

    CREATE TABLE sources (
        account bigint PRIMARY KEY REFERENCES accounts (id),
        base_url text COLLATE "C" NOT NULL,
        key_fingerprint text COLLATE "C" NOT NULL,
        settle_ns bigint NOT NULL,
        synced_ns bigint
    );

    -- A window that begins before every entry begins at the first instant that a ledger holds.
    CREATE TABLE coverage (
        account bigint NOT NULL,
        since_ns bigint NOT NULL,
        until_ns bigint NOT NULL,
        as_of_ns bigint NOT NULL,
        currencies text[] COLLATE "C" NOT NULL,
        amounts text[] COLLATE "C" NOT NULL,
        whole_set text COLLATE "C" NOT NULL,
        PRIMARY KEY (account, since_ns)
    );

    -- Who has an account's turn says so here; that somebody has it says an advisory lock.
    CREATE TABLE turns (
        account bigint PRIMARY KEY,
        holder text COLLATE "C" NOT NULL
    );
"#;

/// What the schema `billing` of a database is.
pub(crate) enum Identity {
    /// There is no such schema, or it is empty.
    Nothing,
    /// A ledger, of this version.
    Ledger { version: i32, secret: Vec<u8>, is_copying: bool },
    /// Something else.
    Other,
}

/// Looks at what is there. The tables are made in one transaction, so who sees them in the first statement reads the row in the second.
pub(crate) async fn identify(client: &Client) -> Result<Identity, Failure> {
    let sql = "SELECT to_regclass('billing.ledger') IS NOT NULL AND to_regclass('billing.numbers') IS NOT NULL,
                      EXISTS (SELECT FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = relnamespace
                              WHERE nspname = 'billing')";
    let row = client.query_one(sql, &[]).await?;
    match (row.try_get(0)?, row.try_get(1)?) {
        (false, false) => Ok(Identity::Nothing),
        (false, true) => Ok(Identity::Other),
        (true, _) => {
            let row = client.query_opt("SELECT version, secret, is_copying FROM billing.ledger", &[]).await?;
            let Some(row) = row else { return Ok(Identity::Other) };
            let (version, secret, is_copying) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            Ok(Identity::Ledger { version, secret, is_copying })
        }
    }
}

/// Takes the schema to the present version, whole or not at all; makes it where there is nothing. One program at a time does so: who
/// comes second finds it done.
pub(crate) async fn migrate(session: Session<'_>) -> Result<(), Failure> {
    let begin =
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";
    session.run(begin).await?;
    session.execute("SELECT pg_advisory_xact_lock($1)", &[&MIGRATION_LOCK]).await?;
    // What was there is asked again, now that nobody else can do the same.
    let version = match identify(session.0).await? {
        Identity::Nothing => {
            make_schema(session).await?;
            0
        }
        Identity::Ledger { version, .. } if version > VERSION => return Err(newer(version)),
        Identity::Ledger { version, .. } => {
            if version < VERSION {
                // Every transaction locks it first. Who waits behind this one is told after a while, so it does not wait long itself.
                let lock = "SET LOCAL lock_timeout = 60000; LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE";
                session.run(lock).await?;
            }
            version
        }
        Identity::Other => {
            return Err(Failure::Kind(ErrorKind::NotALedger, "it has other tables".to_owned()));
        }
    };
    for step in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        session.run(step).await?;
    }
    if version == 0 {
        let secret = KeyMaterial::random()?;
        let sql = "INSERT INTO ledger (version, secret) VALUES ($1, $2)";
        session.execute(sql, &[&VERSION, &secret.as_slice()]).await?;
    } else if version < VERSION {
        session.execute("UPDATE ledger SET version = $1", &[&VERSION]).await?;
    }
    session.run("SELECT; COMMIT").await
}

async fn make_schema(session: Session<'_>) -> Result<(), Failure> {
    let encoding: String = session.row("SHOW server_encoding", &[]).await?.try_get(0)?;
    if encoding != "UTF8" {
        let detail = format!("its encoding is {encoding}: make a database with the encoding UTF8");
        return Err(Failure::Kind(ErrorKind::CannotOpen, detail));
    }
    // A role that may not make schemas can be given an empty one.
    let sql = "SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'billing'";
    match session.row_if_any(sql, &[]).await? {
        Some(_) => Ok(()),
        None => session.run("CREATE SCHEMA billing").await,
    }
}

/// The failure for a schema that this program is too old for.
pub(crate) fn newer(version: i32) -> Failure {
    Failure::Kind(ErrorKind::NewerVersion, format!("version {version}, and this one reads {VERSION}"))
}

/// The failure for a schema that is not to be taken forward.
pub(crate) fn older(version: i32) -> Failure {
    Failure::Kind(ErrorKind::OlderVersion, format!("version {version}, and this one reads {VERSION}"))
}
