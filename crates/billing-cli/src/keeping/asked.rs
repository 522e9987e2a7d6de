//! What a sync or a proof was asked for, checked; and how one is run.

use std::process;
use std::sync::Arc;

use billing_http::{Border, Client, Walk, Wire};
use billing_model::{TimeWindow, TypedWindow};
use billing_sync::Error;
use tokio::runtime::Runtime;

use super::failures::{self, failure, with_done};
use super::telling::{Telling, in_turn};
use crate::args::{NamedLedger, Walking};
use crate::clock::now;
use crate::exit::Failure;
use crate::interrupt::Interrupted;
use crate::ledger_place::LedgerPlace;
use crate::typed;
use crate::upstream::Upstream;

/// An account's service, ledger and window.
pub(crate) struct Asked<'a> {
    pub(crate) walking: &'a Walking,
    times: TypedWindow,
    upstream: Upstream<'a>,
    /// Where the ledger is.
    pub(crate) place: LedgerPlace,
    /// The base URL as the client reads it, without a slash at its end.
    pub(crate) base_url: String,
}

impl<'a> Asked<'a> {
    /// Checks the flags, and reads the key. Nothing is made.
    pub(crate) fn new(
        walking: &'a Walking,
        ledger: &NamedLedger,
        since: Option<&str>,
        until: Option<&str>,
    ) -> Result<Self, Failure> {
        let times = typed::window(since, until)?;
        let walk = Walk::over(TimeWindow::ALL).endpoint(walking.endpoint.into()).page_size(walking.page_size);
        walk.build().map_err(|refused| typed::refused(&refused, walking.page_size))?;
        let place = ledger.place()?;
        let upstream = Upstream::new(walking)?;
        let base_url = upstream.client(Wire::Json, |_| ())?.base_url().trim_end_matches('/').to_owned();
        Ok(Self { walking, times, upstream, place, base_url })
    }

    pub(crate) fn since(&self) -> Option<Border> {
        self.times.since.map(Border::from)
    }

    pub(crate) fn until(&self) -> Option<Border> {
        self.times.until.map(Border::from)
    }

    /// Runs a job to its end, or to an interrupt. `keeps` says that what was added before a failure is kept.
    pub(crate) fn run<T>(
        &self,
        runtime: &Runtime,
        interrupted: &mut Interrupted,
        telling: &Telling,
        keeps: bool,
        job: impl AsyncFn(&Client) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        let progress = Arc::clone(telling.progress());
        let client = self.upstream.client(Wire::Json, move |event| progress.observe(event))?;
        runtime.block_on(async {
            tokio::select! {
                ended = in_turn(telling.progress(), async || job(&client).await) => ended.map_err(|error| {
                    let done = error.done();
                    let failure = self.upstream.explained(failure(error.into_cause(), self.walking.page_size));
                    if keeps { with_done(failure, done) } else { failure }
                }),
                // What is stored at this moment is stored whole, or not at all.
                cause = interrupted.happens() => {
                    Err(if keeps { failures::interrupted(cause, telling.done()) } else { cause.into() })
                }
            }
        })
    }
}

/// What this process says of itself to another one that has to wait.
pub(crate) fn holder() -> String {
    format!("process {}, since {}", process::id(), now())
}
