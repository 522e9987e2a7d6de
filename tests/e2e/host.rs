//! The server with flags of a test's choice: its log in a file, and an end by request or by force.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

use crate::billing::{Run, command, export_command, finish};
use crate::conversation::{Answer, Connection, Request};

pub(crate) const USAGE: &str = "/api/v1/billing/usage";
pub(crate) const HISTORY: &str = "/api/v1/billing/usage-history";
pub(crate) const ANALYTICS: &str = "/api/v1/billing/usage-analytics";
pub(crate) const BALANCE: &str = "/api/v1/billing/balance";

/// A server that is up. It does not outlive the test.
pub(crate) struct Host {
    child: Child,
    pub(crate) base_url: String,
    /// The file with its stderr. A pipe that nobody reads would fill up.
    log: NamedTempFile,
}

impl Host {
    /// Serves the ledger at a path.
    #[track_caller]
    pub(crate) fn start(ledger: &str, args: &[&str]) -> Self {
        match Self::try_start(serve_command(ledger, args)) {
            Ok(host) => host,
            Err(said) => panic!("it did not start: {said}"),
        }
    }

    /// Runs a command that serves. What it said, when it came to its end before it was ready.
    pub(crate) fn try_start(mut command: Command) -> Result<Self, String> {
        // It is opened for appending, so that reading it does not move the position.
        let log = tempfile::Builder::new().append(true).tempfile().unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.as_file().try_clone().unwrap());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        match line.strip_suffix('\n') {
            Some(base_url) => Ok(Self { child, base_url: base_url.to_owned(), log }),
            None => {
                child.wait().unwrap();
                Err(fs::read_to_string(&log).unwrap())
            }
        }
    }

    /// Where it listens, `127.0.0.1:8787`.
    pub(crate) fn address(&self) -> &str {
        let (_, rest) = self.base_url.split_once("://").unwrap();
        rest.strip_suffix("/api/v1").unwrap()
    }

    /// Where its metrics of all accounts are, as it said before it was ready.
    #[track_caller]
    pub(crate) fn metrics_address(&self) -> String {
        let said = self.said();
        let address = said.split_once("metrics of all accounts are at http://").unwrap().1;
        address.split_once("/metrics").unwrap().0.to_owned()
    }

    /// Asks it on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, request: &Request) -> Answer {
        self.connect().ask(request).unwrap()
    }

    pub(crate) fn connect(&self) -> Connection<std::net::TcpStream> {
        Connection::open(self.address()).unwrap()
    }

    /// Exports from it.
    pub(crate) fn export(&self, key: &str, args: &[&str]) -> Run {
        finish(export_command(&self.base_url, key, args), b"")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// SIGKILL, and its end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells it to end, and waits. What it said in its life.
    #[track_caller]
    pub(crate) fn stop(mut self) -> String {
        self.terminate();
        let (code, said) = self.end();
        assert_eq!(code, Some(0), "{said}");
        said
    }

    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Waits for its end. `None` when a signal ended it.
    pub(crate) fn end(&mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        (code, self.said())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Both calls fail if the process has ended already, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The command that serves a ledger on a free port.
pub(crate) fn serve_command(ledger: &str, args: &[&str]) -> Command {
    let mut command = command(&["serve", "--ledger", ledger, "--listen", "127.0.0.1:0"]);
    command.args(args);
    command
}
