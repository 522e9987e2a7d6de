//! `billing sync --every`: round after round, until it is interrupted or only a person can help.

use std::time::{Duration, Instant};

use billing_sync::Tally;
use tokio::runtime::Runtime;

use super::due::{self, Moment};
use super::round::{Done, Round};
use super::words;
use crate::clock::now;
use crate::exit::Failure;
use crate::interrupt::Interrupted;
use crate::keeping::{self, needs_a_person};
use crate::{stdout, terminal};

/// Brings the account in line round after round. It ends with a failure only, that of an interrupt too.
pub(super) fn run(
    round: &Round<'_>,
    every: Duration,
    runtime: &Runtime,
    interrupted: &mut Interrupted,
) -> Result<(), Failure> {
    let start = Instant::now();
    let moment = || Moment { monotonic: start.elapsed(), wall: now() };
    let mut opened = None;
    let mut is_first = true;
    loop {
        let began = moment();
        match round.run(&mut opened, runtime, interrupted) {
            Ok(done) => say(round, began, &done)?,
            Err(failure) if interrupted.has_happened() || needs_a_person(&failure) => return Err(failure),
            // A path at which no ledger can be opened was perhaps mistyped. Later it is the disk that is away.
            Err(failure) if is_first && cannot_open(&failure) => return Err(failure),
            Err(failure) => {
                let left = due::left(began, moment(), every);
                terminal::error(&format!("{}: {failure}; again in {} s", began.wall, up(left)));
            }
        }
        is_first = false;
        while let Some(step) = due::wait(began, moment(), every) {
            runtime.block_on(async {
                tokio::select! {
                    () = tokio::time::sleep(step) => Ok(()),
                    cause = interrupted.happens() => Err(keeping::interrupted(cause, Tally::default())),
                }
            })?;
        }
    }
}

fn say(round: &Round<'_>, began: Moment, done: &Done) -> Result<(), Failure> {
    if round.args.json {
        return stdout::print_json(&words::json(round, done)?);
    }
    if !round.args.quiet {
        terminal::note(&format!("{}: {}", began.wall, words::line(done)));
    }
    Ok(())
}

fn cannot_open(failure: &Failure) -> bool {
    failure.of_ledger() == Some(billing_ledger::ErrorKind::CannotOpen)
}

/// Whole seconds, rounded up.
fn up(span: Duration) -> u128 {
    span.as_millis().div_ceil(1000)
}
