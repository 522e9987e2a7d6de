//! Failures that the service counts, and for which it blocks a caller.

use std::collections::VecDeque;
use std::time::Duration;

/// Failed requests in [`FAILURE_SPAN`] that are never exceeded. The service blocks a caller after more than 20 in 30 s
/// (`docs/upstream-api.md`, HTTP), and this client need not be the only one with its key.
pub(super) const MAX_FAILURES: usize = 16;

/// A second longer than the service's 30 s, for the way of the answers.
pub(super) const FAILURE_SPAN: Duration = Duration::from_secs(31);

/// When requests failed, as the time since the limiter was made, oldest first; only the latest [`FAILURE_SPAN`].
#[derive(Debug, Default)]
pub(super) struct Failures(VecDeque<Duration>);

impl Failures {
    pub(super) fn push(&mut self, now: Duration) {
        self.0.push_back(now);
    }

    /// When one more request may be sent beside so many, each of which may fail too; nothing when that is now.
    pub(super) fn full_until(&mut self, under_way: u32, now: Duration) -> Option<Duration> {
        while self.0.front().is_some_and(|at| *at + FAILURE_SPAN <= now) {
            self.0.pop_front();
        }
        let oldest = self.0.front()?;
        (self.0.len() + under_way as usize >= MAX_FAILURES).then(|| *oldest + FAILURE_SPAN)
    }
}
