//! A run of an export: it settles the window, walks it into the place, and walks it again when entries arrived behind
//! the walk.

use std::pin::pin;

use billing_http::{Begun as BegunWalk, Client, ErrorKind, Traffic};
use billing_model::{Sink, Summary, TimeWindow, Timestamp};
use billing_sink::{Begun, DrainError, Drained, drain};
use futures::StreamExt;

use crate::error::{Cause, Error, Kept, Progress, Remains};
use crate::event::Event;
use crate::export::Export;
use crate::exported::Exported;
use crate::notes::{Notes, Walked};
use crate::passing::{Before, Broken, Passing};
use crate::place::{Found, Output, Place, SinkError, Started};
use crate::settled::{settled, window};
use crate::stop::{Stop, Urgency};

/// The most walks of one window when entries keep arriving behind them.
const MAX_WALKS: u32 = 3;

/// A run of an export, and what it needs.
pub(crate) struct Run<'a, P, N, F> {
    pub(crate) export: Export,
    pub(crate) place: P,
    pub(crate) stop: Stop,
    pub(crate) notes: Notes,
    pub(crate) client: &'a Client,
    /// What the client had sent before the run.
    pub(crate) sent: Traffic,
    pub(crate) now: N,
    pub(crate) observe: F,
}

/// The window, and when the first run began.
#[derive(Clone, Copy)]
struct Frame {
    window: TimeWindow,
    started: Timestamp,
}

type Result<T, P> = std::result::Result<T, Cause<SinkError<P>>>;
type Outcome<P> = std::result::Result<Exported<Output<P>>, Error<SinkError<P>>>;

