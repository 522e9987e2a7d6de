//! A ledger on disk, and the program serving it.

use std::rc::Rc;
use std::sync::LazyLock;

use billing_model::{Timestamp, UsageEntry};
use billing_testkit::entry_at;

use crate::billing::{self, Run, command, export_command, finish, ndjson, run, run_reading};
use crate::place::Place;
use crate::process::Process;

/// Two months, 43,635 entries: see `tests/data/README.md`.
pub(crate) const REAL: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/ledger-2026-05-06.ndjson.gz");

/// After the last entry of [`REAL`]: a test must not depend on the day on which it runs.
pub(crate) const AFTER_REAL: &str = "2026-07";

/// A ledger of a test's own.
#[derive(Clone)]
pub(crate) struct Ledger {
    place: Rc<Place>,
}

impl Ledger {
    pub(crate) fn of(entries: &[UsageEntry]) -> Self {
        let ledger = Self { place: Rc::new(Place::new()) };
        record(&ledger.path(), entries);
        ledger
    }

    /// With everything that is in a file.
    pub(crate) fn from_file(path: &str) -> Self {
        let ledger = Self { place: Rc::new(Place::new()) };
        run(&["import", path, "--ledger", &ledger.path()]).done();
        ledger
    }

    pub(crate) fn path(&self) -> String {
        self.place.path("ledger.db")
    }

    /// Makes a key for an account, which need not be there.
    pub(crate) fn key(&self, account: &str, kind: &str) -> String {
        let args = ["keys", "create", "--ledger", &self.path(), "--account", account, "--kind", kind];
        run(&args).done().text().trim_end().to_owned()
    }

    /// What `--json` lists of `keys` or of `accounts`.
    pub(crate) fn listed(&self, what: &str) -> Listed {
        let list = run(&[what, "list", "--ledger", &self.path(), "--json"]).done();
        serde_json::from_str(list.text()).unwrap()
    }

    /// Revokes all keys of an account.
    pub(crate) fn revoke_keys_of(&self, account: &str) {
        for key in self.listed("keys").keys.iter().filter(|key| key.account == account) {
            run(&["keys", "revoke", &key.id, "--ledger", &self.path()]).done();
        }
    }

    pub(crate) fn serve(&self) -> Server {
        let key = self.key("default", "admin");
        let mut process =
            Process::start(command(&["serve", "--ledger", &self.path(), "--listen", "127.0.0.1:0"]));
        Server { base_url: process.line(), key, process, ledger: self.clone() }
    }
}

/// What the lists of a ledger say in JSON, as far as tests ask for it.
#[derive(serde::Deserialize)]
pub(crate) struct Listed {
    pub(crate) ledger: String,
    #[serde(default)]
    pub(crate) keys: Vec<ListedKey>,
    #[serde(default)]
    pub(crate) accounts: Vec<ListedAccount>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedKey {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) last_six: String,
    pub(crate) created_at: String,
    pub(crate) revoked_at: Option<String>,
}

#[derive(serde::Deserialize)]
pub(crate) struct ListedAccount {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) entries: u64,
}

/// Adds entries to the ledger at a path, as another process does; the same ones as often as it is asked to.
pub(crate) fn record(path: &str, entries: &[UsageEntry]) {
    run_reading(&["import", "-", "--again", "--format", "ndjson", "--ledger", path], &ndjson(entries)).done();
}

/// A server on a free port of loopback, and an admin key to it.
pub(crate) struct Server {
    pub(crate) base_url: String,
    pub(crate) key: String,
    pub(crate) process: Process,
    /// It lives as long as the server: without its ledger the server would not answer.
    ledger: Ledger,
}

impl Server {
    /// Makes another key to it, of this kind.
    pub(crate) fn key_of(&self, kind: &str) -> String {
        self.ledger.key("default", kind)
    }

    /// Exports from it.
    pub(crate) fn export(&self, args: &[&str]) -> Run {
        self.export_with(&self.key, args)
    }

    pub(crate) fn export_with(&self, key: &str, args: &[&str]) -> Run {
        finish(export_command(&self.base_url, key, args), b"")
    }
}

/// The entries of [`REAL`], in order.
pub(crate) fn real_entries() -> &'static [UsageEntry] {
    static ENTRIES: LazyLock<Vec<UsageEntry>> =
        LazyLock::new(|| billing::entries(&std::fs::read(REAL).unwrap()));
    &ENTRIES
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An entry with these notes, which tell it from others.
pub(crate) fn noted(timestamp: &str, notes: &str) -> UsageEntry {
    UsageEntry { notes: notes.to_owned(), ..entry_at(at(timestamp), "-0.1") }
}
