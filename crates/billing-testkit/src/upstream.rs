//! A server on loopback that answers as a script says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use crate::delivery::deliver;
use crate::reply::Reply;

/// A request as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: String,
    /// The path, `/api/v1/billing/usage`.
    pub path: String,
    /// The query string, without its `?`.
    pub query: String,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, as long as `Content-Length` says.
    pub body: Vec<u8>,
}

impl Request {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

type Script = Box<dyn FnMut(&Request) -> Reply + Send>;

/// What happened so far.
#[derive(Default)]
struct Log {
    requests: Vec<Request>,
    instants: Vec<Instant>,
    under_way: usize,
    most_at_once: usize,
}

/// A server that is up as long as this value lives: its connections end with it.
pub struct Upstream {
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
    accepting: JoinHandle<()>,
}

impl Upstream {
    /// Starts a server on a free port that answers each request by the script.
    ///
    /// The script is asked for one reply after the other, in the order in which the requests come; the replies of
    /// several connections go out side by side.
    ///
    /// # Panics
    /// When the loopback has no free port.
    pub async fn start(script: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port on loopback");
        let address = listener.local_addr().expect("an address");
        let log = Arc::new(Mutex::new(Log::default()));
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let accepting = tokio::spawn(accept_all(listener, script, Arc::clone(&log)));
        Self { address, log, accepting }
    }

    /// Where it listens, as a base URL.
    pub fn base_url(&self) -> String {
        format!("http://{}/api/v1", self.address)
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        locked(&self.log).requests.clone()
    }

    /// When each of the requests came.
    pub fn instants(&self) -> Vec<Instant> {
        locked(&self.log).instants.clone()
    }

    /// The most requests so far that were being answered at the same time: come, and their reply not yet sent. A request whose
    /// client leaves is not counted any longer.
    pub fn most_at_once(&self) -> usize {
        locked(&self.log).most_at_once
    }

    /// Forgets the requests so far. The most at once becomes the number of those that are being answered now.
    pub fn forget(&self) {
        let mut log = locked(&self.log);
        *log = Log { under_way: log.under_way, most_at_once: log.under_way, ..Log::default() };
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept_all(listener: TcpListener, script: Arc<Mutex<Script>>, log: Arc<Mutex<Log>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer_all(stream, Arc::clone(&script), Arc::clone(&log)));
        // Connections that have ended are forgotten, so that a long run holds only the open ones.
        while connections.try_join_next().is_some() {}
    }
}

/// Answers the requests of one connection, until either side closes it.
async fn answer_all(mut stream: TcpStream, script: Arc<Mutex<Script>>, log: Arc<Mutex<Log>>) {
    // A single byte is sent at once, and no reply waits until the client has acknowledged the one before.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        let _under_way = UnderWay::begin(&log, &request);
        let reply = locked(&script)(&request);
        // A client that left has no use for the rest.
        if !deliver(&reply, &mut stream, &mut buffer).await.unwrap_or(false) {
            return;
        }
    }
}

/// A request that is being answered as long as this value lives.
struct UnderWay<'a>(&'a Mutex<Log>);

impl<'a> UnderWay<'a> {
    fn begin(log: &'a Mutex<Log>, request: &Request) -> Self {
        let mut noted = locked(log);
        noted.requests.push(request.clone());
        noted.instants.push(Instant::now());
        noted.under_way += 1;
        noted.most_at_once = noted.most_at_once.max(noted.under_way);
        Self(log)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        locked(self.0).under_way -= 1;
    }
}

