//! The copy: an account of a ledger, and walks over the server that answers for it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use billing_ledger::{AccountId, Coverage, Error, ErrorKind, KeyKind, Ledger, Turn};
use billing_model::{Page, Paging, Timestamp, UsageEntry};
use billing_server::{Config, router};
use billing_sqlite::SqliteLedger;
use billing_testkit::{MemoryLedger, Moment, OwnedLedger as _, WatchedLedger};
use proptest::sample::Index;
use rusqlite::Connection;
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::mortal::new_directory;
use crate::sync::lots::{Lots, assert_recorded};
use crate::sync::story::Tampering;

const HISTORY: &str = "/api/v1/billing/usage-history";

/// Entries on a page of the server, the fewest that there can be.
const PAGE: usize = 10;

/// At which change of the ledger its writer is killed.
type Fuse = Arc<Mutex<Option<(usize, Moment)>>>;

pub(crate) struct Copy {
    engine: Engine,
    fuse: Fuse,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) account: AccountId,
    key: String,
    server: Router,
    walks: Vec<OpenWalk>,
}

#[derive(Clone)]
enum Engine {
    Memory(MemoryLedger),
    File(Arc<TempDir>),
}

/// A walk over the server that goes on while the account is brought in line.
struct OpenWalk {
    /// What there was when it began.
    moment: Vec<UsageEntry>,
    /// How many entries had been taken out by then.
    taken_out: usize,
    came: Vec<UsageEntry>,
    cursor: String,
}

fn now() -> Timestamp {
    "2026-06-15T00:00:00Z".parse().unwrap()
}

impl Engine {
    fn new(is_in_memory: bool) -> Self {
        match is_in_memory {
            true => Self::Memory(MemoryLedger::new().unwrap()),
            false => Self::File(Arc::new(new_directory().unwrap())),
        }
    }

    fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Memory(_) => None,
            Self::File(directory) => Some(directory.path().join("ledger.db")),
        }
    }

    fn open(&self) -> Arc<dyn Ledger> {
        match self {
            Self::Memory(ledger) => Arc::new(ledger.clone()),
            Self::File(directory) => {
                Arc::new(SqliteLedger::open_or_create(&directory.path().join("ledger.db")).unwrap())
            }
        }
    }
}

fn watched(ledger: Arc<dyn Ledger>, fuse: &Fuse) -> Arc<dyn Ledger> {
    let fuse = Arc::clone(fuse);
    Arc::new(WatchedLedger::new(ledger, move |now| {
        let mut fuse = fuse.lock().unwrap();
        let Some((left, moment)) = fuse.as_mut() else { return Ok(()) };
        if now == *moment {
            *left -= 1;
        }
        if *left > 0 {
            return Ok(());
        }
        *fuse = None;
        Err(Error::new(ErrorKind::OutcomeNotKnown, "killed"))
    }))
}

fn served(ledger: &Arc<dyn Ledger>) -> Router {
    router(Arc::clone(ledger), Config { failed_request_limit: None, ..Config::new(now) })
}

impl Copy {
    pub(crate) fn new(is_in_memory: bool) -> Self {
        let (engine, fuse) = (Engine::new(is_in_memory), Fuse::default());
        let ledger = watched(engine.open(), &fuse);
        let account = ledger.create_account("copy").unwrap();
        let key = ledger.create_key(account, KeyKind::Admin, "", now()).unwrap().1.expose().to_owned();
        let server = served(&ledger);
        Self { engine, fuse, ledger, account, key, server, walks: Vec::new() }
    }

    pub(crate) fn entries(&self) -> Vec<UsageEntry> {
        self.ledger.placed_entries(self.account).unwrap().into_iter().map(|(_, entry)| entry).collect()
    }

    pub(crate) fn removed(&self) -> Vec<UsageEntry> {
        self.ledger.removed_entries(self.account).unwrap().into_iter().map(|(_, entry)| entry).collect()
    }

    pub(crate) fn records(&self) -> Vec<Coverage> {
        self.ledger.owned_coverage(self.account).unwrap()
    }

    /// From now on the writer is killed at a change.
    pub(crate) fn arm(&self, fuse: Option<(usize, Moment)>) {
        *self.fuse.lock().unwrap() = fuse;
    }

    /// Ends that, and waits for what a run that was dropped has left to store.
    pub(crate) fn settle(&self) {
        while let Turn::HeldBy(_) = self.ledger.take_turn(self.account, "the next").unwrap() {
            std::thread::yield_now();
        }
        self.arm(None);
    }

