//! The tables, and how an older file is taken forward.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::meta::{Seal, Secret, State};
use crate::migration::{self, Migration};
use crate::sums;

/// Marks a file as a ledger (`bill` in ASCII), at byte 68 of an SQLite file.
const APPLICATION_ID: i64 = 0x6269_6c6c;

/// The version that this crate writes, and the newest that it reads.
pub(crate) const VERSION: u32 = 6;

/// Added to the version of a ledger into which a copy has begun and has not ended. Programs that know nothing of this take it for one of
/// a newer version, and leave it alone.
pub(crate) const UNFINISHED: u32 = 1 << 30;

/// Since this version, sums and counts have their present form. Those of an older ledger are made anew.
const SUMS_SINCE: u32 = 2;

/// The steps from an empty file to the present form. Never change a step that was released: add another one.
const MIGRATIONS: [&str; VERSION as usize] = [V1, V2, V3, V4, V5, V6];

/// Since this version, an account may be a copy of a service.
pub(crate) const SOURCES_SINCE: u32 = 6;

/// Since this version, imported files are kept.
pub(crate) const FILES_SINCE: u32 = 4;

/// Since this version, entries have their present form. Those of an older ledger are taken over.
const ENTRIES_SINCE: u32 = 5;

/// Since this version, seals name the state that they continue.
pub(crate) const CHAINED_SINCE: u32 = 3;

/// The row of `meta` with the highest number of a removed account, in eight bytes, big-endian. It is there once an
/// account was removed.
pub(crate) const LAST_ACCOUNT: &str = "last_account";

