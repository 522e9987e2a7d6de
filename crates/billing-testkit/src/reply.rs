//! What a scripted upstream sends, to the byte, and what becomes of the connection.

use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Pieces that a chunked body is sent in.
const CHUNKS: usize = 4;

/// A reply: its head and body as they go over the wire, how fast they go, and where the connection breaks.
///
/// Cheap to clone: clones share the body.
///
/// ```
/// use billing_testkit::Reply;
/// use std::time::Duration;
/// let page = Reply::json(200, r#"{"data":[],"nextCursor":null}"#);
/// // After a while a compressed page in chunks, whose connection is reset in the middle of it.
/// let fault = page.clone().gzip().chunked().after(Duration::from_millis(50)).cut_at(20).reset();
/// assert_ne!(fault.body(), page.body());
/// ```
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    framing: Framing,
    /// Bytes of the body that are sent; `None` sends all, or nothing at all when the connection breaks.
    cut_at: Option<usize>,
    pub(crate) ending: Ending,
    pub(crate) wait: Duration,
    /// The pause before each byte; `None` sends all at once.
    pub(crate) pause: Option<Duration>,
}

/// How the client is told where the body ends.
#[derive(Clone, Copy, Debug)]
enum Framing {
    /// `Content-Length`, as it is.
    Length,
    /// `Content-Length`, but not the body's.
    Claimed(usize),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// By the end of the connection.
    Close,
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The next request may come.
    GoesOn,
    Closed,
    Reset,
    /// Open and silent, until the client leaves.
    Stalled,
}

