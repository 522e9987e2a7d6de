//! A client's end of a connection: it sends any bytes, and reads answers as RFC 9112 frames them.

use std::borrow::Cow;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::time::Duration;

use super::answer::{Answer, values};
use super::request::Request;

/// Nobody waits for it; it ends a run whose server does not answer.
const LIMIT: Duration = Duration::from_secs(60);

/// Bytes that are read at once, at least.
const READ_BYTES: usize = 64 << 10;

/// The most bytes that an error shows of something that is no answer.
const SHOWN: usize = 1500;

/// A connection that stays open for one request after the other.
///
/// All that comes is read into one buffer, which only grows. It has three parts: the last answer, which is forgotten
/// when the next one is read; what has come behind it; and room.
pub struct Connection<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
    /// Where in the buffer the bytes are that have come and belong to no answer yet.
    come: Range<usize>,
    /// The body of the last answer that came in chunks, put together.
    unchunked: Vec<u8>,
}

impl Connection {
    /// Connects to an address, `127.0.0.1:8787`.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        // What is sent is sent at once, as a request is.
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Self::over(stream))
    }

    /// Connects to the service at a plain URL, `http://127.0.0.1:8787/api/v1`. Only the address of it is used.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn to(base_url: &str) -> io::Result<Self> {
        let place = base_url.trim_start_matches("http://");
        Self::open(place.split_once('/').map_or(place, |(address, _)| address))
    }
}

impl<S> Connection<S> {
    /// Over a stream that is there, such as one with TLS.
    pub fn over(stream: S) -> Self {
        Self { stream, buffer: Vec::new(), come: 0..0, unchunked: Vec::new() }
    }

    /// What it goes over.
    pub fn stream(&self) -> &S {
        &self.stream
    }
}

