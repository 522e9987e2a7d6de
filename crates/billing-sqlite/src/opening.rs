//! What is looked at between naming a ledger and using it: what is there, whether file and log belong together, which version it is.

use billing_ledger::{Error, ErrorKind};
use rusqlite::Connection;

use crate::error;
use crate::file::{Found, LedgerFile};
use crate::guard::Guard;
use crate::handles::Handles;
use crate::log::Fit;
use crate::meta::USUAL_ROOT;
use crate::migration::Migration;
use crate::schema;

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

/// The guard of a file that the engine has open; `None` when it has no log.
pub(crate) fn new_guard(
    file: &LedgerFile,
    handles: &Handles,
    writer: &Connection,
) -> Result<Option<Guard>, Error> {
    // If it cannot be read, the file may still be whole together with its log.
    let root = schema::root(writer).ok().flatten().unwrap_or(USUAL_ROOT);
    Guard::new(handles, file.file(), root)
        .map_err(|cause| file.error(ErrorKind::CannotOpen, "").caused_by(cause))
}

/// Checks that a file is a ledger of a version that is known, and not of an older one than `since`.
pub(crate) fn check_version(file: &LedgerFile, connection: &Connection, since: u32) -> Result<(), Error> {
    file.check_identity(connection, false)?;
    let version = known_version(file, connection)?;
    if version < since {
        return Err(file.error(ErrorKind::OlderVersion, version.to_string()));
    }
    Ok(())
}

/// The version of a ledger, which must not be newer than this program.
fn known_version(file: &LedgerFile, connection: &Connection) -> Result<u32, Error> {
    file.known(schema::version(connection).map_err(|cause| file.fail(cause))?)
}

/// Turns a new file into a ledger, and takes an older ledger forward.
pub(crate) fn prepare(
    file: &LedgerFile,
    writer: &mut Connection,
    create: bool,
    progress: &mut dyn FnMut(&Migration),
) -> Result<(), Error> {
    file.check_identity(writer, create)?;
    let version = known_version(file, writer)?;
    if version < schema::VERSION {
        let secret = match file.copied() {
            Some(secret) => secret,
            None => {
                let mut secret = [0; 32];
                getrandom::fill(&mut secret)
                    .map_err(|cause| file.error(ErrorKind::NoRandomness, "").caused_by(cause))?;
                secret
            }
        };
        let is_copy = file.copied().is_some();
        schema::migrate(writer, secret, is_copy, progress).map_err(|cause| forward(file, version, cause))?;
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
