//! The connections to the ledger's file. All of them have the same file open.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use billing_ledger::{Error, ErrorKind};
use rusqlite::Connection;

use crate::busy;
use crate::file::{self, Found, LedgerFile};
use crate::handles::Handles;
use crate::meta::Secret;
use crate::migration::Migration;
use crate::opening::{self, find, new_guard, open_guard, prepare};
use crate::paths::real;
use crate::presence;
use crate::schema::{self, Identity};
use crate::second_names;
use crate::still::Still;
use crate::watch::Watch;

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
    /// True when nothing is ever written.
    is_to_read: bool,
    /// True once another file was seen. Then no call is answered any more.
    is_replaced: AtomicBool,
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Option<Connection>>,
    /// Stays open while this lives. By its lock other programs see that the ledger is open. It is closed last.
    keeper: Mutex<Option<Connection>>,
    watch: Watch,
    /// Dropped last, after all connections.
    handles: Handles,
}

impl Connections {
    /// Opens the file, which is created only if `create` says so, and checks that it is a ledger of a known version. `progress`
    /// hears how far an older one was taken forward.
    pub(crate) fn open(
        file: LedgerFile,
        create: bool,
        progress: &mut dyn FnMut(&Migration),
    ) -> Result<Self, Error> {
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
        let mut connections = Self::of(file, secret, Watch::Log(guard), handles);
        connections.is_new = matches!(found, Found::Nothing);
        connections.verify(&writer)?;
        *lock(&connections.keeper) = Some(connections.open_reader()?);
        // A killed restore may have left a second name of this file, and a file with two names would have two logs. No
        // restore can be under way, because the file is open. A name that cannot be removed stays.
        let _ = second_names::forget_second_names(&real(connections.file.file()));
        connections.keep_writer(writer);
        Ok(connections)
    }

    fn of(file: LedgerFile, secret: Secret, watch: Watch, handles: Handles) -> Self {
        Self {
            file,
            secret,
            is_new: false,
            is_to_read: false,
            is_replaced: AtomicBool::new(false),
            readers: Mutex::default(),
            writer: Mutex::default(),
            keeper: Mutex::default(),
            watch,
            handles,
        }
    }

    /// Opens the file of a ledger of this version to read it. It is not taken forward, nothing of it is written, and nobody is waited
    /// for. Where there is no log, none is made.
    pub(crate) fn open_to_read(path: &Path) -> Result<Self, Error> {
        let file = LedgerFile::new(path)?;
        if !file.has_log() {
            let opened = Self::open_still(path);
            // A writer who has begun meanwhile has a log, with which the ledger is read in the other way.
            if opened.is_ok() || !file.has_log() {
                return opened;
            }
        }
        let (found, handles) = find(&file, false)?;
        let fail = |cause| file.fail(cause);
        file.refuse_log_of_another()?;
        let reader = file.connect().map_err(fail)?;
        reader.busy_timeout(Duration::ZERO).map_err(fail)?;
        let looked = || {
            let guard = open_guard(&file, &handles, &reader, &found)?;
            let secret = to_be_read(&file, &reader)?;
            // Reading makes a log, which is there by now.
            let guard = match guard {
                Some(guard) => guard,
                None => new_guard(&file, &handles, &reader)?.ok_or_else(|| replaced(&file))?,
            };
            Ok((guard, secret))
        };
        let (guard, secret) = looked().inspect_err(|_: &Error| file::leave_no_log(&file, &reader))?;
        Self::of(file, secret, Watch::Log(guard), handles).with_reader(reader)
    }

    /// Opens a file that has no log.
    fn open_still(path: &Path) -> Result<Self, Error> {
        let file = LedgerFile::new(path)?;
        let (_, handles) = find(&file, false)?;
        // The first look goes before the first read.
        let still = Still::new(&handles, file.file())
            .map_err(|cause| file.error(ErrorKind::CannotOpen, "").caused_by(cause))?
            .ok_or_else(|| replaced(&file))?;
        // A log that came before this look may be on its way into the file, half of which would be of another state. One that comes
        // after it changes what the next look sees.
        if file.has_log() {
            return Err(file.error(ErrorKind::Busy, ""));
        }
        let reader = file.connect_alone().map_err(|cause| file.fail(cause))?;
        let secret = to_be_read(&file, &reader)?;
        Self::of(file, secret, Watch::Still(still), handles).with_reader(reader)
    }