/// Decimals are plain text, exact and readable with any SQLite tool; sums are made by this crate and never by SQL, whose
/// `SUM` is floating point. Texts that repeat are kept once, in `strings`; 0 stands for no API key. Entries hold no
/// foreign keys, because every id in them comes from the transaction that writes them.
const V1: &str = "
    CREATE TABLE meta (
        name TEXT NOT NULL PRIMARY KEY,
        value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE accounts (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        next_sequence INTEGER NOT NULL DEFAULT 0
    ) STRICT;

    CREATE TABLE keys (
        id TEXT NOT NULL PRIMARY KEY,
        account INTEGER NOT NULL REFERENCES accounts (id),
        kind TEXT NOT NULL CHECK (kind IN ('admin', 'inference')),
        digest BLOB NOT NULL UNIQUE,
        last_six TEXT NOT NULL,
        created_ns INTEGER NOT NULL,
        revoked_ns INTEGER
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE strings (
        id INTEGER PRIMARY KEY,
        text TEXT NOT NULL UNIQUE
    ) STRICT;

    CREATE TABLE entries (
        account INTEGER NOT NULL,
        timestamp_ns INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        sku INTEGER NOT NULL,
        price_per_unit_usd TEXT NOT NULL,
        units TEXT NOT NULL,
        amount TEXT NOT NULL,
        currency INTEGER NOT NULL,
        notes INTEGER NOT NULL,
        api_key INTEGER NOT NULL,
        request_id TEXT,
        execution_time_ms TEXT,
        prompt_tokens TEXT,
        completion_tokens TEXT,
        PRIMARY KEY (account, timestamp_ns, sequence)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE rollups (
        account INTEGER NOT NULL,
        day INTEGER NOT NULL,
        sku INTEGER NOT NULL,
        currency INTEGER NOT NULL,
        api_key INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        amount TEXT NOT NULL,
        units TEXT NOT NULL,
        PRIMARY KEY (account, day, sku, currency, api_key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE days (
        account INTEGER NOT NULL,
        day INTEGER NOT NULL,
        currency INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        PRIMARY KEY (account, day, currency)
    ) STRICT, WITHOUT ROWID;
";

/// What serving needs: keys for ingest, descriptions of keys and when they were last used; the receipts by which
/// repeated batches are recognised; separate sums of charges and credits; counts that lead to a page down to the
/// minute. Counts and sums are made anew from the entries, see [`migrate`].
const V2: &str = "
    ALTER TABLE accounts ADD COLUMN diem_allocation TEXT;

    CREATE TABLE keys_2 (
        id TEXT NOT NULL PRIMARY KEY,
        account INTEGER NOT NULL REFERENCES accounts (id),
        kind TEXT NOT NULL CHECK (kind IN ('admin', 'inference', 'ingest')),
        description TEXT NOT NULL,
        digest BLOB NOT NULL UNIQUE,
        last_six TEXT NOT NULL,
        created_ns INTEGER NOT NULL,
        revoked_ns INTEGER,
        last_used_ns INTEGER
    ) STRICT, WITHOUT ROWID;
    INSERT INTO keys_2 (id, account, kind, description, digest, last_six, created_ns, revoked_ns)
        SELECT id, account, kind, '', digest, last_six, created_ns, revoked_ns FROM keys;
    DROP TABLE keys;
    ALTER TABLE keys_2 RENAME TO keys;

    CREATE TABLE receipts (
        account INTEGER NOT NULL,
        idempotency_key TEXT NOT NULL,
        digest BLOB NOT NULL,
        entries INTEGER NOT NULL,
        received_ns INTEGER NOT NULL,
        PRIMARY KEY (account, idempotency_key)
    ) STRICT, WITHOUT ROWID;

    DROP TABLE days;
    CREATE TABLE counts (
        account INTEGER NOT NULL,
        level INTEGER NOT NULL,
        slot INTEGER NOT NULL,
        currency INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        PRIMARY KEY (account, level, slot, currency)
    ) STRICT, WITHOUT ROWID;

    DROP TABLE rollups;
    CREATE TABLE rollups (
        account INTEGER NOT NULL,
        day INTEGER NOT NULL,
        sku INTEGER NOT NULL,
        currency INTEGER NOT NULL,
        api_key INTEGER NOT NULL,
        is_credit INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        amount TEXT NOT NULL,
        units TEXT NOT NULL,
        PRIMARY KEY (account, day, sku, currency, api_key, is_credit)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE balances (
        account INTEGER NOT NULL,
        currency INTEGER NOT NULL,
        is_credit INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        amount TEXT NOT NULL,
        PRIMARY KEY (account, currency, is_credit)
    ) STRICT, WITHOUT ROWID;
";

/// Each commit's seal says which one it continues; see [`seal`], which writes the first of them.
///
/// Imports that have begun to store entries and have not ended; at most one. Its entries are those of the account whose
/// sequence lies in its range. They are hidden, and no sum or count has them. All of them lie in its span of time. What of its
/// range no entry got, when others had the numbers behind it by then, is `unused` for good.
const V3: &str = "
    CREATE TABLE imports (
        id INTEGER PRIMARY KEY,
        account INTEGER NOT NULL REFERENCES accounts (id),
        first_sequence INTEGER NOT NULL,
        last_sequence INTEGER NOT NULL,
        first_ns INTEGER NOT NULL,
        last_ns INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE unused (
        account INTEGER NOT NULL REFERENCES accounts (id),
        first_sequence INTEGER NOT NULL,
        last_sequence INTEGER NOT NULL,
        PRIMARY KEY (account, first_sequence)
    ) STRICT, WITHOUT ROWID;
";

/// The files that entries came from, by the SHA-256 of what is in them: which entries those are, and what the file was called.
/// Of the same content, imported once more because somebody asked for it, `copy` counts the times before.
const V4: &str = "
    CREATE TABLE files (
        account INTEGER NOT NULL,
        sha256 BLOB NOT NULL,
        copy INTEGER NOT NULL,
        name TEXT NOT NULL,
        imported_ns INTEGER NOT NULL,
        entries INTEGER NOT NULL,
        first_sequence INTEGER NOT NULL,
        PRIMARY KEY (account, sha256, copy)
    ) STRICT, WITHOUT ROWID;
";

/// What keeps the trace of each entry: the fields of it that nobody documented; the blocks, in the order in which entries came
/// and were taken out; and what was taken out, by the number of its removal. Where a block was taken out, `removed_ns` says when.
/// The sets of a block are those of `docs/identity.md`, as text.
///
/// The numbers of an entry are one text: to read a page, a column for each took longer than to write its answer. They are a JSON
/// array of price, units and amount, and of execution time, prompt and completion tokens where there is one of these. SQLite's
/// `numbers -> 2` is the text of the amount.
///
/// A program of an older version that has the ledger open knows no `numbers`, so it stores nothing more rather than entries
/// without a block.
const V5: &str = "
    ALTER TABLE entries RENAME TO entries_4;
    CREATE TABLE entries (
        account INTEGER NOT NULL,
        timestamp_ns INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        sku INTEGER NOT NULL,
        currency INTEGER NOT NULL,
        notes INTEGER NOT NULL,
        api_key INTEGER NOT NULL,
        numbers TEXT NOT NULL,
        request_id TEXT,
        other_fields TEXT,
        PRIMARY KEY (account, timestamp_ns, sequence)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE removed (
        account INTEGER NOT NULL,
        removal INTEGER NOT NULL,
        timestamp_ns INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        sku INTEGER NOT NULL,
        currency INTEGER NOT NULL,
        notes INTEGER NOT NULL,
        api_key INTEGER NOT NULL,
        numbers TEXT NOT NULL,
        request_id TEXT,
        other_fields TEXT,
        PRIMARY KEY (account, removal, timestamp_ns, sequence)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE blocks (
        number INTEGER PRIMARY KEY,
        account INTEGER NOT NULL,
        first_sequence INTEGER NOT NULL,
        removed_ns INTEGER,
        entries INTEGER NOT NULL,
        first_ns INTEGER NOT NULL,
        last_ns INTEGER NOT NULL,
        entry_set TEXT NOT NULL,
        whole_set TEXT NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX blocks_by_sequence ON blocks (account, first_sequence);

    CREATE TABLE block_sums (
        block INTEGER NOT NULL,
        currency INTEGER NOT NULL,
        amount TEXT NOT NULL,
        PRIMARY KEY (block, currency)
    ) STRICT, WITHOUT ROWID;
";

/// The accounts that are copies of a service, and the windows that were walked whole at it. A window that begins before every
/// entry begins at the first instant that a ledger holds. Of each window there are the sums of its entries, and their set as in
/// `docs/identity.md`.
const V6: &str = "
    CREATE TABLE sources (
        account INTEGER NOT NULL PRIMARY KEY REFERENCES accounts (id),
        base_url TEXT NOT NULL,
        key_fingerprint TEXT NOT NULL,
        settle_ns INTEGER NOT NULL,
        synced_ns INTEGER
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE coverage (
        account INTEGER NOT NULL,
        since_ns INTEGER NOT NULL,
        until_ns INTEGER NOT NULL,
        as_of_ns INTEGER NOT NULL,
        whole_set TEXT NOT NULL,
        PRIMARY KEY (account, since_ns)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE coverage_sums (
        account INTEGER NOT NULL,
        since_ns INTEGER NOT NULL,
        currency INTEGER NOT NULL,
        amount TEXT NOT NULL,
        PRIMARY KEY (account, since_ns, currency)
    ) STRICT, WITHOUT ROWID;
";

/// Removes what is left of version 4 after its entries were taken over, see [`migrate`].
const END_OF_V4: &str = "DROP TABLE entries_4";

/// The state that the first state of a file continues.
const NO_STATE: State = State { seal: [0; 16], cookie: 0 };

/// What kind of file a file is.
pub(crate) enum Identity {
    /// It is empty.
    Nothing,
    Ledger,
    Other,
}

pub(crate) fn identify(connection: &Connection) -> rusqlite::Result<Identity> {
    // This is one statement, because it then reads one state of a file that somebody else may be making.
    let sql = "SELECT application_id, page_count FROM pragma_application_id, pragma_page_count";
    Ok(match connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))? {
        (_, 0) => Identity::Nothing,
        (APPLICATION_ID, _) => Identity::Ledger,
        _ => Identity::Other,
    })
}

/// The version of a file; zero is an empty one. That of an unfinished copy has [`UNFINISHED`] beside it.
pub(crate) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Takes a file to the present version, whole or not at all. `secret` is kept when the file is new, as that of an unfinished copy if
/// `is_copy` says so.
pub(crate) fn migrate(
    connection: &mut Connection,
    secret: Secret,
    is_copy: bool,
    progress: &mut dyn FnMut(&Migration),
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // The version is asked again, now that nobody else can do the same.
    let version = version(&transaction)?;
    let before = if version == 0 { NO_STATE } else { state(&transaction)? };
    for step in MIGRATIONS.iter().skip(version as usize) {
        transaction.execute_batch(step)?;
    }
    if version < ENTRIES_SINCE {
        migration::take_over_entries(&transaction, progress)?;
        transaction.execute_batch(END_OF_V4)?;
    }
    if version < SUMS_SINCE {
        sums::rebuild(&transaction)?;
    }
    if version == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.execute("INSERT INTO meta (name, value) VALUES ('secret', ?1)", [secret])?;
    }
    if version < VERSION {
        let mark = if is_copy { UNFINISHED } else { 0 };
        transaction.execute_batch(&format!("PRAGMA user_version = {}", VERSION | mark))?;
        seal_after(&transaction, before)?;
    }
    transaction.commit()
}

/// The random number that all of the ledger's keys are derived from.
pub(crate) fn secret(connection: &Connection) -> rusqlite::Result<Secret> {
    connection.query_row("SELECT value FROM meta WHERE name = 'secret'", [], |row| row.get(0))
}

/// What this file lacks of a ledger of its version, in words: tables, columns, the secret.
pub(crate) fn missing(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let model = Connection::open_in_memory()?;
    let version = version(connection)?;
    for step in MIGRATIONS.iter().take(version as usize) {
        model.execute_batch(step)?;
    }
    if version >= ENTRIES_SINCE {
        model.execute_batch(END_OF_V4)?;
    }
    let columns = |of: &Connection| {
        let mut select = of.prepare(
            "SELECT tables.name, columns.name FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
             WHERE tables.type = 'table' ORDER BY tables.rowid, columns.cid",
        )?;
        let pairs = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        pairs.collect::<rusqlite::Result<Vec<_>>>()
    };
    let there = columns(connection)?;
    let mut missing = Vec::new();
    for (table, column) in columns(&model)? {
        let has_table = there.iter().any(|(name, _)| *name == table);
        let words = match has_table {
            true => format!("the column {column} of the table {table}"),
            false => format!("the table {table}"),
        };
        if !there.contains(&(table, column)) && !missing.contains(&words) {
            missing.push(words);
        }
    }
    if missing.is_empty() && secret(connection).is_err() {
        missing.push("the secret behind its keys".to_owned());
    }
    Ok(missing)
}

/// Looks at every page.
pub(crate) fn is_whole(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA integrity_check(1)", [], |row| Ok(row.get_ref(0)?.as_str()? == "ok"))
}

/// The page that begins the table of the secret. Any read makes the engine open the log.
pub(crate) fn root(connection: &Connection) -> rusqlite::Result<Option<u32>> {
    connection
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'meta'", [], |row| row.get(0))
        .optional()
}

/// Seals the state that is about to be committed: gives it a new name, and names the state that it continues; see
/// [`log`](crate::log).
pub(crate) fn seal(writer: &Connection) -> rusqlite::Result<()> {
    seal_after(writer, state(writer)?)
}

/// Seals a copy: its state continues nothing, and no log continues it.
pub(crate) fn seal_copy(copy: &Connection) -> rusqlite::Result<()> {
    seal_after(copy, NO_STATE)
}

fn seal_after(writer: &Connection, previous: State) -> rusqlite::Result<()> {
    let seal = writer.prepare_cached("SELECT randomblob(16)")?.query_row([], |row| row.get(0))?;
    let row = Seal::row(State { seal, cookie: cookie(writer)? }, previous);
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES ('seal', ?1)";
    writer.prepare_cached(sql)?.execute([row]).map(drop)
}

/// The state with which a transaction begins. Call it before the transaction changes the schema.
fn state(connection: &Connection) -> rusqlite::Result<State> {
    let row: Option<Vec<u8>> = connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'seal'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let seal = row.and_then(|row| Seal::parse(&row)).map_or([0; 16], |seal| seal.value);
    Ok(State { seal, cookie: cookie(connection)? })
}

fn cookie(connection: &Connection) -> rusqlite::Result<u32> {
    let cookie: i32 = connection.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))?;
    Ok(cookie.cast_unsigned())
}
