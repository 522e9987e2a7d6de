//! The layer between a socket and the HTTP library. It adds a body to answers that the library makes itself, and ends a
//! connection whose client does not fetch its answer.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::refusal::{Refusal, with_body};
use crate::traffic::Traffic;

/// A connection.
///
/// The library itself answers what is not HTTP, without a body. Clients of this API are promised a JSON body with every
/// error, so it is added here: to an answer without a body that is written while none of our own answers is on its way.
/// What our own answers contain is never looked at.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    traffic: Arc<Traffic>,
    /// Bytes that the library has written and that were not sent yet: an answer that got a body, or everything, when
    /// the library does not wait until it is sent.
    held: Vec<u8>,
    /// True once an answer got a body here, or was made here.
    has_refused: bool,
    /// Runs while the client does not take what is there for it.
    stalled: Option<Pin<Box<Sleep>>>,
    timeout: Duration,
}

impl<S: AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S, traffic: Arc<Traffic>, timeout: Duration) -> Self {
        Self { stream, traffic, held: Vec::new(), has_refused: false, stalled: None, timeout }
    }

    /// Sends a refusal where the library leaves a client without an answer, and ends the connection.
    pub(crate) async fn refuse(&mut self, refusal: Refusal) -> io::Result<()> {
        // A refusal must not come between the pieces of an answer, and is sent once.
        if !self.has_refused && !self.traffic.is_sending() && self.held.is_empty() {
            self.has_refused = true;
            self.held = refusal.answer();
        }
        self.end().await
    }

    /// Sends what is left, and then the end of the stream.
    pub(crate) async fn end(&mut self) -> io::Result<()> {
        poll_fn(|context| Pin::new(&mut *self).poll_shutdown(context)).await
    }

    /// True when more of a refused request may still come.
    pub(crate) fn may_leave_something(&self) -> bool {
        self.has_refused || self.traffic.is_body_left()
    }

    /// Keeps bytes that are to be sent changed or later. Returns how many it keeps: all or none.
    fn hold<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]> + Clone) -> Option<usize> {
        let mut filled = pieces.clone().filter(|piece| !piece.is_empty());
        if let (Some(only), None) = (filled.next(), filled.next())
            && !self.traffic.is_sending()
            && let Some(answer) = with_body(only)
        {
            (self.held, self.has_refused) = (answer, true);
            return Some(only.len());
        }
        // When an upgrade was asked for, the library ends the conversation without waiting until its last answer is
        // sent.
        if self.traffic.wants_upgrade() {
            self.held = pieces.collect::<Vec<_>>().concat();
            return Some(self.held.len());
        }
        None
    }

    fn send_held(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(context, &self.held))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.drain(..sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Turns waiting into an error when the client has taken nothing for too long.
    fn wait<T>(&mut self, context: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if done.is_pending() {
            let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.timeout)));
            if stalled.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        done
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = self.send_held(context);
        ready!(self.wait(context, sent))?;
        if let Some(held) = self.hold(std::iter::once(bytes)) {
            return Poll::Ready(Ok(held));
        }
        let sent = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wait(context, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = self.send_held(context);
        ready!(self.wait(context, sent))?;
        if let Some(held) = self.hold(slices.iter().map(|slice| &**slice)) {
            return Poll::Ready(Ok(held));
        }
        let sent = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wait(context, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.send_held(context);
        let flushed = match flushed {
            Poll::Ready(Ok(())) => Pin::new(&mut self.stream).poll_flush(context),
            other => other,
        };
        if let Poll::Ready(Ok(())) = flushed {
            self.traffic.flushed();
            self.stalled = None;
        }
        self.wait(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.send_held(context);
        ready!(self.wait(context, sent))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Reads to the end and drops it. If a connection is closed before that, the client may lose the answer that was
    /// sent (RFC 9112, 9.6).
    pub(crate) async fn drain(&mut self) {
        let mut room = [0; 8 << 10];
        loop {
            let mut buffer = ReadBuf::new(&mut room);
            let read = poll_fn(|context| Pin::new(&mut self.stream).poll_read(context, &mut buffer)).await;
            if read.is_err() || buffer.filled().is_empty() {
                return;
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}