    pub(crate) fn assert_sound(&self) {
        assert_recorded(&self.records(), &self.entries());
        if let Some(path) = self.engine.path() {
            let report = SqliteLedger::check(&path, |_| ()).unwrap();
            assert!(report.is_clean(), "{:#?}", report.differences);
        }
    }

    /// Writes to the file as another tool could, to rows of a time that is proven; not to a ledger in memory. The ledger is closed
    /// meanwhile, and its walks end.
    pub(crate) fn tamper(
        &mut self,
        tamperings: &[(Index, Tampering)],
        is_proven: impl Fn(Timestamp) -> bool,
    ) {
        // A twin gets the next instant.
        let is_proven = |at: Timestamp| is_proven(at) && is_proven(at.next());
        let places = self.ledger.placed_entries(self.account).unwrap().into_iter().map(|(place, _)| place);
        let places: Vec<_> =
            places.filter(|place| is_proven(Timestamp::from_unix_ns(place.timestamp_ns))).collect();
        let Some(path) = self.engine.path().filter(|_| !places.is_empty()) else { return };
        self.walks.clear();
        let nothing: Arc<dyn Ledger> = Arc::new(MemoryLedger::new().unwrap());
        self.server = served(&nothing);
        self.ledger = nothing;
        for (place, tampering) in tamperings {
            let place = place.get(&places);
            let which = format!("timestamp_ns = {} AND sequence = {}", place.timestamp_ns, place.sequence);
            damage(&path, *tampering, &which);
        }
        self.ledger = watched(self.engine.open(), &self.fuse);
        self.server = served(&self.ledger);
    }

    /// Begins a walk.
    pub(crate) async fn open_walk(&mut self) {
        let (moment, taken_out) = (self.entries(), self.removed().len());
        let walk = OpenWalk { moment, taken_out, came: Vec::new(), cursor: String::new() };
        self.walks.push(walk);
        let last = self.walks.len() - 1;
        self.go_on(last).await;
    }

    /// Goes on with one of the walks for so many pages.
    pub(crate) async fn go_on_for(&mut self, which: &Index, pages: usize) {
        for _ in 0..pages {
            if !self.walks.is_empty() {
                self.go_on(which.index(self.walks.len())).await;
            }
        }
    }

    /// Goes on with all of them to their ends.
    pub(crate) async fn finish_walks(&mut self) {
        while !self.walks.is_empty() {
            self.go_on(0).await;
        }
    }

    async fn go_on(&mut self, which: usize) {
        let walk = &mut self.walks[which];
        let query = match walk.cursor.as_str() {
            "" => format!("pageSize={PAGE}"),
            cursor => format!("cursor={cursor}"),
        };
        let request = Request::get(format!("{HISTORY}?{query}"))
            .header("authorization", format!("Bearer {}", self.key))
            .body(Body::empty());
        let answer = self.server.clone().oneshot(request.unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = String::from_utf8(to_bytes(body, 16 << 20).await.unwrap().to_vec()).unwrap();
        if parts.status == StatusCode::BAD_REQUEST {
            // Refused loudly, and for a reason.
            assert!(body.contains("restart from the first page"), "{body}");
            let taken_out = self.walks.remove(which).taken_out;
            assert!(taken_out < self.removed().len(), "nothing was taken out, and yet: {body}");
            return;
        }
        assert_eq!(parts.status, 200, "{body}");
        let Page { entries, paging, .. } = Page::from_history_json(&body).unwrap();
        walk.came.extend(entries);
        match paging {
            Paging::ByCursor(Some(cursor)) => walk.cursor = cursor.to_string(),
            _ => {
                let OpenWalk { moment, came, .. } = self.walks.remove(which);
                assert!(came.is_sorted_by_key(|entry| entry.timestamp));
                // Keys and other fields may have changed meanwhile.
                let (moment, came) = (Lots::of(&moment), Lots::of(&came));
                for (digest, at) in Lots::all([&moment, &came]) {
                    assert_eq!(came.count(&digest), moment.count(&digest), "an entry at {at}");
                }
            }
        }
    }
}

/// Does this to a row.
fn damage(path: &Path, tampering: Tampering, which: &str) {
    let file = Connection::open(path).unwrap();
    let sql = match tampering {
        Tampering::Delete => format!("DELETE FROM entries WHERE {which}"),
        Tampering::Amount => format!("UPDATE entries SET numbers = '[4.84,0.000044,-77]' WHERE {which}"),
        // A row behind all numbers that were given out is seen by nobody but a check.
        Tampering::Double => format!(
            "INSERT OR IGNORE INTO entries SELECT account, timestamp_ns + 1, sequence, sku, currency, notes, api_key, numbers,
             request_id, other_fields FROM entries WHERE {which}"
        ),
    };
    file.execute_batch(&sql).unwrap();
}
