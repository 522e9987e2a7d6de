//! Waits for others who write to the same file.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::file;

/// How often a waiting writer looks whether the other one has ended. An import leaves short gaps for others
/// ([`crate::pace`]). The engine's own waiting looks ever less often and would miss them.
pub(crate) const BUSY_PAUSE: Duration = Duration::from_millis(2);

/// Sets the file to WAL mode, without which readers would wait for a writer. The mode stays with the file.
pub(crate) fn use_log(connection: &Connection) -> rusqlite::Result<()> {
    // When several open a new ledger at once, only one succeeds, and the engine does not make the others wait.
    let deadline = Instant::now() + file::BUSY_TIMEOUT;
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(cause) if file::is_busy(&cause) && Instant::now() < deadline => {
                std::thread::sleep(BUSY_PAUSE)
            }
            done => return done,
        }
    }
}

/// Waits for its turn among the writers.
pub(crate) fn begin(writer: &Connection) -> rusqlite::Result<()> {
    let deadline = Instant::now() + file::BUSY_TIMEOUT;
    writer.busy_timeout(Duration::ZERO)?;
    let begun = loop {
        match writer.execute_batch("BEGIN IMMEDIATE") {
            Err(cause) if file::is_busy(&cause) && Instant::now() < deadline => {
                std::thread::sleep(BUSY_PAUSE)
            }
            done => break done,
        }
    };
    writer.busy_timeout(file::BUSY_TIMEOUT)?;
    begun
}
