//! HTTP/1.1 over a socket, as it stands on the wire: what a client library would not let a test send or see.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::schemas;

/// No test waits for it; it ends one whose server does not answer.
const LIMIT: Duration = Duration::from_secs(60);

/// A request, to be sent as it is.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    head: String,
    body: Option<Vec<u8>>,
}

impl Request {
    pub(crate) fn get(target: &str) -> Self {
        Self { head: format!("GET {target} HTTP/1.1\r\nhost: x\r\n"), body: None }
    }

    pub(crate) fn options(target: &str) -> Self {
        Self { head: format!("OPTIONS {target} HTTP/1.1\r\nhost: x\r\n"), body: None }
    }

    pub(crate) fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { head: format!("POST {target} HTTP/1.1\r\nhost: x\r\n"), body: Some(body.into()) }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// Presents a key.
    pub(crate) fn bearing(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub(crate) fn method_and_target(&self) -> (&str, &str) {
        let (method, rest) = self.head.split_once(' ').unwrap();
        (method, rest.split_once(' ').unwrap().0)
    }

    /// As it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = self.body.as_ref().map(|body| format!("content-length: {}\r\n", body.len()));
        let head = format!("{}{}\r\n", self.head, length.unwrap_or_default());
        [head.as_bytes(), self.body.as_deref().unwrap_or_default()].concat()
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, wanted: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(name, _)| name == wanted);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{wanted} comes twice: {self:?}");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A connection that stays open for one request after the other.
pub(crate) struct Connection<S>(BufReader<S>);

impl Connection<TcpStream> {
    /// To an address, `127.0.0.1:8787`.
    pub(crate) fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Self::over(stream))
    }

    /// So many bytes at most wait here to be read, about; what is sent beyond them waits at the server.
    #[cfg(target_os = "linux")]
    pub(crate) fn hold_at_most(&self, bytes: usize) {
        rustix::net::sockopt::set_socket_recv_buffer_size(self.0.get_ref(), bytes).unwrap();
    }
}

impl<S: Read + Write> Connection<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    /// Sends a request and waits for the answer, which has the form that is documented for it. A server that has heard enough
    /// may answer and leave amid a body.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        match self.send(&request.bytes()) {
            Err(error) if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                return Err(error);
            }
            _ => {}
        }
        let answer = self.answer()?;
        schemas::hold(request, &answer);
        Ok(answer)
    }

    /// Sends some bytes of a request.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.0.get_mut();
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// Waits until the body of a request that has `expect: 100-continue` is asked for: its head was read, and it has its place.
    pub(crate) fn is_asked_to_go_on(&mut self) -> io::Result<()> {
        let lines = [self.line()?, self.line()?];
        if lines != ["HTTP/1.1 100 Continue", ""] {
            return Err(broken(format!("not asked to go on: {lines:?}")));
        }
        Ok(())
    }

    /// Reads one answer, which has to say how long it is.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let status_line = self.line()?;
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| broken(format!("no status: {status_line}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").ok_or_else(|| broken(format!("no header: {line}")))?;
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        answer.body.resize(length.ok_or_else(|| broken(format!("no length: {answer:?}")))?, 0);
        self.0.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let line = line.strip_suffix("\r\n").ok_or(ErrorKind::UnexpectedEof)?;
        Ok(line.to_owned())
    }
}

fn broken(what: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
