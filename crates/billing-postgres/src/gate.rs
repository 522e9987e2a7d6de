//! The gate before new connections: while a database is away, it is asked ever more rarely, and everybody else is told at once.

use std::time::{Duration, Instant};

/// The first time without a try after one that failed.
const FIRST: Duration = Duration::from_millis(50);

/// The longest one: so soon after the database is back somebody gets through.
const LONGEST: Duration = Duration::from_secs(1);

/// What the last tries to connect say about the next one.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// How long the gate is shut after a try that failed, and until when it is.
    shut: Option<(Duration, Instant)>,
}

impl Gate {
    /// True when somebody may try to connect now. While the gate was shut, one may, and the others wait for what comes of it.
    pub(crate) fn pass(&mut self, now: Instant) -> bool {
        match &mut self.shut {
            None => true,
            Some((_, until)) if now < *until => false,
            Some((wait, until)) => {
                *until = now + *wait;
                true
            }
        }
    }

    /// Notes that a try failed.
    pub(crate) fn fail(&mut self, now: Instant) {
        let wait = self.shut.map_or(FIRST, |(wait, _)| (wait * 2).min(LONGEST));
        self.shut = Some((wait, now + wait));
    }

    /// Notes that somebody got through.
    pub(crate) fn open(&mut self) {
        self.shut = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_is_asked_ever_more_rarely_and_once_a_second_at_least() {
        let start = Instant::now();
        let (mut gate, mut tries) = (Gate::default(), Vec::new());
        for ms in 0..10_000u32 {
            let now = start + Duration::from_millis(ms.into());
            if gate.pass(now) {
                tries.push(ms);
                gate.fail(now);
            }
        }
        assert_eq!(tries[..7], [0, 50, 150, 350, 750, 1550, 2550]);
        assert!(tries.windows(2).all(|pair| pair[1] - pair[0] <= 1000));
        gate.open();
        assert!((0..3).all(|_| gate.pass(start)));
    }

    #[test]
    fn one_tries_at_a_time_after_a_failure() {
        let start = Instant::now();
        let mut gate = Gate::default();
        gate.fail(start);
        let later = start + FIRST;
        assert!(gate.pass(later));
        assert!(!gate.pass(later), "the other try is under way");
    }
}
