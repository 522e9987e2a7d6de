//! Measures a whole walk: 100,000 entries from a server on loopback, over both endpoints.
//!
//! One walk is from the project's own server, another from pages that are ready in memory: the difference is the cost
//! of the server. The floor fetches the same pages and only reads their bytes.

use std::cell::LazyCell;
use std::io;
use std::path::Path;
use std::sync::Arc;

use billing_benches::next_cursor;
use billing_csv::Columns;
use billing_format::Format;
use billing_http::{ApiKey, Client, Endpoint, Walk};
use billing_ledger::{KeyKind, Ledger as _};
use billing_model::{Cursor, Page, Pagination, Paging, TimeWindow, Timestamp};
use billing_server::Config;
use billing_sink::{AtomicFile, FileSink, Plain, Target, drain};
use billing_testkit::wire::{Answer, Connection, Request};
use billing_testkit::{self as testkit, Reply, Upstream};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::history::{batches, history, json};
use crate::ledger::Place;

/// Entries of the window.
const ENTRIES: u64 = 100_000;

/// The most entries on a page by number.
const LIMIT: u32 = 500;

pub(crate) fn run(criterion: &mut Criterion) {
    // The server has a runtime of its own with two threads, as `billing serve` has two or three. The client has another
    // runtime, as it would in a process of its own.
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let service = LazyCell::new(|| Service::of_ledger(&runtime));
    by_cursor(&mut group(criterion, "walk-usage-history"), &service);
    by_number(&mut group(criterion, "walk-usage"), &service);
    let service = LazyCell::new(|| Service::of_ready_pages(&runtime));
    by_cursor(&mut group(criterion, "walk-ready-usage-history"), &service);
    by_number(&mut group(criterion, "walk-ready-usage"), &service);
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(ENTRIES));
    group
}

/// A running server, and what a client of it needs.
struct Service {
    base_url: String,
    key: String,
    /// Values that have to live as long as the server.
    _place: Option<Place>,
    _upstream: Option<Upstream>,
}

impl Service {
    /// The project's server with a ledger on disk.
    fn of_ledger(runtime: &Runtime) -> Self {
        let now = || Timestamp::from_unix_ns(1_783_502_130_123_000_000);
        let place = Place::with_history(ENTRIES);
        let (_, secret) = place.ledger.create_key(place.account, KeyKind::Admin, "", now()).expect("a key");
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let config = Config::new(now);
        runtime.spawn(billing_server::serve(
            listener,
            Arc::new(place.ledger.clone()),
            config,
            std::future::pending(),
        ));
        Self {
            base_url: format!("http://{address}/api/v1"),
            key: secret.expose().to_owned(),
            _place: Some(place),
            _upstream: None,
        }
    }

    /// A server whose pages are ready in memory.
    fn of_ready_pages(runtime: &Runtime) -> Self {
        let (by_cursor, by_number) = (pages_by_cursor(), pages_by_number());
        let answer = move |request: &testkit::Request| {
            let parameter = |name: &str| {
                let mut pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
                pairs
                    .find(|(key, _)| *key == name)
                    .map(|(_, value)| value.parse::<usize>().expect("a number"))
            };
            match (request.path.ends_with("usage-history"), parameter("cursor"), parameter("page")) {
                (true, cursor, _) => by_cursor[cursor.unwrap_or(0)].clone(),
                (false, _, page) => by_number[page.unwrap_or(1) - 1].clone(),
            }
        };
        let upstream = runtime.block_on(Upstream::start(answer));
        Self {
            base_url: upstream.base_url(),
            key: "ready".to_owned(),
            _place: None,
            _upstream: Some(upstream),
        }
    }

    fn connect(&self) -> Connection {
        Connection::to(&self.base_url).expect("a connection")
    }

    fn client(&self) -> Client {
        let key = ApiKey::new(&self.key).expect("a key");
        Client::builder(&self.base_url, key).build().expect("a client")
    }
}

