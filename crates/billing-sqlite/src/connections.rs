//! The connections to the ledger's file. All of them have the same file open.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use billing_ledger::{Error, ErrorKind};
use rusqlite::{Connection, ErrorCode};

use crate::error;
use crate::file::{self, Found, LedgerFile};
use crate::guard::Guard;
use crate::handles::Handles;
use crate::log::Fit;
use crate::meta::{Secret, USUAL_ROOT};
use crate::migration::Migration;
use crate::paths::real;
use crate::schema::{self, Identity};
use crate::second_names;

/// Idle readers that are kept. A reader beyond that is closed after its call.
pub(crate) const IDLE_READERS: usize = 4;

/// The writer's page cache in KiB. Further pages go to the log before the commit, so an import of any size fits.
const WRITER_CACHE_KIB: u32 = 4096;
/// A reader's page cache in KiB. Four readers and the writer have 8 MiB together.
const READER_CACHE_KIB: u32 = 1024;

/// The size in bytes to which the log is cut back once it was copied into the file, such as after a large import.
const LOG_LIMIT: u32 = 64 << 20;

/// The size in bytes beyond which the log is begun anew between two transactions.
const LOG_BOUND: u64 = 2 * LOG_LIMIT as u64;

/// How long a commit waits for readers so that the log can begin anew. Many pages are read in this time, and the sender
/// of the batch hardly notices it.
const LOG_PATIENCE: Duration = Duration::from_millis(50);

/// How often a waiting writer looks whether the other one has ended. An import leaves short gaps for others
/// ([`crate::pace`]). The engine's own waiting looks ever less often and would miss them.
pub(crate) const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// From so many frames in the log on, a commit copies them into the file.
const LOG_FRAMES: u32 = 1000;

/// The connections to one file, opened when they are needed and kept for the next call.
///
/// While this lives, another file may come to the path, such as a restored ledger, or file and log may be overwritten
/// in place. Then an answer could be a mixture of both: an account would see the rows of another one, and a write would
/// damage both. So file, log and the engine's index of the log are compared before anything is handed out, and before
/// and after anything is stored; see [`guard`](crate::guard).
pub(crate) struct Connections {
    file: LedgerFile,
    secret: Secret,
    /// True when nothing was at the path before.
    is_new: bool,
    /// True once another file was seen. Then no call is answered any more.
    is_replaced: AtomicBool,
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Option<Connection>>,
    /// Stays open while this lives. By its lock other programs see that the ledger is open. It is closed last.
    keeper: Mutex<Option<Connection>>,
    guard: Guard,
    /// Dropped last, after all connections.
    handles: Handles,
}

impl Connections {
    /// Opens the file, which is created only if `create` says so, and checks that it is a ledger of a known version. `progress`
    /// hears how far an older one was taken forward.
    pub(crate) fn open(
        path: &Path,
        create: bool,
        progress: &mut dyn FnMut(&Migration),
    ) -> Result<Self, Error> {
        let file = LedgerFile::new(path)?;
        let (found, handles) = find(&file, create)?;
        let fail = |cause| file.fail(cause);
        let mut writer = file.connect().map_err(fail)?;
        let guard = open_guard(&file, &handles, &writer, &found)?;
        prepare(&file, &mut writer, create, progress)?;
        let secret = schema::secret(&writer).map_err(fail)?;
        configure_writer(&writer).map_err(fail)?;
        // A file that had no log has one by now.
        let guard = match guard {
            Some(guard) => guard,
            None => new_guard(&file, &handles, &writer)?.ok_or_else(|| replaced(&file))?,
        };
        let connections = Self {
            file,
            secret,
            is_new: matches!(found, Found::Nothing),
            is_replaced: AtomicBool::new(false),
            readers: Mutex::default(),
            writer: Mutex::default(),
            keeper: Mutex::default(),
            guard,
            handles,
        };
        connections.verify(&writer)?;
        *lock(&connections.keeper) = Some(connections.open_reader()?);
        // A killed restore may have left a second name of this file, and a file with two names would have two logs. No
        // restore can be under way, because the file is open. A name that cannot be removed stays.
        let _ = second_names::forget_second_names(&real(connections.file.file()));
        connections.keep_writer(writer);
        Ok(connections)
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    /// The random number that all of the ledger's keys are derived from.
    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }

    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    pub(crate) fn fail(&self, cause: rusqlite::Error) -> Error {
        self.file.fail(cause)
    }