impl<S: Read + Write> Connection<S> {
    /// Sends a request and reads the answer. A server that has heard enough may answer and leave amid a body.
    ///
    /// # Errors
    /// When the connection fails, or what comes is no answer.
    pub fn ask(&mut self, request: &Request) -> io::Result<Answer<'_>> {
        match self.send(&request.bytes()) {
            Err(error) if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                Err(error)
            }
            _ => self.answer(),
        }
    }

    /// Sends bytes as they are: a request, a part of one, or something that is none.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Reads the next answer. An interim one (1xx) is an answer without a body.
    ///
    /// # Errors
    /// When the connection fails, or what comes is no answer, or not a whole one. An answer says once how long it is, or
    /// comes in chunks: one that ends with its connection could be a part of an answer.
    pub fn answer(&mut self) -> io::Result<Answer<'_>> {
        self.read_answer(true)
    }

    /// Reads the answer to a HEAD, which has no body, whatever length it tells.
    ///
    /// # Errors
    /// As [`answer`](Connection::answer).
    pub fn answer_to_head(&mut self) -> io::Result<Answer<'_>> {
        self.read_answer(false)
    }

    /// All that comes beside the answers, up to the end of the connection.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.read_on()? {}
        let rest = self.buffer[self.come.clone()].to_vec();
        self.come.start = self.come.end;
        Ok(rest)
    }

    fn read_answer(&mut self, has_body: bool) -> io::Result<Answer<'_>> {
        // What came behind the last answer moves to its place. Nearly always that is nothing.
        self.buffer.copy_within(self.come.clone(), 0);
        self.come = 0..self.come.len();
        let head = 0..self.past(0, b"\r\n\r\n")?;
        let text = std::str::from_utf8(&self.buffer[head.clone()])
            .map_err(|_| self.broken("a head that is no text"))?;
        let status = status(text).ok_or_else(|| self.broken("no status"))?;
        let lengths: Vec<&str> = values(text, "content-length").collect();
        let codings: Vec<&str> = values(text, "transfer-encoding").collect();
        let body = match (&*lengths, &*codings) {
            // RFC 9112 6.3: these have none, whatever their heads say.
            _ if !has_body || status < 200 || matches!(status, 204 | 304) => head.end..head.end,
            ([length], []) => {
                let length: usize = length.parse().map_err(|_| self.broken("a length that is no number"))?;
                self.have(head.end + length)?;
                head.end..head.end + length
            }
            ([], ["chunked"]) => {
                let end = self.read_chunks(head.end)?;
                self.come.start = end;
                return Ok(Self::lend(status, &self.buffer[head], &self.unchunked));
            }
            _ => return Err(self.broken("not one way to tell where the body ends")),
        };
        self.come.start = body.end;
        Ok(Self::lend(status, &self.buffer[head], &self.buffer[body]))
    }

    fn lend<'a>(status: u16, head: &'a [u8], body: &'a [u8]) -> Answer<'a> {
        Answer { status, head: String::from_utf8_lossy(head), body: Cow::Borrowed(body) }
    }

    /// Puts together the chunks that begin at a place in the buffer, and gives the place behind them. RFC 9112 7.1,
    /// without trailers.
    fn read_chunks(&mut self, mut at: usize) -> io::Result<usize> {
        self.unchunked.clear();
        loop {
            let line_end = self.past(at, b"\r\n")?;
            let line = String::from_utf8_lossy(&self.buffer[at..line_end - 2]);
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| self.broken("a chunk without a size"))?;
            at = line_end + size + 2;
            self.have(at)?;
            if self.buffer[at - 2..at] != *b"\r\n" {
                return Err(self.broken("a chunk that does not end where it says"));
            }
            self.unchunked.extend_from_slice(&self.buffer[line_end..line_end + size]);
            if size == 0 {
                return Ok(at);
            }
        }
    }

    /// Finds the next such mark from a place in the buffer on, and gives the place behind it.
    fn past(&mut self, from: usize, mark: &[u8]) -> io::Result<usize> {
        let mut looked = from;
        loop {
            let come = &self.buffer[looked..self.come.end.max(looked)];
            if let Some(at) = come.windows(mark.len()).position(|window| window == mark) {
                return Ok(looked + at + mark.len());
            }
            // The mark may have come in part.
            looked = from.max((looked + come.len()).saturating_sub(mark.len() - 1));
            self.read_more()?;
        }
    }

    /// Waits until all bytes of the buffer before a place have come.
    fn have(&mut self, end: usize) -> io::Result<()> {
        self.make_room(end.saturating_sub(self.come.end));
        while self.come.end < end {
            self.read_more()?;
        }
        Ok(())
    }

    /// Reads on, where more has to come.
    fn read_more(&mut self) -> io::Result<()> {
        if !self.read_on()? {
            let what = if self.come.is_empty() { "no answer" } else { "the connection ended amid an answer" };
            return Err(io::Error::new(ErrorKind::UnexpectedEof, self.said(what)));
        }
        Ok(())
    }

    /// Reads what there is; false at the end.
    fn read_on(&mut self) -> io::Result<bool> {
        self.make_room(1);
        loop {
            match self.stream.read(&mut self.buffer[self.come.end..]) {
                // A signal came, for example of a child that has ended. With a time limit set the system does not read on
                // by itself.
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                read => {
                    let read = read?;
                    self.come.end += read;
                    return Ok(read > 0);
                }
            }
        }
    }

    /// Room for so many bytes more, which is filled with zeros once and then used over and over.
    fn make_room(&mut self, bytes: usize) {
        let wanted = self.come.end.saturating_add(bytes);
        if wanted > self.buffer.len() {
            self.buffer.resize(wanted.max(READ_BYTES).next_power_of_two(), 0);
        }
    }

    fn broken(&self, what: &str) -> io::Error {
        io::Error::new(ErrorKind::InvalidData, self.said(what))
    }

    fn said(&self, what: &str) -> String {
        let come = &self.buffer[self.come.clone()];
        let more = if come.len() > SHOWN { "…" } else { "" };
        let shown = come[..come.len().min(SHOWN)].escape_ascii();
        format!("{what}: {} bytes {shown}{more}", come.len())
    }
}

