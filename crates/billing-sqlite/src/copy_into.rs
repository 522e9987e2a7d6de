//! Writes a copy of another ledger into a new file.

use std::path::Path;

use billing_ledger::{
    AccountId, Amendment, CopiedBlock, CopiedFile, CopiedKey, CopiedReceipt, CopyFrom, CopyInto, Coverage,
    Error, ErrorKind, LedgerSecret, Outline, PackedEntries, Position, Source, Taken,
};
use billing_model::{OtherFields, UsageEntry, WholeSet, decimal_text};
use rusqlite::{Connection, OptionalExtension, params};

use crate::connections::Connections;
use crate::coverage;
use crate::file::{Found, LedgerFile};
use crate::intake::Intake;
use crate::ledger::SqliteLedger;
use crate::look;
use crate::paths::{real, remove_files};
use crate::removal;
use crate::renumbered;
use crate::restore::Turn;
use crate::row::{self, COLUMNS, INSERT, signed};
use crate::schema;
use crate::source;
use crate::strings::Interner;
use crate::tables::Tables;

/// The row of `meta` that says how far a copy is.
const STATE: &str = "copy";

/// An entry by its place.
const ENTRY: &str = "account = ?1 AND timestamp_ns = ?2 AND sequence = ?3";

/// A ledger in a file into which another one is copied. Until the copy ends no program opens it as a ledger, not one of an older version
/// either.
#[derive(Debug)]
pub struct SqliteCopy {
    ledger: SqliteLedger,
    has_ended: bool,
}

impl SqliteCopy {
    /// Begins a copy of the ledger with this secret at a path where nothing is, or a ledger without anything; or goes on with one. One that
    /// has ended is only compared.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] when anything else is there, which is not touched; [`ErrorKind::InUse`] when somebody has it open;
    /// [`ErrorKind::UnfinishedCopy`] when an older version of this program began the copy. Or as [`SqliteLedger::open_or_create`].
    pub fn begin(path: &Path, secret: LedgerSecret) -> Result<Self, Error> {
        let has_ended = matches!(look_at(path, secret)?, There::Ended);
        let file = LedgerFile::new(path)?;
        let file = if has_ended { file } else { file.for_a_copy(secret.0) };
        let connections = Connections::open(file, !has_ended, &mut |_| ())?;
        let is_unfinished = |reader: &Connection| Ok(schema::version(reader)? & schema::UNFINISHED != 0);
        // Somebody may have put another file there since the look.
        if connections.read(is_unfinished)? == has_ended {
            return Err(exists(path, "there is a ledger at", "copy to a place where nothing is"));
        }
        if *connections.secret() != secret.0 {
            return Err(exists(
                path,
                "a copy of another ledger has begun at",
                "go on with that one, or remove it",
            ));
        }
        if connections.is_in_use()? {
            return Err(connections.error(ErrorKind::InUse));
        }
        Ok(Self { ledger: SqliteLedger::from_connections(connections), has_ended })
    }

    fn connections(&self) -> &Connections {
        &self.ledger.0.connections
    }

