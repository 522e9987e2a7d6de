//! Ctrl-C, and the signals by which a system ends a process.

use std::process;
use std::time::Duration;

use anyhow::anyhow;
use billing_export::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::exit::{Exit, Failure};
use crate::terminal;

/// What is said where something went out that cannot be taken back.
pub(crate) const INCOMPLETE: &str = "what was written so far is incomplete: do not use it";

/// How long a process may take to stop at once: it may wait where it cannot be interrupted.
const LAST_GRACE: Duration = Duration::from_secs(3);

/// Says stop to an export, and what made it.
#[derive(Clone)]
pub(crate) struct Interrupted {
    pub(crate) stop: Stop,
    /// By what it was interrupted at first, once it was.
    cause: watch::Receiver<Option<Cause>>,
}

/// What interrupts a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cause {
    /// Ctrl-C, or a terminal that was closed.
    #[error("interrupted")]
    Interrupt,
    /// `kill`, a supervisor, a system that shuts down.
    #[error("terminated")]
    Terminate,
}

impl Cause {
    pub(crate) fn exit(self) -> Exit {
        match self {
            Self::Interrupt => Exit::Interrupted,
            Self::Terminate => Exit::Terminated,
        }
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self::new(cause.exit(), anyhow!(cause))
    }
}

/// Listens for the signals. The first lets what is half done come to a good place, the second stops it at once, and the
/// third ends the process; the first does when `at_once`, because there is nothing that could be gone on with.
pub(crate) fn watch(at_once: bool) -> Result<Interrupted, Failure> {
    let ignored = ignored_signals();
    let on = |kind: SignalKind| {
        // `nohup` and background jobs of a script want some signals to be ignored, and so they stay.
        let is_ignored = ignored & (1 << (kind.as_raw_value() - 1)) != 0;
        let caught = (!is_ignored).then(|| signal(kind)).transpose();
        caught.map_err(|error| Failure::failed(anyhow::Error::new(error).context("signals cannot be caught")))
    };
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut terminate = on(SignalKind::terminate())?;
    let mut hang_up = on(SignalKind::hangup())?;
    let stop = Stop::default();
    let (heard, cause) = watch::channel(None);
    let interrupted = Interrupted { stop: stop.clone(), cause };
    tokio::spawn(async move {
        let mut first = None;
        for times in 1.. {
            let ended = async {
                match times {
                    3.. => sleep(LAST_GRACE).await,
                    _ => std::future::pending().await,
                }
            };
            let cause = tokio::select! {
                () = ended => Cause::Interrupt,
                () = comes(&mut interrupt) => Cause::Interrupt,
                () = comes(&mut terminate) => Cause::Terminate,
                () = comes(&mut hang_up) => Cause::Interrupt,
            };
            // The first signal says how it ends.
            let first = *first.get_or_insert(cause);
            heard.send_replace(Some(first));
            if at_once || times > 2 {
                terminal::error(&first.to_string());
                if at_once {
                    terminal::hint(INCOMPLETE);
                }
                process::exit(first.exit() as i32);
            }
            match times {
                1 => stop.soon(),
                _ => stop.now(),
            }
        }
    });
    Ok(interrupted)
}

/// Ready when the signal comes; never, when it is ignored.
async fn comes(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// The signals that whoever started this process wants to be ignored, bit by bit. None where that cannot be known.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

impl Interrupted {
    /// What made it stop at first.
    pub(crate) fn cause(&self) -> Cause {
        self.cause.borrow().unwrap_or(Cause::Interrupt)
    }

    /// Ready at the first interrupt.
    pub(crate) async fn happens(&mut self) -> Cause {
        match self.cause.wait_for(Option::is_some).await.map(|cause| *cause) {
            Ok(Some(cause)) => cause,
            // Nobody listens any more, so there is no interrupt to come.
            _ => std::future::pending().await,
        }
    }
}