    fn with_reader(mut self, reader: Connection) -> Result<Self, Error> {
        self.is_to_read = true;
        self.verify(&reader)?;
        self.keep_reader(reader);
        Ok(self)
    }

    /// True when anybody else has the file open, in this process or in another one.
    pub(crate) fn is_in_use(&self) -> Result<bool, Error> {
        presence::is_open_elsewhere(&self.handles, &real(self.file.file()))
            .map_err(|cause| self.file.error(ErrorKind::Io, "").caused_by(cause))
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
            Ok(_) if !self.watch.is_still() => self.check_path()?,
            _ => self.check()?,
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
        busy::begin(writer).map_err(|cause| self.fail(cause))
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
        if self.watch.frames() >= LOG_FRAMES {
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
        if self.is_to_read {
            return Err(self.file.error(ErrorKind::Unsupported, "it was opened to be read"));
        }
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
        let is_still = self.watch.is_still();
        let connection = match if is_still { self.file.connect_alone() } else { self.file.connect() } {
            Ok(connection) => connection,
            // A look at the path gives a better reason than the engine's error.
            Err(cause) => return Err(self.check_path().err().unwrap_or_else(|| self.fail(cause))),
        };
        if self.is_to_read {
            connection.busy_timeout(Duration::ZERO).map_err(|cause| self.fail(cause))?;
        }
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
        match self.watch.fits(&self.secret) {
            Ok(true) => Ok(()),
            Ok(false) if self.watch.is_still() => Err(self.error(ErrorKind::Busy)),
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
        let readers = std::mem::take(&mut *lock(&self.readers));
        if self.is_to_read && self.check().is_ok() {
            readers.iter().for_each(|reader| file::leave_no_log(&self.file, reader));
        }
        drop(readers);
        *lock(&self.writer) = None;
        let keeper = lock(&self.keeper).take();
        if let Some(keeper) = keeper.filter(|_| self.check().is_ok()) {
            // If this fails, the next one that opens the ledger does it.
            let _ = file::trust(&keeper);
        }
    }
}

/// Makes a connection one that reads a ledger of this version.
fn to_be_read(file: &LedgerFile, reader: &Connection) -> Result<Secret, Error> {
    opening::check_version(file, reader, schema::VERSION)?;
    let secret = schema::secret(reader).map_err(|cause| file.fail(cause))?;
    configure_reader(reader).map_err(|cause| file.fail(cause))?;
    Ok(secret)
}

/// The error for a replaced file. Its advice depends on what is there now.
fn replaced(file: &LedgerFile) -> Error {
    file.error(ErrorKind::Replaced, file.advice())
}

fn configure_writer(connection: &Connection) -> rusqlite::Result<()> {
    busy::use_log(connection)?;
    // With less than FULL, a power loss can take commits, and it was no faster.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(WRITER_CACHE_KIB))?;
    connection.pragma_update(None, "journal_size_limit", LOG_LIMIT)
}

fn configure_reader(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(READER_CACHE_KIB))
}

/// A list of idle connections is consistent at every moment, so it can be used even after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls that read side by side have connections of their own.
    #[test]
    fn no_connection_that_only_reads_waits() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.db");
        let timeout_ms = |connections: &Connections| {
            let timeout = |reader: &Connection| {
                reader.pragma_query_value(None, "busy_timeout", |row| row.get::<_, i32>(0))
            };
            connections.read(|first| Ok([timeout(first)?, timeout(&connections.open_reader().unwrap())?]))
        };
        let usual = Connections::open(LedgerFile::new(&path).unwrap(), true, &mut |_| ()).unwrap();
        assert_eq!(timeout_ms(&usual).unwrap(), [5_000, 5_000]);
        let to_read = Connections::open_to_read(&path).unwrap();
        assert_eq!(timeout_ms(&to_read).unwrap(), [0, 0]);
    }

    /// A log that came after the question whether there is one may be half copied at the first look.
    #[test]
    fn a_file_is_not_read_alone_where_a_log_is_there_at_the_first_look() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.db");
        let writer = Connections::open(LedgerFile::new(&path).unwrap(), true, &mut |_| ()).unwrap();
        assert!(LedgerFile::new(&path).unwrap().has_log());
        assert_eq!(Connections::open_still(&path).map(drop).unwrap_err().kind(), ErrorKind::Busy);
        drop(writer);
        assert!(Connections::open_still(&path).is_ok());
    }
}