    /// Writes in one transaction. It need not be durable: the log is written in order, and what ends the copy makes everything before it
    /// durable too.
    fn write<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let connections = self.connections();
        let writer = connections.writer()?;
        writer.pragma_update(None, "synchronous", "normal").map_err(|cause| connections.fail(cause))?;
        connections.begin_on(&writer)?;
        let done = work(&writer)?;
        connections.commit(writer)?;
        Ok(done)
    }

    /// The same with statements only, and with how far the copy is.
    fn put(&self, state: &str, work: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<(), Error> {
        self.write(|writer| {
            let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
            work(writer)
                .and_then(|()| writer.prepare_cached(sql)?.execute((STATE, state.as_bytes())).map(drop))
                .map_err(|cause| self.connections().fail(cause))
        })
    }

    /// The same without it.
    fn put_more(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Result<(), Error> {
        self.write(|writer| work(writer).map_err(|cause| self.connections().fail(cause)))
    }
}

impl CopyInto for SqliteCopy {
    fn so_far(&self) -> &dyn CopyFrom {
        &self.ledger
    }

    fn has_ended(&self) -> bool {
        self.has_ended
    }

    fn state(&self) -> Result<String, Error> {
        let sql = "SELECT value FROM meta WHERE name = ?1";
        let state = self
            .connections()
            .read(|reader| reader.query_row(sql, [STATE], |row| row.get::<_, Vec<u8>>(0)).optional())?;
        Ok(String::from_utf8_lossy(&state.unwrap_or_default()).into_owned())
    }

    fn last_receipt_ns(&self) -> Result<Option<i64>, Error> {
        let sql = "SELECT MAX(received_ns) FROM receipts";
        self.connections().read(|reader| reader.query_row(sql, [], |row| row.get(0)))
    }

    fn put_accounts(&self, outline: &Outline, state: &str) -> Result<(), Error> {
        self.put(state, |writer| put_accounts(writer, outline))
    }

    fn put_blocks(&self, blocks: &[CopiedBlock], state: &str) -> Result<(), Error> {
        self.put(state, |writer| put_blocks(writer, blocks))
    }

    fn put_entries(
        &self,
        account: AccountId,
        sequences: &[u64],
        entries: &PackedEntries,
        state: &str,
    ) -> Result<(), Error> {
        self.put(state, |writer| {
            let (mut intake, mut insert) = (Intake::new(account, 0), writer.prepare_cached(INSERT)?);
            let mut rows = entries.rows();
            for sequence in sequences {
                let entry = rows.next().ok_or(rusqlite::Error::QueryReturnedNoRows)?;
                let position = Position { timestamp_ns: instant(entry)?, sequence: *sequence };
                let ids = intake.text_ids(writer, entry)?;
                row::insert(&mut insert, account, position, ids, entry)?;
            }
            Ok(())
        })
    }

    fn put_taken(&self, account: AccountId, taken: &[(Taken, UsageEntry)], state: &str) -> Result<(), Error> {
        self.put(state, |writer| {
            let mut intake = Intake::new(account, 0);
            let mut insert = writer.prepare_cached(&INSERT.replacen("INSERT", "INSERT OR REPLACE", 1))?;
            let mut keep = writer.prepare_cached(&format!(
                "INSERT OR REPLACE INTO removed (account, removal, {COLUMNS})
                 SELECT account, ?4, {COLUMNS} FROM entries WHERE {ENTRY}"
            ))?;
            let mut take = writer.prepare_cached(&format!("DELETE FROM entries WHERE {ENTRY}"))?;
            for (Taken { removal, position }, entry) in taken {
                let ids = intake.text_ids(writer, entry)?;
                let place = (account.0, position.timestamp_ns, signed(position.sequence));
                row::insert(&mut insert, account, *position, ids, entry)?;
                keep.execute((place.0, place.1, place.2, signed(*removal)))?;
                take.execute(place)?;
            }
            Ok(())
        })
    }

    fn put_amended(
        &self,
        account: AccountId,
        amended: &[Amendment],
        block: u64,
        whole_set: WholeSet,
    ) -> Result<(), Error> {
        self.put_more(|writer| {
            let mut interner = Interner::default();
            let sql = format!("UPDATE entries SET api_key = ?4, other_fields = ?5 WHERE {ENTRY}");
            let mut update = writer.prepare_cached(&sql)?;
            for Amendment { position, api_key_id, other_fields } in amended {
                let api_key = match api_key_id {
                    Some(key) => interner.id(writer, key)?,
                    None => billing_engine::NO_TEXT,
                };
                let (at_ns, sequence) = (position.timestamp_ns, signed(position.sequence));
                let other_fields = other_fields.as_ref().map(OtherFields::as_str);
                update.execute((account.0, at_ns, sequence, api_key, other_fields))?;
            }
            let sql = "UPDATE blocks SET whole_set = ?2 WHERE number = ?1";
            writer.prepare_cached(sql)?.execute((signed(block), whole_set.to_string())).map(drop)
        })
    }

    fn put_receipts(&self, receipts: &[CopiedReceipt]) -> Result<(), Error> {
        self.put_more(|writer| {
            let mut insert = writer.prepare_cached(
                "INSERT OR IGNORE INTO receipts (account, idempotency_key, digest, entries, received_ns)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            receipts.iter().try_for_each(|receipt| {
                let CopiedReceipt { account, idempotency_key, digest, entries, received_ns } = receipt;
                insert.execute((account.0, idempotency_key, digest, signed(*entries), received_ns)).map(drop)
            })
        })
    }

    fn put_files(&self, files: &[CopiedFile]) -> Result<(), Error> {
        self.put_more(|writer| {
            let mut insert = writer.prepare_cached(
                "INSERT OR IGNORE INTO files (account, sha256, copy, name, imported_ns, entries, first_sequence)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            files.iter().try_for_each(|file| {
                let CopiedFile { account, sha256, copy, name, imported_ns, entries, first_sequence } = file;
                let (copy, entries, first) = (signed(*copy), signed(*entries), signed(*first_sequence));
                insert.execute((account.0, sha256, copy, name, imported_ns, entries, first)).map(drop)
            })
        })
    }

    fn put_keys(&self, keys: &[CopiedKey], sources: &[(AccountId, Source)]) -> Result<(), Error> {
        self.write(|writer| {
            let fail = |cause| self.connections().fail(cause);
            put_keys(writer, keys).map_err(fail)?;
            writer.execute("DELETE FROM sources", []).map_err(fail)?;
            sources
                .iter()
                .try_for_each(|(account, source)| source::put(writer, *account, source)?.map_err(fail))
        })
    }

    fn put_coverage(&self, account: AccountId, records: &[Coverage]) -> Result<(), Error> {
        self.write(|writer| {
            coverage::put_all(writer, account, records)?.map_err(|cause| self.connections().fail(cause))
        })
    }

    fn begin_sums(&self) -> Result<(), Error> {
        self.put_more(|writer| {
            writer.execute_batch("DELETE FROM counts; DELETE FROM rollups; DELETE FROM balances")
        })
    }

    fn add_sums(&self, account: AccountId, entries: &PackedEntries) -> Result<(), Error> {
        self.put_more(|writer| {
            let (mut intake, mut rows) = (Intake::new(account, 0), entries.rows());
            while let Some(entry) = rows.next() {
                let ids = intake.text_ids(writer, entry)?;
                intake.sum(entry, instant(entry)?, ids);
            }
            intake.store_sums(writer, Tables::Ledger)
        })
    }

    fn finish(self: Box<Self>) -> Result<(), Error> {
        if self.has_ended {
            return Ok(());
        }
        let connections = self.connections();
        let fail = |cause| connections.fail(cause);
        let writer = connections.writer()?;
        writer.pragma_update(None, "synchronous", "full").map_err(fail)?;
        connections.begin_on(&writer)?;
        note_unused(&writer).map_err(fail)?;
        writer.execute("DELETE FROM meta WHERE name = ?1", [STATE]).map_err(fail)?;
        writer.execute_batch(&format!("PRAGMA user_version = {}", schema::VERSION)).map_err(fail)?;
        connections.commit(writer)
    }
}

