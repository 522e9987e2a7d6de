//! The server on a real socket: lengths, shutdown, clients that go away.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use billing_ledger::KeyKind;
use billing_model::{Page, Timestamp};
use billing_server::{Config, Listeners, serve};
use billing_testkit::wire::{Answer, Connection, Request};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use crate::house::{HISTORY, House, USAGE, entries, now};

/// Ends a test that hangs. No other test waits for it.
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

/// Sends bytes on a new connection and reads the answer, after which the connection ends.
async fn exchange(address: SocketAddr, request: impl Into<Vec<u8>>) -> Answer<'static> {
    let request = request.into();
    // The server may run on the thread of the test, so another thread waits for the answer.
    let answer = spawn_blocking(move || {
        let mut connection = Connection::open(&address.to_string()).unwrap();
        connection.send(&request).unwrap();
        let answer = connection.answer().unwrap().into_owned();
        assert!(connection.rest().unwrap().is_empty(), "more came than one answer");
        answer
    });
    timeout(LIMIT, answer).await.unwrap().unwrap()
}

fn get(path: &str, key: &str) -> Vec<u8> {
    Request::get(path).bearing(key).header("connection", "close").bytes()
}

#[tokio::test]
async fn a_body_has_its_length_and_is_not_chunked() {
    let house = House::with(&entries(500));
    let running = run(&house, Config::new(now)).await;
    let wrong_key = "Bearer-nonsense";
    for (path, key, status) in [
        (&*format!("{USAGE}?limit=500"), &*house.key, 200),
        (USAGE, wrong_key, 401),
        ("/nowhere", wrong_key, 404),
        ("/", wrong_key, 307),
    ] {
        let answer = exchange(running.address, get(path, key)).await;
        let (head, body) = (answer.head().to_ascii_lowercase(), answer.text());
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
        if status == 200 {
            assert_eq!(Page::from_usage_json(body).unwrap().entries.len(), 500);
        }
    }
}

#[tokio::test]
async fn what_is_not_http_ends_its_connection_only() {
    let house = House::with(&[]);
    let running = run(&house, Config::new(now)).await;
    let long = "x".repeat(70_000);
    for (request, status) in
        [(b"nonsense\r\n\r\n".to_vec(), 400), (Request::get(&format!("{USAGE}?x={long}")).bytes(), 414)]
    {
        let answer = exchange(running.address, request).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    assert_eq!(exchange(running.address, get(USAGE, &house.key)).await.status, 200);
}

#[tokio::test]
async fn more_requests_than_reads_at_once_are_all_answered() {
    let house = House::with(&entries(100));
    let running = run(&house, Config { concurrent_reads: 0, ..Config::new(now) }).await;
    let request = get(USAGE, &house.key);
    let asks = (0..20).map(|_| {
        let request = request.clone();
        tokio::spawn(exchange(running.address, request))
    });
    for ask in asks.collect::<Vec<_>>() {
        assert_eq!(ask.await.unwrap().status, 200);
    }
}

/// A clock that stops the request which reads it, until the test lets it go on.
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

/// Opens the gate when it is dropped, also when the test fails, because a runtime waits for its blocking work.
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
    let running_request = tokio::spawn(exchange(address, request));
    spawn_blocking(Gate::wait_for_a_request).await.unwrap();

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
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(Page::from_usage_json(answer.text()).unwrap().entries.len(), 100);
    timeout(LIMIT, server).await.unwrap().unwrap().unwrap();
}

/// The metrics of all accounts are there without a key, and nowhere else. No page in a browser may read them.
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
    let keyless = |path: &str| {
        let request = Request::get(path).header("origin", "https://a.example");
        request.header("connection", "close").bytes()
    };
    let patch = format!(
        "PATCH {USAGE} HTTP/1.1\r\nhost: x\r\nx-request-id: our-request\r\nconnection: close\r\n\r\n"
    );
    for (address, request, status) in [
        (at_api, get(USAGE, &house.key), 200),
        (at_api, get(&format!("{HISTORY}?cursor=secret-cursor"), &house.key), 400),
        (at_api, get(&format!("/{}", house.key), &house.key), 404),
        (at_api, patch.into_bytes(), 405),
        (at_api, keyless("/healthz"), 200),
        (at_api, keyless("/metrics"), 401),
        (at_api, get("/metrics", &house.key), 200),
        (at_metrics, get(USAGE, &house.key), 404),
        (at_metrics, keyless("/docs"), 404),
    ] {
        let said = request.escape_ascii().to_string();
        let answer = exchange(address, request).await;
        assert_eq!(answer.status, status, "{said}: {answer:?}");
        let opens = answer.header("access-control-allow-origin") == Some("*");
        assert_eq!(opens, address == at_api, "{said}: {answer:?}");
    }
    // The metrics count all of these requests, and have no name, id or secret of an account.
    let answer = exchange(at_metrics, keyless("/metrics")).await;
    let answer = format!("{}{}", answer.head(), answer.text());
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
    // The client asks for more answers than the buffers of both sides hold, and reads none.
    let request = Request::get(&format!("{USAGE}?limit=500")).bearing(&house.key).bytes();
    let left = async {
        loop {
            if connection.write_all(&request).await.is_err() {
                break;
            }
        }
    };
    timeout(LIMIT, left).await.expect("it is not held for ever");
    assert_eq!(exchange(running.address, get(USAGE, &house.key)).await.status, 200);
}

#[tokio::test]
async fn a_request_that_finds_no_place_is_told_when_to_come_again() {
    let house = House::with(&entries(3));
    let config = Config { concurrent_requests: 1, ..Config::new(now) };
    let running = run(&house, config).await;
    // A request that has its place, but whose batch does not come.
    let (_, ingest) = house.ledger.create_key(house.account("ours"), KeyKind::Ingest, "", now()).unwrap();
    let batch = Request::post(USAGE, "[]").bearing(ingest.expose()).header("idempotency-key", "1");
    let batch = batch.header("content-type", "application/json").header("expect", "100-continue").bytes();
    let (head, body) = batch.split_at(batch.len() - 2);
    let (head, body) = (head.to_vec(), body.to_vec());
    let holder = spawn_blocking(move || {
        let mut holder = Connection::open(&running.address.to_string()).unwrap();
        holder.send(&head).unwrap();
        assert_eq!(holder.answer().unwrap().status, 100, "its body is waited for");
        holder
    });
    let mut holder = timeout(LIMIT, holder).await.unwrap().unwrap();
    let answer = exchange(running.address, get(USAGE, &house.key)).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.text(), r#"{"error":"The server is busy"}"#);
    assert_eq!(exchange(running.address, get("/healthz", "")).await.status, 200);
    let recorded = spawn_blocking(move || {
        holder.send(&body).unwrap();
        holder.answer().unwrap().status
    });
    assert_eq!(timeout(LIMIT, recorded).await.unwrap().unwrap(), 201);
}
