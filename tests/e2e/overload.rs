//! More load than the server takes: it says so at once, and its memory does not grow with the number of clients.

use std::fs;
use std::net::TcpStream;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use billing_model::{Analytics, UsageEntry};

use crate::billing::{ndjson, run};
use crate::conversation::{Answer, Connection, Request};
use crate::host::{ANALYTICS, HISTORY, Host, USAGE};
use crate::ingest::{gzip, post};
use crate::ledger::{Ledger, noted};

const NDJSON: &str = "application/x-ndjson";

/// Requests that are answered at the same time.
const PLACES: usize = 8;

/// Small limits, so that little is too much: eight requests, batches of one MiB.
const SMALL: [&str; 4] = ["--max-requests", "8", "--body-limit", "1"];

/// The most memory that the server may take. Eight batches of a MiB take about twelve times their size, and an idle
/// server takes a tenth of this.
const CAP_BYTES: u64 = 128 << 20;

/// A limit for a server that does not come back. No test waits for it.
const LIMIT: Duration = Duration::from_secs(60);

struct House {
    ingest: String,
    admin: String,
    host: Host,
    _ledger: Ledger,
}

impl House {
    fn of(entries: &[UsageEntry]) -> Self {
        Self::with(entries, &SMALL)
    }

    fn with(entries: &[UsageEntry], options: &[&str]) -> Self {
        let ledger = Ledger::of(entries);
        let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
        let host = Host::start(&ledger.path(), options);
        Self { ingest, admin, host, _ledger: ledger }
    }

    /// The most memory that it ever had.
    fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.host.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
    }

    #[track_caller]
    fn stays_small(&self) {
        let peak = self.peak_bytes();
        assert!(peak < CAP_BYTES, "{peak} bytes");
    }

    /// Asks until it gets this status. Until then, every answer must say when to come again.
    #[track_caller]
    fn comes_back(&self, request: &Request, status: u16) {
        let start = Instant::now();
        // One connection for all: asked for half a minute, each with its own, a machine has no ports left.
        let mut connection = self.host.connect();
        loop {
            assert!(start.elapsed() < LIMIT, "not {status} in time");
            let Ok(answer) = connection.ask(request) else {
                connection = self.host.connect();
                continue;
            };
            if answer.status == status {
                return;
            }
            is_told_to_come_again(&answer);
            thread::yield_now();
        }
    }

    /// Asks until it is answered. On a busy machine the sums may take longer than the ten seconds of a request, and are
    /// then finished beside the next one.
    #[track_caller]
    fn answered_in_the_end(&self, request: &Request) -> Answer {
        let start = Instant::now();
        loop {
            let answer = self.host.ask(request);
            if ![503, 504].contains(&answer.status) {
                return answer;
            }
            assert!(start.elapsed() < LIMIT, "still too slow");
        }
    }

    #[track_caller]
    fn works(&self) {
        let read = Request::get(&format!("{HISTORY}?pageSize=10")).bearing(&self.admin);
        self.comes_back(&read, 200);
        let batch = post(&self.ingest, "afterwards", NDJSON, ndjson(&[noted("2026-05-01T00:00:00Z", "")]));
        // A client that has just left may still have its place.
        self.comes_back(&batch, 201);
    }

    /// Requests that watch the server are answered even when it is busy.
    #[track_caller]
    fn can_be_watched(&self) {
        for path in ["/healthz", "/readyz", "/metrics"] {
            let request = Request::get(path).bearing(&self.admin);
            assert_eq!(self.host.ask(&request).status, 200, "{path}");
        }
    }
}

