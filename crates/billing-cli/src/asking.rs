//! One question to a service: what the commands that ask once have in common. They say what they wait for, and what it may
//! mean that there is no answer.

use std::error::Error as _;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::anyhow;
use billing_http::{ApiKey, Client, ErrorKind, Event, RetryPolicy};
use indicatif::ProgressBar;

use crate::args::AskedOnce;
use crate::base_url::{is_venice, with_path};
use crate::exit::{Exit, Failure, MORE_PATIENCE};
use crate::interrupt::{self, Cause};
use crate::key_source::{self, Needed};
use crate::network::Network;
use crate::progress::moving_line;
use crate::runtime::runtime;
use crate::terminal;

/// A wait shorter than this needs no words where there is no moving line.
const WORTH_SAYING: Duration = Duration::from_secs(5);

/// What is said when nobody knows whether a batch was stored.
const SAFE_TO_REPEAT: &str =
    "run the same command again: under the same --idempotency-key it is recorded once";

/// What is said of an answer that is not the API's.
const NOT_THE_API: &str = "check --base-url; a proxy or a login page may be in between";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Balance,
    /// The spend of so many days.
    Analytics {
        days: usize,
    },
    /// Whether a batch is recorded.
    Batch,
}

/// Asks, and waits for the answer.
pub(crate) fn ask<T>(
    asked: &AskedOnce,
    question: Question,
    call: impl AsyncFnOnce(&Client) -> Result<T, billing_http::Error>,
) -> Result<T, Failure> {
    let service = &asked.service;
    let network = Network::new(service, |name| std::env::var_os(name))?;
    // Before the key is read: a base URL to which no key may go is wrong with any key.
    let keyless = network.of(Client::builder(&service.base_url, ApiKey::new("none")?)).build()?;
    if matches!(question, Question::Batch) && is_venice(keyless.base_url()) {
        return Err(Failure::usage(anyhow!("Venice takes no batches, so nothing was sent there"))
            .hint("name a service that does, a `billing serve`, with --base-url or BILLING_BASE_URL"));
    }
    let key = key_source::read(question.key(), service.api_key_file.as_deref())?;
    let which_key = key.described();
    let line = moving_line(false, "waiting for the service");
    let watched = (line.clone(), Mutex::<Waits>::default());
    let client = network
        .of(Client::builder(&service.base_url, key.key))
        .retry(policy(Duration::from_secs(asked.max_wait)))
        .observer(move |event| tell(event, &watched.0, &watched.1))
        .build()?;
    let runtime = runtime(1)?;
    let answer = runtime.block_on(async {
        let mut interrupted = interrupt::watch(false)?;
        tokio::select! {
            answer = call(&client) => Ok(answer),
            cause = interrupted.happens() => Err(question.interrupted(cause)),
        }
    });
    line.finish_and_clear();
    // A try that is still under way is of no more use.
    runtime.shutdown_background();
    answer?.map_err(|error| {
        let kind = error.kind();
        let is_no_receipt = came_of(&error).is_some_and(|cause| cause.kind() == ErrorKind::NotTheApi);
        let needs_patience = came_of(&error).is_some_and(billing_http::Error::asks_for_patience);
        let failure = question.failed(error);
        let may_be_at =
            || with_path(&service.base_url).map(|url| format!("the API may be at --base-url {url}"));
        match kind {
            ErrorKind::Unauthorized => failure.hint_first(which_key),
            ErrorKind::NotFound | ErrorKind::NotTheApi => match may_be_at() {
                Some(hint) => failure.hint_instead(hint),
                None => failure,
            },
            // Whatever took the batch, it was no server of batches, or there is something in front of it.
            ErrorKind::OutcomeUnknown if is_no_receipt => {
                failure.hint_first(may_be_at().unwrap_or_else(|| NOT_THE_API.to_owned()))
            }
            ErrorKind::OutcomeUnknown if needs_patience => failure.hint_first(MORE_PATIENCE),
            _ => failure,
        }
    })
}

/// The failure that a failure came of.
fn came_of(error: &billing_http::Error) -> Option<&billing_http::Error> {
    error.source()?.downcast_ref()
}

/// Patience for one long wait is patience for another, and no more: somebody waits for the answer.
fn policy(max_wait: Duration) -> RetryPolicy {
    let budget = max_wait.saturating_mul(2);
    let default = RetryPolicy::default();
    RetryPolicy { max_wait, budget, ..default }
}

impl Question {
    /// The key that opens it.
    fn key(self) -> Needed {
        match self {
            Self::Balance | Self::Analytics { .. } => Needed::Admin,
            Self::Batch => Needed::Ingest,
        }
    }

