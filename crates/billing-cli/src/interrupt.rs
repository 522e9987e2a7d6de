//! Ctrl-C, and the signals by which a system ends a process.

use std::process;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::exit::{Exit, Failure};
use crate::terminal;

/// Ready at the first interrupt, so that what is half done can be taken back. The second ends the process, which may
/// wait where it cannot be interrupted; and so does the first when `at_once`, because there is nothing to take back.
pub(crate) fn watch(at_once: bool) -> Result<oneshot::Receiver<()>, Failure> {
    let on = |kind| {
        signal(kind)
            .map_err(|error| Failure::failed(anyhow::Error::new(error).context("signals cannot be caught")))
    };
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut terminate = on(SignalKind::terminate())?;
    let mut hang_up = on(SignalKind::hangup())?;
    let (interrupted, watched) = oneshot::channel();
    tokio::spawn(async move {
        let mut interrupted = Some(interrupted);
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
            match interrupted.take().filter(|_| !at_once) {
                Some(first) => drop(first.send(())),
                None => {
                    terminal::error("interrupted");
                    if at_once {
                        terminal::hint("what was written so far is incomplete: do not use it");
                    }
                    process::exit(Exit::Interrupted as i32);
                }
            }
        }
    });
    Ok(watched)
}
