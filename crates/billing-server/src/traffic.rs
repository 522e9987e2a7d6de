//! The state that a connection shares with the requests that come over it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::holding::Holding;
use crate::slots::Activity;

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// The connection's slot. It is idle while no request runs and every answer was sent.
    slot: Activity,
    /// Requests that are being answered.
    running: AtomicUsize,
    /// Answers of ours whose bodies the library still reads.
    answers: AtomicUsize,
    /// True from an answer of ours until all of it was sent.
    is_sending: AtomicBool,
    /// True while something of the body of the last request was not read.
    is_body_left: AtomicBool,
    /// True once a request has asked for another protocol.
    wants_upgrade: AtomicBool,
    /// What requests hold until their answers are sent.
    holdings: Mutex<Vec<Holding>>,
}

impl Traffic {
    pub(crate) fn of(slot: Activity) -> Self {
        Self {
            slot,
            running: AtomicUsize::default(),
            answers: AtomicUsize::default(),
            is_sending: AtomicBool::default(),
            is_body_left: AtomicBool::default(),
            wants_upgrade: AtomicBool::default(),
            holdings: Mutex::default(),
        }
    }

    /// Says that a request has come. Drop the result when the request is answered or given up.
    pub(crate) fn asked(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::SeqCst);
        self.slot.busy();
        Running(Arc::clone(self))
    }

    /// True while a request runs or an answer is on its way.
    pub(crate) fn is_busy(&self) -> bool {
        self.running.load(Ordering::SeqCst) > 0 || self.is_sending()
    }

    /// Says that an answer of ours begins. Drop the result when the library has read it. What its request holds is
    /// freed when the answer was sent.
    pub(crate) fn begin(self: &Arc<Self>, holding: Holding) -> Sending {
        self.answers.fetch_add(1, Ordering::SeqCst);
        self.is_sending.store(true, Ordering::SeqCst);
        self.holdings.lock().unwrap_or_else(PoisonError::into_inner).push(holding);
        Sending(Arc::clone(self))
    }

    /// Says that everything which was written has been sent.
    pub(crate) fn flushed(&self) {
        // An answer that is still being read will be written later.
        if self.answers.load(Ordering::SeqCst) == 0 && self.is_sending.swap(false, Ordering::SeqCst) {
            self.holdings.lock().unwrap_or_else(PoisonError::into_inner).clear();
            // The next request may have come already.
            if self.running.load(Ordering::SeqCst) == 0 {
                self.slot.idle();
            }
        }
    }

    /// True from an answer of ours until all of it was sent.
    pub(crate) fn is_sending(&self) -> bool {
        self.is_sending.load(Ordering::SeqCst)
    }

    /// The body of a request, which says here when it has been read to its end.
    pub(crate) fn receive(self: &Arc<Self>, body: Incoming) -> Received {
        self.is_body_left.store(!body.is_end_stream(), Ordering::SeqCst);
        Received { body, traffic: Arc::clone(self) }
    }

    /// True while something of the body of the last request was not read.
    pub(crate) fn is_body_left(&self) -> bool {
        self.is_body_left.load(Ordering::SeqCst)
    }

    /// Says that a request asks for another protocol.
    pub(crate) fn upgrade_wanted(&self) {
        self.wants_upgrade.store(true, Ordering::SeqCst);
    }

    /// True once a request has asked for another protocol.
    pub(crate) fn wants_upgrade(&self) -> bool {
        self.wants_upgrade.load(Ordering::SeqCst)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Running(Arc<Traffic>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An answer of ours that the library reads.
#[derive(Debug)]
pub(crate) struct Sending(Arc<Traffic>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.answers.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The body of a request.
#[derive(Debug)]
pub(crate) struct Received {
    body: Incoming,
    traffic: Arc<Traffic>,
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.traffic.is_body_left.store(false, Ordering::SeqCst);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
