//! A service that follows a script, for tests that are not asynchronous.

use billing_model::{Page, Paging, UsageEntry};
use billing_testkit::{Reply, Request, Upstream, wire};
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
    let mut asked = wire::Request::get(&format!("{}?{}", request.path, request.query));
    for (name, value) in
        request.headers.iter().filter(|(name, _)| !["connection", "host"].contains(&name.as_str()))
    {
        asked = asked.header(name, value);
    }
    let mut connection = wire::Connection::to(base_url).unwrap();
    let answer = connection.ask(&asked).unwrap();
    let header = |name| answer.header(name);
    assert!(header("transfer-encoding").is_none(), "a body with its length: {}", answer.head());
    let mut reply = Reply::new(answer.status, header("content-type").unwrap(), answer.body());
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
