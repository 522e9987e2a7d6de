//! What takes entries.

use std::convert::Infallible;

use crate::entry::UsageEntry;
use crate::summary::Summary;
use crate::timestamp::Timestamp;

/// A place for entries: a file, a ledger, a list in memory.
///
/// A sink is all or nothing. What was written counts from the moment that [`finish`](Sink::finish) returns `Ok`, and
/// not before: a sink that is dropped, or whose `write` or `finish` failed, leaves the place as it was. (A pipe cannot
/// take back what went through it; the sinks that write to one say so. A sink that can be gone on with keeps, beside the
/// place, what was [marked](Sink::mark).)
///
/// ```
/// use billing_model::{Sink, UsageEntry};
///
/// fn copy<S: Sink>(entries: &[UsageEntry], mut sink: S) -> Result<S::Output, S::Error> {
///     for page in entries.chunks(1000) {
///         sink.write(page)?;
///     }
///     sink.finish()
/// }
/// assert_eq!(copy(&[], Vec::new())?, []);
/// # Ok::<(), std::convert::Infallible>(())
/// ```
pub trait Sink {
    /// What a finished sink gives back: where the entries are, how many were new.
    type Output;
    /// Why the entries could not be taken.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Takes entries, after those of the calls before and in their order. Equal entries are different entries.
    ///
    /// # Errors
    /// When the entries could not be taken. The sink is then of no further use: drop it.
    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Self::Error>;

    /// Hears that everything before an instant has been written. A sink may make that durable, and another run go on
    /// from there; nothing becomes visible by it. Most sinks have no use for it.
    ///
    /// # Errors
    /// When what was written could not be made durable. The sink is then of no further use: drop it.
    fn mark(&mut self, mark: &Mark<'_>) -> Result<(), Self::Error> {
        let _ = mark;
        Ok(())
    }

    /// Makes everything that was written durable and visible, at once.
    ///
    /// # Errors
    /// When that could not be done, and then nothing is visible.
    fn finish(self) -> Result<Self::Output, Self::Error>
    where
        Self: Sized;
}

/// A place where a walk may be cut: what lies before it has been written to the sink, and nothing else has.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    /// The first instant after everything that has been written.
    pub complete_until: Timestamp,
    /// What this run wrote to the sink so far.
    pub written: &'a Summary,
}

/// Entries in memory: for small lots and for tests.
impl Sink for Vec<UsageEntry> {
    type Output = Self;
    type Error = Infallible;

    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Infallible> {
        self.extend_from_slice(entries);
        Ok(())
    }

    fn finish(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}