    pub(crate) fn error(&self, kind: ErrorKind) -> Error {
        self.file.error(kind, "")
    }

    /// Reads from one state of the ledger, whatever is written meanwhile.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let (result, reader) = self.read_unchecked(work)?;
        // If another file was read, the result is neither an answer nor an error of this ledger.
        self.check()?;
        self.keep_reader(reader);
        result.map_err(|cause| self.fail(cause))
    }

    /// Reads what is only a step to another call, which checks the files itself: whose key it is, before anything is
    /// read or written with it. Here it is enough that the file is the one that was opened.
    pub(crate) fn read_first<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let (result, reader) = self.read_unchecked(work)?;
        match &result {
            Ok(_) => self.check_path()?,
            Err(_) => self.check()?,
        }
        self.keep_reader(reader);
        result.map_err(|cause| self.fail(cause))
    }

    fn read_unchecked<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<(rusqlite::Result<T>, Connection), Error> {
        if self.is_replaced.load(Ordering::Relaxed) {
            return Err(self.replaced());
        }
        let idle = lock(&self.readers).pop();
        let reader = idle.map_or_else(|| self.open_reader(), Ok)?;
        // The transaction, and with it the state that is read, ends with this block.
        let result = reader.unchecked_transaction().and_then(|transaction| work(&transaction));
        Ok((result, reader))
    }

    fn keep_reader(&self, reader: Connection) {
        let mut idle = lock(&self.readers);
        if idle.len() < IDLE_READERS {
            idle.push(reader);
        }
    }

    /// Writes all that `work` writes, or nothing.
    pub(crate) fn write<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let writer = self.begin()?;
        let result = work(&writer).map_err(|cause| self.fail(cause))?;
        self.commit(writer)?;
        Ok(result)
    }

    /// A connection in a transaction that writes. If it is dropped, nothing is stored. After a failed write, the file
    /// is opened and read anew.
    pub(crate) fn begin(&self) -> Result<Connection, Error> {
        let writer = self.writer()?;
        self.begin_on(&writer)?;
        Ok(writer)
    }

    /// Commits what was written since [`Connections::begin`]. It is durable when this returns.
    pub(crate) fn commit(&self, writer: Connection) -> Result<(), Error> {
        self.commit_on(&writer)?;
        self.keep_writer(writer);
        Ok(())
    }

    /// A connection for several transactions that write. Drop it after a failure.
    pub(crate) fn writer(&self) -> Result<Connection, Error> {
        let idle = lock(&self.writer).take();
        idle.map_or_else(|| self.open_writer(), Ok)
    }

    /// Begins a transaction that writes.
    pub(crate) fn begin_on(&self, writer: &Connection) -> Result<(), Error> {
        self.check_path()?;
        begin(writer).map_err(|cause| self.fail(cause))
    }

    /// Commits what was written since [`Connections::begin_on`]. It is durable when this returns, if the connection's
    /// settings say so.
    pub(crate) fn commit_on(&self, writer: &Connection) -> Result<(), Error> {
        schema::seal(writer).map_err(|cause| self.fail(cause))?;
        // A transaction that was begun on another file is not committed.
        self.check()?;
        writer.execute_batch("COMMIT").map_err(|cause| self.fail(cause))?;
        // If the log is no longer there, the commit is not reported as stored.
        self.check()?;
        self.copy_log(writer);
        Ok(())
    }

    /// Copies a log of some length into the file, as far as no reader needs it. This happens directly after a check of
    /// the files. The engine would do it by itself too, but behind the commit, which may have taken long.
    fn copy_log(&self, writer: &Connection) {
        // What was committed is durable either way, and the next commit tries again.
        if self.guard.frames().is_ok_and(|frames| frames >= LOG_FRAMES) {
            let _ = writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
            self.bound_log(writer);
            // The new state is noted now, so that a file that is put back to an earlier state is detected.
            let _ = self.check();
        }
    }

    /// Keeps the log from growing for ever. The engine begins it anew when no reader needs it, and with many readers
    /// that moment may never come. So the writer waits for it here. New readers do not need the log any more, so this
    /// takes the time of one page. It does not wait for a longer read, such as a backup.
    fn bound_log(&self, writer: &Connection) {
        let is_long = std::fs::metadata(self.file.log()).is_ok_and(|log| log.len() > LOG_BOUND);
        if is_long {
            // What was committed is durable either way, and the next commit tries again.
            let _ = writer
                .busy_timeout(LOG_PATIENCE)
                .and_then(|()| writer.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())));
            let _ = writer.busy_timeout(file::BUSY_TIMEOUT);
        }
    }

    /// Keeps a connection without a transaction for the next write.
    fn keep_writer(&self, writer: Connection) {
        *lock(&self.writer) = Some(writer);
    }

    pub(crate) fn open_writer(&self) -> Result<Connection, Error> {
        let writer = self.connect()?;
        configure_writer(&writer).map_err(|cause| self.fail(cause))?;
        Ok(writer)
    }

    fn open_reader(&self) -> Result<Connection, Error> {
        let reader = self.connect()?;
        configure_reader(&reader).map_err(|cause| self.fail(cause))?;
        Ok(reader)
    }

    /// Opens a connection. It never makes a file: if the file is missing now, it was there before.
    fn connect(&self) -> Result<Connection, Error> {
        let connection = match self.file.connect() {
            Ok(connection) => connection,
            // A look at the path gives a better reason than the engine's error.
            Err(cause) => return Err(self.check_path().err().unwrap_or_else(|| self.fail(cause))),
        };
        self.verify(&connection)?;
        Ok(connection)
    }

    /// Checks that a new connection has the file that was opened.
    fn verify(&self, connection: &Connection) -> Result<(), Error> {
        let is_ours = || {
            Ok(matches!(schema::identify(connection)?, Identity::Ledger)
                && schema::secret(connection)? == self.secret
                && !file::has_moved(connection)?)
        };
        // This is asked first, so that the engine has opened the log when the files are checked.
        let is_ours = is_ours();
        self.check()?;
        if !is_ours.map_err(|cause| self.fail(cause))? {
            return Err(self.replaced());
        }
        Ok(())
    }

    /// Checks that the file at the path is the one that was opened.
    fn check_path(&self) -> Result<(), Error> {
        let is_replaced = self.is_replaced.load(Ordering::Relaxed);
        if is_replaced || self.file.id()? != Some(self.handles.ledger()) {
            return Err(self.replaced());
        }
        Ok(())
    }

    /// The same, and checks its content and its log too.
    fn check(&self) -> Result<(), Error> {
        self.check_path()?;
        match self.guard.fits(&self.secret) {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.replaced()),
            Err(cause) => Err(self.file.error(ErrorKind::Io, "").caused_by(cause)),
        }
    }

    fn replaced(&self) -> Error {
        self.is_replaced.store(true, Ordering::Relaxed);
        replaced(&self.file)
    }
}

