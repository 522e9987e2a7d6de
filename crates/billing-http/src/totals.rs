//! Compares a walk with the service's own count of the window, where it has one.

use std::sync::Arc;

use billing_model::{TimeWindow, Timestamp};

use crate::client::Client;
use crate::count::{count, moved};
use crate::endpoint::Route;
use crate::error::{Error, ErrorKind};
use crate::planner::{LEAST_WINDOW, earlier, wider};
use crate::reply::Failure;
use crate::walk::Walk;
use crate::walker::{Before, Shared, Walker, WindowPage};

/// What went by on a walk, as the service counts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// Entries of the window.
    pub(crate) entries: u64,
    /// Entries from before it that came on its pages.
    pub(crate) before: Before,
    /// Those at its end, where they are known.
    pub(crate) beyond: Option<u64>,
}

/// Compares with the service's count of all the window: the parts may be right and an entry may have come, late, into one
/// that was walked before. False when the service no longer says.
pub(crate) async fn check_total(
    client: &Client,
    walk: &Walk,
    shared: &Arc<Shared>,
    Counted { entries, before, beyond }: Counted,
) -> Result<bool, Error> {
    let (since, until) = (walk.window.since(), walk.window.until());
    let is_whole_ms = since.is_none_or(|since| since == since.floor_ms());
    let (asked_since, counted) = match walk.walked {
        // A short window is asked for with what lies before it, which nobody has counted: so it is read once more.
        Some((_, walked)) if wider(since, until) != since => {
            return match entries_of(client, walk, shared).await? {
                Some(found) if found == walked + entries => Ok(true),
                Some(found) => Err(moved(found, walked + entries)),
                None => Ok(false),
            };
        }
        // Nor has anybody what an earlier run left out before a start within a millisecond.
        Some((from, _)) if !is_whole_ms && until.is_some_and(|until| until <= from) => return Ok(false),
        Some((_, walked)) if is_whole_ms => (since, walked + entries),
        _ => (before.since, before.entries + entries),
    };
    let Some(total) = total_of(client, walk, asked_since).await? else { return Ok(false) };
    if total == counted + beyond.unwrap_or(0) {
        return Ok(true);
    }
    // At the end, which the service counts too, entries may have come since the last part was walked; and when all was
    // walked before, nobody has counted them yet. The total that they are taken from has to be that of the same moment.
    if let Some(end) = until {
        match count_at_end(client, walk, shared, end).await? {
            Some(at_end) if total == counted + at_end => match total_of(client, walk, asked_since).await? {
                Some(again) if total == again => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            },
            Some(_) => {}
            None if beyond.is_none() => return Ok(false),
            None => {}
        }
    }
    Err(moved(total, counted + beyond.unwrap_or(0)))
}

/// Entries from an instant on up to the end of a walk, the end included; `None` when the service no longer says.
async fn total_of(client: &Client, walk: &Walk, since: Option<Timestamp>) -> Result<Option<u64>, Error> {
    match count(client, walk, since, walk.window.until()).await {
        Ok(total) => Ok(Some(total)),
        Err(Failure { error, .. }) if error.kind() == ErrorKind::Gone => Ok(None),
        // A service that fails on wide windows cannot count one. All of its parts are there.
        Err(Failure { error, .. }) if client.is_for_narrowing(&error) => Ok(None),
        Err(Failure { error, .. }) => Err(error),
    }
}

/// Entries at the end of a window or behind it that the service counts to the window: the rest of the millisecond in which
/// it ends, and the end itself. They come with the window before it. `None` when the service does not say.
async fn count_at_end(
    client: &Client,
    walk: &Walk,
    shared: &Arc<Shared>,
    end: Timestamp,
) -> Result<Option<u64>, Error> {
    let Ok(last) = TimeWindow::new(Some(earlier(end, LEAST_WINDOW)), Some(end)) else { return Ok(None) };
    let mut walker = Walker::new(client.clone(), walk, last, Arc::clone(shared));
    loop {
        match walker.next_page().await {
            Ok(WindowPage { end: Some(end), .. }) => {
                return Ok(end.beyond.filter(|_| end.route == Route::Usage));
            }
            Ok(_) => {}
            // Nothing may lie there, and there are services that hang on that.
            Err(error) if client.is_for_narrowing(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// Entries of a whole walk, read once more; `None` when the endpoint that counts has gone.
async fn entries_of(client: &Client, walk: &Walk, shared: &Arc<Shared>) -> Result<Option<u64>, Error> {
    let mut walker = Walker::new(client.clone(), walk, walk.window, Arc::clone(shared));
    let mut entries = 0;
    loop {
        let page = walker.next_page().await?;
        entries += page.entries.len() as u64;
        if let Some(end) = page.end {
            return Ok((end.route == Route::Usage).then_some(entries));
        }
    }
}
