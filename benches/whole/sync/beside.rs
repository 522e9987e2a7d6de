//! A first sync into a ledger in which a server records batches of another account meanwhile.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::job::{Done, Job, Target};
use crate::connection::Connection;
use crate::figures::Times;
use crate::process::succeeded;
use crate::program::Server;
use crate::server::ledger::Ledger;
use xtask::command;

/// Batches, entries of each, and when the next one is due.
const BATCHES: u32 = 100;
const BATCH_ENTRIES: usize = 100;
const EACH: Duration = Duration::from_millis(50);

/// The account of the batches.
const ACCOUNT: &str = "batches";

/// The batches as they are sent.
pub(super) struct Batches(Vec<Vec<u8>>);

impl Batches {
    /// Writes them beforehand. They are not of the seed that the service's ledger is made of.
    ///
    /// # Errors
    /// When there is no history.
    pub(super) fn prepare(ledger: &Ledger) -> Result<Self> {
        let entries = u64::from(BATCHES) * BATCH_ENTRIES as u64;
        let (mut history, mut lines) = ledger.history(2, entries)?;
        let bodies = (0..BATCHES).map(|_| batch(&mut lines)).collect::<Result<_>>()?;
        succeeded(history.0.wait()?, "history")?;
        Ok(Self(bodies))
    }

    /// Brings a new ledger in line while these are recorded in it. Adds how long each answer took since its batch was due.
    ///
    /// # Errors
    /// When the sync fails, or a batch is not recorded.
    pub(super) fn beside(&self, target: &Target<'_>, job: &mut Job, answers: &mut Times) -> Result<Done> {
        let mut keys = Command::new(&target.source.billing);
        keys.args(["keys", "create", "--account", ACCOUNT, "--kind", "ingest", "--ledger"])
            .arg(target.ledger());
        let key = command::output(keys)?;
        let server = Server::start(&target.source.billing, &target.ledger())?;
        let connection = Connection::bearer(server.base_url(), &key)?;
        thread::scope(|scope| {
            let sent = scope.spawn(|| self.send(connection));
            let done = target.sync(job);
            let sent = sent.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            answers.append(sent);
            done
        })
    }

    fn send(&self, mut connection: Connection) -> Result<Times> {
        let start = Instant::now();
        let mut answers = Times::default();
        for (body, number) in self.0.iter().zip(0..) {
            let due = EACH * number;
            thread::sleep(due.saturating_sub(start.elapsed()));
            connection.post("/billing/usage", &format!("batch-{number}"), body)?;
            answers.add(start.elapsed().saturating_sub(due));
        }
        Ok(answers)
    }
}

fn batch(lines: &mut BufReader<ChildStdout>) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    for _ in 0..BATCH_ENTRIES {
        ensure!(lines.read_until(b'\n', &mut body)? > 0, "the history ended too soon");
    }
    Ok(body)
}