impl Drop for Connections {
    /// The last connection copies the log into the file and removes the log, if the two still belong together. If not,
    /// both stay.
    fn drop(&mut self) {
        lock(&self.readers).clear();
        *lock(&self.writer) = None;
        let keeper = lock(&self.keeper).take();
        if let Some(keeper) = keeper.filter(|_| self.check().is_ok()) {
            // If this fails, the next one that opens the ledger does it.
            let _ = file::trust(&keeper);
        }
    }
}

/// The error for a replaced file. Its advice depends on what is there now.
fn replaced(file: &LedgerFile) -> Error {
    file.error(ErrorKind::Replaced, file.advice())
}

/// What is at the path, and handles to it, before the engine opens it.
pub(crate) fn find(file: &LedgerFile, create: bool) -> Result<(Found, Handles), Error> {
    let mut found = file.look()?;
    if matches!(found, Found::Nothing | Found::Empty) && file.has_log_alone() {
        // Somebody may have made the ledger meanwhile. The log of a new ledger is made last.
        found = file.look()?;
        if matches!(found, Found::Nothing | Found::Empty) {
            return Err(file.foreign_log());
        }
    }
    match found {
        Found::Nothing if !create => Err(file.error(ErrorKind::NotFound, "")),
        found => Ok((found, file.handles(create)?)),
    }
}

