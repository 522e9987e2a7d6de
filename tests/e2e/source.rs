//! A service whose ledger a test can change, and the copy of it that `billing sync` keeps.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};

use billing_model::{TimeWindow, Timestamp, UsageEntry};
use billing_testkit::{Book, Reply, Request};

use crate::billing::{self, Run, command, export_command, finish};
use crate::ledger::at;
use crate::place::Place;
use crate::process::Process;
use crate::scripted::Scripted;

/// A key that opens the account of the test.
pub(crate) const KEY: &str = "an-admin-key-of-the-account";

/// A service with accounts, each of which keys open.
pub(crate) struct Source {
    state: Arc<Mutex<State>>,
    scripted: Scripted,
    /// Where the copy is.
    pub(crate) place: Place,
}

/// What the service has, and how it answers.
#[derive(Default)]
pub(crate) struct State {
    /// The entries that each key opens.
    pub(crate) entries: BTreeMap<String, Vec<UsageEntry>>,
    /// The `Date` of answers, if they have one.
    pub(crate) date: Option<String>,
    /// Answers in the place of the next ones.
    pub(crate) next: Vec<Reply>,
    /// Requests that are answered before all others get `afterwards`.
    pub(crate) good: Option<usize>,
    pub(crate) afterwards: Option<Reply>,
    books: BTreeMap<String, (Vec<UsageEntry>, Book)>,
}

impl State {
    fn answer(&mut self, request: &Request) -> Reply {
        let key = request.header("authorization").trim_start_matches("Bearer ").to_owned();
        let reply = match (self.good, self.afterwards.clone()) {
            (Some(0), Some(reply)) => reply,
            _ if !self.next.is_empty() => self.next.remove(0),
            _ => self.of_account(&key, request),
        };
        self.good = self.good.map(|good| good.saturating_sub(1));
        match &self.date {
            Some(date) => reply.header("date", date.as_str()),
            None => reply,
        }
    }

    fn of_account(&mut self, key: &str, request: &Request) -> Reply {
        let Some(entries) = self.entries.get(key) else {
            return Reply::error(401, "Admin API key required");
        };
        let (_, book) = match self.books.remove(key) {
            Some((before, book)) if before == *entries => {
                self.books.entry(key.to_owned()).or_insert((before, book))
            }
            _ => self.books.entry(key.to_owned()).or_insert((entries.clone(), Book::new(entries.clone()))),
        };
        book.answer(request)
    }
}

impl Source {
    pub(crate) fn of(entries: Vec<UsageEntry>) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        state.lock().unwrap().entries.insert(KEY.to_owned(), entries);
        let answering = Arc::clone(&state);
        let scripted = Scripted::start(move |request| answering.lock().unwrap().answer(request));
        Self { state, scripted, place: Place::new() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Changes what the account has.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Vec<UsageEntry>)) {
        change(self.state().entries.get_mut(KEY).unwrap());
    }

    pub(crate) fn base_url(&self) -> String {
        self.scripted.base_url()
    }

    /// How many requests there were so far.
    pub(crate) fn requests(&self) -> usize {
        self.scripted.requests().len()
    }

    /// The path of the copy.
    pub(crate) fn path(&self) -> String {
        self.place.path("copy.db")
    }

    /// `billing sync` or `billing verify` of the copy.
    pub(crate) fn command(&self, name: &str, args: &[&str]) -> Command {
        self.command_with(KEY, name, args)
    }

    pub(crate) fn command_with(&self, key: &str, name: &str, args: &[&str]) -> Command {
        let (base_url, path) = (self.base_url(), self.path());
        let mut command = command(&[&[name, "--base-url", &base_url, "--ledger", &path], args].concat());
        command.env("BILLING_API_KEY", key);
        command
    }

    pub(crate) fn run(&self, name: &str, args: &[&str]) -> Run {
        finish(self.command(name, args), b"")
    }

    pub(crate) fn sync(&self, args: &[&str]) -> Run {
        self.run("sync", args)
    }

    /// What the run said, without what depends on time and place.
    pub(crate) fn said(&self, run: &Run) -> String {
        format!("{}exit code {:?}", self.said_of(&run.stderr), run.code.unwrap())
    }

    /// The text without what depends on time and place.
    pub(crate) fn said_of(&self, text: &str) -> String {
        let said = text.replace(&self.base_url(), "URL").replace(&self.path(), "PATH");
        // After ten seconds the program reports its progress, which is left out.
        said.lines().filter(|line| !line.starts_with("so far: ")).map(|line| timeless(line) + "\n").collect()
    }

    /// Asserts that the copy has what the service has, and is in order.
    #[track_caller]
    pub(crate) fn is_in_line(&self) {
        let expect = Book::new(self.state().entries[KEY].clone()).entries(TimeWindow::ALL, None);
        assert!(digests(&held(&self.path())) == digests(&expect), "{:?}", held(&self.path()));
        billing::run(&["check", "--ledger", &self.path()]).done();
    }
}

/// Which entries they are, with how many of each, in no order.
fn digests(entries: &[UsageEntry]) -> Vec<String> {
    let mut lines: Vec<_> = entries.iter().map(|entry| format!("{entry:?}")).collect();
    lines.sort();
    lines
}

/// The entries of the account `default` of a ledger, as a server gives them.
pub(crate) fn held(path: &str) -> Vec<UsageEntry> {
    let key = billing::run(&["keys", "create", "--ledger", path]).done().text().trim_end().to_owned();
    let mut server = Process::start(command(&["serve", "--ledger", path, "--listen", "127.0.0.1:0"]));
    finish(export_command(&server.line(), &key, &["--format", "ndjson"]), b"").done().entries()
}

/// The line with `TIME` for instants of these days, and for seconds such as `0.4 s`.
pub(crate) fn timeless(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let timeless = words.iter().enumerate().map(|(place, word)| {
        let bare = word.trim_end_matches([',', ';', ':', ')']);
        let is_recent = bare.parse().is_ok_and(|time: Timestamp| time > at("2025-12-31T00:00:00Z"));
        let is_span = words.get(place + 1).is_some_and(|next| next.starts_with('s')) && bare.contains('.');
        if is_recent || is_span { format!("TIME{}", &word[bare.len()..]) } else { (*word).to_owned() }
    });
    timeless.collect::<Vec<_>>().join(" ")
}
