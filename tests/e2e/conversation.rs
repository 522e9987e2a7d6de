//! Requests over a socket as they stand on the wire, and answers that have the form that is documented for them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use billing_testkit::wire;

use crate::schemas;

pub(crate) use billing_testkit::wire::Request;

/// What came back.
pub(crate) type Answer = wire::Answer<'static>;

/// A connection that stays open for one request after the other.
pub(crate) struct Connection<S>(wire::Connection<S>);

impl Connection<TcpStream> {
    /// To an address, `127.0.0.1:8787`.
    pub(crate) fn open(address: &str) -> io::Result<Self> {
        wire::Connection::open(address).map(Self)
    }

    /// So many bytes at most wait here to be read, about; what is sent beyond them waits at the server.
    #[cfg(target_os = "linux")]
    pub(crate) fn hold_at_most(&self, bytes: usize) {
        rustix::net::sockopt::set_socket_recv_buffer_size(self.0.stream(), bytes).unwrap();
    }
}

impl<S: Read + Write> Connection<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self(wire::Connection::over(stream))
    }

    /// Sends a request and waits for the answer, which has the form that is documented for it. A server that has heard enough
    /// may answer and leave amid a body.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        let answer = with_length(self.0.ask(request)?)?;
        schemas::hold(request, &answer);
        Ok(answer)
    }

    /// Sends some bytes of a request.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.send(bytes)
    }

    /// Waits until the body of a request that has `expect: 100-continue` is asked for: its head was read, and it has its place.
    pub(crate) fn is_asked_to_go_on(&mut self) -> io::Result<()> {
        let answer = self.0.answer()?;
        match answer.head() {
            "HTTP/1.1 100 Continue\r\n\r\n" => Ok(()),
            head => Err(broken(format!("not asked to go on: {head}"))),
        }
    }

    /// Reads one answer, which has to say how long it is.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        with_length(self.0.answer()?)
    }
}

fn with_length(answer: wire::Answer<'_>) -> io::Result<Answer> {
    match answer.header("content-length") {
        Some(_) => Ok(answer.into_owned()),
        None => Err(broken(format!("no length: {}", answer.head()))),
    }
}

fn broken(what: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
