//! Puts a copy in the place of a ledger.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use billing_ledger::{DifferenceKind, Error, ErrorKind};
use billing_model::Timestamp;

use crate::backup::{Part, copy, sync_directory};
use crate::file::{Found, LedgerFile, trust};
use crate::handles::Handles;
use crate::ledger::SqliteLedger;
use crate::opening;
use crate::paths::{real, with_suffix};
use crate::schema;
use crate::second_names::{forget_second_names, second_name};

/// The files that belong to a ledger's file, except the index, which is made anew.
const COMPANIONS: [&str; 2] = ["-wal", "-journal"];

impl SqliteLedger {
    /// Puts a copy of a ledger at a path. What was there is kept under another name, which is returned.
    ///
    /// The copy at `from` stays as it is. A copy of an older version is taken forward in its new place. Every page of
    /// the copy, and everything that it keeps about its entries, is checked before anything is touched. Nobody may have
    /// the ledger at the path open, and nobody can open it meanwhile. After a kill, the former ledger or the copy is at
    /// the path, as a whole. There is one exception: if the former ledger's log was damaged and could not be copied
    /// into its file, a kill may leave this log beside the copy, which is then refused with [`ErrorKind::ForeignLog`].
    /// `now` is for the name.
    ///
    /// # Errors
    /// [`ErrorKind::InUse`], [`ErrorKind::CannotRestore`] when the copy is not whole or cannot be written,
    /// [`ErrorKind::NotFound`], [`ErrorKind::NotALedger`], [`ErrorKind::NewerVersion`] and [`ErrorKind::ForeignLog`] of the
    /// copy, [`ErrorKind::ForeignLog`] also when there is a log at the path without a ledger.
    pub fn restore(from: &Path, to: &Path, now: Timestamp) -> Result<Option<PathBuf>, Error> {
        let (from, to) = (LedgerFile::new(from)?, LedgerFile::new(to)?);
        let failed = |cause: io::Error| cannot(&from, &to).caused_by(cause);
        if from.id()?.is_some() && from.id()? == to.id()? {
            return Err(cannot(&from, &to).caused_by(io::Error::other("it is that ledger itself")));
        }
        let is_there = match to.look() {
            Ok(Found::Nothing) => false,
            // Whatever is there, it is kept.
            Ok(Found::Empty | Found::Database(_)) | Err(_) => to.id()?.is_some(),
        };
        if !is_there && to.has_log_alone() {
            return Err(to.foreign_log());
        }
        let path = real(to.file());
        if is_there {
            settle(&to)?;
        }
        // This lock is held until everything is done. A program that opens the ledger meanwhile waits, and then finds
        // it replaced.
        let _turn = if is_there { Some(Turn::take(&to)?) } else { None };
        let part = Part::create(&path).map_err(failed)?;
        copy_whole(&from, &to, part.path())?;
        if !is_there {
            part.keep_as(&path).map_err(failed)?;
            return Ok(None);
        }
        let kept = replace(part, &path, now).map_err(failed)?;
        Ok(Some(kept))
    }
}

/// Copies the copy, and checks every page.
fn copy_whole(from: &LedgerFile, to: &LedgerFile, part: &Path) -> Result<(), Error> {
    let engine = |cause: rusqlite::Error| cannot(from, to).caused_by(cause);
    let copied = match from.look()? {
        Found::Nothing => return Err(from.error(ErrorKind::NotFound, "")),
        Found::Empty => return Err(from.error(ErrorKind::NotALedger, "it is empty")),
        // The file has no log, so it is read alone, which works even where nothing can be written.
        Found::Database(Some(_)) if !from.has_log() => copy(&from.alone().map_err(engine)?, part),
        // The file is read with its log, if they belong together.
        found @ Found::Database(_) => {
            let handles = from.handles(false)?;
            let reader = from.connect().map_err(engine)?;
            let _guard = opening::open_guard(from, &handles, &reader, &found)?;
            let copied = copy(&reader, part);
            drop(reader);
            copied
        }
    };
    let mut copied = copied.map_err(engine)?;
    let refuse = |why: String| Err(cannot(from, to).caused_by(io::Error::other(why)));
    if schema::version(&copied).map_err(engine)? < schema::VERSION {
        if !schema::is_whole(&copied).map_err(engine)? {
            return refuse(format!("it is damaged; {CHECK}"));
        }
        if let Some(what) = schema::missing(&copied).map_err(engine)?.first() {
            return refuse(format!("it is no whole ledger, {what} is not in it; {CHECK}"));
        }
        // The copy has its secret already, so none is needed.
        schema::migrate(&mut copied, [0; 32], false, &mut |_| ()).map_err(engine)?;
        schema::seal_copy(&copied).map_err(engine)?;
    }
    // Checks every page, every part of a ledger, and every sum.
    copied.close().map_err(|(_, cause)| engine(cause))?;
    let report = SqliteLedger::check(part, |_| {})?;
    match report.found.get(&DifferenceKind::Integrity) {
        Some(_) => refuse(format!("it is damaged; {CHECK}")),
        None if report.is_clean() => Ok(()),
        None => refuse(format!("it differs from its own entries, {} times; {CHECK}", report.total())),
    }
}