impl<P: Place, N: Fn() -> Timestamp, F: Fn(&Event<'_>)> Run<'_, P, N, F> {
    pub(crate) async fn to_end(&self, found: Found<P::Sink>) -> Outcome<P> {
        // The notes may have facts of other walks of the same client.
        self.notes.clear();
        self.check_client().map_err(|cause| Error::new(cause, Progress::default(), remains_in(&found)))?;
        let unsettled = |cause| Error::new(cause, Progress::default(), Remains::Nothing);
        let (window, first) = match found.left() {
            Some(left) => (window(&left.settled).map_err(Cause::Settled).map_err(unsettled)?, None),
            None => {
                let begun = self.settle().await.map_err(unsettled)?;
                (begun.window(), Some(begun))
            }
        };
        let started = found.left().map_or_else(&self.now, |left| left.started);
        self.walks(found, Frame { window, started }, first).await
    }

    /// Nobody's entries get into the file of another.
    fn check_client(&self) -> Result<(), P> {
        let (export, client) = (&self.export, self.client);
        if !client.is_of(&export.service) {
            let (export, client) = (export.service.clone(), client.base_url().to_owned());
            return Err(Cause::OtherService { export, client });
        }
        if client.key_fingerprint() != export.fingerprint { Err(Cause::OtherKey) } else { Ok(()) }
    }

    /// Begins the walk of an export that is new, by its first page. The service's clock settles the window: a local clock that
    /// is wrong would make it another.
    async fn settle(&self) -> Result<BegunWalk, P> {
        let walk = self.export.walk(self.export.times).build().map_err(Cause::Query)?;
        let begun = tokio::select! {
            begun = walk.begin(self.client, (self.now)()) => begun.map_err(Cause::Service)?,
            () = self.stop.said(Urgency::Soon) => return Err(Cause::Stopped),
        };
        (self.observe)(&Event::Settled { window: begun.window(), service_time: begun.service_time() });
        Ok(begun)
    }

    /// Walks the window until no entries arrived behind the walk. Each round opens the place, walks, and drops what was
    /// written when entries did arrive.
    async fn walks(
        &self,
        mut found: Found<P::Sink>,
        frame: Frame,
        mut first: Option<BegunWalk>,
    ) -> Outcome<P> {
        let mut before = Before::default();
        let mut walk = 1;
        loop {
            let takes_back = found.takes_back();
            let left = found.left().filter(|left| left.complete_until.is_some()).cloned();
            let mut progress = Progress { is_settled: true, added: 0, is_resumed: left.is_some() };
            let failed = |cause, progress| Error::new(cause, progress, Remains::NotKnown(None));
            let said = kept_in(&found);
            let sink = match found.start(settled(frame.window), frame.started) {
                Ok(Started::Taking(sink)) => sink,
                Ok(Started::Written(output)) => return Ok(self.written(output, left, frame)),
                Err(error) => {
                    // It may or may not have thrown away what was there.
                    let remains = if takes_back { Remains::NotKnown(said) } else { Remains::Nothing };
                    return Err(Error::new(Cause::Sink(error), progress, remains));
                }
            };
            (self.observe)(&Event::Begun { window: frame.window, left: left.as_ref() });
            let added = &mut progress.added;
            let drained = self.walk(sink, left.as_ref(), frame, first.take(), &mut before, added).await;
            let moved = match drained {
                Ok(drained) => return Ok(self.exported(drained, left, frame)),
                // Entries arrived behind the walk, and what was written can be taken back: walk once more.
                Err(Cause::Service(error)) if error.kind() == ErrorKind::Moved && takes_back => error,
                Err(cause) => {
                    let remains = if takes_back { self.look_up() } else { Remains::Nothing };
                    return Err(Error::new(cause, progress, remains));
                }
            };
            found = self.open_anew().map_err(|cause| failed(cause, progress))?;
            if walk == MAX_WALKS {
                // What was written is not the ledger any more. To begin the place anew drops it, so that no run
                // continues it.
                let begun = found.start(settled(frame.window), frame.started);
                begun.map_err(|error| failed(Cause::Sink(error), progress))?;
                return Err(Error::new(Cause::Service(moved), progress, Remains::Nothing));
            }
            walk += 1;
            before.most = before.most.max(progress.added + left.map_or(0, |left| left.summary.entries));
            before.moved = Some(moved);
            self.notes.clear();
            (self.observe)(&Event::Again { walk });
        }
    }

    /// Walks the window once into the sink, or the rest of it when earlier runs wrote a part.
    async fn walk(
        &self,
        sink: P::Sink,
        left: Option<&Begun>,
        frame: Frame,
        first: Option<BegunWalk>,
        before: &mut Before,
        passed: &mut u64,
    ) -> Result<Drained<Output<P>>, P> {
        let stretches = match first {
            Some(begun) => begun.stretches().left_stream(),
            None => {
                let mut walk = self.export.walk(frame.window);
                if let Some((until, left)) = left.and_then(|left| Some((left.complete_until?, left))) {
                    walk = walk.resume(until, left.summary.entries);
                }
                walk.build().map_err(Cause::Query)?.stretches(self.client).right_stream()
            }
        };
        let passing = Passing {
            stretches: pin!(stretches),
            stop: &self.stop,
            notes: &self.notes,
            observe: &self.observe,
            before,
            left: left.map_or(0, |left| left.summary.entries),
            passed,
        };
        drain(passing.stretches(), sink).await.map_err(|error| match error {
            DrainError::Pages(Broken::Stopped) => Cause::Stopped,
            DrainError::Pages(Broken::Failed(error)) => Cause::Service(error),
            DrainError::Sink(error) => Cause::Sink(error),
        })
    }

    /// What the client sent since the run began.
    fn traffic(&self) -> Traffic {
        let (sent, all) = (self.sent, self.client.traffic());
        Traffic { requests: all.requests - sent.requests, retries: all.retries - sent.retries }
    }

    fn open_anew(&self) -> Result<Found<P::Sink>, P> {
        self.place.open(&self.export.asked, true).map_err(Cause::Sink)
    }

    /// What there is to go on with. It is looked up: a disk that fails keeps less than went by.
    fn look_up(&self) -> Remains {
        self.place.open(&self.export.asked, false).map_or(Remains::NotKnown(None), |found| remains_in(&found))
    }

    fn exported(
        &self,
        drained: Drained<Output<P>>,
        left: Option<Begun>,
        frame: Frame,
    ) -> Exported<Output<P>> {
        let Drained { summary: added, output } = drained;
        let is_resumed = left.is_some();
        let mut summary = left.map(|left| left.summary).unwrap_or_default();
        summary.merge(&added);
        let Walked { endpoint, service_total } = self.notes.walked();
        let half_characters = self.notes.half_characters();
        let all = self.all(summary, output, frame);
        Exported { added, is_resumed, endpoint, service_total, half_characters, ..all }
    }

    /// The result of an export that an earlier run had written, but had not finished.
    fn written(&self, output: Output<P>, left: Option<Begun>, frame: Frame) -> Exported<Output<P>> {
        let summary = left.map(|left| left.summary).unwrap_or_default();
        Exported { is_resumed: true, was_written: true, ..self.all(summary, output, frame) }
    }

    fn all(&self, summary: Summary, output: Output<P>, frame: Frame) -> Exported<Output<P>> {
        let Frame { window, started } = frame;
        (self.observe)(&Event::Finished { summary: &summary });
        Exported {
            window,
            service: self.export.service.clone(),
            account: None,
            currency: self.export.currency.clone(),
            started,
            finished: (self.now)(),
            summary,
            added: Summary::default(),
            is_resumed: false,
            was_written: false,
            endpoint: None,
            service_total: None,
            half_characters: 0,
            traffic: self.traffic(),
            output,
        }
    }
}

/// What there is to go on with.
fn remains_in<S: Sink>(found: &Found<S>) -> Remains {
    kept_in(found).map_or(Remains::Nothing, Remains::Kept)
}

fn kept_in<S: Sink>(found: &Found<S>) -> Option<Kept> {
    let left = found.left()?;
    Some(Kept { entries: left.summary.entries, complete_until: left.complete_until? })
}
