//! The clocks of a zone, asked again and again.

use billing_model::Timestamp;
use chrono::{DateTime, Utc};

use crate::zone::{Local, Zone};

/// Seconds of a quarter of an hour. Clocks of today differ by whole quarters.
const S_PER_QUARTER: i64 = 900;

/// Tells days and hours, and remembers the quarter of an hour it was last asked for: entries mostly come in the order of time.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    zone: Zone,
    /// A quarter of an hour in UTC that lies within one hour of the clock, and its start.
    last: Option<(i64, Local)>,
}

impl Clock {
    pub(crate) fn new(zone: Zone) -> Self {
        Self { zone, last: None }
    }

    /// What the clocks show at an instant: the day and the hour. Minutes are left out.
    pub(crate) fn hour_of(&mut self, at: Timestamp) -> Local {
        let quarter = DateTime::<Utc>::from(at).timestamp().div_euclid(S_PER_QUARTER);
        if let Some((known, local)) = self.last
            && known == quarter
        {
            return local;
        }
        let hour = |local: Local| Local { second: local.hour() * 3_600, ..local };
        let at_its = |second: i64| DateTime::from_timestamp(quarter * S_PER_QUARTER + second, 0);
        // Where clocks are put forward or back within it, as they were long ago, each instant is asked for.
        let ends = at_its(0).zip(at_its(S_PER_QUARTER - 1));
        let ends = ends.map(|(start, end)| (self.zone.local(start.into()), self.zone.local(end.into())));
        match ends {
            Some((start, end)) if is_steady(start, end) => {
                self.last = Some((quarter, hour(start)));
                hour(start)
            }
            _ => hour(self.zone.local(at)),
        }
    }
}

/// True when the clock ran through a quarter of an hour within one hour.
fn is_steady(start: Local, end: Local) -> bool {
    start.day == end.day
        && start.hour() == end.hour()
        && i64::from(end.second) - i64::from(start.second) == S_PER_QUARTER - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Also where clocks were put back within a quarter of an hour, as in St John's at 00:01 until 2011, or were not yet set by zones.
        #[test]
        fn remembering_changes_nothing(
            place in 0..chrono_tz::TZ_VARIANTS.len(), start in -4_000_000_000i64..8_000_000_000,
            steps in prop::collection::vec(-2_000i64..2_000, 1..40),
        ) {
            let zones = [chrono_tz::TZ_VARIANTS[place].name(), "America/St_Johns"].map(|name| name.parse().unwrap());
            for (zone, start) in zones.into_iter().zip([start, 1_289_097_000]) {
                let (mut clock, mut second) = (Clock::new(zone), start);
                for step in &steps {
                    second += step;
                    let at = Timestamp::from_unix_ns(second * 1_000_000_000 + 999_999_999);
                    let (found, expect) = (clock.hour_of(at), zone.local(at));
                    prop_assert_eq!((found.day, found.hour()), (expect.day, expect.hour()), "{} {}", zone, at);
                }
            }
        }
    }
}
