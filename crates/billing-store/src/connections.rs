//! The ledger's file, and the connections to it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::error::{Error, ErrorKind};
use crate::schema::{self, Identity};

/// How long a writer waits for another one. A reader never waits: the log lets it read beside a writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Idle readers that are kept; one more than that is closed after its call.
const IDLE_READERS: usize = 4;

/// A writer's pages in memory, in KiB. More go to the log before the commit, so an import of any size fits.
const WRITER_CACHE_KIB: u32 = 4096;
/// A reader's; 4 readers and the writer come to 8 MiB.
const READER_CACHE_KIB: u32 = 1024;

/// What a large import leaves of the log, in bytes: it is cut back to this once it was copied into the file.
const LOG_LIMIT: u32 = 64 << 20;

/// Statements that a connection keeps compiled: all that there are.
const STATEMENTS: usize = 32;

const NOT_SQLITE: &str = "it is not an SQLite file";
const ANOTHER_APPLICATION: &str = "it is the database of another application";

/// The connections to one file, opened when they are needed and kept for the next call.
pub(crate) struct Connections {
    /// As it was given, for messages.
    path: PathBuf,
    /// Absolute, so that no name has a meaning of its own to SQLite (`:memory:`, `file:…`) and a change of the working
    /// directory changes nothing.
    file: PathBuf,
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Option<Connection>>,
}

impl Connections {
    /// Opens the file, which is created only if `create` says so, and checks that it is a ledger of a known version.
    pub(crate) fn open(path: &Path, create: bool) -> Result<Self, Error> {
        let file = std::path::absolute(path)
            .map_err(|cause| Error::new(ErrorKind::CannotOpen, path, "").caused_by(cause))?;
        let connections =
            Self { path: path.to_owned(), file, readers: Mutex::default(), writer: Mutex::default() };
        let is_new = !connections.look()?;
        if is_new && !create {
            return Err(Error::new(ErrorKind::NotFound, path, ""));
        }
        let writer = connections.prepare(is_new, create)?;
        connections.keep_writer(writer);
        Ok(connections)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn fail(&self, cause: rusqlite::Error) -> Error {
        Error::engine(&self.path, cause)
    }

    /// Reads from one state of the ledger, whatever is written meanwhile.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let idle = lock(&self.readers).pop();
        let reader = idle.map_or_else(|| self.open_reader(), Ok).map_err(|cause| self.fail(cause))?;
        // Ends with the block, and with it the state that is read.
        let result = reader.unchecked_transaction().and_then(|transaction| work(&transaction));
        let result = result.map_err(|cause| self.fail(cause))?;
        let mut idle = lock(&self.readers);
        if idle.len() < IDLE_READERS {
            idle.push(reader);
        }
        Ok(result)
    }

    /// Writes all that `work` writes, or nothing.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let mut writer = self.take_writer()?;
        let write = || {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        let result = write().map_err(|cause| self.fail(cause))?;
        self.keep_writer(writer);
        Ok(result)
    }

    /// A connection to write with. After a failure drop it: a file whose write failed is read anew.
    pub(crate) fn take_writer(&self) -> Result<Connection, Error> {
        let idle = lock(&self.writer).take();
        idle.map_or_else(|| self.open_writer(), Ok).map_err(|cause| self.fail(cause))
    }

    /// Takes back a connection without a transaction.
    pub(crate) fn keep_writer(&self, writer: Connection) {
        *lock(&self.writer) = Some(writer);
    }

