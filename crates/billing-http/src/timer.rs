//! A timer that several requests use one after the other.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is reset instead of made anew. A reset costs nothing. A new timer wakes the thread that watches the clock, and
/// with one for each page this took a twentieth of the processor time when pages came without a wait.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Waits for the work, up to the limit. Returns `None` when the limit is over; the work can then be waited for again.
    pub(crate) async fn within<T>(
        &mut self,
        limit: Duration,
        work: &mut Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        let end = Instant::now() + limit;
        let timer = match &mut self.0 {
            Some(timer) => {
                timer.as_mut().reset(end);
                timer
            }
            none => none.insert(Box::pin(sleep_until(end))),
        };
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => timer.as_mut().poll(context).map(|()| None),
        })
        .await
    }
}
