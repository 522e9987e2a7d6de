//! The export job: an export that is opened at a place, and run.

use billing_http::Client;
use billing_model::Timestamp;
use billing_sink::Begun;

use crate::error::Error;
use crate::event::Event;
use crate::export::Export;
use crate::exported::Exported;
use crate::notes::Notes;
use crate::place::{Found, Output, Place, SinkError};
use crate::run::Run;
use crate::stop::Stop;

impl Export {
    /// Opens the place. The run will continue what an earlier run of the same export left there. Nothing is fetched or
    /// changed yet.
    ///
    /// # Errors
    /// Those of [`Place::open`]. So a wrong path is found before anything is fetched.
    pub fn open<P: Place>(&self, place: P) -> Result<Job<P>, SinkError<P>> {
        self.open_with(place, false)
    }

    /// Like [`Export::open`], but what an earlier run left is dropped when the export begins.
    ///
    /// # Errors
    /// Those of [`Place::open`].
    pub fn open_anew<P: Place>(&self, place: P) -> Result<Job<P>, SinkError<P>> {
        self.open_with(place, true)
    }

    fn open_with<P: Place>(&self, place: P, restart: bool) -> Result<Job<P>, SinkError<P>> {
        let found = place.open(&self.asked, restart)?;
        let (stop, notes) = (Stop::default(), Notes::default());
        Ok(Job { export: self.clone(), place, found, stop, notes })
    }
}

/// An [`Export`] that is opened at a [`Place`], to be run once.
///
/// A run has these steps:
///
/// - It settles the window by the service's clock, if the window depends on the present and no earlier run has settled
///   it.
/// - It walks the window, from the instant up to which an earlier run was complete.
/// - When entries arrived behind the walk, it walks the window again. There are three walks at most.
#[must_use = "an export that is not run does nothing"]
pub struct Job<P: Place> {
    export: Export,
    place: P,
    found: Found<P::Sink>,
    stop: Stop,
    notes: Notes,
}

impl<P: Place> Job<P> {
    /// What an earlier run left, if this run continues one.
    pub fn left(&self) -> Option<&Begun> {
        self.found.left()
    }

    /// False when what is written cannot be taken back, as in a pipe or a device.
    pub fn takes_back(&self) -> bool {
        self.found.takes_back()
    }

    /// Makes the run end when `stop` says so. What came is kept for the next run, if the place can keep it.
    pub fn stopped_by(mut self, stop: &Stop) -> Self {
        self.stop = stop.clone();
        self
    }

    /// Adds to the result what these notes know about the walk. The client's observer has to fill them.
    pub fn noted_in(mut self, notes: &Notes) -> Self {
        self.notes = notes.clone();
        self
    }

    /// Runs the export. `now` is the present by the local clock; it decides the window only when the service does not
    /// tell the time. `observe` is told what happens. It runs in the middle of the work, so it has to return quickly.
    ///
    /// The future may be dropped at any time. The place is then as if the process had ended.
    ///
    /// # Errors
    /// [`Error`], with what is kept for another run. When entries arrive behind every walk nothing is kept, because what was
    /// written is not the ledger any more.
    pub async fn run(
        self,
        client: &Client,
        now: impl Fn() -> Timestamp,
        observe: impl Fn(&Event<'_>),
    ) -> Result<Exported<Output<P>>, Error<SinkError<P>>> {
        let Self { export, place, found, stop, notes } = self;
        let run = Run { export, place, stop, notes, client, now, observe };
        run.to_end(found).await
    }
}
