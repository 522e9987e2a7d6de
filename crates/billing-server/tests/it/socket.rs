//! The server on a real socket: lengths, shutdown, clients that go away.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use billing_ledger::KeyKind;
use billing_model::{Page, Timestamp};
use billing_server::{Config, Listeners, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::house::{HISTORY, House, USAGE, entries, now};

/// No test waits for it; it ends one that hangs.
const LIMIT: Duration = Duration::from_secs(30);

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

async fn run(house: &House, config: Config) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move { drop(stopped.await) };
    let server = tokio::spawn(serve(listener, house.ledger.clone(), config, shutdown));
    Running { address, stop, server }
}

/// Sends bytes on a connection of their own and reads to its end.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(LIMIT, connection.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

fn get(path: &str, key: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n")
}

#[tokio::test]
async fn a_body_has_its_length_and_is_not_chunked() {
    let house = House::with(&entries(500));
    let running = run(&house, Config::new(now)).await;
    let wrong_key = "Bearer-nonsense";
    for (path, key, status) in [
        (&*format!("{USAGE}?limit=500"), &*house.key, "200"),
        (USAGE, wrong_key, "401"),
        ("/nowhere", wrong_key, "404"),
        ("/", wrong_key, "307"),
    ] {
        let answer = exchange(running.address, &get(path, key)).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
        if status == "200" {
            assert_eq!(Page::from_usage_json(body).unwrap().entries.len(), 500);
        }
    }
}

