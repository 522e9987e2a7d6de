//! A call to the disk that fails once, whichever it is: the server says so and goes on, and nothing is lost or doubled.

use std::fs;

use crate::check;
use crate::conversation::Request;
use crate::host::{Host, serve_command};
use crate::kills::strace::{Strace, injection};
use crate::place::Place;

use super::batches::{Batch, Found};
use super::workload::{ENDLESS, Workload};

impl Workload {
    /// Sends the batches to a server whose `nth` call fails. `None` when there was no such call, and otherwise how many
    /// batches were refused first.
    #[track_caller]
    fn disturbed(&self, strace: &Strace, (call, error): (&str, &str), nth: usize) -> Option<usize> {
        let place = Place::new();
        let (path, log) = (place.path("ledger.db"), place.path("calls"));
        fs::copy(self.ledger.path(), &path).unwrap();
        let mut args = injection(call, &format!("error={error}"), &nth.to_string(), &[]);
        // strace runs as the server's grandchild, so that the started process is the server itself.
        args.splice(..0, ["-D", "-o", &log].map(str::to_owned));
        let mut refused = 0;
        if let Ok(host) = Host::try_start(strace.around(&serve_command(&path, &[]), &args)) {
            for batch in &self.batches {
                refused += usize::from(self.is_refused_first(&host, batch, error));
            }
            let found = Found::by_walk(&host, &self.admin);
            self.has_all(&found);
            host.stop();
        }
        let was_disturbed = fs::read_to_string(&log).unwrap().contains("INJECTED");
        let host = Host::start(&path, &[]);
        for batch in &self.batches {
            assert_eq!(host.ask(&batch.request(&self.ingest, false)).status, 201);
        }
        self.has_all(&Found::by_walk(&host, &self.admin));
        check::is_clean(&path);
        was_disturbed.then_some(refused)
    }

    fn is_refused_first(&self, host: &Host, batch: &Batch, error: &str) -> bool {
        let request = batch.request(&self.ingest, false);
        let first = host.ask(&request);
        if first.status == 201 {
            return false;
        }
        let said = first.text();
        let is_full = first.status == 507 && said.contains("Not stored: the disk of the ledger is full");
        // The memory that connections share is not in the engine's care for full disks.
        let has_failed = first.status == 503 && said.contains("the disk of the ledger failed");
        assert!(has_failed || is_full && error == "ENOSPC", "{}: {said}", first.status);
        // A write that succeeds ends the trouble, before the server tries by itself.
        assert_eq!(host.ask(&request).status, 201, "{}", host.said());
        assert_eq!(host.ask(&Request::get("/readyz")).status, 200, "{}", host.said());
        true
    }

    #[track_caller]
    fn has_all(&self, found: &Found) {
        for batch in &self.batches {
            assert_eq!(found.count(&batch.name), batch.entries.len(), "{}", batch.name);
        }
        assert_eq!(found.names().count(), self.batches.len());
    }
}

#[test]
fn a_call_that_fails_refuses_a_batch_and_no_more() {
    let Some(strace) = Strace::find() else { return };
    let workload = Workload::new(&["a", "b", "c"], 5);
    for fault in [("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("fsync", "EIO")] {
        let mut refused = 0;
        let mut calls = 0;
        for nth in 1.. {
            match workload.disturbed(&strace, fault, nth) {
                Some(some) => refused += some,
                None => break,
            }
            calls = nth;
            assert!(nth < ENDLESS);
        }
        assert!(refused > 0 && calls > 3, "{fault:?}: {refused} of {calls}");
    }
}
