//! What could be lost: a ledger of two accounts, keys of every kind, cursors, and the real server over it.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use billing_ledger::{KeyKind, Ledger as _};
use billing_model::{Timestamp, UsageEntry};
use billing_server::{Config, serve};
use billing_sqlite::SqliteLedger;
use billing_testkit::wire::{Answer, Connection};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::case::Draft;
use crate::billing::{ndjson, run_reading};
use crate::host::{ANALYTICS, BALANCE, HISTORY, Host, USAGE};
use crate::ledger::{Ledger, at, noted, record};

pub(crate) const READS: [&str; 4] = [USAGE, HISTORY, ANALYTICS, BALANCE];

/// Stands in the notes of each of our entries, and nowhere else.
pub(crate) const OURS: &str = "these-are-our-rows";
/// Stands in the notes of each of their entries, and nowhere else.
pub(crate) const THEIRS: &str = "these-are-their-rows";

/// Entries of each account.
const ENTRIES: usize = 300;

/// The MiB that the server takes of a batch.
pub(crate) const BODY_LIMIT: usize = 1 << 20;

/// The key with which a batch is there already.
pub(crate) const TAKEN_KEY: &str = "a-batch-that-is-there";

pub(crate) struct Stakes {
    pub(crate) address: SocketAddr,
    pub(crate) admin: String,
    pub(crate) ingest: String,
    pub(crate) inference: String,
    pub(crate) revoked: String,
    pub(crate) their_admin: String,
    pub(crate) cursor: String,
    pub(crate) their_cursor: String,
    pub(crate) expired_cursor: String,
    /// A small body that becomes very large when it is decompressed.
    pub(crate) bomb: Vec<u8>,
}

/// The server and its ledger.
pub(crate) struct House {
    pub(crate) stakes: Stakes,
    host: Host,
    _ledger: Ledger,
}

fn entries(mark: &str) -> Vec<UsageEntry> {
    (0..ENTRIES).map(|n| noted(&format!("2026-05-01T{:02}:{:02}:00Z", n / 60, n % 60), mark)).collect()
}

impl House {
    pub(crate) fn open() -> Self {
        let ledger = Ledger::of(&[]);
        let path = ledger.path();
        record(&path, &entries(OURS));
        let theirs = ["import", "-", "--format", "ndjson", "--ledger", &path, "--account", "theirs"];
        run_reading(&theirs, &ndjson(&entries(THEIRS))).done();
        let key = |kind| ledger.key("default", kind);
        let (admin, ingest, inference) = (key("admin"), key("ingest"), key("inference"));
        let their_admin = ledger.key("theirs", "admin");
        let revoked = revoked_key(Path::new(&path));
        let expired_cursor = old_cursor(Path::new(&path), &admin);

        let limit = (BODY_LIMIT >> 20).to_string();
        let host = Host::start(&path, &["--failed-request-limit", "0", "--body-limit", &limit]);
        let address = host.address().parse().unwrap();
        let cursor = first_cursor(address, &admin);
        let their_cursor = first_cursor(address, &their_admin);
        let bomb = gzip(&vec![b'\n'; 64 << 20]);
        let stakes = Stakes {
            address,
            admin,
            ingest,
            inference,
            revoked,
            their_admin,
            cursor,
            their_cursor,
            expired_cursor,
            bomb,
        };
        let taken = ndjson(&[noted("2026-05-02T00:00:00Z", OURS)]);
        let post = stakes.batch().with("idempotency-key", TAKEN_KEY).body(taken).with("connection", "close");
        assert_eq!(exchange(address, &post.bytes()).status, 201);
        Self { stakes, host, _ledger: ledger }
    }

    /// Every entry of both accounts as it is served now.
    pub(crate) fn entries(&self) -> [String; 2] {
        [&self.stakes.admin, &self.stakes.their_admin].map(|key| {
            let ask = Draft::new("GET", format!("{HISTORY}?pageSize=1000")).key(key);
            let answer = exchange(self.stakes.address, &ask.with("connection", "close").bytes());
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.text().to_owned()
        })
    }

    /// Bytes that the server has of the machine's memory, and the most that it ever had.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.host.id())).unwrap();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
        };
        (bytes("VmRSS:"), bytes("VmHWM:"))
    }

    /// Tells the server to stop, and waits until it has: all that it said.
    pub(crate) fn close(self) -> String {
        self.host.stop()
    }
}

impl Stakes {
    /// What must not be in a log.
    pub(crate) fn keys(&self) -> [String; 5] {
        [&self.admin, &self.ingest, &self.inference, &self.revoked, &self.their_admin].map(String::clone)
    }

    /// A request for our rows, as a client makes it.
    pub(crate) fn normal(&self) -> Draft {
        Draft::new("GET", format!("{USAGE}?limit=2")).key(&self.admin)
    }

    /// A batch that lacks nothing but its idempotency key and its body.
    pub(crate) fn batch(&self) -> Draft {
        Draft::new("POST", USAGE).key(&self.ingest).with("content-type", "application/x-ndjson")
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn revoked_key(path: &Path) -> String {
    let ledger = SqliteLedger::open(path).unwrap();
    let account = ledger.create_account("default").unwrap();
    let now = at("2026-05-01T00:00:00Z");
    let (key, secret) = ledger.create_key(account, KeyKind::Admin, "", now).unwrap();
    assert!(ledger.revoke_key(&key.id, now).unwrap());
    secret.expose().to_owned()
}

/// A cursor that this ledger issued long ago.
fn old_cursor(path: &Path, key: &str) -> String {
    fn long_ago() -> Timestamp {
        at("2020-01-01T00:00:00Z")
    }
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listener = runtime.block_on(listener).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async move { drop(stopped.await) };
    let server = runtime.spawn(serve(
        listener,
        Arc::new(SqliteLedger::open(path).unwrap()),
        Config::new(long_ago),
        shutdown,
    ));
    let cursor = first_cursor(address, key);
    drop(stop);
    runtime.block_on(server).unwrap().unwrap();
    cursor
}

/// The cursor of a page of ten.
fn first_cursor(address: SocketAddr, key: &str) -> String {
    let ask = Draft::new("GET", format!("{HISTORY}?pageSize=10")).key(key);
    let answer = exchange(address, &ask.with("accept", "text/csv").with("connection", "close").bytes());
    answer.header("x-next-cursor").expect("more than one page").to_owned()
}

/// The answer to these bytes, and nothing behind it.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer<'static> {
    let mut connection = Connection::open(&address.to_string()).unwrap();
    connection.send(bytes).unwrap();
    let answer = connection.answer().unwrap().into_owned();
    assert!(connection.rest().unwrap().is_empty(), "more came than one answer");
    answer
}
