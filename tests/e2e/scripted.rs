//! A service that follows a script, for tests that are not asynchronous.

use std::io::{Read, Write};
use std::net::TcpStream;

use billing_model::{Page, Paging, UsageEntry};
use billing_testkit::{Reply, Request, Upstream};
use tokio::runtime::{Builder, Runtime};

use crate::billing::{Run, export_command, finish};

/// A scripted service that is up as long as this value lives.
pub(crate) struct Scripted {
    upstream: Upstream,
    _runtime: Runtime,
}

impl Scripted {
    pub(crate) fn start(script: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let upstream = runtime.block_on(Upstream::start(script));
        Self { upstream, _runtime: runtime }
    }

    /// Answers every request alike.
    pub(crate) fn answering(reply: Reply) -> Self {
        Self::start(move |_| reply.clone())
    }

    pub(crate) fn base_url(&self) -> String {
        self.upstream.base_url()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.upstream.requests()
    }

    /// Exports from it. The window ends before today, so that every request is the same every day.
    pub(crate) fn export(&self, args: &[&str]) -> Run {
        let mut command = export_command(&self.base_url(), "any-key", &["--until", "2026-07"]);
        command.args(args);
        finish(command, b"")
    }
}

/// A page of `usage-history`, with the cursor of the next or as the last.
pub(crate) fn history_page(entries: &[UsageEntry], cursor: Option<&str>) -> Reply {
    let paging = Paging::ByCursor(cursor.map(|token| token.parse().unwrap()));
    let mut body = Vec::new();
    Page { entries: entries.to_vec(), paging, warning: None }.write_json(&mut body);
    Reply::json(200, body)
}

/// Passes a request on to a server, and gives back what that answered.
pub(crate) fn forward(base_url: &str, request: &Request) -> Reply {
    let address = base_url.trim_start_matches("http://").split('/').next().unwrap();
    let mut head = format!("GET {}?{} HTTP/1.1\r\n", request.path, request.query);
    for (name, value) in request.headers.iter().filter(|(name, _)| *name != "connection") {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("connection: close\r\n\r\n");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();

    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&answer[..end]).unwrap();
    let header = |wanted: &str| {
        let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    assert!(header("transfer-encoding").is_none(), "a body with its length: {head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut reply = Reply::new(status, header("content-type").unwrap(), &answer[end + 4..]);
    for name in [
        "deprecation",
        "link",
        "sunset",
        "x-next-cursor",
        "x-pagination-limit",
        "x-pagination-page",
        "x-pagination-total",
        "x-pagination-total-pages",
    ] {
        if let Some(value) = header(name) {
            reply = reply.header(name, value);
        }
    }
    reply
}
