//! The present time, by this machine's clock.

use billing_model::Timestamp;
use chrono::Utc;

/// The present in whole milliseconds, as services have it.
pub(crate) fn now() -> Timestamp {
    Timestamp::from(Utc::now()).floor_ms()
}
