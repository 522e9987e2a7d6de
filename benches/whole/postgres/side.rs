//! A ledger of one engine, and the server over it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use xtask::command;

use super::database::Database;
use crate::connection::Connection;
use crate::process::{cpu, peak_kib};
use crate::program::Server;
use crate::server::ledger::Ledger;

pub(super) struct Side<'l> {
    name: &'static str,
    ledger: &'l Ledger,
    /// A path, or the URL of a database.
    place: PathBuf,
    server: Server,
    /// The database, which works beside the server.
    database: Option<&'l Database>,
}

impl<'l> Side<'l> {
    pub(super) fn serve(
        name: &'static str,
        ledger: &'l Ledger,
        place: PathBuf,
        database: Option<&'l Database>,
    ) -> Result<Self> {
        let server = Server::start_as(&format!("billing-serve-{name}"), ledger.billing(), &place)?;
        Ok(Self { name, ledger, place, server, database })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// A new connection with a new key of an account, which reads.
    pub(super) fn connect(&self, account: &str) -> Result<Connection> {
        self.connect_as(account, "admin")
    }

    /// The same with a key of a kind. The account is made where there is none.
    pub(super) fn connect_as(&self, account: &str, kind: &str) -> Result<Connection> {
        Connection::bearer(self.server.base_url(), &create_key(self.ledger, &self.place, account, kind)?)
    }

    /// The processor time of the server, and of the database behind it.
    pub(super) fn cpu(&self) -> Result<[Duration; 2]> {
        let database = self.database.map_or(Ok(Duration::ZERO), Database::cpu);
        Ok([cpu(self.server.id())?, database?])
    }

    pub(super) fn peak_kib(&self) -> Result<u64> {
        peak_kib(self.server.id()).context("the server is gone")
    }
}

fn create_key(ledger: &Ledger, place: &Path, account: &str, kind: &str) -> Result<String> {
    let mut keys = Command::new(ledger.billing());
    keys.args(["keys", "create", "--account", account, "--kind", kind, "--ledger"]).arg(place);
    command::output(keys)
}
