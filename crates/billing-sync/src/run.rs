//! Walks spans, and brings them in line while it walks on.

use std::collections::HashSet;
use std::pin::pin;

use billing_http::{Begun, Client, Endpoint, ErrorKind, Walk, WalkBuilder};
use billing_ledger::Position;
use billing_model::Stretch;
use futures::{Stream, StreamExt};
use tokio::task::JoinHandle;

use crate::cut::{Cutter, Walked};
use crate::days::DayCharges;
use crate::different::Different;
use crate::error::Cause;
use crate::event::Event;
use crate::line::{Line, Mode, Outcome};
use crate::span::Span;
use crate::tally::Tally;
use crate::window_difference::WindowDifference;

/// The most walks of one span when entries keep arriving behind them.
const MAX_WALKS: u32 = 3;

/// The most answers that are waited for where the source does not have all that is held.
const MAX_ANSWERS: u32 = 5;

/// How the service is asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asking {
    pub(crate) endpoint: Endpoint,
    pub(crate) page_size: Option<u32>,
    pub(crate) concurrency: Option<u32>,
}

impl Asking {
    pub(crate) fn walk<W>(self, window: W) -> WalkBuilder<W> {
        let walk = Walk::over(window).endpoint(self.endpoint).page_size(self.page_size);
        match self.concurrency {
            Some(walkers) => walk.concurrency(walkers),
            None => walk,
        }
    }
}

/// Does work that blocks, on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work)).await
}

async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(done) => done,
        // The task is never cancelled, so it has panicked.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// What was told before a span.
struct Told {
    done: Tally,
    different: usize,
    doubtful: usize,
    lacking: usize,
    held_days: DayCharges,
    found_days: DayCharges,
}

type Brought = (Line, Result<Outcome, billing_ledger::Error>);

/// A run: one window is stored while the next one comes.
pub(crate) struct Run<'a, F> {
    client: &'a Client,
    asking: Asking,
    observe: &'a F,
    /// It is away while a window is stored.
    line: Option<Line>,
    storing: Option<JoinHandle<Brought>>,
    pub(crate) done: Tally,
    came: u64,
    pub(crate) different: Different,
    /// Spans in which the source does not have all that is held, and what it lacks.
    doubtful: Vec<Span>,
    lacking: Vec<Position>,
}