/// Lets the engine open the log, and checks that log and file belong together before anything is written. A file must
/// not be mixed with the log of another one. `None` when there is no log.
pub(crate) fn open_guard(
    file: &LedgerFile,
    handles: &Handles,
    writer: &Connection,
    found: &Found,
) -> Result<Option<Guard>, Error> {
    let io = |cause| file.error(ErrorKind::CannotOpen, "").caused_by(cause);
    let Some(guard) = new_guard(file, handles, writer)? else { return Ok(None) };
    let alone = if let Found::Database(alone) = found { *alone } else { None };
    let secret = match alone.and_then(|alone| alone.secret) {
        Some(secret) => Some(secret),
        None => guard.secret().map_err(io)?,
    };
    let fit = match secret {
        Some(secret) => loop {
            // `None` while somebody writes the index. A read by the engine waits until that is done, or repairs the
            // index.
            match guard.look(&secret).map_err(io)? {
                Some(fit) => break fit,
                None => schema::root(writer).map_err(|cause| file.fail(cause))?,
            };
        },
        // The page that would tell is torn.
        None => Fit::Unproven,
    };
    let is_chained = alone.is_some_and(|alone| alone.version >= schema::CHAINED_SINCE);
    let is_ours = match fit {
        Fit::Fits => true,
        Fit::Foreign => false,
        Fit::Unsealed if is_chained => false,
        // The only way left is to check every page.
        Fit::Unsealed | Fit::Unproven => {
            let is_whole = schema::is_whole(writer).unwrap_or(false);
            is_whole && secret.is_none_or(|secret| schema::secret(writer).is_ok_and(|with| with == secret))
        }
    };
    if is_ours { Ok(Some(guard)) } else { Err(file.foreign_log()) }
}

fn new_guard(file: &LedgerFile, handles: &Handles, writer: &Connection) -> Result<Option<Guard>, Error> {
    // If it cannot be read, the file may still be whole together with its log.
    let root = schema::root(writer).ok().flatten().unwrap_or(USUAL_ROOT);
    Guard::new(handles, file.file(), root)
        .map_err(|cause| file.error(ErrorKind::CannotOpen, "").caused_by(cause))
}

/// Turns a new file into a ledger, and takes an older ledger forward.
fn prepare(
    file: &LedgerFile,
    writer: &mut Connection,
    create: bool,
    progress: &mut dyn FnMut(&Migration),
) -> Result<(), Error> {
    let fail = |cause| file.fail(cause);
    file.check_identity(writer, create)?;
    let version = schema::version(writer).map_err(fail)?;
    if version > schema::VERSION {
        return Err(file.newer(version));
    }
    if version < schema::VERSION {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)
            .map_err(|cause| file.error(ErrorKind::NoRandomness, "").caused_by(cause))?;
        schema::migrate(writer, secret, progress).map_err(|cause| forward(file, version, cause))?;
    }
    Ok(())
}

/// Why an older ledger could not be taken forward.
fn forward(file: &LedgerFile, version: u32, cause: rusqlite::Error) -> Error {
    let as_it_was = "it is as it was, and the program of its version can use it";
    let detail = match error::kind_of(&cause) {
        _ if version == 0 => return file.fail(cause),
        ErrorKind::Full => format!(
            "could not be taken forward: no space is left on its disk, and it takes about twice its size more; {as_it_was}"
        ),
        ErrorKind::Corrupt => {
            format!("could not be taken forward: {cause}; {as_it_was}, and its `billing check` says more")
        }
        _ => return file.fail(cause),
    };
    file.error(error::kind_of(&cause), detail)
}

fn configure_writer(connection: &Connection) -> rusqlite::Result<()> {
    use_log(connection)?;
    // With less than FULL, a power loss can take commits, and it was no faster.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(WRITER_CACHE_KIB))?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)
}

/// Sets the file to WAL mode, without which readers would wait for a writer. The mode stays with the file.
fn use_log(connection: &Connection) -> rusqlite::Result<()> {
    // When several open a new ledger at once, only one succeeds, and the engine does not make the others wait.
    let deadline = Instant::now() + file::BUSY_TIMEOUT;
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(cause) if is_busy(&cause) && Instant::now() < deadline => std::thread::sleep(BUSY_PAUSE),
            done => return done,
        }
    }
}

/// Waits for its turn among the writers.
fn begin(writer: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + file::BUSY_TIMEOUT;
    writer.busy_timeout(Duration::ZERO)?;
    let begun = loop {
        match writer.execute_batch("BEGIN IMMEDIATE") {
            Err(cause) if is_busy(&cause) && Instant::now() < deadline => std::thread::sleep(BUSY_PAUSE),
            done => break done,
        }
    };
    writer.busy_timeout(file::BUSY_TIMEOUT)?;
    begun
}

fn is_busy(cause: &rusqlite::Error) -> bool {
    cause.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

fn configure_reader(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(READER_CACHE_KIB))
}

/// A list of idle connections is consistent at every moment, so it can be used even after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
