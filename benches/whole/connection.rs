//! A connection that sends requests and reads only the bytes of the answers, so that no client's cost is measured.

use anyhow::{Context, Result, bail};
use billing_testkit::wire::{self, Answer, Request};

/// The most bytes of an unexpected answer that are shown.
const SHOWN: usize = 500;

/// A connection that stays open, and the headers of its requests.
pub(super) struct Connection {
    wire: wire::Connection,
    /// The prefix of each target, `/api/v1`.
    base: String,
    headers: Vec<(&'static str, String)>,
}

impl Connection {
    /// Connects to the service at `http://host:port/base`, with headers for all requests.
    ///
    /// # Errors
    /// When no connection can be made.
    pub(super) fn open(base_url: &str, headers: Vec<(&'static str, String)>) -> Result<Self> {
        let wire = wire::Connection::to(base_url).with_context(|| format!("cannot connect to {base_url}"))?;
        let place = base_url.trim_start_matches("http://");
        let base = place.find('/').map_or("", |slash| &place[slash..]).to_owned();
        Ok(Self { wire, base, headers })
    }

    /// Connects with a key.
    ///
    /// # Errors
    /// When no connection can be made.
    pub(super) fn bearer(base_url: &str, key: &str) -> Result<Self> {
        Self::open(base_url, vec![("authorization", format!("Bearer {key}"))])
    }

    /// Connects with a key, and asks for answers in an encoding.
    ///
    /// # Errors
    /// When no connection can be made.
    pub(super) fn encoded(base_url: &str, key: &str, encoding: &str) -> Result<Self> {
        let mut connection = Self::bearer(base_url, key)?;
        connection.headers.push(("accept-encoding", encoding.to_owned()));
        Ok(connection)
    }

    /// Fetches a target, and returns the answer as it came.
    ///
    /// # Errors
    /// When the answer is not whole, or its status is not 200.
    pub(super) fn get(&mut self, target: &str) -> Result<Answer<'_>> {
        let request = Request::get(&[&self.base, target].concat());
        self.ask(request, 200).with_context(|| format!("GET {target}"))
    }

    /// Sends entries, and waits until they are recorded.
    ///
    /// # Errors
    /// When the answer is not whole, or its status is not 201.
    pub(super) fn post(&mut self, target: &str, idempotency_key: &str, ndjson: &[u8]) -> Result<()> {
        let request = Request::post(&[&self.base, target].concat(), ndjson)
            .header("content-type", "application/x-ndjson")
            .header("idempotency-key", idempotency_key);
        self.ask(request, 201).with_context(|| format!("POST {target}"))?;
        Ok(())
    }

    fn ask(&mut self, request: Request, expected: u16) -> Result<Answer<'_>> {
        let request = self.headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        let answer = self.wire.ask(&request)?;
        if answer.status != expected {
            let said = String::from_utf8_lossy(&answer.body()[..answer.body().len().min(SHOWN)]);
            bail!("answered with {}, not {expected}: {said}", answer.status);
        }
        Ok(answer)
    }
}

/// The target of the page of `usage-history` after this one; `None` after the last page.
pub(super) fn next_target(page: &[u8]) -> Option<String> {
    billing_benches::next_cursor(page).map(|cursor| format!("/billing/usage-history?cursor={cursor}"))
}
