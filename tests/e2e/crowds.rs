//! More connections than allowed: nobody can hold all of them, and idle ones make room.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpSocket;

use crate::billing::ndjson;
use crate::conversation::{Connection, Request};
use crate::host::{HISTORY, Host, USAGE};
use crate::ingest::post;
use crate::ledger::{Ledger, noted};

/// Loopback is many addresses.
const STRANGER: [u8; 4] = [127, 0, 0, 1];
const OTHER: [u8; 4] = [127, 0, 0, 2];

/// A limit for a server that does not answer. No test waits for it.
const LIMIT: Duration = Duration::from_secs(60);

/// A connection from an address.
fn connect_from(address: [u8; 4], host: &Host) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((address, 0))).unwrap();
        socket.connect(host.address().parse().unwrap()).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// True when the other side has ended a connection, which may be amid what was sent to it.
fn is_ended(mut stream: &TcpStream) -> bool {
    matches!(stream.read(&mut [0; 1024]), Ok(0) | Err(_))
}

/// Raises the limit of open files for this process and the server that it starts.
fn allow_files(wanted: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }).unwrap();
    }
}

/// How many connections the server has.
fn open(host: &Host) -> usize {
    let mut metrics = Connection::open(&host.metrics_address()).unwrap();
    let counts = metrics.ask(&Request::get("/metrics")).unwrap();
    let line = counts.text().lines().find_map(|line| line.strip_prefix("billing_http_connections "));
    line.unwrap().parse().unwrap()
}

#[test]
fn one_address_with_more_connections_than_there_are_keeps_nobody_out() {
    allow_files(4096);
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "")]);
    let key = ledger.key("default", "admin");
    let host = Host::start(&ledger.path(), &["--metrics-listen", "127.0.0.1:0"]);
    let read = Request::get(HISTORY).bearing(&key);
    // Some say nothing, and some begin to say something.
    let held: Vec<_> = (0..1100)
        .map(|n| {
            let mut stream = connect_from(STRANGER, &host);
            if n % 2 == 1 {
                // A connection that had to make room takes nothing more.
                let _ = stream.write_all(b"GET /api/v1/billing/usage HT");
            }
            stream
        })
        .collect();
    let start = Instant::now();
    for _ in 0..3 {
        assert_eq!(Connection::over(connect_from(OTHER, &host)).ask(&read).unwrap().status, 200);
        assert_eq!(Connection::over(connect_from(STRANGER, &host)).ask(&read).unwrap().status, 200);
    }
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "nobody waited for a time limit: {:?}",
        start.elapsed()
    );
    // Half of 1024 for one address, and those that ask here.
    while open(&host) > 515 {
        assert!(start.elapsed() < LIMIT, "{} are open", open(&host));
    }
    drop(held);
    assert_eq!(host.ask(&read).status, 200);
}

#[test]
fn who_is_idle_longest_makes_room_and_is_told_when_it_had_begun_to_ask() {
    let ledger = Ledger::of(&[]);
    let key = ledger.key("default", "admin");
    let host = Host::start(&ledger.path(), &["--max-connections", "3", "--max-connections-per-address", "2"]);
    let read = Request::get(HISTORY).bearing(&key);
    let mut first = connect_from(STRANGER, &host);
    let mut second = Connection::over(connect_from(STRANGER, &host));
    assert_eq!(second.ask(&read).unwrap().status, 200);
    // A third connection of the address makes the first one leave, which never got an answer.
    let mut third = Connection::over(connect_from(STRANGER, &host));
    assert_eq!(third.ask(&read).unwrap().status, 200);
    assert!(is_ended(&first));
    // All three are taken with this one.
    let mut other = Connection::over(connect_from(OTHER, &host));
    assert_eq!(other.ask(&read).unwrap().status, 200);
    assert_eq!(second.ask(&read).unwrap().status, 200, "nobody had to leave for it");
    // Of all connections, the third one is idle longest now, although it has begun a request.
    third.send(b"GET /api/v1/billing/us").unwrap();
    // Once the server has answered a later request, it has read this.
    assert_eq!(second.ask(&read).unwrap().status, 200);
    assert_eq!(other.ask(&read).unwrap().status, 200);
    let mut newcomer = Connection::over(connect_from([127, 0, 0, 3], &host));
    assert_eq!(newcomer.ask(&read).unwrap().status, 200);
    let told = third.answer().unwrap();
    assert_eq!((told.status, told.header("retry-after")), (503, Some("1")), "{}", told.text());
    assert_eq!(told.text(), r#"{"error":"Too many connections at the moment"}"#);
    for connection in [&mut second, &mut other, &mut newcomer] {
        connection.ask(&read).unwrap();
    }
    first = connect_from(STRANGER, &host);
    drop(first);
}

/// A running request with a batch, and the rest of it that was not sent yet.
fn begin(host: &Host, key: &str) -> (Connection<TcpStream>, String) {
    let request = post(key, "slow", "application/x-ndjson", ndjson(&[noted("2026-05-01T00:00:00Z", "")]));
    let request = String::from_utf8(request.header("expect", "100-continue").bytes()).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut running = Connection::over(connect_from(STRANGER, host));
    running.send(format!("{head}\r\n\r\n").as_bytes()).unwrap();
    // The server says so when it begins to read the body.
    running.is_asked_to_go_on().unwrap();
    (running, body.to_owned())
}

#[test]
fn a_request_that_runs_keeps_its_connection() {
    let ledger = Ledger::of(&[]);
    let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
    let host = Host::start(&ledger.path(), &["--max-connections-per-address", "1"]);
    let (mut running, body) = begin(&host, &ingest);
    for _ in 0..3 {
        let mut more = Connection::over(connect_from(STRANGER, &host));
        let refused = more.answer().unwrap();
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    }
    let read = Request::get(&format!("{USAGE}?limit=1")).bearing(&admin);
    let mut other = Connection::over(connect_from(OTHER, &host));
    assert!(other.ask(&read).unwrap().text().contains("\"total\":0,"));
    running.send(body.as_bytes()).unwrap();
    assert_eq!(running.answer().unwrap().status, 201);
    assert!(other.ask(&read).unwrap().text().contains("\"total\":1,"));
    // Now it is idle, or will be in a moment, and makes room.
    let start = Instant::now();
    while Connection::over(connect_from(STRANGER, &host)).ask(&read).unwrap().status != 200 {
        assert!(start.elapsed() < LIMIT);
    }
    assert!(running.answer().is_err());
}

#[test]
fn who_finds_every_place_taken_by_a_request_waits_for_one() {
    let ledger = Ledger::of(&[]);
    let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
    let host = Host::start(&ledger.path(), &["--max-connections", "1"]);
    let (mut running, body) = begin(&host, &ingest);
    let mut next = Connection::over(connect_from(OTHER, &host));
    next.send(&Request::get(&format!("{USAGE}?limit=1")).bearing(&admin).bytes()).unwrap();
    running.send(body.as_bytes()).unwrap();
    assert_eq!(running.answer().unwrap().status, 201);
    // It was looked at after the batch was answered, and so has it.
    assert!(next.answer().unwrap().text().contains("\"total\":1,"));
    assert!(running.answer().is_err());
    assert_eq!(host.stop().matches("answered").count(), 2);
}
