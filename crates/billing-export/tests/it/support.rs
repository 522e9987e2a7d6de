//! A service whose ledger a test changes during a walk, and a directory for the file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use billing_export::{Event, Export, ExportBuilder, ExportFile};
use billing_format::{Format, InputFormat, read_entries};
use billing_http::{ApiKey, Client};
use billing_model::{TimeWindow, Timestamp, UsageEntry};
use billing_testkit::{Book, Reply, Request, Upstream, entry_at};
use tempfile::TempDir;

/// The instant so many seconds after the beginning of June 2026.
pub(crate) fn second(second: i64) -> Timestamp {
    Timestamp::from_unix_ns((1_780_272_000 + second) * 1_000_000_000)
}

/// So many entries, one in each second from the beginning of June 2026.
pub(crate) fn seconds(seconds: i64) -> Vec<UsageEntry> {
    (0..seconds).map(|at| entry_at(second(at), &format!("-0.{at:03}1"))).collect()
}

pub(crate) fn june() -> TimeWindow {
    TimeWindow::new(Some(second(0)), Some(second(30 * 86_400))).unwrap()
}

/// The local clock of the exports.
pub(crate) fn now() -> Timestamp {
    second(31 * 86_400)
}

/// A service, and the directory for the files.
pub(crate) struct Place {
    pub(crate) upstream: Upstream,
    pub(crate) book: Arc<Mutex<Book>>,
    directory: TempDir,
}

impl Place {
    /// A service with this ledger.
    pub(crate) async fn of(entries: Vec<UsageEntry>) -> Self {
        Self::changing(entries, |_, _, _| None).await
    }

    /// A service in whose ledger an entry arrives before the fourth request, behind the walk.
    pub(crate) async fn with_late_entry() -> Self {
        let arrive = |n: usize, _: &Request, book: &mut Book| {
            if n == 4 {
                book.record(vec![entry_at(second(0), "-7")]);
            }
            None
        };
        Self::changing(seconds(60), arrive).await
    }

    /// A service with this ledger, and a function that is called before each request, with its number from 1. It may change the ledger,
    /// or give another reply.
    pub(crate) async fn changing(
        entries: Vec<UsageEntry>,
        mut change: impl FnMut(usize, &Request, &mut Book) -> Option<Reply> + Send + 'static,
    ) -> Self {
        let book = Arc::new(Mutex::new(Book::new(entries)));
        let (shared, mut requests) = (Arc::clone(&book), 0);
        let upstream = Upstream::start(move |request| {
            requests += 1;
            let mut book = shared.lock().unwrap();
            change(requests, request, &mut book).unwrap_or_else(|| book.answer(request))
        })
        .await;
        Self { upstream, book, directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn client(&self) -> Client {
        let client = Client::builder(self.upstream.base_url(), key());
        client.sleep(|_| Box::pin(std::future::ready(()))).build().unwrap()
    }

    /// An export of June in pages of ten, one request at a time.
    pub(crate) fn export(&self) -> ExportBuilder {
        Export::of(&self.upstream.base_url(), &key()).over(june()).page_size(10).concurrency(1)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("june.ndjson")
    }

    pub(crate) fn file(&self) -> ExportFile {
        ExportFile::new(self.path(), Format::Ndjson)
    }

    /// The names of all files in the directory.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> = names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The entries of the ledger.
    pub(crate) fn ledger(&self) -> Vec<UsageEntry> {
        self.book.lock().unwrap().entries(june(), None)
    }

    /// The start of the window in each request so far that had one; requests with a cursor have none.
    pub(crate) fn starts(&self) -> Vec<String> {
        let start = |request: &Request| {
            let query = request.query.replace("%3A", ":");
            let start = query.split('&').find_map(|pair| pair.strip_prefix("startTimestamp="));
            start.map(str::to_owned)
        };
        self.upstream.requests().iter().filter_map(start).collect()
    }
}

pub(crate) fn key() -> ApiKey {
    ApiKey::new("admin-key").unwrap()
}

/// The entries in a file.
pub(crate) fn entries_in(path: &Path) -> Vec<UsageEntry> {
    let mut entries = Vec::new();
    read_entries(fs::File::open(path).unwrap(), InputFormat::Auto, &mut entries).unwrap();
    entries
}

/// The events of an export, one word for each.
#[derive(Default)]
pub(crate) struct Diary(Mutex<Vec<String>>);

impl Diary {
    pub(crate) fn note(&self, event: &Event<'_>) {
        let line = match event {
            Event::Settled { window, service_time } => {
                format!("settled {window}, {}", service_time.is_some())
            }
            Event::Begun { left, .. } => {
                format!("begun after {}", left.map_or(0, |left| left.summary.entries))
            }
            Event::Came { so_far, .. } => format!("came {so_far}"),
            Event::Again { walk } => format!("again {walk}"),
            Event::Stopping => "stopping".to_owned(),
            Event::Finished { summary } => format!("finished {}", summary.entries),
            _ => "?".to_owned(),
        };
        self.0.lock().unwrap().push(line);
    }

    /// All events without `Came`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = self.0.lock().unwrap().clone();
        lines.retain(|line| !line.starts_with("came"));
        lines
    }
}
