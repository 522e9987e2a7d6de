//! A ledger that is looked at and not opened: it is read as it is at one moment, and left as it is.

use billing_ledger::{Error, ErrorKind};
use rusqlite::Connection;

use crate::connections;
use crate::file::{self, Found, LedgerFile};
use crate::handles::Handles;
use crate::schema;

/// Pages in memory, in KiB. What is read in order is read once, so more would not help.
const CACHE_KIB: u32 = 8192;

/// A ledger that is read.
pub(crate) struct Opened {
    /// First, because to close the handles drops its locks.
    pub(crate) connection: Connection,
    _handles: Handles,
}

/// A connection that reads one state, and leaves the file and a log that was there as they are.
pub(crate) fn open(file: &LedgerFile) -> Result<Opened, Error> {
    let fail = |cause| file.fail(cause);
    let (found, handles) = connections::find(file, false)?;
    if matches!(found, Found::Empty) {
        return Err(file.error(ErrorKind::NotALedger, "it is empty"));
    }
    let has_log = std::fs::metadata(file.log()).is_ok_and(|log| log.len() > 0);
    let connection = file.connect().map_err(fail)?;
    if has_log {
        connections::open_guard(file, &handles, &connection, &found)?;
    } else {
        // The engine then takes away the empty log that it makes to read.
        file::trust(&connection).map_err(fail)?;
    }
    connection.pragma_update(None, "query_only", true).map_err(fail)?;
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB)).map_err(fail)?;
    // Ends with the connection. From here on all is read as the first statement finds it.
    connection.execute_batch("BEGIN").map_err(fail)?;
    file.check_identity(&connection, false)?;
    let version = schema::version(&connection).map_err(fail)?;
    if version > schema::VERSION {
        return Err(file.newer(version));
    }
    if version < schema::VERSION {
        return Err(file.error(ErrorKind::OlderVersion, version.to_string()));
    }
    Ok(Opened { connection, _handles: handles })
}
