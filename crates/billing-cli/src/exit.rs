//! Failures of commands: the exit code, the line that says what happened, and the hints that say what to do.

use std::fmt;
use std::process::ExitCode;

use billing_http::{CertificateFault, ErrorKind};
use billing_ledger::ErrorKind as LedgerErrorKind;
use billing_model::BadRows;
use billing_sink::{DrainError, ErrorKind as SinkErrorKind};

use crate::terminal;

/// What is said of a service that asks to come back later than there was patience for.
pub(crate) const MORE_PATIENCE: &str =
    "the service asks for patience; try again later, or allow more with --max-wait";

/// The exit codes. They change only with a line in the CHANGELOG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success. As a failure it means that the reader of stdout has gone, which is none.
    Done = 0,
    Failed = 1,
    Usage = 2,
    Differs = 3,
    Key = 4,
    Unreachable = 5,
    Incomplete = 6,
    /// Ended by SIGINT or SIGHUP: 128 and the number of SIGINT, as in shells.
    Interrupted = 130,
    /// Ended by SIGTERM.
    Terminated = 143,
}

/// Why a command did not do what it was asked to do. It is shown on one line, with its causes.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
    hints: Vec<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into(), hints: Vec::new() }
    }

    pub(crate) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Failed, error)
    }

    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Usage, error)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a hint before the others.
    pub(crate) fn hint_first(mut self, hint: impl Into<String>) -> Self {
        self.hints.insert(0, hint.into());
        self
    }

    /// The only hint: it says better than the others where to look.
    pub(crate) fn hint_instead(mut self, hint: impl Into<String>) -> Self {
        self.hints = vec![hint.into()];
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// The error that it is, if it is one of this type.
    pub(crate) fn of<E: std::error::Error + Send + Sync + 'static>(&self) -> Option<&E> {
        self.error.downcast_ref()
    }

    /// What kind of failure of the service it is, if it is one.
    pub(crate) fn of_service(&self) -> Option<ErrorKind> {
        self.of::<billing_http::Error>().map(billing_http::Error::kind)
    }

    /// What kind of failure of a ledger it is, if it is one.
    pub(crate) fn of_ledger(&self) -> Option<LedgerErrorKind> {
        self.of::<billing_ledger::Error>().map(billing_ledger::Error::kind)
    }

    /// Adds what the command was doing.
    pub(crate) fn context(mut self, doing: impl std::fmt::Display + Send + Sync + 'static) -> Self {
        self.error = self.error.context(doing);
        self
    }

    /// Writes the error and the hints to stderr, and returns the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if self.exit != Exit::Done {
            self.report_error();
            self.hints.iter().for_each(|hint| terminal::hint(hint));
        }
        ExitCode::from(self.exit as u8)
    }

    /// Writes the error on one line. When it is about several rows, each row has one more line.
    fn report_error(&self) {
        let bad_rows = self.error.chain().last().and_then(|cause| cause.downcast_ref::<BadRows>());
        let Some(bad_rows) = bad_rows else { return terminal::error(&self.to_string()) };
        let levels = self.error.chain().count() - 1;
        let doing: Vec<_> = self.error.chain().take(levels).map(ToString::to_string).collect();
        terminal::error(&doing.join(": "));
        bad_rows.lines().for_each(|line| terminal::detail(&line));
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl From<billing_http::Error> for Failure {
    fn from(error: billing_http::Error) -> Self {
        let (exit, hint) = match error.kind() {
            ErrorKind::InvalidUrl => (Exit::Usage, "a base URL looks like https://api.venice.ai/api/v1"),
            ErrorKind::InsecureUrl => (Exit::Usage, "the key goes only over https, or to this machine"),
            ErrorKind::InvalidKey => {
                (Exit::Key, "the key is the one line that the service showed when it was made")
            }
            ErrorKind::EmptyWindow => {
                (Exit::Usage, "the present is the service's; give a --since that lies before it")
            }
            ErrorKind::Unauthorized => {
                (Exit::Key, "an admin key of this service is needed; an inference key is refused")
            }
            ErrorKind::Unsupported => {
                (Exit::Usage, "give another --currency, or none: then all entries come")
            }
            ErrorKind::NotFound => (
                Exit::Unreachable,
                "nothing of the billing API is there: check --base-url, and its path, such as /api/v1",
            ),
            ErrorKind::Gone => {
                (Exit::Unreachable, "the service ended this endpoint; try the other --endpoint")
            }
            ErrorKind::Unreachable => (Exit::Unreachable, "check --base-url and the network"),
            ErrorKind::NoAnswer => {
                (Exit::Unreachable, "nobody answers there: check --base-url, or try again later")
            }
            ErrorKind::Proxy => (
                Exit::Unreachable,
                "check --proxy, HTTPS_PROXY, ALL_PROXY; --no-proxy and NO_PROXY go without",
            ),
            ErrorKind::Protocol => (Exit::Unreachable, "check --base-url: https or http, and the port"),
            ErrorKind::Tls => (Exit::Unreachable, tls_hint(error.certificate_fault())),
            // Not Implemented, HTTP Version Not Supported, Network Authentication Required.
            ErrorKind::Unavailable if matches!(error.status(), Some(501 | 505 | 511)) => {
                (Exit::Unreachable, "check --base-url; a proxy or a login page may be in between")
            }
            ErrorKind::Unavailable | ErrorKind::RateLimited if error.asks_for_patience() => {
                (Exit::Unreachable, MORE_PATIENCE)
            }
            ErrorKind::Unavailable => (Exit::Unreachable, "the service fails; try again later"),
            ErrorKind::RateLimited => (Exit::Unreachable, MORE_PATIENCE),
            ErrorKind::Interrupted => {
                (Exit::Incomplete, "nothing is lost; try again, or a smaller --page-size")
            }
            ErrorKind::Moved => {
                (Exit::Incomplete, "entries arrived meanwhile; run it again, or end the window earlier")
            }
            ErrorKind::Inconsistent | ErrorKind::CursorLost | ErrorKind::TooManyPages => {
                (Exit::Incomplete, "the service contradicts itself; try again, or the other --endpoint")
            }
            ErrorKind::Redirected => {
                (Exit::Failed, "check --base-url: the key does not follow a redirect to another place")
            }
            ErrorKind::NotTheApi => (
                Exit::Failed,
                "check --base-url; a proxy or a login page may be in between, or a page is too large: try a smaller --page-size",
            ),
            ErrorKind::Malformed => {
                (Exit::Failed, "nothing was rounded or left out; report this if the service is right")
            }
            ErrorKind::BatchRefused => {
                (Exit::Failed, "nothing of the batch was stored; mend these rows and send it again")
            }
            ErrorKind::IdempotencyConflict => (
                Exit::Usage,
                "the entries of the first batch are recorded already; send only the new ones, under another key",
            ),
            ErrorKind::AccountSynced => (
                Exit::Failed,
                "nothing was stored; record into another account, with an ingest key of that one",
            ),
            ErrorKind::BatchTooLarge => {
                (Exit::Failed, "nothing was stored; send it as several, each under a key of its own")
            }
            ErrorKind::InvalidIdempotencyKey => {
                (Exit::Usage, "a name of the batch without spaces is one, such as gateway-1:2026-06-14")
            }
            ErrorKind::Setup => {
                (Exit::Failed, "whom to trust is in --cacert FILE (PEM), else in SSL_CERT_FILE")
            }
            _ => return Self::failed(error),
        };
        Self::new(exit, error).hint(hint)
    }
}

/// The hint for a failed TLS handshake, which depends on what is wrong with the certificate.
fn tls_hint(fault: Option<CertificateFault>) -> &'static str {
    match fault {
        Some(CertificateFault::UnknownIssuer) => {
            "if you know the issuer, trust it with --cacert FILE (PEM) or SSL_CERT_FILE"
        }
        Some(CertificateFault::OtherName) => "check the host in --base-url: the key goes to nobody else",
        Some(CertificateFault::Expired | CertificateFault::NotYetValid) => {
            "is this machine's clock right? otherwise the service has to renew it"
        }
        Some(CertificateFault::Authority) => {
            "the service needs a certificate of its own, signed by this one (CA:FALSE)"
        }
        _ => "ask whoever runs the service; this program shows no client certificate",
    }
}