    /// Tells whether a file is there, and refuses one that is not a ledger without touching it.
    fn look(&self) -> Result<bool, Error> {
        let refuse = |why| Err(Error::new(ErrorKind::NotALedger, &self.path, why));
        match std::fs::metadata(&self.file) {
            Ok(file) if !file.is_file() => return refuse("it is not a file"),
            Ok(file) if file.len() == 0 => return Ok(true),
            Ok(_) => {}
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(cause) => return Err(Error::new(ErrorKind::CannotOpen, &self.path, "").caused_by(cause)),
        }
        // `immutable` reads the file alone: no lock, no log, nothing written beside another application's database.
        // It goes through SQLite because closing a file that was opened otherwise drops the locks of the process.
        let uri = format!("file:{}?immutable=1", percent_encoded(self.file.as_os_str()));
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let found =
            Connection::open_with_flags(&uri, flags).and_then(|connection| schema::identify(&connection));
        match found {
            Ok(Identity::Ledger) => Ok(true),
            // Too short for any database, but not empty.
            Ok(Identity::Nothing) => refuse(NOT_SQLITE),
            Ok(Identity::Other) => refuse(ANOTHER_APPLICATION),
            Err(cause) => match cause.sqlite_error_code() {
                // A kill left it half written, with the log that mends it: SQLite will, and then it can be told.
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) if self.has_log() => Ok(true),
                Some(ErrorCode::NotADatabase) => refuse(NOT_SQLITE),
                _ => Err(self.fail(cause)),
            },
        }
    }

    fn has_log(&self) -> bool {
        ["-journal", "-wal"].iter().any(|suffix| {
            let mut log = self.file.clone().into_os_string();
            log.push(suffix);
            Path::new(&log).exists()
        })
    }

    /// The first connection: it makes a new file a ledger and an older ledger one of today.
    fn prepare(&self, is_new: bool, create: bool) -> Result<Connection, Error> {
        let fail = |cause| self.fail(cause);
        let refuse = |why| Err(Error::new(ErrorKind::NotALedger, &self.path, why));
        let flags = if is_new { OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::empty() };
        let mut connection = self.connect(flags).map_err(fail)?;
        if is_new {
            self.keep_private()?;
        }
        match schema::identify(&connection).map_err(fail)? {
            Identity::Nothing if !create => return refuse("it is empty"),
            Identity::Other => return refuse(ANOTHER_APPLICATION),
            Identity::Nothing | Identity::Ledger => {}
        }
        let version = schema::version(&connection).map_err(fail)?;
        if version > schema::VERSION {
            let versions = format!("it has version {version}, the program knows {}", schema::VERSION);
            return Err(Error::new(ErrorKind::NewerVersion, &self.path, versions));
        }
        if version < schema::VERSION {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret)
                .map_err(|cause| Error::new(ErrorKind::NoRandomness, &self.path, "").caused_by(cause))?;
            schema::migrate(&mut connection, secret).map_err(fail)?;
        }
        configure_writer(&connection).map_err(fail)?;
        Ok(connection)
    }

    /// Usage, and the secret behind keys and cursors, are nobody else's. The log's files take over the permissions.
    #[cfg(unix)]
    fn keep_private(&self) -> Result<(), Error> {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&self.file, std::fs::Permissions::from_mode(0o600))
            .map_err(|cause| Error::new(ErrorKind::CannotOpen, &self.path, "").caused_by(cause))
    }

    #[cfg(not(unix))]
    fn keep_private(&self) -> Result<(), Error> {
        Ok(())
    }

    fn connect(&self, extra: OpenFlags) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | extra;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // A ledger may come from elsewhere: its schema must not call functions with effects.
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "mmap_size", 0)?;
        Ok(connection)
    }

    fn open_writer(&self) -> rusqlite::Result<Connection> {
        let connection = self.connect(OpenFlags::empty())?;
        configure_writer(&connection)?;
        Ok(connection)
    }

    fn open_reader(&self) -> rusqlite::Result<Connection> {
        let connection = self.connect(OpenFlags::empty())?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "cache_size", -i64::from(READER_CACHE_KIB))?;
        Ok(connection)
    }
}

fn configure_writer(connection: &Connection) -> rusqlite::Result<()> {
    // Readers beside a writer depend on it; it stays with the file.
    connection.pragma_update(None, "journal_mode", "wal")?;
    // Less than FULL loses commits at a power loss, and was no faster.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(WRITER_CACHE_KIB))?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)
}

/// Lists of idle connections are whole at every moment, so one that a panic left locked is as good as another.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A path in a `file:` URI.
fn percent_encoded(path: &OsStr) -> String {
    let mut out = String::new();
    for byte in path.as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                out.push(char::from(*byte))
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
