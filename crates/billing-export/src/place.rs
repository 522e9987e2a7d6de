//! The place that an export is written to, and what earlier runs left there.

use std::collections::BTreeMap;
use std::fmt;

use billing_model::{Sink, Timestamp};
use billing_sink::Begun;

/// The place that an export is written to: a file, a ledger that is kept in step, a list in memory.
///
/// A place makes the [`Sink`] that takes the entries, and knows what an earlier run left in it. [`Sink::mark`] tells
/// the sink that everything before an instant was written. What the sink does then is its own decision: a file makes
/// its bytes durable, a ledger would commit. The next run reads the last mark that was kept from
/// [`Begun::complete_until`], and walks from there. A mark is not final until the export has finished: when entries
/// arrive behind the walk, the place is opened with `restart`, and what was written is dropped.
///
/// Most programs use [`ExportFile`](crate::ExportFile). This example is a list that keeps what is marked:
///
/// ```
/// use billing_export::{Event, Export, Found, Place, Stop};
/// use billing_http::{ApiKey, Client};
/// use billing_model::{Mark, Sink, TimeWindow, Timestamp, UsageEntry};
/// use billing_sink::Begun;
/// use std::collections::BTreeMap;
/// use std::convert::Infallible;
/// use std::sync::{Arc, Mutex};
/// # use billing_testkit::{Book, Upstream, entry_at};
///
/// type Kept = Arc<Mutex<Option<(Begun, Vec<UsageEntry>)>>>;
///
/// struct List(Kept);
///
/// impl Place for List {
///     type Sink = Taking;
///
///     fn open(&self, _: &BTreeMap<String, String>, restart: bool) -> Result<Found<Taking>, Infallible> {
///         let kept = Arc::clone(&self.0);
///         let left = kept.lock().unwrap().clone().filter(|_| !restart);
///         Ok(match left {
///             Some((begun, _)) => Found::begun(begun, || Ok(Taking { kept, came: Vec::new() })),
///             None => Found::new(|settled, started| {
///                 let begun = Begun { settled, started, complete_until: None, summary: Default::default() };
///                 *kept.lock().unwrap() = Some((begun, Vec::new()));
///                 Ok(Taking { kept, came: Vec::new() })
///             }),
///         })
///     }
/// }
///
/// struct Taking {
///     kept: Kept,
///     /// Entries that are not marked yet.
///     came: Vec<UsageEntry>,
/// }
///
/// impl Sink for Taking {
///     type Output = ();
///     type Error = Infallible;
///
///     fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Infallible> {
///         self.came.extend_from_slice(entries);
///         Ok(())
///     }
///
///     fn mark(&mut self, mark: &Mark<'_>) -> Result<(), Infallible> {
///         let mut kept = self.kept.lock().unwrap();
///         let (begun, entries) = kept.as_mut().unwrap();
///         begun.summary.extend(&self.came);
///         begun.complete_until = Some(mark.complete_until);
///         entries.append(&mut self.came);
///         Ok(())
///     }
///
///     fn finish(self) -> Result<(), Infallible> {
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let now = || "2026-07-01T08:00:00Z".parse::<Timestamp>().unwrap();
/// # let june = TimeWindow::new(Some("2026-06-01T00:00:00Z".parse()?), Some("2026-07-01T00:00:00Z".parse()?))?;
/// # let at = |day: i64| Timestamp::from_unix_ns((1_780_272_000 + day * 86_400) * 1_000_000_000);
/// # let mut book = Book::new((0..30).map(|day| entry_at(at(day), "-0.1")).collect());
/// # let upstream = Upstream::start(move |request| book.answer(request)).await;
/// # let base_url = upstream.base_url();
/// # let key = ApiKey::new("admin-key")?;
/// let export = Export::of(&base_url, &key).over(june).page_size(10).build()?;
/// let client = Client::builder(base_url, key).build()?;
/// let kept = Kept::default();
///
/// // This run is stopped when its first page has come.
/// let stop = Stop::default();
/// let job = export.open(List(Arc::clone(&kept)))?.stopped_by(&stop);
/// let stopped = job.run(&client, now, |event| if let Event::Came { .. } = event { stop.soon() }).await;
/// let left = stopped.unwrap_err().kept().unwrap();
/// assert!(left.entries > 0 && left.entries < 30);
///
/// // The next run walks the rest.
/// let exported = export.open(List(Arc::clone(&kept)))?.run(&client, now, |_| ()).await?;
/// assert_eq!(exported.added.entries, 30 - left.entries);
/// assert_eq!(kept.lock().unwrap().as_ref().unwrap().1.len(), 30);
/// # Ok(())
/// # }
/// ```
pub trait Place {
    /// The sink that takes the entries.
    type Sink: Sink;

