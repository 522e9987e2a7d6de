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
    /// What an earlier run left, when there is any. Its `complete_until` is where this run goes on; without it nothing came that can be
    /// kept, and only the window is that of the earlier run. A run that wrote everything and was not closed is left too.
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

    /// Says at the end what these notes, which the client's observer makes, have of the walk. They serve one job at a time, as
    /// their client does: one client for each job that runs at once. See [`Notes`].
    pub fn noted_in(mut self, notes: &Notes) -> Self {
        self.notes = notes.clone();
        self
    }

    /// Runs it with a client of the service and the key that the export is of. `now` is the present by the local clock, which decides the window only where the service does not tell the
    /// time. `observe` is told what happens, in the middle of the work: be quick.
    ///
    /// The future may be dropped at any time. The place is then as if the process had ended.
    ///
    /// # Errors
    /// [`Error`], with what is kept for another run. With a client of another service or key nothing is sent. Of entries that arrive behind each walk nothing is kept: what is there
    /// is not the ledger any more.
    pub async fn run(
        self,
        client: &Client,
        now: impl Fn() -> Timestamp,
        observe: impl Fn(&Event<'_>),
    ) -> Result<Exported<Output<P>>, Error<SinkError<P>>> {
        let Self { export, place, found, stop, notes } = self;
        let run = Run { export, place, stop, notes, client, sent: client.traffic(), now, observe };
        run.to_end(found).await
    }
}
