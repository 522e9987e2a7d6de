//! Keeps below the number of failures for which the service blocks a caller.

use std::collections::VecDeque;
use std::time::Duration;

/// The most failed requests in [`FAILURE_SPAN`]. The service blocks a caller after more than 20 in 30 s
/// (`docs/upstream-api.md`, HTTP). The rest is for other programs that use the same key.
pub(super) const MAX_FAILURES: usize = 16;

/// One second longer than the service's 30 s, for the time that answers take on the network.
pub(super) const FAILURE_SPAN: Duration = Duration::from_secs(31);

/// The times of failures within the latest [`FAILURE_SPAN`], since the limiter was made, oldest first.
#[derive(Debug, Default)]
pub(super) struct Failures(VecDeque<Duration>);

impl Failures {
    pub(super) fn push(&mut self, now: Duration) {
        self.0.push_back(now);
    }

    /// When one more request may be sent; `None` for now. Each of the requests under way is counted as a failure, because it
    /// may become one.
    pub(super) fn full_until(&mut self, under_way: u32, now: Duration) -> Option<Duration> {
        while self.0.front().is_some_and(|at| *at + FAILURE_SPAN <= now) {
            self.0.pop_front();
        }
        let oldest = self.0.front()?;
        (self.0.len() + under_way as usize >= MAX_FAILURES).then(|| *oldest + FAILURE_SPAN)
    }
}