#[tokio::test]
async fn what_is_not_http_ends_its_connection_only() {
    let house = House::with(&[]);
    let running = run(&house, Config::new(now)).await;
    let long = "x".repeat(70_000);
    for (request, status) in [
        ("nonsense\r\n\r\n".to_owned(), "400"),
        (format!("GET {USAGE}?x={long} HTTP/1.1\r\nhost: x\r\n\r\n"), "414"),
    ] {
        let answer = exchange(running.address, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    assert!(exchange(running.address, &get(USAGE, &house.key)).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn more_requests_than_reads_at_once_are_all_answered() {
    let house = House::with(&entries(100));
    let running = run(&house, Config { concurrent_reads: 0, ..Config::new(now) }).await;
    let request = get(USAGE, &house.key);
    let asks = (0..20).map(|_| {
        let request = request.clone();
        tokio::spawn(async move { exchange(running.address, &request).await })
    });
    for ask in asks.collect::<Vec<_>>() {
        assert!(ask.await.unwrap().starts_with("HTTP/1.1 200 "));
    }
}

/// A clock that holds the request that reads it until the test lets it go.
struct Gate {
    /// Whether a request has read the clock, and whether it may go on.
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

static GATE: Gate = Gate { state: Mutex::new((false, false)), changed: Condvar::new() };

impl Gate {
    fn read_clock() -> Timestamp {
        let mut state = GATE.state.lock().unwrap();
        state.0 = true;
        GATE.changed.notify_all();
        drop(GATE.changed.wait_while(state, |state| !state.1).unwrap());
        now()
    }

    fn wait_for_a_request() {
        let state = GATE.state.lock().unwrap();
        let (_state, waited) = GATE.changed.wait_timeout_while(state, LIMIT, |state| !state.0).unwrap();
        assert!(!waited.timed_out(), "no request has read the clock");
    }
}

/// Opens the gate when it goes, also when the test fails: a runtime waits for its blocking work.
struct Opener;

impl Drop for Opener {
    fn drop(&mut self) {
        GATE.state.lock().unwrap().1 = true;
        GATE.changed.notify_all();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_lets_a_running_request_finish() {
    let opener = Opener;
    let house = House::with(&entries(100));
    let Running { address, stop, server } = run(&house, Config::new(Gate::read_clock)).await;
    let request = get(&format!("{USAGE}?limit=100"), &house.key);
    let running_request = tokio::spawn(async move { exchange(address, &request).await });
    tokio::task::spawn_blocking(Gate::wait_for_a_request).await.unwrap();

    stop.send(()).unwrap();
    let refused = async {
        let is_refused = |error: std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
        while !TcpStream::connect(address).await.is_err_and(is_refused) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, refused).await.unwrap();
    assert!(!server.is_finished(), "a request is still running");

    drop(opener);
    let answer = running_request.await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(Page::from_usage_json(body).unwrap().entries.len(), 100);
    timeout(LIMIT, server).await.unwrap().unwrap().unwrap();
}

/// Of all accounts, without a key, and nowhere else; and no page in a browser may read them.
#[tokio::test]
async fn metrics_of_all_accounts_have_a_listener_of_their_own() {
    let house = House::with(&entries(3));
    let [api, metrics] = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let (at_api, at_metrics) = (api.local_addr().unwrap(), metrics.local_addr().unwrap());
    let listener = |listener: std::net::TcpListener| {
        listener.set_nonblocking(true).unwrap();
        TcpListener::from_std(listener).unwrap()
    };
    let listeners = Listeners { api: listener(api), tls: None, metrics: Some(listener(metrics)) };
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move { drop(stopped.await) };
    let config = Config { allow_origins: vec!["*".parse().unwrap()], ..Config::new(now) };
    let server = tokio::spawn(serve(listeners, house.ledger.clone(), config, shutdown));
    let close = "connection: close\r\n\r\n";
    let keyless =
        |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\norigin: https://a.example\r\n{close}");
    for (address, request, status) in [
        (at_api, get(USAGE, &house.key), "200"),
        (at_api, get(&format!("{HISTORY}?cursor=secret-cursor"), &house.key), "400"),
        (at_api, get(&format!("/{}", house.key), &house.key), "404"),
        (at_api, format!("PATCH {USAGE} HTTP/1.1\r\nhost: x\r\nx-request-id: our-request\r\n{close}"), "405"),
        (at_api, keyless("/healthz"), "200"),
        (at_api, keyless("/metrics"), "401"),
        (at_api, get("/metrics", &house.key), "200"),
        (at_metrics, get(USAGE, &house.key), "404"),
        (at_metrics, keyless("/docs"), "404"),
    ] {
        let answer = exchange(address, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        let opens = answer.contains("access-control-allow-origin: *");
        assert_eq!(opens, address == at_api, "{request}: {answer}");
    }
    let answer = exchange(at_metrics, &keyless("/metrics")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("access-control"), "{answer}");
    for line in [
        r#"billing_http_requests_total{route="/api/v1/billing/usage",method="GET",status="200"} 1"#,
        r#"billing_http_requests_total{route="/api/v1/billing/usage-history",method="GET",status="400"} 1"#,
        r#"billing_http_requests_total{route="/api/v1/billing/usage",method="other",status="405"} 1"#,
        r#"billing_http_requests_total{route="unmatched",method="GET",status="404"} 3"#,
        "billing_http_requests_in_progress 1",
        "billing_ingest_spend_usd_total 0",
        "# EOF",
    ] {
        assert!(answer.lines().any(|other| other == line), "{line}\n{answer}");
    }
    let ids: Vec<_> = house.ledger.keys().unwrap().into_iter().map(|key| key.id).collect();
    for secret in
        ids.iter().map(String::as_str).chain([house.key.as_str(), "our-request", "secret-cursor", "ours"])
    {
        assert!(!answer.contains(secret), "{secret}");
    }
    stop.send(()).unwrap();
    timeout(LIMIT, server).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_fetch_its_answer_is_left() {
    let house = House::with(&entries(3000));
    let config = Config { response_timeout: Duration::from_millis(50), ..Config::new(now) };
    let running = run(&house, config).await;
    let mut connection = TcpStream::connect(running.address).await.unwrap();
    // More answers than fit the buffers of both sides, and nobody reads.
    let request =
        format!("GET {USAGE}?limit=500 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", house.key);
    let left = async {
        loop {
            if connection.write_all(request.as_bytes()).await.is_err() {
                break;
            }
        }
    };
    timeout(LIMIT, left).await.expect("it is not held for ever");
    let answer = exchange(running.address, &get(USAGE, &house.key)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_request_that_finds_no_place_is_told_when_to_come_again() {
    let house = House::with(&entries(3));
    let config = Config { concurrent_requests: 1, ..Config::new(now) };
    let running = run(&house, config).await;
    // One that has its place, and whose batch does not come.
    let mut holder = TcpStream::connect(running.address).await.unwrap();
    let (_, ingest) = house.ledger.create_key(house.account("ours"), KeyKind::Ingest, "", now()).unwrap();
    let head = format!(
        "POST {USAGE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nidempotency-key: 1\r\n\
         content-type: application/json\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n",
        ingest.expose()
    );
    holder.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 21];
    timeout(LIMIT, holder.read_exact(&mut told)).await.unwrap().unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue", "its body is waited for");
    let answer = exchange(running.address, &get(USAGE, &house.key)).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.contains("\r\nretry-after: 1\r\n") && answer.ends_with(r#"{"error":"The server is busy"}"#),
        "{answer}"
    );
    assert!(exchange(running.address, &get("/healthz", "")).await.starts_with("HTTP/1.1 200 "));
    holder.write_all(b"[]").await.unwrap();
    let mut rest = vec![0; 16];
    timeout(LIMIT, holder.read_exact(&mut rest)).await.unwrap().unwrap();
    assert_eq!(String::from_utf8_lossy(&rest), "\r\n\r\nHTTP/1.1 201");
}
