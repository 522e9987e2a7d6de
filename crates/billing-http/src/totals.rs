//! Asks the service what the final count of a walk needs to know.

use std::sync::Arc;

use billing_model::{TimeWindow, Timestamp};

use crate::client::Client;
use crate::count::count;
use crate::endpoint::Route;
use crate::error::{Error, ErrorKind};
use crate::final_count::{FinalCount, Question, Step, Verdict};
use crate::planner::{LEAST_WINDOW, earlier};
use crate::reply::Failure;
use crate::walk::Walk;
use crate::walker::{Shared, Walker, WindowPage};

/// Compares a walk with the service's own count. Each part may have been right, and yet an entry may have come, late, into one
/// that was walked already.
pub(crate) async fn compare(
    client: &Client,
    walk: &Walk,
    shared: &Arc<Shared>,
    count: &FinalCount,
) -> Result<Verdict, Error> {
    let mut step = count.first();
    loop {
        let question = match step {
            Step::Ask(question) => question,
            Step::End(verdict) => return Ok(verdict),
        };
        let answer = match question {
            Question::Window => entries_of(client, walk, shared).await?,
            Question::Total { since } | Question::TotalAgain { since, .. } => {
                total_of(client, walk, since).await?
            }
            Question::AtEnd { end, .. } => count_at_end(client, walk, shared, end).await?,
        };
        step = count.after(question, answer);
    }
}

/// Entries from an instant on up to the end of a walk, the end included; `None` when the service no longer says.
async fn total_of(client: &Client, walk: &Walk, since: Option<Timestamp>) -> Result<Option<u64>, Error> {
    match count(client, walk, since, walk.window.until()).await {
        Ok(total) => Ok(Some(total)),
        Err(Failure { error, .. }) if error.kind() == ErrorKind::Gone => Ok(None),
        // A service that fails on wide windows cannot count one, and the walk has got through it in parts.
        Err(Failure { error, .. }) if client.is_for_narrowing(&error) => Ok(None),
        Err(Failure { error, .. }) => Err(error),
    }
}

/// Entries at the end of a window or behind it, which the service counts to the window: the rest of the millisecond in which
/// it ends, and the end itself. They come when the last minutes of the window are walked. `None` when the service does not say.
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
            // There may be nothing, and there are services that hang on that.
            Err(error) if client.is_for_narrowing(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// How many entries come when all of the window is read once more; `None` when the endpoint that counts has gone.
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