/// What is at the path of a copy.
enum There {
    /// Nothing, or a copy that has begun.
    Copy,
    /// The copy, which has ended.
    Ended,
}

/// Looks what is at a path. A ledger without anything is removed; any other one is refused.
fn look_at(path: &Path, secret: LedgerSecret) -> Result<There, Error> {
    let file = LedgerFile::new(path)?;
    match file.look() {
        Ok(Found::Nothing | Found::Empty) => return Ok(There::Copy),
        Err(error) if error.kind() == ErrorKind::UnfinishedCopy => return Ok(There::Copy),
        found => found?,
    };
    let there = || exists(path, "there is a ledger at", "copy to a place where nothing is");
    let opened = match look::open(&file, 1) {
        Err(error) if error.kind() == ErrorKind::UnfinishedCopy => return Ok(There::Copy),
        opened => opened?,
    };
    let fail = |cause| file.fail(cause);
    if has_accounts(&opened.connection).map_err(fail)? {
        // An older one is not this copy: it would be taken forward.
        let is_present = schema::version(&opened.connection).map_err(fail)? == schema::VERSION;
        let is_ours = schema::secret(&opened.connection).map_err(fail)? == secret.0;
        return if is_present && is_ours { Ok(There::Ended) } else { Err(there()) };
    }
    drop(opened);
    // From here on nobody can open it, and it is looked at once more.
    let _turn = Turn::take(&file)?;
    let look = || has_accounts(&file.alone()?);
    if file.has_log() || look().map_err(|cause| file.fail(cause))? {
        return Err(there());
    }
    remove_files(&real(file.file()))
        .map_err(|cause| file.error(ErrorKind::CannotOpen, "").caused_by(cause))?;
    Ok(There::Copy)
}

/// False for a ledger without anything: everything in one is of an account.
fn has_accounts(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM accounts)", [], |row| row.get(0))
}

