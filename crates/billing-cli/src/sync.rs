//! `billing sync`: keeps an account of a ledger in step with a service. billing-sync does the job; this file and those below it have
//! the words for it.

mod due;
mod round;
mod rounds;
mod words;

use crate::exit::Failure;
use crate::runtime::runtime;
use crate::{args, interrupt, stdout, terminal};
use round::Round;

pub(crate) fn run(args: &args::Sync) -> Result<(), Failure> {
    let round = Round::new(args)?;
    let runtime = runtime(std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4)))?;
    let mut interrupted = runtime.block_on(async { interrupt::watch(false) })?;
    let ended = match args.every {
        Some(every) => rounds::run(&round, every, &runtime, &mut interrupted),
        None => round.run(&mut None, &runtime, &mut interrupted).and_then(|done| {
            match (args.json, args.quiet) {
                (true, _) => stdout::print_json(&words::json(&round, &done)?)?,
                (false, true) => {}
                (false, false) => words::lines(&round, &done).iter().for_each(|line| terminal::note(line)),
            }
            Ok(())
        }),
    };
    // Tasks that still fetch pages are not needed any more.
    runtime.shutdown_background();
    ended
}
