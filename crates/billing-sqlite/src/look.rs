//! Looks at a ledger without opening it: it is read as it is at one moment, and not changed.

use billing_ledger::{Error, ErrorKind};
use rusqlite::Connection;

use crate::file::{self, Found, LedgerFile};
use crate::handles::Handles;
use crate::opening;

/// The page cache in KiB. A check reads in order and reads each page once, so more would not help.
const CACHE_KIB: u32 = 8192;

/// A ledger that is read.
pub(crate) struct Opened {
    /// It stands first, because closing the handles drops its locks.
    pub(crate) connection: Connection,
    _handles: Handles,
}

/// A connection that reads one state, and leaves the file and a log that was there as they are. The ledger must be of this version
/// or a newer one.
pub(crate) fn open(file: &LedgerFile, since: u32) -> Result<Opened, Error> {
    let fail = |cause| file.fail(cause);
    let (found, handles) = opening::find(file, false)?;
    if matches!(found, Found::Empty) {
        return Err(file.error(ErrorKind::NotALedger, "it is empty"));
    }
    let has_log = std::fs::metadata(file.log()).is_ok_and(|log| log.len() > 0);
    let connection = file.connect().map_err(fail)?;
    if has_log {
        opening::open_guard(file, &handles, &connection, &found)?;
    } else {
        // With this, the engine removes the empty log that it makes for reading.
        file::trust(&connection).map_err(fail)?;
    }
    connection.pragma_update(None, "query_only", true).map_err(fail)?;
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB)).map_err(fail)?;
    // The transaction ends with the connection. Everything is read from the state that the first statement finds.
    connection.execute_batch("BEGIN").map_err(fail)?;
    opening::check_version(file, &connection, since)?;
    Ok(Opened { connection, _handles: handles })
}
