//! A connection from its first byte to its last: requests and answers in turn. Bytes that are no request get an answer
//! too.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use futures::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::config::Config;
use crate::connection::Connection;
use crate::exchange::Peer;
use crate::refusal::Refusal;
use crate::slots::Slot;
use crate::traffic::Traffic;

/// Bytes of the head of a request, at most; a target alone may have half of it.
const MAX_HEAD_BYTES: usize = 128 << 10;

/// How long a refused request is still read, so that the answer arrives. It is long enough for the answer to reach a
/// client that then stops, and short enough for one that does not stop.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// What all conversations share.
#[derive(Clone)]
pub(crate) struct Conversations {
    router: Router,
    header_timeout: Duration,
    response_timeout: Duration,
}

impl Conversations {
    pub(crate) fn new(router: Router, config: &Config) -> Self {
        let Config { header_timeout, response_timeout, .. } = *config;
        Self { router, header_timeout, response_timeout }
    }

    /// Answers what comes over a stream until the stream ends. When `stopping` becomes true, it ends as soon as the
    /// running request is answered.
    ///
    /// When no request runs and the connection has to make room, it ends at once.
    pub(crate) async fn hold<S>(
        &self,
        stream: S,
        (peer, slot): (SocketAddr, &Slot),
        mut stopping: watch::Receiver<bool>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let traffic = Arc::new(Traffic::of(slot.activity()));
        let connection = Connection::new(stream, Arc::clone(&traffic), self.response_timeout);
        let answer = service_fn(|request: Request<Incoming>| {
            let mut request = request.map(|body| Body::new(traffic.receive(body)));
            if request.extensions().get::<OnUpgrade>().is_some() {
                traffic.upgrade_wanted();
            }
            request.extensions_mut().insert(Peer(peer.ip()));
            request.extensions_mut().insert(Arc::clone(&traffic));
            let running = traffic.asked();
            let answer = self.router.clone().oneshot(request);
            async move {
                let _running = running;
                answer.await
            }
        });
        let mut conversation = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_buf_size(MAX_HEAD_BYTES)
            // The size of the buffer alone is not enough: it is checked only between two reads, and a read may bring
            // half as much again.
            .max_header_size(MAX_HEAD_BYTES)
            // A client that has asked and then closed its side is still answered.
            .half_close(true)
            .serve_connection(TokioIo::new(connection), answer);
        let mut leaves = false;
        let ended = tokio::select! {
            // The conversation is polled first, so that a request that has come is answered.
            biased;
            ended = &mut conversation => Some(ended),
            () = told_to_stop(&mut stopping) => None,
            () = slot.told_to_leave() => {
                leaves = !traffic.is_busy();
                None
            }
        };
        let ended = match ended {
            Some(ended) => ended,
            None if leaves => Ok(()),
            None => {
                Pin::new(&mut conversation).graceful_shutdown();
                (&mut conversation).await
            }
        };
        let parts = conversation.into_parts();
        let mut connection = parts.io.into_inner();
        if leaves {
            // Nobody waits for this connection to end: the next one has its slot already.
            let told = match has_begun(&parts.read_buf) {
                true => connection.refuse(Refusal::Crowded).now_or_never(),
                false => connection.end().now_or_never(),
            };
            tracing::debug!(?told, %peer, "an idle connection made room");
            return;
        }
        if let Err(error) = &ended {
            tracing::debug!(%error, %peer, "a connection ended early");
        }
        let told = match ended.err().and_then(|error| refusal(&error, &parts.read_buf)) {
            Some(refusal) => connection.refuse(refusal).await,
            None => connection.end().await,
        };
        if told.is_ok() && connection.may_leave_something() {
            tokio::select! {
                _ = timeout(LINGER, connection.drain()) => {}
                () = told_to_stop(&mut stopping) => {}
                () = slot.told_to_leave() => {}
            }
        }
    }
}

async fn told_to_stop(stopping: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which also means to stop.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// True when a request has begun. Line ends may stand before a request (RFC 9112, 2.2), and alone they are none.
fn has_begun(left: &[u8]) -> bool {
    left.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
}

/// What to say to a client that the library leaves without an answer, and what it had sent by then.
fn refusal(error: &hyper::Error, left: &[u8]) -> Option<Refusal> {
    let has_begun = has_begun(left);
    match () {
        () if error.is_parse() => Some(Refusal::NotHttp),
        () if error.is_incomplete_message() && has_begun => Some(Refusal::BrokenOff),
        () if error.is_timeout() && has_begun => Some(Refusal::TooLate),
        () => None,
    }
}

#[cfg(test)]
mod attacks;