impl Reply {
    /// A JSON reply.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, "application/json", body)
    }

    /// A reply of any type.
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: Bytes::from(body.into()),
            framing: Framing::Length,
            cut_at: None,
            ending: Ending::GoesOn,
            wait: Duration::ZERO,
            pause: None,
        }
    }

    /// An error as the API sends it.
    pub fn error(status: u16, text: &str) -> Self {
        Self::json(status, format!(r#"{{"error":"{text}"}}"#))
    }

    /// With a header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// With this time as its `Date`.
    #[must_use]
    pub fn dated(self, unix_s: u64) -> Self {
        self.header("date", httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(unix_s)))
    }

    /// With another body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Bytes::from(body.into());
        self
    }

    /// Compresses the body as it is now. Later calls that count bytes count compressed ones.
    #[must_use]
    pub fn gzip(self) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&self.body).expect("writing to memory");
        let body = encoder.finish().expect("writing to memory");
        self.with_body(body).header("content-encoding", "gzip")
    }

    /// In several chunks, without `Content-Length`. A cut leaves at least the last chunk's end unsent.
    #[must_use]
    pub fn chunked(mut self) -> Self {
        self.framing = Framing::Chunked;
        self
    }

    /// Without `Content-Length`: the body ends where the connection does.
    #[must_use]
    pub fn undelimited(mut self) -> Self {
        self.framing = Framing::Close;
        self.cut_at(usize::MAX)
    }

    /// With this `Content-Length`, whatever the body has. The body is sent whole: what is beyond the claim stands where
    /// the next answer should begin, and when the claim is larger the connection ends with the body.
    #[must_use]
    pub fn claiming(mut self, bytes: usize) -> Self {
        self.framing = Framing::Claimed(bytes);
        if bytes > self.body.len() { self.cut_at(usize::MAX) } else { self }
    }

    /// Begins after this time. Other requests are answered meanwhile.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// One byte at a time, head and body, with a pause before each.
    #[must_use]
    pub fn byte_by_byte(mut self, pause: Duration) -> Self {
        self.pause = Some(pause);
        self
    }

    /// Cut after so many bytes of the body, though the head promises all of them: closed there, unless it is
    /// [`reset`](Reply::reset) or [`stalled`](Reply::stalled).
    #[must_use]
    pub fn cut_at(mut self, bytes: usize) -> Self {
        self.cut_at = Some(bytes);
        if self.ending == Ending::GoesOn { self.closed() } else { self }
    }

    /// The connection is closed: where [`cut_at`](Reply::cut_at) says, and before the first byte of the head when it
    /// says nothing.
    #[must_use]
    pub fn closed(mut self) -> Self {
        self.ending = Ending::Closed;
        self
    }

    /// As [`closed`](Reply::closed), but reset, as by a machine that went down.
    #[must_use]
    pub fn reset(mut self) -> Self {
        self.ending = Ending::Reset;
        self
    }

    /// As [`closed`](Reply::closed), but nothing more comes, and the connection stays open until the client leaves.
    #[must_use]
    pub fn stalled(mut self) -> Self {
        self.ending = Ending::Stalled;
        self
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Head and body as far as they are sent.
    pub(crate) fn wire(&self) -> (Bytes, Bytes) {
        let all = match (self.cut_at, self.ending) {
            (None, Ending::GoesOn) => self.body.len(),
            (None, _) => return (Bytes::new(), Bytes::new()),
            (Some(bytes), _) => bytes.min(self.body.len()),
        };
        let sent = self.body.slice(..all);
        match self.framing {
            Framing::Chunked => (self.head(), self.chunks(&sent)),
            _ => (self.head(), sent),
        }
    }

    fn head(&self) -> Bytes {
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        let framing = match self.framing {
            Framing::Length => Some(("content-length", self.body.len().to_string())),
            Framing::Claimed(bytes) => Some(("content-length", bytes.to_string())),
            Framing::Chunked => Some(("transfer-encoding", "chunked".to_owned())),
            Framing::Close => None,
        };
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value));
        for (name, value) in headers.chain(framing.as_ref().map(|(name, value)| (*name, value))) {
            for part in [name, ": ", value, "\r\n"] {
                head.push_str(part);
            }
        }
        head.push_str("\r\n");
        head.into()
    }

    /// The chunks of the body up to where it is cut; the sizes are those of the whole.
    fn chunks(&self, sent: &[u8]) -> Bytes {
        let mut out = Vec::new();
        let chunk = self.body.len().div_ceil(CHUNKS).max(1);
        for (index, whole) in self.body.chunks(chunk).enumerate() {
            let Some(part) = sent.get(index * chunk..).filter(|part| !part.is_empty()) else { break };
            let part = &part[..part.len().min(whole.len())];
            out.extend_from_slice(format!("{:x}\r\n", whole.len()).as_bytes());
            out.extend_from_slice(part);
            if part.len() == whole.len() {
                out.extend_from_slice(b"\r\n");
            }
        }
        if self.cut_at.is_none() {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn page() -> Reply {
        Reply::new(200, "t", "0123456789")
    }

    #[test]
    fn each_framing_is_sent_as_it_says() {
        let check = |reply: Reply, framing: &str, body: &str| {
            let head = format!("HTTP/1.1 200 Scripted\r\ncontent-type: t\r\n{framing}\r\n");
            assert_eq!(reply.wire(), (head.into(), body.to_owned().into()), "{reply:?}");
        };
        let length = "content-length: 10\r\n";
        check(page(), length, "0123456789");
        check(page().cut_at(4), length, "0123");
        check(page().cut_at(0).reset(), length, "");
        check(page().stalled().cut_at(99), length, "0123456789");
        check(page().claiming(3), "content-length: 3\r\n", "0123456789");
        check(page().claiming(11), "content-length: 11\r\n", "0123456789");
        check(page().undelimited(), "", "0123456789");
        let chunked = "transfer-encoding: chunked\r\n";
        let three = "3\r\n012\r\n3\r\n345\r\n3\r\n678\r\n";
        check(page().chunked(), chunked, &format!("{three}1\r\n9\r\n0\r\n\r\n"));
        check(page().chunked().cut_at(10), chunked, &format!("{three}1\r\n9\r\n"));
        check(page().chunked().cut_at(9), chunked, three);
        check(page().chunked().cut_at(7), chunked, "3\r\n012\r\n3\r\n345\r\n3\r\n6");
        check(page().chunked().with_body("").cut_at(0), chunked, "");
        for nothing in [page().closed(), page().chunked().reset(), page().stalled()] {
            assert_eq!(nothing.wire(), (Bytes::new(), Bytes::new()), "{nothing:?}");
        }
    }

    #[test]
    fn the_connection_ends_as_it_was_told() {
        for (reply, ending) in [
            (page(), Ending::GoesOn),
            (page().cut_at(3), Ending::Closed),
            (page().undelimited(), Ending::Closed),
            (page().claiming(9), Ending::GoesOn),
            (page().claiming(11), Ending::Closed),
            (page().claiming(11).stalled(), Ending::Stalled),
            (page().reset().cut_at(3), Ending::Reset),
        ] {
            assert_eq!(reply.ending, ending, "{reply:?}");
        }
    }

    #[test]
    fn a_compressed_body_is_the_body() {
        let reply = page().gzip();
        let mut text = String::new();
        flate2::read::GzDecoder::new(reply.body()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "0123456789");
        let (head, body) = reply.wire();
        assert_eq!(body, reply.body);
        let head = String::from_utf8(head.to_vec()).unwrap();
        let length = format!("content-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len());
        assert!(head.ends_with(&length), "{head}");
    }
}
