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

/// A limit for a server that does not come back. No test waits for it.
const LIMIT: Duration = Duration::from_secs(60);

/// Longer than the server takes to try again.
const TRIED_AGAIN: Duration = Duration::from_millis(1500);

/// Serves a ledger on a small disk that nobody else sees.
const SCRIPT: &str =
    r#"mount -t tmpfs -o size=48m none "$DISK" && cp "$LEDGER"* "$DISK" && chmod 600 "$DISK"/* && exec "$@""#;

/// Rows of a batch.
const ROWS: usize = 2000;

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

    let disk = format!("/proc/{}/root{}", host.id(), disk.path("filler"));
    let house = House { host, ingest, admin };
    let mut stored = house.stored_at_last(0, 0);
    // Room for none of a batch, for a part of one, and for some.
    for free in [0, 100 << 10, 4 << 20] {
        stored = house.gets_full(&disk, free, stored);
    }
    let export = house.host.export(&house.admin, &["--format", "ndjson"]).done().entries();
    assert_eq!(export.len(), 1 + ROWS * stored);
    let said = house.host.stop();
    for line in [FULL, "the ledger can be written again"] {
        assert_eq!(
            said.lines().filter(|other| other.contains(line) && !other.contains("batches")).count(),
            3,
            "{said}"
        );
    }
}

struct House {
    host: Host,
    ingest: String,
    admin: String,
}

impl House {
    /// Sends the batch of a number.
    fn send(&self, n: usize) -> Answer {
        let entries: Vec<UsageEntry> =
            (0..ROWS).map(|row| noted("2026-05-02T00:00:00Z", &format!("row {row}"))).collect();
        self.host.ask(&post(&self.ingest, &format!("batch-{n}"), "application/x-ndjson", ndjson(&entries)))
    }

    fn readiness(&self) -> Answer {
        self.host.ask(&Request::get("/readyz"))
    }

    /// Sends the first batches again, and then those up to a number: how many are stored then.
    #[track_caller]
    fn stored_at_last(&self, before: usize, last: usize) -> usize {
        for n in 0..=last {
            let answer = self.send(n);
            let is_repeated = answer.header("idempotency-replayed").is_some();
            assert_eq!((answer.status, is_repeated), (201, n < before), "batch {n}: {}", answer.text());
        }
        last + 1
    }

    /// Fills the disk up to so many bytes, sends batches until one is refused, makes room, and sends that one again.
    #[track_caller]
    fn gets_full(&self, filler: &str, free: u64, before: usize) -> usize {
        let mut file = File::create(filler).unwrap();
        let full = loop {
            if let Err(error) = file.write_all(&[1; 4096]) {
                break error;
            }
        };
        assert_eq!(full.kind(), ErrorKind::StorageFull);
        file.set_len(file.metadata().unwrap().len() - free).unwrap();
        // What there is of the log may take some.
        let mut stored = before;
        let refused = loop {
            let answer = self.send(stored);
            match answer.status {
                201 => stored += 1,
                _ => break answer,
            }
            assert!(stored < before + 100);
        };
        assert_eq!((refused.status, refused.header("retry-after")), (507, Some("10")), "{}", refused.text());
        let words =
            format!(r#"{{"error":"Not stored: {FULL}; send it again with the same Idempotency-Key later"}}"#);
        assert_eq!(refused.text(), words);
        let start = Instant::now();
        while start.elapsed() < TRIED_AGAIN {
            let answer = self.readiness();
            assert_eq!((answer.status, answer.text()), (503, &*format!(r#"{{"status":"{FULL}"}}"#)));
        }
        assert_eq!(self.host.ask(&Request::get("/healthz")).status, 200);
        let read = Request::get(&format!("{HISTORY}?pageSize=10")).bearing(&self.admin);
        assert_eq!(self.host.ask(&read).status, 200, "what is there can be read");

        // The server becomes ready again without a request.
        fs::remove_file(filler).unwrap();
        drop(file);
        let start = Instant::now();
        while self.readiness().status != 200 {
            assert!(start.elapsed() < LIMIT, "{}", self.host.said());
        }
        self.stored_at_last(stored, stored)
    }
}
