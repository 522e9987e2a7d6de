//! Opens ledgers, in files and in databases. A ledger of an older version is migrated, and progress is shown.

mod copies;
mod forward;
mod look_up;
mod open_ledger;
mod password;

use std::path::Path;
use std::time::Duration;

use billing_ledger::{Checked, Error, ErrorKind, Report};
use billing_postgres::{PostgresLedger, Settings, Target};
use billing_sqlite::SqliteLedger;

use crate::exit::Failure;
use crate::ledger_place::LedgerPlace;
use crate::terminal;

use forward::Forward;

pub(crate) use copies::{begin_copy, open_to_copy};
pub(crate) use look_up::LookUp;
pub(crate) use open_ledger::OpenLedger;

/// For a command that answers with a few lines, whose reader looks at it: it does not wait long for a database.
const SHORT: Settings = Settings { patience: Duration::from_secs(5), ..Settings::COMMAND };

/// For a line in a prompt. A prompt must not wait, and changes nothing.
const PROMPT: Settings =
    Settings { patience: Duration::from_secs(2), may_migrate: false, ..Settings::COMMAND };

/// The hint for a database that does not let this program in or do what it has to, or is not trusted.
const TRUST: &str = "the password is that of the URL, of PGPASSWORD, or of the file PGPASSFILE or ~/.pgpass; sslmode=verify-full in the URL is TLS, \
     sslrootcert=FILE says whom to trust; docs/operations.md has the rights that a role needs";

/// Opens an existing ledger.
pub(crate) fn open(place: &LedgerPlace) -> Result<OpenLedger, Failure> {
    open_saying(place, &plain_note)
}

/// Opens an existing ledger for a command that only reads. One of another user, or one that may not be written to, is read as it is:
/// nothing is made beside it.
pub(crate) fn open_for_a_report(place: &LedgerPlace) -> Result<OpenLedger, Failure> {
    match place {
        LedgerPlace::File(path) if SqliteLedger::is_to_be_read_alone(path) => {
            Ok(OpenLedger::File(SqliteLedger::open_to_read(path)?))
        }
        place => open(place),
    }
}

/// The same for a screen that is looked at.
pub(crate) fn open_for_a_look(place: &LedgerPlace) -> Result<OpenLedger, Failure> {
    match place {
        LedgerPlace::Database { target, .. } => connect(target, SHORT, &plain_note),
        place => open_for_a_report(place),
    }
}

/// Opens a ledger as it is for a line in a prompt: nothing is made or taken forward, and nothing is noted.
pub(crate) fn open_for_a_prompt(place: &LedgerPlace) -> Result<OpenLedger, Failure> {
    match place {
        LedgerPlace::File(path) => Ok(OpenLedger::File(SqliteLedger::open_to_read(path)?)),
        LedgerPlace::Database { target, .. } => connect(target, PROMPT, &|_| ()),
    }
}

/// Opens an existing ledger, and writes notes with `note`.
pub(crate) fn open_saying(place: &LedgerPlace, note: &dyn Fn(&str)) -> Result<OpenLedger, Failure> {
    match place {
        LedgerPlace::File(path) => open_file(path, note),
        LedgerPlace::Database { target, .. } => connect(target, Settings::COMMAND, note),
    }
}

/// The same for a server, whose clients wait.
pub(crate) fn open_to_serve(place: &LedgerPlace, note: &dyn Fn(&str)) -> Result<OpenLedger, Failure> {
    match place {
        LedgerPlace::File(path) => open_file(path, note),
        LedgerPlace::Database { target, .. } => connect(target, Settings::SERVER, note),
    }
}

/// Opens a ledger, and makes it if there is none. The database itself has to be there.
pub(crate) fn open_or_create(place: &LedgerPlace) -> Result<OpenLedger, Failure> {
    match place {
        LedgerPlace::File(path) => {
            let mut forward = Forward::new(path, &plain_note);
            let ledger =
                SqliteLedger::open_or_create_with_progress(path, |migration| forward.show(migration));
            forward.end();
            Ok(OpenLedger::File(ledger?))
        }
        LedgerPlace::Database { target, .. } => {
            let target = password::completed(target, &plain_note);
            let ledger = PostgresLedger::open_or_create(target, Settings::COMMAND).map_err(no_database)?;
            Ok(OpenLedger::Database(ledger))
        }
    }
}

/// Compares everything in a ledger with its entries, and tells `progress` what was checked so far.
pub(crate) fn check(place: &LedgerPlace, progress: impl FnMut(&Checked)) -> Result<Report, Failure> {
    match place {
        LedgerPlace::File(path) => Ok(SqliteLedger::check(path, progress)?),
        LedgerPlace::Database { target, .. } => {
            let target = password::completed(target, &plain_note);
            PostgresLedger::check(target, Settings::COMMAND, progress).map_err(not_let_in)
        }
    }
}

fn open_file(path: &Path, note: &dyn Fn(&str)) -> Result<OpenLedger, Failure> {
    let mut forward = Forward::new(path, note);
    let ledger = SqliteLedger::open_with_progress(path, |migration| forward.show(migration));
    forward.end();
    Ok(OpenLedger::File(ledger?))
}

fn connect(target: &Target, settings: Settings, note: &dyn Fn(&str)) -> Result<OpenLedger, Failure> {
    let ledger = PostgresLedger::open(password::completed(target, note), settings).map_err(not_let_in)?;
    Ok(OpenLedger::Database(ledger))
}

/// The failure of a database that was not opened.
fn not_let_in(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::CannotOpen => Failure::failed(error).hint(TRUST),
        _ => error.into(),
    }
}

/// The failure of a ledger that could not be made: what is not there is the database, which only its owner makes.
fn no_database(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => {
            Failure::failed(error).hint("`createdb` makes a database, and this command the ledger in it")
        }
        _ => not_let_in(error),
    }
}

fn plain_note(text: &str) {
    terminal::note(&format!("note: {text}"));
}