    /// Looks at what is there, and checks that entries can be written. Nothing changes before the place is begun.
    ///
    /// `asked` has the arguments that decide which entries come, by their names, and no secret. A run continues what an
    /// earlier run left only when both have the same arguments. With `restart` nothing is continued: what is there is
    /// dropped when the place is begun.
    ///
    /// # Errors
    /// When entries cannot be written, or when what is there belongs to other arguments.
    fn open(
        &self,
        asked: &BTreeMap<String, String>,
        restart: bool,
    ) -> Result<Found<Self::Sink>, <Self::Sink as Sink>::Error>;
}

/// What the sink of a place returns when it is finished.
pub(crate) type Output<P> = <<P as Place>::Sink as Sink>::Output;

/// The error of the sink of a place.
pub(crate) type SinkError<P> = <<P as Place>::Sink as Sink>::Error;

/// What [`Place::open`] found: nothing, a run that did not end, or one that wrote everything. When it is dropped, the
/// place stays as it was.
pub struct Found<S: Sink> {
    begun: Option<Begun>,
    takes_back: bool,
    start: Start<S>,
}

type Start<S> =
    Box<dyn FnOnce(BTreeMap<String, String>, Timestamp) -> Result<Started<S>, <S as Sink>::Error> + Send>;

/// A place that was begun or continued.
pub(crate) enum Started<S: Sink> {
    /// Its sink takes entries.
    Taking(S),
    /// Everything was written already. This is what the sink returned.
    Written(S::Output),
}

impl<S: Sink> Found<S> {
    /// There is nothing to go on with. `begin` makes the sink; it is given what the export settles for all runs that go on
    /// with this one, to be kept in [`Begun::settled`], and the present time by the caller's clock. A place that does not give
    /// it back cannot be gone on with: [`Cause::Settled`](crate::Cause::Settled).
    pub fn new(
        begin: impl FnOnce(BTreeMap<String, String>, Timestamp) -> Result<S, S::Error> + Send + 'static,
    ) -> Self {
        let start = |settled, started| Ok(Started::Taking(begin(settled, started)?));
        Self { begun: None, takes_back: true, start: Box::new(start) }
    }

    /// An earlier run did not come to its end. `go_on` makes the sink that takes the entries from
    /// [`Begun::complete_until`] on.
    pub fn begun(begun: Begun, go_on: impl FnOnce() -> Result<S, S::Error> + Send + 'static) -> Self {
        let start = |_, _| Ok(Started::Taking(go_on()?));
        Self { begun: Some(begun), takes_back: true, start: Box::new(start) }
    }

    /// An earlier run wrote everything, but was killed before its last step. `finish` does this step. Nothing is fetched.
    pub fn written(
        begun: Begun,
        finish: impl FnOnce() -> Result<S::Output, S::Error> + Send + 'static,
    ) -> Self {
        let start = |_, _| Ok(Started::Written(finish()?));
        Self { begun: Some(begun), takes_back: true, start: Box::new(start) }
    }

    /// Says that what is written cannot be taken back, as in a pipe: the window is then walked once and not again, and a run that
    /// fails keeps nothing. It is for a place that is [new](Found::new): what [an earlier run left](Found::begun) is gone on with.
    #[must_use]
    pub fn passing(mut self) -> Self {
        self.takes_back = false;
        self
    }

    pub(crate) fn left(&self) -> Option<&Begun> {
        self.begun.as_ref()
    }

    pub(crate) fn takes_back(&self) -> bool {
        self.takes_back
    }

    pub(crate) fn start(
        self,
        settled: BTreeMap<String, String>,
        started: Timestamp,
    ) -> Result<Started<S>, S::Error> {
        (self.start)(settled, started)
    }
}

impl<S: Sink> fmt::Debug for Found<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("begun", &self.begun)
            .field("takes_back", &self.takes_back)
            .finish_non_exhaustive()
    }
}
