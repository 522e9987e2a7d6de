//! Tells an export to stop.

use std::sync::Arc;

use tokio::sync::watch;

/// Tells an export to stop, from the code that hears a signal, a supervisor or a user. Clones stop the same exports.
///
/// ```
/// use billing_export::Stop;
///
/// let stop = Stop::default();
/// let heard_elsewhere = stop.clone();
/// heard_elsewhere.soon();
/// heard_elsewhere.now();
/// ```
#[derive(Clone, Debug)]
pub struct Stop(Arc<watch::Sender<Urgency>>);

/// How soon an export has to end. The order is from weak to strong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    None,
    Soon,
    Now,
}

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(watch::channel(Urgency::None).0))
    }
}

impl Stop {
    /// Ends the export at the next place where another run can continue, which is mostly the end of the present page.
    /// After 30 seconds without such a place the export ends anyway, and the next run continues from the last one.
    pub fn soon(&self) {
        self.say(Urgency::Soon);
    }

    /// Ends the export at once. The next run continues from the last such place, and fetches again what came since.
    pub fn now(&self) {
        self.say(Urgency::Now);
    }

    /// Raises the urgency. It is never lowered.
    fn say(&self, urgency: Urgency) {
        self.0.send_if_modified(|said| {
            let is_more = *said < urgency;
            *said = urgency.max(*said);
            is_more
        });
    }

    /// Ready when a stop of at least this urgency was said.
    pub(crate) async fn said(&self, least: Urgency) {
        // An error would mean that the sender is gone, but `self` has it.
        if self.0.subscribe().wait_for(|said| *said >= least).await.is_err() {
            std::future::pending().await
        }
    }
}