    /// What it means that there is no answer. What is the same for an export is said in the same words.
    fn failed(self, error: billing_http::Error) -> Failure {
        let is_rejected = |statuses: &[u16]| error.status().is_some_and(|status| statuses.contains(&status));
        let (exit, hint) = match (error.kind(), self) {
            (ErrorKind::Unauthorized, Self::Batch) => (
                Exit::Key,
                "an ingest key of this service is needed: `billing keys create --kind ingest` makes one"
                    .to_owned(),
            ),
            (ErrorKind::NotFound, _) => (Exit::Unreachable, self.not_there()),
            (ErrorKind::Rejected, _) if is_rejected(&[405]) => (Exit::Unreachable, self.not_there()),
            (ErrorKind::Gone, _) => (Exit::Unreachable, "the service has ended this route".to_owned()),
            (ErrorKind::Rejected, Self::Analytics { days }) if days > 90 && is_rejected(&[400, 422]) => (
                Exit::Usage,
                format!(
                    "{days} days may be more than the service sums up: Venice takes 90, `billing serve` 366"
                ),
            ),
            (ErrorKind::Unavailable, Self::Analytics { .. }) if is_rejected(&[504, 524]) => (
                Exit::Unreachable,
                "to sum up so many days may take the service too long: ask for fewer, or try again later"
                    .to_owned(),
            ),
            (ErrorKind::Interrupted, _) => {
                (Exit::Incomplete, "the answer broke off every time; try again".to_owned())
            }
            (ErrorKind::Inconsistent, _) => {
                (Exit::Incomplete, "the service contradicts itself: ask whoever runs it".to_owned())
            }
            (ErrorKind::NotTheApi, _) => (Exit::Failed, NOT_THE_API.to_owned()),
            (ErrorKind::OutcomeUnknown, _) => (Exit::Incomplete, SAFE_TO_REPEAT.to_owned()),
            _ => return error.into(),
        };
        Failure::new(exit, error).hint(hint)
    }

    /// What it means that the service has no such route.
    fn not_there(self) -> String {
        let may_be = match self {
            Self::Balance => "the service may tell no balance",
            Self::Analytics { .. } => "the service may have no analytics",
            Self::Batch => "the service may take no batches: `billing serve` does, Venice does not",
        };
        format!("{may_be}; otherwise check --base-url, and its path, such as /api/v1")
    }

    fn interrupted(self, cause: Cause) -> Failure {
        match self {
            Self::Balance | Self::Analytics { .. } => Failure::from(cause),
            Self::Batch => {
                Failure::new(cause.exit(), anyhow!("{cause}: whether the batch was stored is not known"))
                    .hint(SAFE_TO_REPEAT)
            }
        }
    }
}

/// Says what is waited for: on the moving line, or once for each wait that is much longer than those before.
fn tell(event: &Event<'_>, line: &ProgressBar, waits: &Mutex<Waits>) {
    let Some((text, wait)) = words(event, line.is_hidden()) else { return };
    if !line.is_hidden() {
        line.set_message(text);
    } else if waits.lock().is_ok_and(|mut waits| waits.are_worth_saying(wait)) {
        terminal::note(&text);
    }
}

/// What is waited for and for how long, in few words where a line moves.
fn words(event: &Event<'_>, in_full: bool) -> Option<(String, Duration)> {
    let seconds = |wait: &Duration| wait.as_millis().div_ceil(1000);
    match event {
        Event::Retrying { error, wait } => {
            let what = if in_full { error.to_string() } else { error.brief() };
            Some((format!("{what}; again in {} s", seconds(wait)), *wait))
        }
        Event::Waiting { wait } => {
            Some((format!("waiting {} s before the next request", seconds(wait)), *wait))
        }
        Event::Silent { path, waited, limit } => {
            let text = format!("waiting for /{path}, {} s of at most {} s", seconds(waited), seconds(limit));
            Some((text, *waited))
        }
        _ => None,
    }
}

/// The longest wait that there was.
#[derive(Debug, Default)]
struct Waits(Duration);

impl Waits {
    /// True for a wait that is long, and more than twice as long as those before.
    fn are_worth_saying(&mut self, wait: Duration) -> bool {
        let longest = self.0;
        self.0 = longest.max(wait);
        wait >= WORTH_SAYING && wait > longest.saturating_mul(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_said_when_it_is_news() {
        let mut waits = Waits::default();
        let said = [1, 4, 5, 9, 10, 21, 21, 42, 85].map(|s| waits.are_worth_saying(Duration::from_secs(s)));
        assert_eq!(said, [false, false, false, false, false, true, false, false, true]);
        assert!(Waits::default().are_worth_saying(WORTH_SAYING));
    }

    #[test]
    fn what_is_waited_for_is_in_the_words_of_an_export() {
        let (wait, limit) = (Duration::from_millis(6_100), Duration::from_secs(120));
        let error = Client::builder("ftp://x", ApiKey::new("k").unwrap()).build().err().unwrap();
        let path = "billing/balance";
        for (event, text) in [
            (Event::Waiting { wait }, "waiting 7 s before the next request".to_owned()),
            (
                Event::Silent { path, waited: wait, limit },
                "waiting for /billing/balance, 7 s of at most 120 s".to_owned(),
            ),
            (Event::Retrying { error: &error, wait }, format!("{error}; again in 7 s")),
        ] {
            assert_eq!(words(&event, true), Some((text, wait)));
        }
        let brief = format!("{}; again in 7 s", error.brief());
        assert_eq!(words(&Event::Retrying { error: &error, wait }, false), Some((brief, wait)));
        assert_eq!(words(&Event::CursorRefused, true), None);
    }

    #[test]
    fn patience_is_as_long_as_it_was_asked_for() {
        let policy = policy(Duration::from_secs(60));
        assert_eq!((policy.max_wait, policy.budget), (Duration::from_secs(60), Duration::from_secs(120)));
        assert_eq!(policy.max_tries, RetryPolicy::default().max_tries);
    }
}
