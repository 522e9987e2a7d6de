//! How many entries the service counts in a span of time: `usage` says it on every page.

use std::num::NonZeroU32;
use std::time::Duration;

use billing_model::{PageRequest, Paging, SequenceError, Timestamp};

use crate::client::{Client, Persistence};
use crate::endpoint::Route;
use crate::error::{Error, ErrorKind};
use crate::reply::Failure;
use crate::retry::Class;
use crate::timer::Timer;
use crate::walk::Walk;

/// Entries between two instants, the end included, as the service counts them now.
pub(crate) async fn count(
    client: &Client,
    walk: &Walk,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<u64, Failure> {
    let inconsistent = |fault: Box<dyn std::error::Error + Send + Sync>| {
        let error = Error::of(ErrorKind::Inconsistent).at(client.url(Route::Usage.path()), 1, Duration::ZERO);
        Failure::new(Class::Fatal, error.because(fault))
    };
    let query = walk.count_query(since, until).map_err(|fault| inconsistent(fault.into()))?;
    let request = PageRequest::ByNumber { query, page: NonZeroU32::MIN };
    match client.page_or_failure(&request, Persistence::Full, &mut Timer::default()).await?.paging {
        Paging::ByNumber(numbers) => Ok(numbers.total),
        Paging::ByCursor(_) => Err(inconsistent(SequenceError::OtherEndpoint.into())),
    }
}

/// The service counts other entries than came.
pub(crate) fn moved(total: u64, counted: u64) -> Error {
    let message =
        format!("the window has {total} entries and {counted} went by: some came or went behind the walk");
    Error::of(ErrorKind::Moved).with_message(message)
}