/// Asserts that a refused client is told when to come again.
#[track_caller]
fn is_told_to_come_again(answer: &Answer) {
    assert!([429, 503].contains(&answer.status), "{}: {}", answer.status, answer.text());
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds));
    assert!(answer.text().starts_with(r#"{"error":""#), "{}", answer.text());
}

/// As many entries as fit into a body of one MiB: what takes most memory.
fn large_body(name: &str) -> Vec<u8> {
    let row = format!(
        r#"{{"timestamp":"2026-05-01T00:00:00Z","sku":"{name}","pricePerUnitUsd":1,"units":1,"amount":-1,"currency":"USD","notes":""}}"#
    );
    format!("{row}\n").repeat((1 << 20) / (row.len() + 1)).into_bytes()
}

#[test]
fn bodies_that_come_slowly_take_the_places_and_nobody_elses_time() {
    const CLIENTS: usize = 5 * PLACES;
    let house = House::of(&[]);
    let (tell, answers) = channel();
    let body = large_body("slow");
    let mut writers: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let stream = TcpStream::connect(house.host.address()).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            let mut reader = Connection::over(stream.try_clone().unwrap());
            let tell = tell.clone();
            thread::spawn(move || tell.send((client, reader.answer().unwrap())));
            let bytes = post(&house.ingest, &format!("slow-{client}"), NDJSON, &*body).bytes();
            let rest = bytes[bytes.len() / 2..].to_vec();
            let mut writer = Connection::over(stream);
            // A refused client is not listened to, so sending may fail.
            let _ = writer.send(&bytes[..bytes.len() / 2]);
            Some((writer, rest))
        })
        .collect();
    for _ in PLACES..CLIENTS {
        let (client, answer) = answers.recv_timeout(LIMIT).unwrap();
        assert_eq!(answer.status, 503, "{}", answer.text());
        is_told_to_come_again(&answer);
        writers[client] = None;
    }
    house.can_be_watched();
    is_told_to_come_again(&house.host.ask(&Request::get(USAGE).bearing(&house.admin)));
    // Requests that have a place are completed, however long they took.
    for (writer, rest) in writers.iter_mut().flatten() {
        writer.send(rest).unwrap();
    }
    for _ in 0..PLACES {
        assert_eq!(answers.recv_timeout(LIMIT).unwrap().1.status, 201);
    }
    house.stays_small();
    house.works();
}

#[test]
fn many_large_batches_at_once_are_stored_or_sent_away() {
    const CLIENTS: usize = 8 * PLACES;
    let house = House::of(&[]);
    let start = Barrier::new(CLIENTS);
    let (mut stored, mut sent_away) = (0, 0);
    thread::scope(|scope| {
        let clients = (0..CLIENTS).map(|client| {
            let (host, ingest, start) = (&house.host, house.ingest.as_str(), &start);
            scope.spawn(move || {
                let name = format!("large-{client}");
                let body = large_body(&name);
                let request = match client % 2 {
                    0 => post(ingest, &name, NDJSON, body),
                    _ => post(ingest, &name, NDJSON, gzip(&body)).header("content-encoding", "gzip"),
                };
                start.wait();
                host.ask(&request)
            })
        });
        for client in clients.collect::<Vec<_>>() {
            let answer = client.join().unwrap();
            match answer.status {
                201 => stored += 1,
                _ => {
                    is_told_to_come_again(&answer);
                    sent_away += 1;
                }
            }
        }
    });
    assert!(stored >= PLACES && sent_away > 0, "{stored} stored, {sent_away} sent away");
    house.stays_small();
    house.works();
}

/// As many rows of 36 bytes as fit into a body of a MiB: what becomes largest in memory.
fn body_of_short_rows(name: &str) -> Vec<u8> {
    let row = format!("2026-05-01T00:00:00Z,{name},1,1,-1,USD,\n");
    let header = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n";
    [header, &row.repeat(((1 << 20) - header.len()) / row.len())].concat().into_bytes()
}

/// Each client sends its next batch as soon as it is answered, and the memory has room for one batch at a time.
#[test]
fn greedy_clients_are_all_served_and_in_turn() {
    const CLIENTS: usize = 6;
    const ROUNDS: usize = 5;
    let house = House::with(&[], &["--body-limit", "1", "--memory", "11"]);
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (host, ingest, answered) = (&house.host, house.ingest.as_str(), &answered);
            scope.spawn(move || {
                let mut connection = host.connect();
                for round in 0..ROUNDS {
                    let body = body_of_short_rows(&format!("s{client}"));
                    let name = format!("{client} {round}").replace(' ', "-");
                    let request = match round % 2 {
                        0 => post(ingest, &name, "text/csv", body),
                        _ => post(ingest, &name, "text/csv", gzip(&body)).header("content-encoding", "gzip"),
                    };
                    let before = answered.load(Ordering::Relaxed);
                    let answer = connection.ask(&request).unwrap();
                    assert_eq!(answer.status, 201, "{}", answer.text());
                    let others = answered.fetch_add(1, Ordering::Relaxed) - before;
                    assert!(others <= 3 * (CLIENTS - 1), "{others} others were served meanwhile");
                }
            });
        }
    });
    assert_eq!(answered.into_inner(), CLIENTS * ROUNDS);
    house.stays_small();
    house.works();
}