impl From<billing_sink::Error> for Failure {
    fn from(error: billing_sink::Error) -> Self {
        match &error {
            gone if gone.is_broken_pipe() => Self::new(Exit::Done, error),
            full if full.is_storage_full() => {
                let hint = match full.kind() {
                    // In the last steps the new file, which is whole, may already be in the place of the old one.
                    SinkErrorKind::Commit | SinkErrorKind::Remove => "the disk is full",
                    // On stdout there is no earlier file.
                    _ if full.path().is_none() => "the disk is full",
                    _ => "the disk is full; a file that was there before is as it was",
                };
                Self::failed(error).hint(hint)
            }
            other if other.kind() == SinkErrorKind::OtherArguments => Self::usage(error).hint(
                "give the same arguments to go on with it, or --restart to throw it away and begin anew",
            ),
            left if left.is_restartable() => {
                Self::failed(error).hint("--restart throws it away and begins anew")
            }
            other if other.kind() == SinkErrorKind::CheckpointInTheWay => {
                Self::failed(error).hint("move it away, or choose another -o")
            }
            busy if busy.is_busy() => {
                Self::failed(error).hint("wait for the other run, or choose another -o")
            }
            _ => Self::failed(error),
        }
    }
}

impl<E: Into<Failure>> From<DrainError<E, billing_sink::Error>> for Failure {
    fn from(error: DrainError<E, billing_sink::Error>) -> Self {
        match error {
            DrainError::Pages(error) => error.into(),
            DrainError::Sink(error) => error.into(),
        }
    }
}

