//! The file of a ledger: what is at its path, how connections to it are made, and why they fail.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use billing_ledger::{Error, ErrorKind};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{self, failure};
use crate::file_id::FileId;
use crate::guard;
use crate::handles::Handles;
use crate::meta::Secret;
use crate::paths::{real, with_suffix};
use crate::schema::{self, Identity};

/// How long a writer waits for another one. A reader never waits: the log lets it read beside a writer.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How many compiled statements a connection keeps: enough for all that there are.
const STATEMENTS: usize = 60;

const NOT_SQLITE: &str = "it is not an SQLite file";
const ANOTHER_APPLICATION: &str = "it is the database of another application";

/// The advice when the ledger is no longer there.
pub(crate) const GONE: &str =
    "nothing is there now: put it back, or a copy with `billing restore`, and restart";
const RESTORE: &str = "stop this program, put a copy there with `billing restore`, and start again";

/// The identity, length and time of a file. When any of them differs, the file has changed.
type Stamp = (FileId, u64, Option<std::time::SystemTime>);

fn stamp(path: &Path) -> Option<Stamp> {
    let file = std::fs::metadata(path).ok()?;
    Some((FileId::of(path, &file), file.len(), file.modified().ok()))
}

/// Where a ledger is, or is to be.
pub(crate) struct LedgerFile {
    /// The path as it was given, for messages.
    path: PathBuf,
    /// The absolute path, so that SQLite gives no name a special meaning (`:memory:`, `file:…`), and a change of the
    /// working directory has no effect.
    file: PathBuf,
    /// The secret of the ledger that is copied into it. Only such a copy may be unfinished.
    copied: Option<Secret>,
    /// The last advice, and the files that it is about.
    advice: Mutex<Option<([Option<Stamp>; 2], String)>>,
}

/// What was found at the path, without touching it.
pub(crate) enum Found {
    Nothing,
    Empty,
    /// It may be a ledger. This is what it is without its log; `None` when only the log makes it whole.
    Database(Option<Alone>),
}

/// What a file says without its log.
#[derive(Clone, Copy)]
pub(crate) struct Alone {
    pub(crate) secret: Option<Secret>,
    pub(crate) version: u32,
}

impl LedgerFile {
    pub(crate) fn new(path: &Path) -> Result<Self, Error> {
        match std::path::absolute(path) {
            Ok(file) => Ok(Self { path: path.to_owned(), file, copied: None, advice: Mutex::default() }),
            Err(cause) => Err(failure(ErrorKind::CannotOpen, path, "").caused_by(cause)),
        }
    }

    /// The same for the ledger with this secret, which is copied into it.
    pub(crate) fn for_a_copy(mut self, secret: Secret) -> Self {
        self.copied = Some(secret);
        self
    }

    /// The secret of the ledger that is copied into it, if one is.
    pub(crate) fn copied(&self) -> Option<Secret> {
        self.copied
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn error(&self, kind: ErrorKind, detail: impl AsRef<str>) -> Error {
        failure(kind, &self.path, detail)
    }

    /// The error for a failure of the engine. When the engine only says that it cannot open the file, the system is
    /// asked why.
    pub(crate) fn fail(&self, cause: rusqlite::Error) -> Error {
        let error = error::engine(&self.path, cause);
        match error.kind() {
            ErrorKind::CannotOpen => self.check_access().err().unwrap_or(error),
            _ => error,
        }
    }

    /// Which file is at the path now, if any.
    pub(crate) fn id(&self) -> Result<Option<FileId>, Error> {
        FileId::at(&self.file).map_err(|cause| self.error(ErrorKind::CannotOpen, "").caused_by(cause))
    }

    /// Tells what is there, and refuses what is no ledger without touching it.
    pub(crate) fn look(&self) -> Result<Found, Error> {
        let refuse = |why| Err(self.error(ErrorKind::NotALedger, why));
        match std::fs::metadata(&self.file) {
            Ok(file) if file.is_dir() => return refuse("it is a directory"),
            Ok(file) if !file.is_file() => return refuse("it is not a file"),
            Ok(file) if file.len() == 0 => return Ok(Found::Empty),
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(cause) => return Err(self.error(ErrorKind::CannotOpen, "").caused_by(cause)),
        }
        let found = self.alone().and_then(|alone| {
            Ok((schema::identify(&alone)?, schema::secret(&alone).ok(), schema::version(&alone)?))
        });
        match found {
            // This is known before the file is opened, so that not even a log is left beside it.
            Ok((Identity::Ledger, secret, version)) => {
                // What is at its beginning may be a copy that has ended since, as its log knows.
                let is_ended = version & schema::UNFINISHED != 0 && self.has_log();
                let version = if is_ended { version & !schema::UNFINISHED } else { version };
                Ok(Found::Database(Some(Alone { secret, version: self.known(version)? })))
            }
            // The file is too short for any database, but not empty.
            Ok((Identity::Nothing, ..)) => refuse(NOT_SQLITE),
            Ok((Identity::Other, ..)) => refuse(ANOTHER_APPLICATION),
            Err(cause) => match cause.sqlite_error_code() {
                // A kill has left it half written, with a log that repairs it. SQLite will do that, and then its kind
                // can be told.
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) if self.has_log() => {
                    Ok(Found::Database(None))
                }
                Some(ErrorCode::NotADatabase) => refuse(NOT_SQLITE),
                _ => Err(self.fail(without_uri(cause))),
            },
        }
    }

