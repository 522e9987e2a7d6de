//! Facts about a walk that only the client's events tell.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use billing_http::{Event, Route};
use billing_model::Stretch;

use crate::mended::Mended;

/// Facts that only the client of an export sees: the endpoint on which the walk ended, the service's count of entries,
/// and the texts with half a character. Clones share them: give one to the client's observer and another to the
/// [job](crate::Job::noted_in).
///
/// An event does not say which walk it is of. So a client and its notes serve one job at a time; jobs that run at once get each other's
/// facts, unless each has a client and notes of its own.
///
/// ```
/// use billing_export::Notes;
/// use billing_http::{ApiKey, Client};
///
/// let notes = Notes::default();
/// let noting = notes.clone();
/// let client = Client::builder("https://api.venice.ai/api/v1", ApiKey::new("admin-key")?)
///     .observer(move |event| noting.observe(event))
///     .build()?;
/// # Ok::<(), billing_http::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Notes(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    walked: Walked,
    mended: Mended,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walked {
    pub(crate) endpoint: Option<Route>,
    pub(crate) service_total: Option<u64>,
}

impl Notes {
    /// Notes an event of the client.
    pub fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Complete { endpoint, total } => {
                self.noted().walked = Walked { endpoint: Some(*endpoint), service_total: *total };
            }
            Event::Mended { entries } => self.noted().mended.came(entries),
            _ => {}
        }
    }

    /// Counts the texts of a stretch that is handed out.
    pub(crate) fn handed_out(&self, stretch: &Stretch) {
        self.noted().mended.count(stretch);
    }

    pub(crate) fn walked(&self) -> Walked {
        self.noted().walked
    }

    pub(crate) fn half_characters(&self) -> u64 {
        self.noted().mended.texts()
    }

    /// Forgets everything, before a walk begins.
    pub(crate) fn clear(&self) {
        *self.noted() = Noted::default();
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
