//! HTTP/1.1 as far as it takes to ask and to read the bytes of an answer, so that a client's own cost is left out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// No answer takes as long: a server that hangs must not hang the run.
const PATIENCE: Duration = Duration::from_secs(60);

/// Room for the largest pages from the start: growing is the client's cost.
const BODY_BYTES: usize = 1 << 20;

/// A connection that stays open, and the last answer on it.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    /// The `host:port` of the service.
    host: String,
    /// What stands before each target, `/api/v1`.
    base: String,
    /// Sent with each request, whole lines.
    headers: String,
    head: String,
    /// As long as the longest answer: it is never filled with zeros again.
    body: Vec<u8>,
}

impl Connection {
    /// Connects to the service at `http://host:port/base`, with headers for all requests, each ending with a line break.
    ///
    /// # Errors
    /// When nobody listens.
    pub(super) fn open(base_url: &str, headers: &str) -> Result<Self> {
        let place = base_url.trim_start_matches("http://");
        let (host, base) = place.find('/').map_or((place, ""), |slash| place.split_at(slash));
        let stream = TcpStream::connect(host).with_context(|| format!("cannot connect to {host}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
            host: host.to_owned(),
            base: base.to_owned(),
            headers: headers.to_owned(),
            head: String::new(),
            body: vec![0; BODY_BYTES],
        })
    }

    /// Connects as the holder of a key.
    ///
    /// # Errors
    /// When nobody listens.
    pub(super) fn bearer(base_url: &str, key: &str) -> Result<Self> {
        Self::open(base_url, &format!("authorization: Bearer {key}\r\n"))
    }

    /// The same, asking for answers in an encoding.
    ///
    /// # Errors
    /// When nobody listens.
    pub(super) fn encoded(base_url: &str, key: &str, encoding: &str) -> Result<Self> {
        Self::open(base_url, &format!("authorization: Bearer {key}\r\naccept-encoding: {encoding}\r\n"))
    }

    /// Asks for a target, and gives the body of the answer as it came.
    ///
    /// # Errors
    /// When the answer is not a whole one of status 200.
    pub(super) fn get(&mut self, target: &str) -> Result<&[u8]> {
        self.send("GET", target, "", b"")
            .and_then(|()| self.receive(200))
            .with_context(|| format!("GET {target}"))
    }

    /// Sends entries, and waits until they are recorded.
    ///
    /// # Errors
    /// When the answer is not a whole one of status 201.
    pub(super) fn post(&mut self, target: &str, idempotency_key: &str, ndjson: &[u8]) -> Result<()> {
        let headers = format!(
            "content-type: application/x-ndjson\r\nidempotency-key: {idempotency_key}\r\ncontent-length: {}\r\n",
            ndjson.len()
        );
        let sent = self.send("POST", target, &headers, ndjson);
        sent.and_then(|()| self.receive(201)).with_context(|| format!("POST {target}"))?;
        Ok(())
    }

    /// A header of the last answer.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn send(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) -> Result<()> {
        let Self { stream, host, base, headers: always, .. } = self;
        let head = format!("{method} {base}{target} HTTP/1.1\r\nhost: {host}\r\n{always}{headers}\r\n");
        let stream = stream.get_mut();
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        Ok(())
    }

    fn receive(&mut self, expected: u16) -> Result<&[u8]> {
        self.head.clear();
        while !self.head.ends_with("\r\n\r\n") {
            ensure!(self.stream.read_line(&mut self.head)? > 0, "the connection was closed");
        }
        let length = match self.header("content-length").map(str::parse) {
            Some(length) => self.receive_exact(length.context("a length that is no number")?)?,
            None => self.receive_chunks()?,
        };
        let body = &self.body[..length];
        let status = self.head.split(' ').nth(1).unwrap_or_default();
        if status != expected.to_string() {
            let said = String::from_utf8_lossy(&body[..length.min(500)]);
            bail!("answered with {status}, not {expected}: {said}");
        }
        Ok(body)
    }

    fn receive_exact(&mut self, length: usize) -> Result<usize> {
        self.make_room(length);
        self.stream.read_exact(&mut self.body[..length])?;
        Ok(length)
    }

    /// RFC 9112 7.1, without trailers.
    fn receive_chunks(&mut self) -> Result<usize> {
        ensure!(self.header("transfer-encoding").is_some(), "an answer without an end");
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let size = line.trim_end().split(';').next().unwrap_or_default();
            let size =
                usize::from_str_radix(size, 16).with_context(|| format!("`{size}` is no size of a chunk"))?;
            self.make_room(length + size);
            self.stream.read_exact(&mut self.body[length..length + size])?;
            length += size;
            // The line break behind a chunk; behind the last one, which is empty, the end of the answer.
            self.stream.read_exact(&mut [0; 2])?;
            if size == 0 {
                return Ok(length);
            }
        }
    }

    fn make_room(&mut self, length: usize) {
        if length > self.body.len() {
            self.body.resize(length.next_power_of_two(), 0);
        }
    }
}

/// The target of the page of `usage-history` after this one; `None` behind the last. Its cursor stands behind the
/// entries, whose texts could hold anything, and has at most 512 characters.
pub(super) fn next_target(body: &[u8]) -> Option<String> {
    let tail = String::from_utf8_lossy(&body[body.len().saturating_sub(600)..]);
    let (_, cursor) = tail.rsplit_once("\"nextCursor\":\"")?;
    let (cursor, _) = cursor.split_once('"')?;
    Some(format!("/billing/usage-history?cursor={cursor}"))
}
