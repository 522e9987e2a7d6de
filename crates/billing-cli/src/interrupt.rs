//! Handles Ctrl-C and the signals by which a system ends a process.

use std::process;
use std::time::Duration;

use anyhow::anyhow;
use billing_export::Stop;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::exit::{Exit, Failure};
use crate::terminal;

/// The hint after an interrupt when the output cannot be taken back.
pub(crate) const INCOMPLETE: &str = "what was written so far is incomplete: do not use it";

/// How long the process may take after it was told to stop at once. It may wait where it cannot be interrupted.
const LAST_GRACE: Duration = Duration::from_secs(3);

/// The stop of an export, and the signal that caused it.
#[derive(Clone)]
pub(crate) struct Interrupted {
    pub(crate) stop: Stop,
    /// The first signal; `None` as long as there was none.
    cause: watch::Receiver<Option<Cause>>,
}

/// The kind of signal that interrupted the process.
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

/// Listens for the signals:
///
/// - the first one stops the export at the next place where another run can continue;
/// - the second one stops it at once;
/// - the third one, or a grace time after the second, ends the process.
///
/// With `at_once` the first one already ends the process, because no run could continue.
pub(crate) fn watch(at_once: bool) -> Result<Interrupted, Failure> {
    let ignored = ignored_signals();
    let on = |kind: SignalKind| {
        // `nohup` and background jobs of scripts start the process with some signals ignored. These stay ignored.
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
            // The first signal decides the exit code.
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

/// Ready when the signal comes; never when it is ignored.
async fn comes(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// The signals that were ignored when this process was started, one bit for each; zero where the system does not tell.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

impl Interrupted {
    /// The first signal, if there was one.
    pub(crate) fn heard(&self) -> Option<Cause> {
        *self.cause.borrow()
    }

    /// The first signal that stopped the export.
    pub(crate) fn cause(&self) -> Cause {
        self.cause.borrow().unwrap_or(Cause::Interrupt)
    }

    /// True when there was a signal.
    pub(crate) fn has_happened(&self) -> bool {
        self.cause.borrow().is_some()
    }

    /// Ready at the first signal.
    pub(crate) async fn happens(&mut self) -> Cause {
        match self.cause.wait_for(Option::is_some).await.map(|cause| *cause) {
            Ok(Some(cause)) => cause,
            // The listener has ended, so no signal can come.
            _ => std::future::pending().await,
        }
    }
}
