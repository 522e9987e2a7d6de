//! What it means that a sync or a proof came to no end, and what to do.

use billing_ledger::ErrorKind;
use billing_sync::{Cause, Tally};

use crate::exit::{Exit, Failure};
use crate::{interrupt, text, typed};

/// The hint behind an interrupt.
const KEPT: &str = "what was stored before is kept; run it again to go on";

/// The failure of a sync or a proof, without what was done before.
pub(crate) fn failure(cause: Cause, page_size: Option<u32>) -> Failure {
    let (exit, hint) = match &cause {
        Cause::Service(_) | Cause::Query(_) | Cause::Ledger(_) => return of_layer(cause, page_size),
        Cause::Held(_) => (Exit::Failed, "run it again when that one has ended".to_owned()),
        Cause::OtherService { held, .. } => (
            Exit::Failed,
            format!("go on with --base-url {held}, or keep this service in another --account"),
        ),
        Cause::OtherKey { .. } => (
            Exit::Key,
            "give a key of the account that is held, or keep this one in another --account; nothing was changed"
                .to_owned(),
        ),
        Cause::Clock { .. } => (
            Exit::Failed,
            "set this machine's clock, or ask whoever runs the service; nothing was changed".to_owned(),
        ),
        Cause::Vanished { .. } => (
            Exit::Incomplete,
            "it may be failing, or keep its history no longer: look there, and try again; none of them was taken out, \
             and --accept-vanished takes them out"
                .to_owned(),
        ),
        Cause::Unsteady => (
            Exit::Incomplete,
            "ask whoever runs it, and try again later; what is in doubt was left as it is".to_owned(),
        ),
        Cause::NotSynced => {
            (Exit::Failed, "billing sync makes an account a copy of a service, if it has nothing yet".to_owned())
        }
        _ => return Failure::failed(cause),
    };
    Failure::new(exit, cause).hint(hint)
}

/// The failure of the service, a query or the ledger.
fn of_layer(cause: Cause, page_size: Option<u32>) -> Failure {
    match cause {
        Cause::Service(error) => error.into(),
        Cause::Query(refused) => typed::refused(&refused, page_size),
        Cause::Ledger(error) => of_ledger(error.into()),
        other => Failure::failed(other),
    }
}

/// The failure of the ledger, with what to do for one that is kept in step.
pub(crate) fn of_ledger(failure: Failure) -> Failure {
    let Some(kind) = failure.of_ledger() else { return failure };
    let hint = match kind {
        ErrorKind::AccountInUse => {
            "a copy of a service has what that says and nothing else: name an --account that is not there yet"
        }
        ErrorKind::NotALedger => "name a ledger with --ledger, or a path where nothing is",
        ErrorKind::Full => "free some space, and run it again: it goes on with what is stored",
        ErrorKind::Io => "see to the disk, let `billing check` look through the ledger, and run it again",
        ErrorKind::Corrupt => {
            "restore a backup, or sync into another --account or --ledger: what cannot be read cannot be compared"
        }
        ErrorKind::Replaced => "run it again: it opens what is there now",
        ErrorKind::Outdated | ErrorKind::UnknownEntry => "somebody else changed the account; run it again",
        ErrorKind::OutcomeNotKnown => "run it again: it compares what is held anew",
        _ => return failure,
    };
    failure.hint(hint)
}

/// Adds what was done before, which is kept.
pub(crate) fn with_done(failure: Failure, done: Tally) -> Failure {
    match done.added {
        0 => failure,
        1 => failure.hint("1 entry was added before; run it again to go on"),
        added => failure.hint(format!("{} were added before; run it again to go on", text::entries(added))),
    }
}

/// The failure of an interrupt. A window that is stored at this moment is stored whole or not at all, so nobody knows of it here.
pub(crate) fn interrupted(cause: interrupt::Cause, done: Tally) -> Failure {
    match done.added {
        0 => Failure::from(cause).hint(KEPT),
        _ => with_done(cause.into(), done),
    }
}

/// True when only a person can help, so that to try again later is of no use.
pub(crate) fn needs_a_person(failure: &Failure) -> bool {
    use ErrorKind::{AccountInUse, Corrupt, ForeignLog, InvalidName, NewerVersion, NotALedger};
    let is_so = |cause: &Cause| matches!(cause, Cause::OtherService { .. } | Cause::NotSynced);
    let is_ledger_so =
        |kind| matches!(kind, AccountInUse | Corrupt | ForeignLog | InvalidName | NewerVersion | NotALedger);
    matches!(failure.exit(), Exit::Usage | Exit::Key)
        || failure.of::<Cause>().is_some_and(is_so)
        || failure.of::<billing_ledger::Error>().is_some_and(|error| is_ledger_so(error.kind()))
}
