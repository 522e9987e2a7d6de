//! Fetching without understanding: the floor of a walk.

use std::io::{Read, Write};
use std::net::TcpStream;

/// A connection that asks for pages and reads their bytes into one buffer, over and over.
pub(crate) struct PlainHttp {
    stream: TcpStream,
    /// The `host:port` of the service.
    host: String,
    key: String,
    answer: Vec<u8>,
}

impl PlainHttp {
    /// Connects to the service at `http://host:port/…`.
    pub(crate) fn connect(base_url: &str, key: &str) -> Self {
        let host = base_url.trim_start_matches("http://").split('/').next().expect("a host").to_owned();
        let stream = TcpStream::connect(&host).expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, host, key: key.to_owned(), answer: Vec::new() }
    }

    /// Reads the answer to a GET and gives its body.
    pub(crate) fn fetch(&mut self, target: &str) -> &[u8] {
        let Self { stream, host, key, answer } = self;
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\naccept: application/json\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("a request");
        answer.resize(answer.capacity().max(64 << 10), 0);
        let mut read = 0;
        let body = loop {
            read += stream.read(&mut answer[read..]).expect("an answer");
            if let Some(end) = answer[..read].windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let end = body + body_bytes(&answer[..body]);
        if end > answer.len() {
            answer.resize(end, 0);
        }
        stream.read_exact(&mut answer[read..end]).expect("the whole answer");
        &answer[body..end]
    }
}

fn body_bytes(head: &[u8]) -> usize {
    let head = std::str::from_utf8(head).expect("a head").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    let (_, length) = head.split_once("\r\ncontent-length:").expect("an answer with a length");
    let length = length.lines().next().unwrap_or_default();
    length.trim().parse().expect("a length")
}

/// The cursor that stands at the end of a page of `usage-history`; `None` on the last one.
pub(crate) fn next_cursor(body: &[u8]) -> Option<&str> {
    // Behind the entries, whose texts could hold anything: a cursor has at most 512 characters.
    let tail = &body[body.len().saturating_sub(600)..];
    let key = b"\"nextCursor\":\"";
    let start = tail.windows(key.len()).rposition(|window| window == key)? + key.len();
    let cursor = tail[start..].split(|byte| *byte == b'"').next()?;
    std::str::from_utf8(cursor).ok()
}
