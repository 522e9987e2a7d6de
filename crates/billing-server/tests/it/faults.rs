//! Faults inside the server: the client gets 500 and no details, and the log has the cause.

use std::fmt::{Debug, Write};
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use billing_ledger::KeyKind;
use billing_server::{Config, router};
use billing_sqlite::SqliteLedger;
use tokio::time::timeout;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Subscriber, set_default};
use tracing::{Event, Metadata};

use crate::house::{HISTORY, House, USAGE, entries, exchange, now, send, send_get};

/// Keeps the lines of the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        write!(self.0.lock().unwrap(), "{} ", event.metadata().level()).unwrap();
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.0.lock().unwrap(), "{field}: {value:?}").unwrap();
    }
}

#[tokio::test]
async fn a_damaged_ledger_is_an_error_that_only_the_log_explains() {
    let house = House::with(&entries(3000));
    for file in fs::read_dir(house.directory.path()).unwrap() {
        let path = file.unwrap().path();
        // The third file is left alone: it is the memory that the ledger's connections share.
        if !path.to_string_lossy().ends_with("-shm") {
            let len = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
            fs::write(&path, vec![0xa5; len]).unwrap();
        }
    }
    let log = Log::default();
    let listening = set_default(log.clone());
    for path in [USAGE, HISTORY] {
        for accept in ["application/json", "text/csv"] {
            let answer = house.ask(path, &[("accept", accept)]).await;
            assert_eq!(answer.status, 500, "{}", answer.body);
            assert_eq!(answer.body, r#"{"error":"Internal server error"}"#);
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
    drop(listening);
    let log = log.0.lock().unwrap();
    assert_eq!(log.matches("ERROR").count(), 4, "{log}");
    assert!(log.contains("ledger.db"), "{log}");
    let last_of_key = &house.key[house.key.len() - 20..];
    assert!(!log.contains(last_of_key), "{log}");
}

/// Ends a test whose server does not become ready again. No other test waits for it.
const LIMIT: Duration = Duration::from_secs(60);

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_can_only_be_read_says_so_until_it_can_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let House { ledger, key, directory, .. } = House::with(&entries(3));
    let ours = ledger.account("ours").unwrap().unwrap();
    let ingest = ledger.create_key(ours, KeyKind::Ingest, "", now()).unwrap().1.expose().to_owned();
    drop(ledger);
    let set = |mode| {
        for file in fs::read_dir(directory.path()).unwrap() {
            fs::set_permissions(file.unwrap().path(), fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    let path = directory.path().join("ledger.db");
    set(0o400);
    if fs::OpenOptions::new().write(true).open(&path).is_ok() {
        // Root may do everything.
        return billing_testkit::run_as_nobody(
            "faults::a_ledger_that_can_only_be_read_says_so_until_it_can_be_written",
        );
    }
    let server = router(Arc::new(SqliteLedger::open(&path).unwrap()), Config::new(now));
    let post = || async {
        let bearer = format!("Bearer {ingest}");
        let headers = [
            ("authorization", &*bearer),
            ("content-type", "application/x-ndjson"),
            ("idempotency-key", "batch"),
        ];
        let mut row = Vec::new();
        entries(1)[0].write_json(&mut row);
        let (parts, body) = exchange(server.clone(), Method::POST, USAGE, &headers, Body::from(row)).await;
        let retry = parts.headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (parts.status.as_u16(), retry, String::from_utf8(body).unwrap())
    };
    let ready = || async {
        let answer = send(server.clone(), Method::GET, "/readyz", &[]).await;
        (answer.status.as_u16(), answer.body)
    };
    let trouble = "the ledger can only be read";
    for _ in 0..3 {
        let words = format!(
            r#"{{"error":"Not stored: {trouble}; send it again with the same Idempotency-Key later"}}"#
        );
        assert_eq!(post().await, (503, Some("10".to_owned()), words));
        assert_eq!(ready().await, (503, format!(r#"{{"status":"{trouble}"}}"#)));
        assert_eq!(send_get(server.clone(), USAGE, &key).await.usage_page().entries.len(), 3);
    }
    set(0o600);
    let recovers = async {
        while ready().await.0 != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, recovers).await.expect("it is tried again, without a batch");
    assert_eq!(post().await.0, 201);
    assert_eq!(send_get(server.clone(), USAGE, &key).await.usage_page().entries.len(), 4);
}
