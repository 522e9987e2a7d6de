//! Ctrl-C, and the signals by which a system ends a process.

use std::process;
use std::time::Duration;

use billing_model::Stretch;
use futures::{Stream, StreamExt, stream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::exit::{Exit, Failure, INCOMPLETE};
use crate::terminal;

/// How long a walk may take to come to a place from which it can go on. What it has by then is lost, and nothing else.
const GRACE: Duration = Duration::from_secs(30);

/// How long a process may take to stop at once: it may wait where it cannot be interrupted.
const LAST_GRACE: Duration = Duration::from_secs(3);

/// Hears how often it was interrupted, and by what at first.
#[derive(Clone)]
pub(crate) struct Interrupted(watch::Receiver<(u32, Cause)>);

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

/// Why a walk did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    #[error(transparent)]
    Interrupted(Cause),
    #[error(transparent)]
    Failed(billing_http::Error),
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
    let (interrupted, watched) = watch::channel((0, Cause::Interrupt));
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
            let first = *first.get_or_insert(cause);
            if at_once || times > 2 {
                terminal::error(&first.to_string());
                if at_once {
                    terminal::hint(INCOMPLETE);
                }
                process::exit(first.exit() as i32);
            }
            interrupted.send_replace((times, first));
        }
    });
    Ok(Interrupted(watched))
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
    /// Ready at the first interrupt.
    pub(crate) async fn happens(&mut self) -> Cause {
        self.happens_times(1).await
    }

    async fn happens_times(&mut self, least: u32) -> Cause {
        let heard = self.0.wait_for(|(times, _)| *times >= least).await.map(|heard| heard.1);
        match heard {
            Ok(cause) => cause,
            // Nobody listens any more, so there is no interrupt to come.
            Err(_) => std::future::pending().await,
        }
    }

    /// The stretches, up to the first place after an interrupt from which a walk can go on.
    pub(crate) fn stop(
        &self,
        stretches: impl Stream<Item = Result<Stretch, billing_http::Error>>,
        say: impl Fn(Cause),
    ) -> impl Stream<Item = Result<Stretch, Stopped>> {
        let stopping = Stopping {
            stretches: Box::pin(stretches),
            interrupted: self.clone(),
            is_complete: true,
            until: None,
            cause: Cause::Interrupt,
            ended: false,
        };
        stream::unfold((stopping, say), |(mut stopping, say)| async move {
            let next = stopping.next(&say).await?;
            Some((next, (stopping, say)))
        })
    }
}

/// A walk that may be interrupted.
struct Stopping<S> {
    stretches: S,
    interrupted: Interrupted,
    /// True where a walk can go on.
    is_complete: bool,
    /// When it ends at the latest; set by the interrupt.
    until: Option<Instant>,
    /// What it was interrupted by.
    cause: Cause,
    ended: bool,
}

impl<S: Stream<Item = Result<Stretch, billing_http::Error>> + Unpin> Stopping<S> {
    async fn next(&mut self, say: &impl Fn(Cause)) -> Option<Result<Stretch, Stopped>> {
        while !self.ended {
            if self.until.is_some() && self.is_complete {
                break;
            }
            let until = self.until;
            let late = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = late => break,
                cause = self.interrupted.happens_times(if until.is_some() { 2 } else { 1 }) => {
                    if until.is_some() {
                        break;
                    }
                    self.cause = cause;
                    self.until = Some(Instant::now() + GRACE);
                    if !self.is_complete {
                        say(cause);
                    }
                }
                stretch = self.stretches.next() => return match stretch? {
                    Ok(stretch) => {
                        self.is_complete = stretch.complete_until.is_some();
                        Some(Ok(stretch))
                    }
                    Err(error) => {
                        self.ended = true;
                        Some(Err(Stopped::Failed(error)))
                    }
                },
            }
        }
        let was_ended = std::mem::replace(&mut self.ended, true);
        (!was_ended).then_some(Err(Stopped::Interrupted(self.cause)))
    }
}