/// Pages whose cursor is the index of the next one.
fn pages_by_cursor() -> Vec<Reply> {
    let entries: Vec<_> = batches(ENTRIES).collect();
    let last = entries.len() - 1;
    let page = |(index, entries): (usize, _)| {
        let next = (index < last).then(|| (index + 1).to_string().parse::<Cursor>().expect("a cursor"));
        Reply::json(200, json(&Page { entries, paging: Paging::ByCursor(next), warning: None }))
    };
    entries.into_iter().enumerate().map(page).collect()
}

fn pages_by_number() -> Vec<Reply> {
    let entries: Vec<_> = history(ENTRIES).collect();
    let pages = (1..).zip(entries.chunks(500)).map(|(page, entries)| {
        let paging = Paging::ByNumber(Pagination::new(LIMIT, page, ENTRIES));
        Reply::json(200, json(&Page { entries: entries.to_vec(), paging, warning: None }))
    });
    pages.collect()
}

fn by_cursor(
    group: &mut BenchmarkGroup<'_, WallTime>,
    service: &LazyCell<Service, impl FnOnce() -> Service>,
) {
    group.bench_function("floor-fetch", |b| {
        let mut connection = service.connect();
        b.iter(|| {
            let mut target = "/api/v1/billing/usage-history?pageSize=1000".to_owned();
            let mut bytes = 0;
            loop {
                let page = fetch(&mut connection, service, &target);
                bytes += page.body().len();
                let Some(cursor) = next_cursor(page.body()) else { break bytes };
                target = format!("/api/v1/billing/usage-history?cursor={cursor}");
            }
        });
    });
    walks(group, service, Endpoint::UsageHistory);
}

fn by_number(
    group: &mut BenchmarkGroup<'_, WallTime>,
    service: &LazyCell<Service, impl FnOnce() -> Service>,
) {
    group.bench_function("floor-fetch", |b| {
        let mut connection = service.connect();
        b.iter(|| {
            let pages = 1..=ENTRIES / u64::from(LIMIT);
            let target = |page| format!("/api/v1/billing/usage?limit={LIMIT}&page={page}&sortOrder=asc");
            pages.map(|page| fetch(&mut connection, service, &target(page)).body().len()).sum::<usize>()
        });
    });
    walks(group, service, Endpoint::Usage);
}

/// The floor of a walk: fetches pages and only reads their bytes.
fn fetch<'a>(connection: &'a mut Connection, service: &Service, target: &str) -> Answer<'a> {
    let request = Request::get(target).bearing(&service.key).header("accept", "application/json");
    let page = connection.ask(&request).expect("an answer");
    assert_eq!(page.status, 200, "{}", page.head());
    page
}

fn walks(
    group: &mut BenchmarkGroup<'_, WallTime>,
    service: &LazyCell<Service, impl FnOnce() -> Service>,
    endpoint: Endpoint,
) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    group.bench_function("to-nowhere", |b| {
        let client = service.client();
        b.iter(|| walk(&runtime, &client, endpoint, Plain(io::sink())));
    });
    group.bench_function("to-file", |b| {
        let client = service.client();
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("walk.csv");
        b.iter(|| walk(&runtime, &client, endpoint, AtomicFile::create(&path).expect("a file")));
    });
}

/// What `billing export` does: all pages go through the client into a CSV sink.
fn walk(runtime: &Runtime, client: &Client, endpoint: Endpoint, target: impl Target) {
    let walk = Walk::over(TimeWindow::ALL).endpoint(endpoint).build().expect("a walk");
    let sink = FileSink::new(Format::Csv(Columns::Documented), target);
    let drained = runtime.block_on(drain(walk.stretches(client), sink));
    let entries = drained.map(|drained| drained.summary.entries);
    // The number is checked, because a walk that fails early would look fast.
    assert_eq!(entries.ok(), Some(ENTRIES));
}
