//! Attacks of a client that sends and reads as it likes. Each byte of an answer must arrive as it was written.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use billing_model::Timestamp;
use billing_sqlite::SqliteLedger;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::Conversations;
use crate::config::Config;
use crate::exchange::exchange;
use crate::routes::Routes;
use crate::service::Service;
use crate::slots::Slots;

/// No test waits for it; it ends one that hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// How often a full stream refuses bytes before it takes some more. Meanwhile the library does all that it can.
const FULL: usize = 40;

/// An answer that looks like what the library says to something that is not HTTP.
const POISON: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";

/// Pieces that a client sends.
type Pieces = Arc<Mutex<VecDeque<Vec<u8>>>>;

/// A client that sends pieces, and takes so many bytes at a time.
struct Narrow {
    input: Pieces,
    /// False when the client keeps still after its pieces, and does not say that there are no more.
    ends: bool,
    output: Arc<Mutex<Vec<u8>>>,
    /// Bytes that are taken at once: each number once, the last one from then on.
    room: VecDeque<usize>,
    full: usize,
    is_vectored: bool,
}

impl Narrow {
    fn take(&mut self, context: &Context<'_>, bytes: &[&[u8]]) -> Poll<io::Result<usize>> {
        if self.full > 0 {
            self.full -= 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.full = FULL;
        let room = if self.room.len() > 1 { self.room.pop_front() } else { self.room.front().copied() };
        let taken: Vec<u8> = bytes.concat().into_iter().take(room.unwrap()).collect();
        self.output.lock().unwrap().extend(&taken);
        Poll::Ready(Ok(taken.len()))
    }
}

impl AsyncRead for Narrow {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut input = self.input.lock().unwrap();
        let Some(mut piece) = input.pop_front() else {
            return if self.ends { Poll::Ready(Ok(())) } else { Poll::Pending };
        };
        let rest = piece.split_off(piece.len().min(buffer.remaining()));
        buffer.put_slice(&piece);
        if !rest.is_empty() {
            input.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Narrow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(context, &[bytes])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.take(context, &slices.iter().map(|slice| &**slice).collect::<Vec<_>>())
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct House {
    conversations: Conversations,
    _directory: TempDir,
}

/// This is how a batch is refused: not at once, and without reading its body.
async fn without_reading(_body: Body) -> &'static str {
    yield_now().await;
    POISON
}

impl House {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open_or_create(&directory.path().join("ledger.db")).unwrap();
        // Only the tests of slow clients have slow clients.
        let config = Config {
            header_timeout: Duration::from_millis(50),
            ..Config::new(|| Timestamp::from_unix_ns(0))
        };
        let config = Config { failed_request_limit: None, ..config };
        let service = Arc::new(Service::new(Arc::new(ledger), config.clone()));
        let router = Router::new()
            .route("/poison", get(async || POISON).post(without_reading))
            .layer(from_fn_with_state((service, Routes::Api), exchange));
        Self { conversations: Conversations::new(router, &config), _directory: directory }
    }

    /// What a client reads when it sends these pieces and takes so many bytes at a time. Dates are left out.
    async fn talk(&self, pieces: &[&str], room: &[usize], is_vectored: bool) -> String {
        self.talk_to(&sent(pieces), true, room, is_vectored).await
    }

    async fn talk_to(&self, input: &Pieces, ends: bool, room: &[usize], is_vectored: bool) -> String {
        let (input, output) = (Arc::clone(input), Arc::default());
        let room = room.iter().copied().collect();
        let narrow = Narrow { input, ends, output: Arc::clone(&output), room, full: 0, is_vectored };
        let (_stopping, stopped) = watch::channel(false);
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let slot = Slots::new(1, 1).take(peer.ip()).unwrap();
        timeout(LIMIT, self.conversations.hold(narrow, (peer, &slot), stopped)).await.unwrap();
        let output = String::from_utf8(output.lock().unwrap().clone()).unwrap();
        output.split_inclusive("\r\n").filter(|line| !line.starts_with("date: ")).collect()
    }

    /// Checks that the client reads the same, however much it takes at a time.
    async fn check(&self, pieces: &[&str], expect: &[&str]) {
        let expect = expect.concat();
        for is_vectored in [true, false] {
            for first in 1..expect.len() + 150 {
                for room in [&[first, 1 << 20][..], &[first, 1, 1 << 20]] {
                    let read = self.talk(pieces, room, is_vectored).await;
                    assert_eq!(read, expect, "{room:?} of {pieces:?}, vectored: {is_vectored}");
                }
            }
        }
    }
}

fn sent(pieces: &[&str]) -> Pieces {
    Arc::new(Mutex::new(pieces.iter().map(|piece| piece.as_bytes().to_vec()).collect()))
}

fn request(method: &str, more: &str) -> String {
    format!("{method} /poison HTTP/1.1\r\nhost: x\r\nx-request-id: 1\r\n{more}\r\n")
}

/// The answer to [`request`].
fn poison() -> String {
    answer(&format!("content-length: {}\r\n", POISON.len()))
}

/// The answer to the last [`request`].
fn last_poison() -> String {
    answer(&format!("content-length: {}\r\nconnection: close\r\n", POISON.len()))
}

fn answer(more: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\nx-request-id: 1\r\n{more}\r\n{POISON}"
    )
}

