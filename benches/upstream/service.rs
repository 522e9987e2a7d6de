//! HTTP/1.1 as far as a client needs it that only asks for pages: connections that stay open, and a length.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};

use crate::ledger::{Body, Ledger, error};

/// A head that is longer is none of a billing client.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// A ledger, how late its answers are, and who asked.
pub(crate) struct Service {
    ledger: Ledger,
    latency: Duration,
    /// How long the requests are kept that it does not answer well; `None` answers all of them.
    hang: Option<Duration>,
    requests: AtomicU64,
    hung: AtomicU64,
    /// Requests that wait for their answer now, and the most of them that did at once.
    held: AtomicU64,
    most_held: AtomicU64,
    bytes: AtomicU64,
}

/// What happened since it was last asked.
pub(crate) struct Counts {
    pub(crate) requests: u64,
    /// Requests that were held at once, at most.
    pub(crate) most_held: u64,
    /// Bytes of the answers' bodies.
    pub(crate) bytes: u64,
    /// Requests that were answered with 500 after a long time, or whose client did not wait for it.
    pub(crate) hung: u64,
}

impl Service {
    pub(crate) fn new(ledger: Ledger, latency: Duration, hang: Option<Duration>) -> Self {
        let zero = || AtomicU64::new(0);
        let (requests, hung, held, most_held, bytes) = (zero(), zero(), zero(), zero(), zero());
        Self { ledger, latency, hang, requests, hung, held, most_held, bytes }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What happened since the last call.
    pub(crate) fn take_counts(&self) -> Counts {
        let take = |count: &AtomicU64| count.swap(0, Relaxed);
        let (requests, hung) = (take(&self.requests), take(&self.hung));
        Counts { requests, most_held: take(&self.most_held), bytes: take(&self.bytes), hung }
    }

    pub(crate) async fn accept_all(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let service = Arc::clone(&self);
            // A client that goes away is its own affair.
            tokio::spawn(async move { service.answer_all(stream).await });
        }
    }

    /// Answers the requests of one connection, until the client closes it.
    async fn answer_all(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut asked, mut answer) = (Vec::new(), Vec::new());
        while let Some(target) = read_target(&mut stream, &mut asked).await? {
            self.requests.fetch_add(1, Relaxed);
            self.most_held.fetch_max(self.held.fetch_add(1, Relaxed) + 1, Relaxed);
            let sent = match self.hang.filter(|_| self.ledger.is_narrow_or_empty(&target)) {
                None => {
                    if !self.latency.is_zero() {
                        tokio::time::sleep(self.latency).await;
                    }
                    self.write_answer(self.ledger.answer(&target), &mut answer);
                    stream.write_all(&answer).await
                }
                Some(hang) => {
                    self.hung.fetch_add(1, Relaxed);
                    self.write_answer(Err(error(500, "Internal server error")), &mut answer);
                    match stays(&mut stream, &mut asked, hang).await {
                        Ok(()) => stream.write_all(&answer).await,
                        left => left,
                    }
                }
            };
            self.held.fetch_sub(1, Relaxed);
            sent?;
        }
        Ok(())
    }

    fn write_answer(&self, answer: Result<Body<'_>, (u16, Body<'static>)>, out: &mut Vec<u8>) {
        let (status, body) = match answer {
            Ok(body) => (200, body),
            Err(refused) => refused,
        };
        let date = httpdate::fmt_http_date(SystemTime::now());
        let head = format!(
            "HTTP/1.1 {status} Scripted\r\ndate: {date}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        // Before it is sent: whoever has the answer finds it counted.
        self.bytes.fetch_add(body.len() as u64, Relaxed);
        out.clear();
        out.extend_from_slice(head.as_bytes());
        body.append_to(out);
    }
}

/// Waits for so long, unless the client leaves: a request that nobody waits for is not held.
async fn stays(stream: &mut TcpStream, asked: &mut Vec<u8>, wait: Duration) -> io::Result<()> {
    let end = Instant::now() + wait;
    // What comes meanwhile is the next request, and waits its turn.
    while let Ok(read) = timeout_at(end, stream.read_buf(asked)).await {
        if read? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// Reads the head of a request, which has no body, and gives what it asks for; `None` at the end of the connection.
async fn read_target(stream: &mut TcpStream, asked: &mut Vec<u8>) -> io::Result<Option<String>> {
    let end = loop {
        if let Some(at) = asked.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if asked.len() > MAX_HEAD_BYTES || stream.read_buf(asked).await? == 0 {
            return Ok(None);
        }
    };
    let head: Vec<u8> = asked.drain(..end).collect();
    let head = String::from_utf8_lossy(&head);
    let target = head.strip_prefix("GET ").and_then(|rest| rest.split(' ').next());
    Ok(target.map(str::to_owned))
}
