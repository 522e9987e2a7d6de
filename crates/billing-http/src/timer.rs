//! A timer for one request after the other.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that is put off instead of made anew. To put one off costs nothing; a new one wakes the thread that watches the clock,
/// and one for each page took a twentieth of the processor time of pages that come at once.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// What the work comes to, or `None` when it takes longer. It goes on where it was when it is waited for again.
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