impl From<billing_ledger::Error> for Failure {
    fn from(error: billing_ledger::Error) -> Self {
        match error.kind() {
            LedgerErrorKind::NotFound => {
                Self::failed(error).hint("billing sync, billing import and billing keys create make one")
            }
            LedgerErrorKind::Away => Self::new(Exit::Unreachable, error).hint(
                "check the host and the port in the URL, and whether the database lets this machine in",
            ),
            LedgerErrorKind::UnfinishedCopy => {
                Self::failed(error).hint("the same `billing ledger copy` goes on with it")
            }
            LedgerErrorKind::OutcomeNotKnown => {
                Self::new(Exit::Incomplete, error).hint("look whether it is there before you do it again")
            }
            _ => Self::failed(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_http::{ApiKey, Client, RetryPolicy};
    use billing_model::{HistoryQuery, HistoryRequest, PageRequest};
    use billing_testkit::{Reply, Upstream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    const PAGE: &str = r#"{"data":[],"nextCursor":null}"#;

    /// A client whose waits between tries take no time.
    fn client(base_url: String, try_timeout: Duration, max_tries: u32) -> Client {
        let policy = RetryPolicy { max_tries, ..RetryPolicy::default() };
        let builder = Client::builder(base_url, ApiKey::new("any-key").unwrap()).retry(policy);
        let builder = builder.try_timeout(try_timeout).sleep(|_| Box::pin(std::future::ready(())));
        builder.build().unwrap()
    }

    async fn page(client: &Client) -> Result<billing_model::Page, billing_http::Error> {
        let request = HistoryRequest::First(HistoryQuery::builder().build().unwrap());
        client.page(&PageRequest::ByCursor(request)).await
    }

    /// The error, hints and exit code of a failed page. Address and time are replaced by words.
    async fn said(client: &Client, address: &str) -> String {
        let failure = Failure::from(page(client).await.unwrap_err());
        let text = format!("{:#}", failure.error).replace(address, "ADDRESS");
        // The text has `(tried 5 times in 2.3s)`.
        let text = match text.split_once(" times in ") {
            Some((before, rest)) => format!("{before} times in TIME{}", &rest[rest.find(')').unwrap()..]),
            None => text,
        };
        let hints: Vec<_> = failure.hints.iter().map(|hint| format!("hint: {hint}")).collect();
        format!("error: {text}\n{}\nexit code {}", hints.join("\n"), failure.exit as u8)
    }

    /// The error, hints and exit code for a service that always gives this reply.
    async fn said_of(reply: Reply, try_timeout: Duration, max_tries: u32) -> String {
        let upstream = Upstream::start(move |_| reply.clone()).await;
        let base_url = upstream.base_url();
        let address = base_url.trim_start_matches("http://").trim_end_matches("/api/v1").to_owned();
        said(&client(base_url, try_timeout, max_tries), &address).await
    }

    #[tokio::test]
    async fn a_service_that_does_not_answer_is_unreachable() {
        let (ample, short) = (Duration::from_secs(60), Duration::from_millis(20));
        insta::assert_snapshot!(said_of(Reply::json(200, PAGE).stalled(), short, 2).await, @"
        error: GET http://ADDRESS/api/v1/billing/usage-history: no answer within 20ms (tried 2 times in TIME)
        hint: nobody answers there: check --base-url, or try again later
        exit code 5
        ");
        insta::assert_snapshot!(said_of(Reply::json(200, PAGE).closed(), ample, 10).await, @"
        error: GET http://ADDRESS/api/v1/billing/usage-history: the connection ended before an answer (tried 10 times in TIME): connection closed before message completed
        hint: nobody answers there: check --base-url, or try again later
        exit code 5
        ");
        insta::assert_snapshot!(said_of(Reply::new(520, "text/html", "<h1>x</h1>"), ample, 10).await, @"
        error: GET http://ADDRESS/api/v1/billing/usage-history: 520 the service failed (tried 10 times in TIME)
        hint: the service fails; try again later
        exit code 5
        ");
    }

    #[tokio::test]
    async fn a_service_that_answered_before_and_says_nothing_more_is_unreachable() {
        let is_silent = Arc::new(AtomicBool::new(false));
        let looked_at = Arc::clone(&is_silent);
        let upstream = Upstream::start(move |_| {
            let reply = Reply::json(200, PAGE);
            if looked_at.load(Ordering::Relaxed) { reply.stalled() } else { reply }
        })
        .await;
        let base_url = upstream.base_url();
        let address = base_url.trim_start_matches("http://").trim_end_matches("/api/v1").to_owned();
        let client = client(base_url, Duration::from_millis(20), 10);
        // On a busy machine even a good answer may take longer than the limit.
        while page(&client).await.is_err() {}
        is_silent.store(true, Ordering::Relaxed);
        insta::assert_snapshot!(said(&client, &address).await, @"
        error: GET http://ADDRESS/api/v1/billing/usage-history: no answer within 20ms (tried 10 times in TIME)
        hint: nobody answers there: check --base-url, or try again later
        exit code 5
        ");
    }

    #[tokio::test]
    async fn an_answer_that_breaks_off_every_time_is_incomplete() {
        let (ample, short) = (Duration::from_secs(60), Duration::from_millis(500));
        insta::assert_snapshot!(said_of(Reply::json(200, PAGE).cut_at(5), ample, 10).await, @"
        error: GET http://ADDRESS/api/v1/billing/usage-history: the connection broke within the answer (tried 10 times in TIME): end of file before message length reached
        hint: nothing is lost; try again, or a smaller --page-size
        exit code 6
        ");
        insta::assert_snapshot!(said_of(Reply::json(200, PAGE).cut_at(5).stalled(), short, 1).await, @"
        error: GET http://ADDRESS/api/v1/billing/usage-history: timed out within the answer
        hint: nothing is lost; try again, or a smaller --page-size
        exit code 6
        ");
    }
}