impl<'a, F: Fn(&Event<'_>)> Run<'a, F> {
    pub(crate) fn new(client: &'a Client, asking: Asking, line: Line, observe: &'a F) -> Self {
        Self {
            client,
            asking,
            observe,
            line: Some(line),
            storing: None,
            done: Tally::default(),
            came: 0,
            different: Different::default(),
            doubtful: Vec::new(),
            lacking: Vec::new(),
        }
    }

    /// Walks a span, again when entries arrive behind the walk. The first walk may have begun.
    pub(crate) async fn span(&mut self, span: Span, mut begun: Option<Begun>) -> Result<(), Cause> {
        let before = self.told().await?;
        let mut walks = 1;
        loop {
            let ended = match begun.take() {
                Some(begun) => self.stretches(span, begun.stretches()).await,
                None => {
                    let walk = self.asking.walk(span.window()).build()?;
                    self.stretches(span, walk.stretches(self.client)).await
                }
            };
            match ended {
                Err(Cause::Service(error)) if error.kind() == ErrorKind::Moved && walks < MAX_WALKS => {
                    (self.observe)(&Event::Again { window: span.window() });
                    walks += 1;
                    self.take_back(&before).await?;
                }
                ended => return ended,
            }
        }
    }

    async fn told(&mut self) -> Result<Told, Cause> {
        let line = self.line().await?;
        let told = Told {
            done: self.done,
            different: self.different.spans.len(),
            doubtful: self.doubtful.len(),
            lacking: self.lacking.len(),
            held_days: line.held_days.clone(),
            found_days: line.found_days.clone(),
        };
        self.line = Some(line);
        Ok(told)
    }

    /// Forgets what was told of a walk that is made again. What was stored by it is told: the next walk finds it in line.
    async fn take_back(&mut self, before: &Told) -> Result<(), Cause> {
        let mut line = self.line().await?;
        self.doubtful.truncate(before.doubtful);
        self.lacking.truncate(before.lacking);
        if line.mode != Mode::Store {
            self.done = before.done;
            self.different.truncate(before.different);
            line.held_days = before.held_days.clone();
            line.found_days = before.found_days.clone();
        }
        self.line = Some(line);
        Ok(())
    }

    /// Brings in line what a walk over a span hands out.
    async fn stretches(
        &mut self,
        span: Span,
        stretches: impl Stream<Item = Result<Stretch, billing_http::Error>>,
    ) -> Result<(), Cause> {
        (self.observe)(&Event::Walking { window: span.window() });
        let line = self.line().await?;
        let mut cutter = Cutter::new(span, &line.records.spans());
        self.line = Some(line);
        let mut stretches = pin!(stretches);
        while let Some(stretch) = stretches.next().await {
            match stretch {
                Ok(stretch) => {
                    self.came += stretch.entries.len() as u64;
                    let complete_until = stretch.complete_until;
                    (self.observe)(&Event::Came { so_far: self.came, complete_until });
                    for walked in cutter.take(stretch) {
                        self.bring(walked).await?;
                    }
                }
                Err(error) => {
                    // A walk that entries arrived behind is walked again, so its rest is not worth a window.
                    if error.kind() != ErrorKind::Moved
                        && let Some(walked) = cutter.broken()
                    {
                        self.bring(walked).await?;
                    }
                    self.line = Some(self.line().await?);
                    return Err(error.into());
                }
            }
        }
        if let Some(walked) = cutter.finish() {
            self.bring(walked).await?;
        }
        self.line = Some(self.line().await?);
        Ok(())
    }

    /// Tells of a window that was not walked.
    pub(crate) fn tell(&mut self, window: &WindowDifference) {
        self.done.count(window);
        self.different.note(window);
        (self.observe)(&Event::InLine(window));
    }

    /// Asks again where the source does not have all that is held, until it gives the same answer twice. In a run no more than `most`
    /// entries are taken out.
    pub(crate) async fn losses(&mut self, most: u64, held: u64) -> Result<(), Cause> {
        let mut before = HashSet::new();
        for _ in 0..MAX_ANSWERS {
            let mut doubtful = std::mem::take(&mut self.doubtful);
            let lacking: HashSet<_> = std::mem::take(&mut self.lacking).into_iter().collect();
            if doubtful.is_empty() {
                return Ok(());
            }
            let vanished = lacking.intersection(&before).count() as u64;
            // What was taken out after another answer counts too.
            let left = most.saturating_sub(self.done.vanished);
            let mut line = self.line().await?;
            if vanished > left {
                // Somebody has to decide. Until then these windows count as they did.
                let undone = blocking(move || line.undoubt()).await;
                return Err(undone.map_or_else(Cause::from, |()| Cause::Vanished { vanished, held }));
            }
            // So much is not believed. If the next answer lacks it too, it is told.
            line.believed = if lacking.len() as u64 > left { HashSet::new() } else { lacking.clone() };
            self.line = Some(line);
            before = lacking;
            doubtful.sort_by_key(|span| span.since);
            for span in crate::span::joined(doubtful) {
                (self.observe)(&Event::AskingAgain { window: span.window() });
                self.span(span, None).await?;
            }
        }
        match self.doubtful.is_empty() {
            true => Ok(()),
            false => Err(Cause::Unsteady),
        }
    }

    /// Lets a window be brought in line, while the walk goes on.
    async fn bring(&mut self, walked: Walked) -> Result<(), Cause> {
        let mut line = self.line().await?;
        self.storing = Some(tokio::task::spawn_blocking(move || {
            let outcome = line.bring(walked);
            (line, outcome)
        }));
        Ok(())
    }

    /// Waits until the window before is in line.
    pub(crate) async fn line(&mut self) -> Result<Line, Cause> {
        if let Some(storing) = self.storing.take() {
            let (line, outcome) = joined(storing).await;
            match outcome? {
                Outcome::InLine(window) => {
                    self.tell(&window);
                }
                Outcome::Doubtful { span, lacking } => {
                    self.doubtful.push(span);
                    self.lacking.extend(lacking);
                }
            }
            self.line = Some(line);
        }
        // It is away only while a window is stored.
        self.line.take().ok_or_else(|| {
            let message = "the sync went on after it had failed";
            Cause::Ledger(billing_ledger::Error::new(billing_ledger::ErrorKind::Aborted, message))
        })
    }
}
