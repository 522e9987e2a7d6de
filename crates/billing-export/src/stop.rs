//! Says stop to an export.

use std::sync::Arc;

use tokio::sync::watch;

/// Says stop to an export, from wherever a signal, a supervisor or a user is heard. Clones say it to the same exports.
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

/// How soon an export has to end; the later is the stronger.
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
    /// Ends the export at the next place from which another run can go on: mostly where the page at hand ends. After 30
    /// seconds without such a place it ends all the same, and is gone on with from the last one.
    pub fn soon(&self) {
        self.say(Urgency::Soon);
    }

    /// Ends the export at once. What came since the last such place is fetched again by the next run.
    pub fn now(&self) {
        self.say(Urgency::Now);
    }

    /// What was said is never taken back.
    fn say(&self, urgency: Urgency) {
        self.0.send_if_modified(|said| {
            let is_more = *said < urgency;
            *said = urgency.max(*said);
            is_more
        });
    }

    /// Ready when it was said, as urgently as this or more so.
    pub(crate) async fn said(&self, least: Urgency) {
        // The sender is `self`, so there is no end to wait for.
        if self.0.subscribe().wait_for(|said| *said >= least).await.is_err() {
            std::future::pending().await
        }
    }
}
