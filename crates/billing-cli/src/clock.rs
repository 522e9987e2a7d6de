//! The present by this machine's clock.

use billing_model::Timestamp;
use chrono::Utc;

/// To the millisecond, as services have it.
pub(crate) fn now() -> Timestamp {
    Timestamp::from(Utc::now()).floor_ms()
}