    /// A connection to the file alone: without a lock and a log, so that nothing is written beside another
    /// application's database. It uses SQLite, because closing a file that was opened in another way drops the locks of
    /// the process.
    pub(crate) fn alone(&self) -> rusqlite::Result<Connection> {
        let uri = format!("file:{}?immutable=1", percent_encoded(self.file.as_os_str()));
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(&uri, flags)
    }

    /// What to do when the file is no longer the one that was opened. Every call asks for it from then on, and a log
    /// may be long. So it is found out anew only when the files have changed.
    pub(crate) fn advice(&self) -> String {
        let sight = [stamp(&self.file), stamp(&self.log())];
        let mut kept = self.advice.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((seen, advice)) if *seen == sight => advice.clone(),
            _ => {
                let advice = self.find_advice();
                *kept = Some((sight, advice.clone()));
                advice
            }
        }
    }

    fn find_advice(&self) -> String {
        let secret = match self.look() {
            Ok(Found::Nothing) => return GONE.to_owned(),
            Ok(Found::Database(Some(Alone { secret: Some(secret), .. }))) => secret,
            Ok(_) => return format!("what is there now is no whole ledger: {RESTORE}"),
            Err(error) => return format!("{error}: {RESTORE}"),
        };
        let fits = self
            .handles(false)
            .is_ok_and(|handles| guard::would_fit(&handles, &self.file, &secret).unwrap_or(false));
        if fits {
            return "restart to use what is there now".to_owned();
        }
        format!("stop this program; then {}", self.foreign_log())
    }

    /// The version of a ledger, which must not be newer than this program, nor a copy that has not ended.
    pub(crate) fn known(&self, version: u32) -> Result<u32, Error> {
        let (is_unfinished, version) = (version & schema::UNFINISHED != 0, version & !schema::UNFINISHED);
        if version > schema::VERSION {
            let versions = format!("it has version {version}, the program knows {}", schema::VERSION);
            return Err(self.error(ErrorKind::NewerVersion, versions));
        }
        match (is_unfinished, self.copied) {
            (true, None) => Err(self.error(ErrorKind::UnfinishedCopy, "")),
            (true, Some(_)) if version < schema::VERSION => {
                Err(self.error(ErrorKind::UnfinishedCopy, "an older version of this program began it"))
            }
            _ => Ok(version),
        }
    }

    /// Checks what the file is with its log. `may_be_empty` is for a file that is to become a ledger.
    pub(crate) fn check_identity(&self, connection: &Connection, may_be_empty: bool) -> Result<(), Error> {
        let refuse = |why| Err(self.error(ErrorKind::NotALedger, why));
        match schema::identify(connection).map_err(|cause| self.fail(cause))? {
            Identity::Nothing if !may_be_empty => refuse("it is empty"),
            Identity::Other => refuse(ANOTHER_APPLICATION),
            Identity::Nothing | Identity::Ledger => Ok(()),
        }
    }

    /// A connection that leaves log and file as they are when it is closed. [`trust`] ends that, once they are known to
    /// belong together.
    pub(crate) fn connect(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        configure(&connection)?;
        // The engine must not copy the log into the file before both were checked.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        Ok(connection)
    }

    /// A connection like that of [`alone`](Self::alone) on which a ledger is read.
    pub(crate) fn connect_alone(&self) -> rusqlite::Result<Connection> {
        let connection = self.alone()?;
        configure(&connection)?;
        Ok(connection)
    }

    /// True when another user has the file, so that a log that this one makes would be in his way. Who may do everything makes it as the
    /// file's owner.
    #[cfg(unix)]
    pub(crate) fn is_of_another(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        let user = rustix::process::geteuid();
        !user.is_root() && std::fs::metadata(&self.file).is_ok_and(|file| file.uid() != user.as_raw())
    }

    #[cfg(not(unix))]
    pub(crate) fn is_of_another(&self) -> bool {
        false
    }

    /// True when this user can read the file but not use it in the usual way: it is another one's, or it or its directory may not be
    /// written to.
    pub(crate) fn is_to_be_read_alone(&self) -> bool {
        let path = real(&self.file);
        let directory = path.parent().unwrap_or(&path);
        path.exists()
            && (self.is_of_another()
                || may(&path, Access::Write).is_err()
                || may(directory, Access::Write).is_err())
    }

    /// Refuses to make a log, or its index, beside another user's ledger.
    pub(crate) fn refuse_log_of_another(&self) -> Result<(), Error> {
        let log = self.log();
        let has = |path: &Path| path.exists();
        if !self.is_of_another() || (has(&log) && has(&with_suffix(&real(&self.file), "-shm"))) {
            return Ok(());
        }
        let why = "it belongs to another user, and its log is not closed: let the owner run `billing check`, or read a copy of it";
        Err(self.error(ErrorKind::CannotOpen, why))
    }

    /// The file's log, in the form that a ledger has it. The engine keeps it beside the file that a link leads to.
    pub(crate) fn log(&self) -> PathBuf {
        with_suffix(&real(&self.file), "-wal")
    }

    /// True when there is a log of a ledger without the ledger. The engine would remove such a log.
    pub(crate) fn has_log_alone(&self) -> bool {
        std::fs::metadata(self.log()).is_ok_and(|log| log.len() > 0)
    }

    pub(crate) fn foreign_log(&self) -> Error {
        self.error(ErrorKind::ForeignLog, self.log().display().to_string())
    }

    /// The absolute path.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Handles to the file, which is made when `create` says so.
    pub(crate) fn handles(&self, create: bool) -> Result<Handles, Error> {
        match Handles::of(&self.file, create) {
            Ok(Some(handles)) => Ok(handles),
            Ok(None) => Err(self.error(ErrorKind::Replaced, GONE)),
            // The system says why.
            Err(cause) => Err(self
                .check_access()
                .err()
                .unwrap_or_else(|| self.error(ErrorKind::CannotOpen, "").caused_by(cause))),
        }
    }

    pub(crate) fn has_log(&self) -> bool {
        ["-journal", "-wal"].iter().any(|suffix| with_suffix(&real(&self.file), suffix).exists())
    }

    /// Asks the system for what a ledger needs: the file for reading and writing, and room for the log beside it. A
    /// reader needs that room too.
    fn check_access(&self) -> Result<(), Error> {
        let refuse = |detail: &str| {
            let error = self.error(ErrorKind::CannotOpen, detail);
            |cause: io::Error| error.caused_by(cause)
        };
        let directory = self.file.parent().unwrap_or(&self.file);
        match std::fs::metadata(&self.file) {
            Ok(_) => {
                may(&self.file, Access::Read).map_err(refuse(""))?;
                may(&self.file, Access::Write).map_err(refuse("it may not be written to"))?;
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && !directory.exists() => {
                let detail = format!("the directory `{}` does not exist", directory.display());
                return Err(self.error(ErrorKind::CannotOpen, detail));
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(refuse("")(cause)),
        }
        may(directory, Access::Write).map_err(refuse("no file can be made in its directory"))
    }
}

/// What each connection to a ledger has.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // Without this, the engine plans a statement anew for every bound value, which took as long as half a page.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // The file may come from somebody else: its schema must not call functions with side effects.
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "mmap_size", 0)
}