/// What is said to something that is not HTTP.
const NOT_HTTP: &str = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n\
    cache-control: no-store\r\ncontent-length: 45\r\n\r\n{\"error\":\"Bad request: this is not HTTP/1.1\"}";

#[tokio::test]
async fn an_answer_that_looks_like_a_refusal_arrives_as_it_is() {
    let (house, ask) = (House::new(), request("GET", ""));
    house.check(&[&ask], &[&poison()]).await;
    house.check(&[&ask, &ask], &[&poison(), &poison()]).await;
    house.check(&[&ask.repeat(2)], &[&poison(), &poison()]).await;
    let close = request("GET", "connection: close\r\n");
    house.check(&[&close], &[&last_poison()]).await;
}

#[tokio::test]
async fn what_is_not_http_after_an_answer_gets_a_body() {
    let (house, ask) = (House::new(), request("GET", ""));
    house.check(&["nonsense\r\n\r\n"], &[NOT_HTTP]).await;
    house.check(&[&ask, "nonsense\r\n\r\n"], &[&poison(), NOT_HTTP]).await;
    house.check(&[&format!("{ask}nonsense\r\n\r\n")], &[&poison(), NOT_HTTP]).await;
    let upgrade = request("GET", "upgrade: h2c\r\n");
    house.check(&[&upgrade, "nonsense\r\n\r\n"], &[&poison(), NOT_HTTP]).await;
}

/// When the rest of an unread body has come, the library goes on to the next request, though the answer was not sent
/// yet. An error that it then writes would stand in the middle of that answer.
#[tokio::test]
async fn nothing_is_read_after_a_body_that_nobody_read() {
    let house = House::new();
    let ask = request("POST", "content-length: 5\r\n");
    let answer = answer(&format!("connection: close\r\ncontent-length: {}\r\n", POISON.len()));
    house.check(&[&format!("{ask}12345nonsense\r\n\r\n")], &[&answer]).await;
    house.check(&[&ask, "12345nonsense\r\n\r\n"], &[&answer]).await;
    house.check(&[&ask, "12345", "nonsense\r\n\r\n"], &[&answer]).await;
}

/// The library ends a conversation in which an upgrade was asked for before its last answer was sent.
#[tokio::test]
async fn the_last_answer_arrives_though_an_upgrade_was_asked_for() {
    let house = House::new();
    let close = request("GET", "upgrade: h2c\r\nconnection: close\r\n");
    house.check(&[&close], &[&last_poison()]).await;
    let unread = request("POST", "upgrade: h2c\r\ncontent-length: 5\r\n");
    let answer = answer(&format!("connection: close\r\ncontent-length: {}\r\n", POISON.len()));
    house.check(&[&unread], &[&answer]).await;
}

#[tokio::test]
async fn what_the_library_leaves_without_an_answer_gets_one() {
    let (house, ask) = (House::new(), request("GET", ""));
    house.check(&["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], &[NOT_HTTP]).await;
    let broken_off = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n\
        cache-control: no-store\r\ncontent-length: 49\r\n\r\n{\"error\":\"Bad request: its head is not complete\"}";
    house.check(&[&ask[..30]], &[broken_off]).await;
    house.check(&[&ask, &ask[..30]], &[&poison(), broken_off]).await;
    house.check(&[&ask, "\r\n"], &[&poison()]).await;
    house.check(&["\r\n"], &[]).await;
}

/// A client that stops within a request is told so. A client that sends nothing gets no answer.
#[tokio::test]
async fn a_head_that_does_not_come_in_time_gets_an_answer() {
    let (house, ask) = (House::new(), request("GET", ""));
    let too_late = "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-type: application/json\r\n\
        cache-control: no-store\r\ncontent-length: 51\r\n\r\n{\"error\":\"The request's head did not come in time\"}";
    for (pieces, expect) in [
        (&[&ask[..30]][..], too_late.to_owned()),
        (&[&ask, &ask[..30]], poison() + too_late),
        (&[&ask], poison()),
        (&["\r\n"], String::new()),
        (&[], String::new()),
    ] {
        assert_eq!(house.talk_to(&sent(pieces), false, &[7], true).await, expect, "{pieces:?}");
    }
}

/// When a connection is closed with unread bytes, the system may drop the answer that was sent.
#[tokio::test]
async fn what_comes_after_a_refusal_is_read_to_its_end() {
    let (house, much) = (House::new(), "x".repeat(300_000));
    for first in ["nonsense\r\n\r\n".to_owned(), request("POST", "content-length: 900000\r\n")] {
        let input = sent(&[&first, &much, &much, &much]);
        let read = house.talk_to(&input, true, &[1 << 20], true).await;
        assert!(read.starts_with("HTTP/1.1 "), "{read}");
        assert_eq!(input.lock().unwrap().len(), 0, "pieces that nobody read after {first:?}");
    }
}

/// The library compares the size of its buffer between two reads, which may bring half as much again.
#[tokio::test]
async fn a_head_that_is_a_byte_too_large_is_refused_however_it_comes() {
    let house = House::new();
    let plain = request("GET", "x: \r\n").len();
    for (size, status) in [(super::MAX_HEAD_BYTES, "200"), (super::MAX_HEAD_BYTES + 1, "431")] {
        let ask = request("GET", &format!("x: {}\r\n", "x".repeat(size - plain)));
        assert_eq!(ask.len(), size);
        for cut in [size, size - 1, size / 2, 1] {
            let (first, second) = ask.split_at(cut);
            let read = house.talk(&[first, second], &[1 << 20], true).await;
            assert!(read.starts_with(&format!("HTTP/1.1 {status} ")), "{size} in two at {cut}: {read}");
        }
    }
}
