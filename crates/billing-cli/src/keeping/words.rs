//! What was done, in words.

use std::time::Duration;

use billing_http::Traffic;
use billing_model::Timestamp;
use billing_sync::Tally;

use crate::text;

/// `43,635 entries added, 12 of them late, 3 changed, 1 vanished`; what is none is left out.
pub(crate) fn what_was_done(done: Tally, would_be: bool) -> String {
    let would_be = if would_be { " would be" } else { "" };
    let mut parts = Vec::new();
    if done.added > 0 {
        parts.push(format!("{}{would_be} added", text::entries(done.added)));
    }
    if done.late > 0 {
        parts.push(format!("{} of them late", text::grouped(done.late)));
    }
    for (count, what) in [(done.changed, "changed"), (done.vanished, "vanished")] {
        if count > 0 {
            parts.push(format!("{} {what}", text::grouped(count)));
        }
    }
    match (parts.is_empty(), would_be) {
        (true, "") => "nothing changed".to_owned(),
        (true, _) => "nothing would change".to_owned(),
        (false, _) => parts.join(", "),
    }
}

/// `1 request`, `12 requests`, with those that were repeated.
pub(crate) fn requests(traffic: Traffic, elapsed: Duration) -> String {
    let noun = if traffic.requests == 1 { "request" } else { "requests" };
    let retries = match traffic.retries {
        0 => String::new(),
        retries => format!(" ({} repeated)", text::grouped(retries)),
    };
    format!("{} {noun}{retries} in {}", text::grouped(traffic.requests), text::seconds(elapsed))
}

/// An instant as text, where there is one.
pub(crate) fn instant(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
