//! What was typed of a window and of a walk, checked: times, and what an endpoint takes. Errors have the names of the flags.

use anyhow::anyhow;
use billing_model::{Fault, QueryError, TimeWordError, Timestamp, TypedTime, TypedWindow};
use chrono::Utc;

use crate::args::page_sizes;
use crate::exit::Failure;

/// The window of `--since` and `--until`.
pub(crate) fn window(since: Option<&str>, until: Option<&str>) -> Result<TypedWindow, Failure> {
    let time = |flag: &str, text: Option<&str>| {
        text.map(|text| text.parse().map_err(|error| wrong(flag, error))).transpose()
    };
    checked(TypedWindow { since: time("--since", since)?, until: time("--until", until)? })
}

/// The window of `--month`.
pub(crate) fn month(text: &str) -> Result<TypedWindow, Failure> {
    checked(TypedWindow::month(text).map_err(|error| wrong("--month", error))?)
}

fn wrong(flag: &str, error: TimeWordError) -> Failure {
    Failure::usage(anyhow!("{flag}: {error}"))
}

/// Refuses times that are wrong whatever the present is, and spans that reach back before all of time.
pub(crate) fn checked(window: TypedWindow) -> Result<TypedWindow, Failure> {
    let now = Timestamp::from(Utc::now());
    let time = |flag: &str, time: TypedTime| {
        time.at(now).ok_or_else(|| Failure::usage(anyhow!("{flag} lies before all of time")))
    };
    let since = window.since.map(|since| time("--since", since)).transpose()?;
    let until = window.until.map(|until| time("--until", until)).transpose()?;
    match (since, until) {
        (Some(since), Some(until)) if window.is_always_empty() => {
            Err(Failure::usage(anyhow!("the window is empty: --since {since} is not before --until {until}")))
        }
        _ => Ok(window),
    }
}

/// The failure for a query that was refused.
pub(crate) fn refused(refused: &QueryError, page_size: Option<u32>) -> Failure {
    let fault = |fault: &Fault| match fault.field {
        Some("limit" | "pageSize") => {
            let size = page_size.unwrap_or_default();
            format!("--page-size: {size} is out of range; {}", page_sizes())
        }
        Some(field) => format!("--{field}: {}", fault.message),
        None => fault.message.clone(),
    };
    Failure::usage(anyhow!(refused.faults().iter().map(fault).collect::<Vec<_>>().join("; ")))
}
