//! Opens the two ledgers of a copy.

use billing_ledger::{CopyFrom, CopyInto, ErrorKind, LedgerSecret};
use billing_postgres::{PostgresCopy, Settings};
use billing_sqlite::SqliteCopy;

use super::{OpenLedger, connect, no_database, open, password, plain_note};
use crate::exit::Failure;
use crate::ledger_place::LedgerPlace;

/// Opens the ledger that is copied. A standby may be behind, so it is none.
pub(crate) fn open_to_copy(place: &LedgerPlace) -> Result<Box<dyn CopyFrom>, Failure> {
    let settings = Settings { may_be_standby: false, ..Settings::COMMAND };
    let opened = match place {
        LedgerPlace::Database { target, .. } => connect(target, settings, &plain_note),
        file => open(file),
    };
    Ok(match opened? {
        OpenLedger::File(ledger) => Box::new(ledger),
        OpenLedger::Database(ledger) => Box::new(ledger),
    })
}

/// Begins a copy of the ledger with this secret, or goes on with it. The database itself has to be there.
pub(crate) fn begin_copy(place: &LedgerPlace, secret: LedgerSecret) -> Result<Box<dyn CopyInto>, Failure> {
    let begun: Result<Box<dyn CopyInto>, billing_ledger::Error> = match place {
        LedgerPlace::File(path) => SqliteCopy::begin(path, secret).map(|copy| Box::new(copy) as _),
        LedgerPlace::Database { target, .. } => {
            let target = password::completed(target, &plain_note);
            PostgresCopy::begin(target, Settings::COMMAND, secret).map(|copy| Box::new(copy) as _)
        }
    };
    begun.map_err(|error| match error.kind() {
        ErrorKind::Exists => Failure::failed(error).hint(
            "nothing there was touched; a copy that has ended is not gone on with: remove it, or name another place, to copy anew",
        ),
        _ => no_database(error),
    })
}
