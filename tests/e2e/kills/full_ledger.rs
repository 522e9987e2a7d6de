//! A server whose disk gets full: it says so, loses nothing, and takes batches again when there is room.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use billing_model::UsageEntry;

use super::full_disk::unshare;
use crate::billing::ndjson;
use crate::conversation::{Answer, Request};
use crate::host::{HISTORY, Host, serve_command};
use crate::ingest::post;
use crate::ledger::{Ledger, noted};
use crate::place::Place;

/// No test waits for it; it ends one that waits for a server that does not come back.
const LIMIT: Duration = Duration::from_secs(60);

/// Longer than the server takes to try again.
const TRIED_AGAIN: Duration = Duration::from_millis(1500);

/// Serves a ledger on a small disk that nobody else sees.
const SCRIPT: &str =
    r#"mount -t tmpfs -o size=48m none "$DISK" && cp "$LEDGER"* "$DISK" && chmod 600 "$DISK"/* && exec "$@""#;

const FULL: &str = "the disk of the ledger is full";

#[test]
fn a_full_disk_is_said_and_is_over_when_there_is_room() {
    let Some((unshare, flags)) = unshare() else { return };
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "before")]);
    let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
    let disk = Place::new();
    let serve = serve_command(&disk.path("ledger.db"), &[]);
    let mut command = Command::new(unshare);
    command.args(flags).args(["/bin/sh", "-c", SCRIPT, "sh"]).arg(serve.get_program()).args(serve.get_args());
    command.env("DISK", disk.path("")).env("LEDGER", ledger.path());
    let host = Host::try_start(command).unwrap();

    let entries: Vec<UsageEntry> =
        (0..2000).map(|n| noted("2026-05-02T00:00:00Z", &format!("row {n}"))).collect();
    let send = |n: u32| {
        host.ask(&post(
            &ingest,
            &format!("batch {n}").replace(' ', "-"),
            "application/x-ndjson",
            ndjson(&entries),
        ))
    };
    assert_eq!(send(0).status, 201);
    // The disk as the server sees it.
    let filler = format!("/proc/{}/root{}", host.id(), disk.path("filler"));
    let mut file = File::create(&filler).unwrap();
    let full = loop {
        if let Err(error) = file.write_all(&[1; 4096]) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::StorageFull);

    // What there is of the log may take some.
    let mut stored = 1;
    let refused = loop {
        let answer = send(stored);
        match answer.status {
            201 => stored += 1,
            _ => break answer,
        }
        assert!(stored < 100);
    };
    assert_eq!((refused.status, refused.header("retry-after")), (507, Some("10")), "{}", refused.text());
    let words =
        format!(r#"{{"error":"Not stored: {FULL}; send it again with the same Idempotency-Key later"}}"#);
    assert_eq!(refused.text(), words);
    let ready = || host.ask(&Request::get("/readyz"));
    let start = Instant::now();
    while start.elapsed() < TRIED_AGAIN {
        let answer = ready();
        assert_eq!((answer.status, answer.text()), (503, &*format!(r#"{{"status":"{FULL}"}}"#)));
    }
    assert_eq!(host.ask(&Request::get("/healthz")).status, 200);
    let read = |page: &str| host.ask(&Request::get(&format!("{HISTORY}?{page}")).bearing(&admin));
    assert_eq!(read("pageSize=10").status, 200, "what is there can be read");

    // Nobody has to send anything for it to be ready again.
    fs::remove_file(&filler).unwrap();
    drop(file);
    let start = Instant::now();
    while ready().status != 200 {
        assert!(start.elapsed() < LIMIT, "{}", host.said());
    }
    let receipt = |answer: &Answer| (answer.status, answer.header("idempotency-replayed").map(str::to_owned));
    assert_eq!(receipt(&send(stored)), (201, None), "nothing of it was stored");
    for n in 0..=stored {
        assert_eq!(receipt(&send(n)), (201, Some("true".to_owned())));
    }
    let export = host.export(&admin, &["--format", "ndjson"]).done().entries();
    assert_eq!(export.len(), 1 + 2000 * (stored as usize + 1));
    let said = host.stop();
    for line in [FULL, "the ledger can be written again"] {
        assert!(said.contains(line), "{said}");
    }
}