/// The status in the first line of a head.
fn status(head: &str) -> Option<u16> {
    let rest = head.strip_prefix("HTTP/1.1 ").or_else(|| head.strip_prefix("HTTP/1.0 "))?;
    let (digits, rest) = rest.split_at_checked(3)?;
    // A reason may be missing, and then the blank before it too.
    let is_status = digits.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with([' ', '\r']);
    is_status.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a server says, in pieces: each read gives one of them. A piece without anything is a signal that comes.
    struct Said<'a>(Vec<&'a [u8]>);

    impl Read for Said<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(piece) = self.0.first_mut() else { return Ok(0) };
            if piece.is_empty() {
                self.0.remove(0);
                return Err(ErrorKind::Interrupted.into());
            }
            let read = piece.read(buffer)?;
            if piece.is_empty() {
                self.0.remove(0);
            }
            Ok(read)
        }
    }

    impl Write for Said<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_signal_ends_no_answer() {
        let pieces: [&[u8]; 4] = [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nx", b"", b"y"];
        let mut connection = Connection::over(Said(pieces.to_vec()));
        assert_eq!(connection.answer().unwrap().text(), "xy");
    }

    fn saying(bytes: &[u8]) -> Connection<Said<'_>> {
        Connection::over(Said(vec![bytes]))
    }

    const SAID: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Y:  z \r\n\r\n\r\n\r\n\
        HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\n012\r\nA\r\n3456789abc\r\n0\r\n\r\n\
        HTTP/1.0 503\r\ncontent-length: 0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nleft";

    fn hears_all(mut connection: Connection<Said<'_>>) {
        let mut heard = Vec::new();
        for _ in 0..5 {
            let answer = connection.answer().unwrap();
            heard.push((answer.status, answer.text().to_owned()));
            assert_eq!(answer.header("x-y"), (heard.len() == 2).then_some("z"));
        }
        let texts = ["", "\r\n\r\n", "0123456789abc", "", ""].map(str::to_owned);
        assert_eq!(heard, [100, 200, 200, 503, 204].into_iter().zip(texts).collect::<Vec<_>>());
        assert_eq!(connection.rest().unwrap(), b"left");
        assert!(connection.rest().unwrap().is_empty());
        assert_eq!(connection.answer().unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn answers_come_one_after_the_other_whatever_pieces_they_come_in(
            mut cuts in prop::collection::vec(0..SAID.len(), 0..40),
        ) {
            cuts.extend([0, SAID.len()]);
            cuts.sort_unstable();
            cuts.dedup();
            hears_all(Connection::over(Said(cuts.windows(2).map(|cut| &SAID[cut[0]..cut[1]]).collect())));
        }
    }

    #[test]
    fn a_body_larger_than_the_buffer_comes_whole_and_the_buffer_serves_the_next() {
        let body: Vec<u8> = (0..=255).cycle().take(3 * READ_BYTES + 7).collect();
        let whole =
            [format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat();
        let said = [&whole[..], &whole].concat();
        let mut connection = saying(&said);
        for _ in 0..2 {
            assert!(connection.answer().unwrap().body() == body);
        }
        assert!(connection.buffer.len() <= 8 * READ_BYTES, "it does not grow with each answer");
    }

    #[test]
    fn what_is_no_whole_answer_is_an_error_that_shows_it() {
        let check = |said: &str, kind: ErrorKind, word: &str| {
            let error = saying(said.as_bytes()).answer().unwrap_err();
            assert_eq!(error.kind(), kind, "{said:?}: {error}");
            assert!(error.to_string().contains(word), "{said:?}: {error}");
        };
        let is_cut = |said: &str| check(said, ErrorKind::UnexpectedEof, &said.escape_default().to_string());
        is_cut("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n");
        is_cut("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n012");
        is_cut("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n012\r\n");
        is_cut("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n012\r\n0\r\n");
        check("", ErrorKind::UnexpectedEof, "no answer");
        let is_none = |said: &str, word: &str| check(said, ErrorKind::InvalidData, word);
        is_none("nonsense\r\n\r\n", "no status: 12 bytes nonsense");
        is_none("HTTP/1.1 2000 OK\r\n\r\n", "no status");
        is_none("HTTP/2 200 OK\r\n\r\n", "no status");
        is_none("HTTP/1.1 +20 OK\r\n\r\n", "no status");
        is_none("HTTP/1.1 200 OK\r\n\r\n", "not one way");
        is_none("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nx", "not one way");
        is_none(
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "not one way",
        );
        is_none("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "no number");
        is_none("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n", "without a size");
        is_none("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n012", "does not end");
    }

    #[test]
    fn an_answer_to_a_head_has_a_length_and_no_body() {
        let mut connection = saying(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 1\r\n\r\nx");
        assert_eq!(connection.answer_to_head().unwrap().text(), "");
        assert_eq!(connection.answer().unwrap().into_owned().text(), "x");
    }
}