fn exists(path: &Path, what: &str, advice: &str) -> Error {
    Error::new(ErrorKind::Exists, format!("{what} `{}`: {advice}", path.display()))
}

/// The instant of an entry, which a ledger has held.
fn instant(entry: &UsageEntry) -> rusqlite::Result<i64> {
    entry.timestamp.unix_ns().ok_or(rusqlite::Error::QueryReturnedNoRows)
}

fn put_accounts(writer: &Connection, outline: &Outline) -> rusqlite::Result<()> {
    let mut select = writer.prepare("SELECT id FROM accounts")?;
    let there = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    let gone = there.into_iter().map(AccountId);
    let is_gone = |id: &AccountId| outline.accounts.binary_search_by_key(id, |account| account.id).is_err();
    for account in gone.filter(is_gone) {
        removal::forget(writer, account)?;
    }
    let mut insert = writer.prepare(
        "INSERT INTO accounts (id, name, next_sequence, diem_allocation) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET name = ?2, next_sequence = ?3, diem_allocation = ?4",
    )?;
    for account in &outline.accounts {
        let allocation = account.diem_allocation.map(decimal_text);
        insert.execute((account.id.0, &account.name, signed(account.next_sequence), allocation))?;
        if let Some(first) = account.renumbered_from {
            renumbered::note(writer, account.id, signed(first))?;
        }
    }
    let last = outline.accounts.last().map_or(0, |account| account.id.0);
    if outline.last_account > last { removal::note_last(writer, outline.last_account) } else { Ok(()) }
}

fn put_blocks(writer: &Connection, blocks: &[CopiedBlock]) -> rusqlite::Result<()> {
    let mut interner = Interner::default();
    let mut insert = writer.prepare_cached(
        "INSERT INTO blocks
         (number, account, first_sequence, removed_ns, entries, first_ns, last_ns, entry_set, whole_set)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let sql = "INSERT INTO block_sums (block, currency, amount) VALUES (?1, ?2, ?3)";
    let mut insert_sum = writer.prepare_cached(sql)?;
    for CopiedBlock { block, span_ns: (first_ns, last_ns) } in blocks {
        let number = signed(block.number);
        insert.execute(params![
            number,
            block.account.0,
            signed(block.first_sequence),
            block.removed_at.and_then(|at| at.unix_ns()),
            signed(block.entries()),
            first_ns,
            last_ns,
            block.entry_set.to_string(),
            block.whole_set.to_string(),
        ])?;
        for (currency, sum) in &block.sums {
            insert_sum.execute((number, interner.id(writer, currency.as_str())?, sum.to_string()))?;
        }
    }
    Ok(())
}

fn put_keys(writer: &Connection, keys: &[CopiedKey]) -> rusqlite::Result<()> {
    writer.execute("DELETE FROM keys", [])?;
    let mut insert = writer.prepare(
        "INSERT INTO keys (id, account, kind, description, digest, last_six, created_ns, revoked_ns, last_used_ns)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for key in keys {
        insert.execute(params![
            key.id,
            key.account.0,
            key.kind.as_str(),
            key.description,
            key.digest.0,
            key.last_six,
            key.created_ns,
            key.revoked_ns,
            key.last_used_ns,
        ])?;
    }
    Ok(())
}

/// Notes the sequences that no block has: no entry will ever have these.
fn note_unused(writer: &Connection) -> rusqlite::Result<()> {
    writer.execute("DELETE FROM unused", [])?;
    let sql = "INSERT INTO unused (account, first_sequence, last_sequence) VALUES (?1, ?2, ?3)";
    let mut insert = writer.prepare(sql)?;
    let mut select = writer.prepare("SELECT id, next_sequence FROM accounts")?;
    let mut select_blocks = writer.prepare(
        "SELECT first_sequence, CASE WHEN removed_ns IS NULL THEN entries ELSE 1 END FROM blocks
         WHERE account = ?1 ORDER BY first_sequence",
    )?;
    let accounts = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    for account in accounts {
        let (account, next): (i64, i64) = account?;
        let mut from = 0;
        let blocks = select_blocks.query_map([account], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for block in blocks.chain([Ok((next, 0))]) {
            let (first, length): (i64, i64) = block?;
            if from < first {
                insert.execute((account, from, first - 1))?;
            }
            from = from.max(first.saturating_add(length));
        }
    }
    Ok(())
}