/// Allows that the log is copied into the file from here on.
pub(crate) fn trust(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop)
}

/// True when the file that a connection has open is not the one at its path any more.
#[cfg(unix)]
pub(crate) fn has_moved(connection: &Connection) -> rusqlite::Result<bool> {
    let mut has_moved = 0;
    connection.file_control(Some(rusqlite::MAIN_DB), rusqlite::FileControl::HasMoved(&mut has_moved))?;
    Ok(has_moved != 0)
}

#[cfg(not(unix))]
pub(crate) fn has_moved(_: &Connection) -> rusqlite::Result<bool> {
    Ok(false)
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

/// Asks for permissions without opening the file: closing a file that SQLite has open too drops the locks of the
/// process.
#[cfg(unix)]
fn may(path: &Path, access: Access) -> io::Result<()> {
    use rustix::fs::{Access as Right, AtFlags, CWD, accessat};
    let right = match access {
        Access::Read => Right::READ_OK,
        Access::Write => Right::WRITE_OK,
    };
    Ok(accessat(CWD, path, right, AtFlags::EACCESS)?)
}

#[cfg(not(unix))]
fn may(path: &Path, access: Access) -> io::Result<()> {
    match access {
        Access::Write if std::fs::metadata(path)?.permissions().readonly() => {
            Err(io::ErrorKind::PermissionDenied.into())
        }
        Access::Read | Access::Write => Ok(()),
    }
}

/// The engine's words without the name that it was given.
fn without_uri(cause: rusqlite::Error) -> rusqlite::Error {
    match cause {
        rusqlite::Error::SqliteFailure(failure, Some(words)) => {
            let words = words.split(": file:").next().unwrap_or_default().to_owned();
            rusqlite::Error::SqliteFailure(failure, Some(words))
        }
        other => other,
    }
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

/// Lets the engine remove the empty log that reading has made, when this connection is closed and nobody else has it open. A log
/// that has something is left to whoever writes.
pub(crate) fn leave_no_log(file: &LedgerFile, reader: &Connection) {
    if std::fs::metadata(file.log()).is_ok_and(|log| log.len() == 0) {
        // If this fails, an empty log stays, which changes nothing.
        let _ = trust(reader);
    }
}

/// True for what somebody else's lock makes fail.
pub(crate) fn is_busy(cause: &rusqlite::Error) -> bool {
    cause.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}
