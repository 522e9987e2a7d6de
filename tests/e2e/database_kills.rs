//! A ledger in PostgreSQL whose server, database or network is killed again and again while clients send: each acknowledged batch is
//! there once, no part of another is, and every sum is that of the entries.

// What the tests stand on: clients that send until they are told that a batch is stored, and sums that are made anew.
mod clients;
mod recount;

mod database;
mod network;
mod servers;

use std::time::{Duration, Instant};

use billing_testkit::Postgres;

use crate::billing::run;
use crate::conversation::Request;
use crate::host::{BALANCE, HISTORY, Host};
use crate::ingest::{Found, post};

use clients::{Client, Clients};

/// The accounts of the clients, one after the other.
const ACCOUNTS: [&str; 2] = ["ours", "theirs"];
const CLIENTS: usize = 4;

/// So soon everybody hears that the database is away.
const SOON: Duration = Duration::from_secs(5);

/// So soon after the database is back everything goes on.
const BACK: Duration = Duration::from_secs(10);

/// How often something is killed in a test. Each takes half a second to a second.
fn kills(few: usize) -> usize {
    match std::env::var_os("BILLING_TEST_LONG").is_some_and(|value| value == "1") {
        true => 50,
        false => few,
    }
}

/// True for the kills after which the whole ledger is walked: the first ones, and some. It grows while it is walked.
fn is_walked_after(kill: usize) -> bool {
    kill < 6 || kill.is_multiple_of(10)
}

/// A durable database, and keys to the accounts of a ledger in it.
struct Rig {
    postgres: Postgres,
    url: String,
    ingest: [String; 2],
    admin: [String; 2],
}

impl Rig {
    /// `None` leaves the test out.
    #[track_caller]
    fn need() -> Option<Self> {
        let postgres = Postgres::need_own(&[])?;
        let url = postgres.database();
        let key = |account: &str, kind: &str| {
            let args = ["keys", "create", "--ledger", &url, "--account", account, "--kind", kind];
            run(&args).done().text().trim_end().to_owned()
        };
        let ingest = ACCOUNTS.map(|account| key(account, "ingest"));
        let admin = ACCOUNTS.map(|account| key(account, "admin"));
        Some(Self { postgres, url, ingest, admin })
    }

    /// The clients, of which each has a thread.
    fn clients<'a>(&'a self, clients: &'a Clients) -> impl Iterator<Item = Client<'a>> {
        (0..CLIENTS).map(move |number| {
            let account = number % ACCOUNTS.len();
            Client::new(clients, account, &self.ingest[account], number)
        })
    }

    /// What is true of the ledger at every moment.
    #[track_caller]
    fn is_sound(&self, clients: &Clients, host: &Host) {
        for (account, admin) in self.admin.iter().enumerate() {
            let acknowledged = clients.acknowledged(account);
            let found = Found::by_walk(host, admin);
            found.is_of_whole_batches(|name| clients.entries_of(name));
            for name in acknowledged {
                assert!(found.has(&name), "batch {name} was acknowledged and is not there");
            }
        }
    }

    /// Reads and writes are refused for now, soon, and the server says that it is not ready.
    #[track_caller]
    fn is_told_to_be_away(&self, host: &Host) {
        for request in [
            Request::get("/readyz"),
            Request::get(HISTORY).bearing(&self.admin[0]),
            Request::get(BALANCE).bearing(&self.admin[1]),
            post(&self.ingest[0], "while it is away", "application/x-ndjson", Vec::new()),
        ] {
            let start = Instant::now();
            let answer = host.ask(&request);
            assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
            assert_eq!(answer.status, 503, "{}", answer.text());
            let is_probe = answer.text().starts_with("{\"status\":");
            assert!(is_probe || answer.header("retry-after").is_some(), "{}", answer.head());
        }
        assert_eq!(host.ask(&Request::get("/healthz")).status, 200);
    }

    /// Waits until the server says that it is ready.
    #[track_caller]
    fn is_back(&self, host: &Host) {
        let start = Instant::now();
        while host.ask(&Request::get("/readyz")).status != 200 {
            assert!(start.elapsed() < BACK, "it does not come back");
        }
    }
}
