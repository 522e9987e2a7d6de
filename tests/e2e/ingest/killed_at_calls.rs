//! Killed at the first, the second, the third call of a kind, from opening the ledger to closing it: also between the commit
//! of a batch and its answer.

use std::fs;

use billing_model::WholeSet;

use crate::check;
use crate::host::{Host, serve_command};
use crate::kills::strace::{Strace, injection};
use crate::place::Place;

use super::batches::{Batch, Found};
use super::workload::{ENDLESS, Workload};

/// How far a server came before it was killed.
#[derive(Debug, Default)]
struct Kills {
    before_ready: u32,
    /// Nobody heard of the batch, and it is not there.
    uncommitted: u32,
    /// Nobody heard of the batch, and it is there.
    unanswered: u32,
    when_all_was_answered: u32,
}

impl Workload {
    fn entries_of(&self, name: &str) -> usize {
        self.batches.iter().find(|batch| batch.name == name).unwrap().entries.len()
    }

    /// Sends the batches to a server that is killed before the `nth` call, and then to one that is not. False when the
    /// first one came to its end.
    #[track_caller]
    fn killed(&self, strace: &Strace, call: &str, nth: usize, kills: &mut Kills) -> bool {
        let place = Place::new();
        let path = place.path("ledger.db");
        fs::copy(self.ledger.path(), &path).unwrap();
        let mut args = injection(call, "signal=KILL", &nth.to_string(), &[]);
        // As the server's grandchild, so that the process that is started is the server itself; and what strace says aside.
        args.splice(..0, ["-D", "-o", "/dev/null"].map(str::to_owned));
        let first = Host::try_start(strace.around(&serve_command(&path, &[]), &args));
        let is_ready = first.is_ok();
        let (acknowledged, was_killed) = match first {
            Ok(mut host) => {
                let acknowledged = self.send_all(&host);
                host.terminate();
                let (code, said) = host.end();
                assert!([None, Some(0)].contains(&code), "{said}");
                (acknowledged, code.is_none())
            }
            Err(said) => {
                assert_eq!(said, "");
                (0, true)
            }
        };
        assert!(was_killed || acknowledged == self.batches.len());

        check::is_clean(&path);
        let host = Host::start(&path, &[]);
        check::is_clean(&path);
        let found = Found::by_walk(&host, &self.admin);
        found.is_of_whole_batches(|name| self.entries_of(name));
        for (batch, n) in self.batches.iter().zip(0..) {
            let is_there = found.has(&batch.name);
            assert!(is_there || n >= acknowledged, "{} was acknowledged", batch.name);
            assert!(!is_there || n <= acknowledged, "{} was not sent", batch.name);
            let answer = host.ask(&batch.request(&self.ingest, false));
            assert_eq!(answer.status, 201, "{}", answer.text());
            assert_eq!(answer.header("idempotency-replayed"), is_there.then_some("true"));
        }
        let all: WholeSet = self.batches.iter().flat_map(|batch| &batch.entries).collect();
        let entries =
            host.export(&self.admin, &["--until", "2026-07", "--format", "ndjson"]).done().entries();
        assert_eq!(entries.iter().collect::<WholeSet>(), all);
        check::is_clean(&path);

        match self.batches.get(acknowledged) {
            _ if !was_killed => {}
            _ if !is_ready => kills.before_ready += 1,
            None => kills.when_all_was_answered += 1,
            Some(batch) if found.has(&batch.name) => kills.unanswered += 1,
            Some(_) => kills.uncommitted += 1,
        }
        was_killed
    }

    /// Sends one batch after the other, until the server is gone: how many were acknowledged.
    fn send_all(&self, host: &Host) -> usize {
        let acknowledged = |batch: &&Batch| {
            let mut connection = crate::conversation::Connection::open(host.address()).ok()?;
            let answer = connection.ask(&batch.request(&self.ingest, false)).ok()?;
            assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, None));
            Some(())
        };
        self.batches.iter().map_while(|batch| acknowledged(&batch)).count()
    }

    #[track_caller]
    fn killed_at_every(&self, strace: &Strace, call: &str) -> Kills {
        let mut kills = Kills::default();
        let killed = (1..ENDLESS).take_while(|nth| self.killed(strace, call, *nth, &mut kills)).count();
        assert!(killed < ENDLESS - 1);
        kills
    }
}

/// Threads are counted apart, and one of them makes all of these calls: so this is every one.
#[test]
fn killed_at_every_fsync_of_a_server() {
    let Some(strace) = Strace::find() else { return };
    // SQLite has one or the other, as it was built.
    let kills = Workload::new(&["first", "second"], 3).killed_at_every(&strace, "fdatasync,fsync");
    assert!(kills.uncommitted + kills.unanswered >= 2, "{kills:?}");
    println!("{kills:?}");
}

#[test]
fn killed_at_every_pwrite64_of_a_server() {
    let Some(strace) = Strace::find() else { return };
    let kills = Workload::new(&["first", "second"], 3).killed_at_every(&strace, "pwrite64");
    assert!(kills.uncommitted >= 20, "{kills:?}");
    println!("{kills:?}");
}

/// A server that is killed when it answers has committed: the batch is there, and the client that sends it again hears
/// so.
#[test]
fn killed_at_answers_of_a_server() {
    let Some(strace) = Strace::find() else { return };
    let kills = Workload::new(&["1", "2", "3", "4", "5", "6"], 3).killed_at_every(&strace, "sendto,writev");
    assert!(kills.unanswered > 0 && kills.uncommitted == 0, "{kills:?}");
    println!("{kills:?}");
}