const CHECK: &str =
    "`billing check` of the copy says more, by the program of its version. The ledger is as it was";

/// Copies the log into the file, as happens when a ledger is closed, so that there is one file to keep. If they do not
/// belong together or are damaged, both are kept as they are.
fn settle(ledger: &LedgerFile) -> Result<(), Error> {
    let Ok(found @ Found::Database(_)) = ledger.look() else { return Ok(()) };
    if !ledger.has_log() {
        return Ok(());
    }
    let handles = ledger.handles(false)?;
    let Ok(writer) = ledger.connect() else { return Ok(()) };
    if opening::open_guard(ledger, &handles, &writer, &found).is_ok() {
        // If this fails, the log is kept beside the file.
        let _ = trust(&writer);
    }
    Ok(())
}

/// The exclusive right to a file.
pub(crate) struct Turn {
    _file: File,
    /// It is dropped last, because closing the file drops the locks of the process.
    _handles: Handles,
}

impl Turn {
    pub(crate) fn take(ledger: &LedgerFile) -> Result<Self, Error> {
        let handles = ledger.handles(false)?;
        let in_use = || ledger.error(ErrorKind::InUse, "");
        if handles.users() > 1 {
            return Err(in_use());
        }
        let open = OpenOptions::new().read(true).write(true).open(ledger.file());
        let file = open.map_err(|cause| ledger.error(ErrorKind::CannotOpen, "").caused_by(cause))?;
        // Every open connection of the engine has a shared lock on a part of the file.
        match lock(&file) {
            Ok(()) => Ok(Self { _file: file, _handles: handles }),
            Err(_) => Err(in_use()),
        }
    }
}

#[cfg(unix)]
fn lock(file: &File) -> io::Result<()> {
    use rustix::fs::{FlockOperation, fcntl_lock};
    Ok(fcntl_lock(file, FlockOperation::NonBlockingLockExclusive)?)
}

#[cfg(not(unix))]
fn lock(file: &File) -> io::Result<()> {
    file.try_lock().map_err(io::Error::from)
}

/// Puts the copy in the place of the present file, which gets another name.
///
/// After a kill before the rename, the former file is there, perhaps with a second name. After a kill behind it, the
/// copy is there. Only a log that could not be copied may stand beside the copy then, and does not fit it.
fn replace(part: Part, path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    keep_owner(path, part.path())?;
    File::open(part.path())?.sync_all()?;
    forget_second_names(path)?;
    let kept = second_name(path, now)?;
    sync_directory(path)?;
    part.rename_to(path)?;
    for companion in COMPANIONS {
        match fs::rename(with_suffix(path, companion), with_suffix(&kept, companion)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
    }
    match fs::remove_file(with_suffix(path, "-shm")) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    sync_directory(path)?;
    Ok(kept)
}

/// Gives the copy to the owner of the ledger: a server that runs as another user than the one who restores must be able
/// to open it.
#[cfg(unix)]
fn keep_owner(ledger: &Path, copy: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let (was, is) = (fs::metadata(ledger)?, fs::metadata(copy)?);
    if (was.uid(), was.gid()) != (is.uid(), is.gid()) {
        let words = |cause: io::Error| {
            io::Error::new(
                cause.kind(),
                format!("the owner of the ledger cannot be kept, restore as root: {cause}"),
            )
        };
        chown(copy, Some(was.uid()), Some(was.gid())).map_err(words)?;
    }
    fs::set_permissions(copy, was.permissions())
}

#[cfg(not(unix))]
fn keep_owner(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}

fn cannot(from: &LedgerFile, to: &LedgerFile) -> Error {
    to.error(ErrorKind::CannotRestore, from.path().display().to_string())
}
