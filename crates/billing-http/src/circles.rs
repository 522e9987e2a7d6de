//! Sees when cursors go round in circles, in constant memory.

use billing_model::Cursor;

/// Brent's algorithm: it remembers one cursor, and after a stretch another one in its place. Each stretch is twice as
/// long as the one before. A circle of any length is seen before it has been gone round three times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Circles {
    remembered: Option<Cursor>,
    /// Cursors since that one.
    steps: u64,
    /// After how many another one is remembered.
    stretch: u64,
}

impl Circles {
    /// True when the cursor was here before.
    pub(crate) fn closes(&mut self, cursor: &Cursor) -> bool {
        if self.remembered.as_ref() == Some(cursor) {
            return true;
        }
        self.steps += 1;
        if self.steps >= self.stretch {
            self.remembered = Some(cursor.clone());
            self.stretch = self.steps * 2;
            self.steps = 0;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_any_length_is_seen_and_a_straight_way_is_none() {
        let cursor = |n: u64| format!("c{n}").parse::<Cursor>().unwrap();
        for (before, length) in [(0, 1), (0, 2), (0, 3), (5, 2), (7, 100), (1000, 1), (100, 333)] {
            let mut circles = Circles::default();
            let way = (0..before).chain((0..).map(|n| before + n % length));
            let steps = way.take_while(|n| !circles.closes(&cursor(*n))).count() as u64;
            assert!(steps <= 3 * (before + length), "{before} {length}: {steps}");
        }
        let mut circles = Circles::default();
        assert!((0..10_000).all(|n| !circles.closes(&cursor(n))));
    }
}