/// Memory that is too little for a single batch is refused at the start, in words.
#[test]
fn too_little_memory_is_wrong_usage() {
    let ledger = Ledger::of(&[]);
    let run = run(&["serve", "--ledger", &ledger.path(), "--memory", "100"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(
        run.stderr.contains("--memory is too little for batches of 16 MiB: 131 MiB is the least"),
        "{}",
        run.stderr
    );
}

/// Very many and very long skus, and a dozen clients that ask for their sums and do not fetch them.
#[test]
fn analytics_that_nobody_fetches_stay_within_the_memory() {
    let long = "x".repeat(3000);
    let entries: Vec<_> = (0..5000)
        .map(|n| UsageEntry { sku: format!("{n}{long}"), ..noted("2026-05-01T00:00:00Z", "") })
        .collect();
    let house = House::of(&entries);
    let dates = "startDate=2026-04-01&endDate=2026-05-1";
    // Each asks for another span, so that each answer is made anew.
    let ask = |n: usize| Request::get(&format!("{ANALYTICS}?{dates}{n}&topN=50")).bearing(&house.admin);
    let whole = house.answered_in_the_end(&ask(0));
    assert_eq!(whole.status, 200);
    assert!(whole.text().len() < 12 << 20, "{} bytes", whole.text().len());
    let sums = Analytics::from_json(whole.text()).unwrap();
    assert_eq!(sums.by_date[30].usd.to_string(), "500", "nothing is lost from the totals");
    let deaf: Vec<_> = (0..12)
        .map(|n| {
            let mut connection = house.host.connect();
            connection.send(&ask(n % 10).bytes()).unwrap();
            connection
        })
        .collect();
    house.can_be_watched();
    house.stays_small();
    drop(deaf);
    // Sums that nobody waits for any more are still being made, beside those that are asked for now.
    let read = Request::get(&format!("{HISTORY}?pageSize=10")).bearing(&house.admin);
    assert_eq!(house.answered_in_the_end(&read).status, 200);
    house.works();
    house.stays_small();
}

#[test]
fn answers_that_nobody_fetches_hold_up_those_who_asked_and_no_memory() {
    // A page of 4 MiB, which does not fit between server and client.
    let entries = vec![noted("2026-05-01T00:00:00Z", &"long ".repeat(800)); 1000];
    let house = House::of(&entries);
    let page = Request::get(&format!("{HISTORY}?pageSize=1000")).bearing(&house.admin);
    let mut deaf = Vec::new();
    for _ in 0..8 * PLACES {
        let mut connection = house.host.connect();
        // The system holds up to 32 MiB for a reader where it is let: the whole of what is asked for here.
        connection.hold_at_most(64 << 10);
        // The first answer is fetched, so the request had a place. Nothing of the others is fetched.
        connection.send(&page.bytes().repeat(8)).unwrap();
        let first = connection.answer().unwrap();
        assert!([200, 503].contains(&first.status), "{}", first.text());
        deaf.push(connection);
    }
    // They have the places as long as they do not listen.
    let read = Request::get(USAGE).bearing(&house.admin);
    let (start, mut sent_away) = (Instant::now(), 0);
    while sent_away < 100 {
        let answer = house.host.ask(&read);
        if answer.status == 200 {
            sent_away = 0;
            assert!(start.elapsed() < LIMIT, "there is a place, though nobody gave one back");
            continue;
        }
        is_told_to_come_again(&answer);
        sent_away += 1;
    }
    house.can_be_watched();
    house.stays_small();
    drop(deaf);
    house.works();
    house.stays_small();
}