/// Reads one request, which may have a body of a length that it says.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer.drain(..end + 4).collect()).ok()?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|length: &String| length.parse().ok());
    let length: usize = length.unwrap_or_default();
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = buffer.drain(..length).collect();
    Some(Request { method, path: path.to_owned(), query: query.to_owned(), headers, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::time::Duration;
    use tokio::io::AsyncWriteExt;

    /// A connection on which a request has been sent.
    async fn connected(upstream: &Upstream) -> TcpStream {
        let mut stream = TcpStream::connect(upstream.address).await.unwrap();
        stream.write_all(b"GET /a?b=c HTTP/1.1\r\nX-Y: z\r\n\r\n").await.unwrap();
        stream
    }

    async fn answering(reply: Reply) -> Upstream {
        Upstream::start(move |_| reply.clone()).await
    }

    #[tokio::test]
    async fn a_reply_breaks_off_where_it_was_told() {
        let page = || Reply::new(200, "t", "0123456789");
        for (reply, sent, end) in [
            (page().closed(), "", Ok(0)),
            (page().cut_at(3), "012", Ok(0)),
            (page().reset(), "", Err(ErrorKind::ConnectionReset)),
            (page().cut_at(3).reset(), "012", Err(ErrorKind::ConnectionReset)),
            (page().byte_by_byte(Duration::ZERO).undelimited(), "0123456789", Ok(0)),
        ] {
            let upstream = answering(reply.clone()).await;
            let mut stream = connected(&upstream).await;
            let mut all = Vec::new();
            let last = loop {
                match stream.read_buf(&mut all).await {
                    Ok(read) if read > 0 => {}
                    last => break last.map_err(|error| error.kind()),
                }
            };
            assert_eq!(last, end, "{reply:?}");
            let all = String::from_utf8(all).unwrap();
            assert_eq!(all.split_once("\r\n\r\n").map_or("", |(_, body)| body), sent, "{reply:?}");
            assert_eq!(upstream.requests()[0].header("x-y"), "z");
            assert_eq!(upstream.requests()[0].method, "GET");
            assert_eq!((upstream.instants().len(), upstream.most_at_once()), (1, 1));
        }
    }

    #[tokio::test]
    async fn a_body_is_read_and_the_next_request_begins_behind_it() {
        let upstream = answering(Reply::new(200, "t", "x")).await;
        let mut stream = TcpStream::connect(upstream.address).await.unwrap();
        for body in ["a\r\n\r\nb", ""] {
            let length = body.len();
            let post = format!("POST /p HTTP/1.1\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(post.as_bytes()).await.unwrap();
        }
        while upstream.requests().len() < 2 {
            stream.read_u8().await.unwrap();
        }
        let requests = upstream.requests();
        assert_eq!([&requests[0].body[..], &requests[1].body[..]], [&b"a\r\n\r\nb"[..], b""]);
        assert_eq!(requests[1].method, "POST");
    }

    #[tokio::test]
    async fn a_stalled_reply_keeps_the_connection_until_the_client_leaves() {
        let upstream = answering(Reply::new(200, "t", "01$3456789").cut_at(3).stalled()).await;
        let mut stream = connected(&upstream).await;
        let mut byte = [0];
        while byte != *b"$" {
            stream.read_exact(&mut byte).await.unwrap();
        }
        // Nothing comes, not even the end.
        let more = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut byte)).await;
        assert!(more.is_err(), "{more:?}");
        assert_eq!(locked(&upstream.log).under_way, 1);
        drop(stream);
        while locked(&upstream.log).under_way > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// This test would not end if a waiting reply kept the script or the other connections waiting.
    #[tokio::test]
    async fn replies_wait_side_by_side() {
        let mut count = 0;
        let upstream = Upstream::start(move |_| {
            count += 1;
            let wait = if count < 8 { Duration::from_secs(3600) } else { Duration::from_millis(1) };
            Reply::new(200, "t", "x").after(wait).undelimited()
        })
        .await;
        let mut waiting = Vec::new();
        while waiting.len() < 7 {
            waiting.push(connected(&upstream).await);
            while upstream.requests().len() < waiting.len() {
                tokio::task::yield_now().await;
            }
        }
        let start = Instant::now();
        connected(&upstream).await.read_to_end(&mut Vec::new()).await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(1));
        assert_eq!(upstream.most_at_once(), 8);
        assert!(upstream.instants().is_sorted());
    }

    #[tokio::test]
    async fn a_reply_that_waits_is_given_up_when_its_client_leaves() {
        let hour = Duration::from_secs(3600);
        let upstream = answering(Reply::new(200, "t", "x").after(hour)).await;
        let waiting = [connected(&upstream).await, connected(&upstream).await];
        while upstream.most_at_once() < 2 {
            tokio::task::yield_now().await;
        }
        let [leaving, _staying] = waiting;
        drop(leaving);
        while locked(&upstream.log).under_way > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!((upstream.most_at_once(), upstream.requests().len()), (2, 2));
        upstream.forget();
        assert_eq!((upstream.most_at_once(), upstream.requests().len()), (1, 0));
        assert!(upstream.instants().is_empty());
    }

    /// A client need not wait for one answer before it sends the next request.
    #[tokio::test]
    async fn a_request_that_comes_while_a_reply_waits_is_the_next_one() {
        let mut waits = [1, 0].into_iter().map(Duration::from_millis);
        let upstream = Upstream::start(move |request| {
            Reply::new(200, "t", request.query.clone()).after(waits.next().unwrap())
        })
        .await;
        let mut stream = TcpStream::connect(upstream.address).await.unwrap();
        for request in ["GET /?1 HTTP/1.1\r\n\r\nGET /?", "2 HTTP/1.1\r\n\r\n"] {
            stream.write_all(request.as_bytes()).await.unwrap();
            while upstream.requests().is_empty() {
                tokio::task::yield_now().await;
            }
        }
        let mut all = Vec::new();
        while !all.ends_with(b"\r\n\r\n2") {
            assert_ne!(stream.read_buf(&mut all).await.unwrap(), 0, "{}", all.escape_ascii());
        }
        assert_eq!(upstream.requests().len(), 2);
    }

    #[tokio::test]
    async fn a_connection_ends_with_its_server() {
        let upstream = answering(Reply::new(200, "t", "x").stalled()).await;
        let mut stream = connected(&upstream).await;
        while upstream.requests().is_empty() {
            tokio::task::yield_now().await;
        }
        drop(upstream);
        // A reset if the server left a byte unread, and an end otherwise. It must not wait.
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    }
}
