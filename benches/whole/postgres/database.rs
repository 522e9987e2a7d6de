//! The PostgreSQL server of a run: durable, and with PostgreSQL's own settings, whatever the tests' servers have.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use billing_testkit::Postgres;
use xtask::command;

use crate::process::family_cpu;
use crate::say;

/// What PostgreSQL sets without being told, where the servers of tests have something else.
const OWN_SETTINGS: [(&str, &str); 3] =
    [("shared_buffers", "128MB"), ("max_wal_size", "1GB"), ("max_connections", "100")];

/// The settings that are said, because figures depend on them.
const SAID: &str = "SELECT string_agg(name || ' ' || current_setting(name), ', ' ORDER BY name) FROM pg_settings
    WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', 'max_wal_size', 'wal_compression',
                   'effective_cache_size', 'work_mem', 'jit', 'autovacuum')";

/// A server, and the database of the ledger.
pub(super) struct Database {
    postgres: Postgres,
    url: String,
}

impl Database {
    /// Starts a server, with these settings beside PostgreSQL's own.
    ///
    /// # Errors
    /// When there is no PostgreSQL here, or its data would stand in memory.
    pub(super) fn start(settings: &[(String, String)]) -> Result<Self> {
        let given = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let settings: Vec<_> = OWN_SETTINGS.into_iter().chain(given).collect();
        let postgres = Postgres::need_own(&settings).context("PostgreSQL is not installed")?;
        let mut place = Command::new("stat");
        place.args(["--file-system", "--format=%T"]).arg(postgres.directory());
        let kind = command::output(place)?;
        let directory = postgres.directory().display();
        ensure!(
            kind != "tmpfs",
            "{directory} is memory, in which nothing is durable: set TMPDIR to a directory on a disk"
        );
        let url = postgres.database();
        let version = postgres.sql(&url, "SHOW server_version");
        say(&format!("PostgreSQL {version}: {}", postgres.sql(&url, SAID)));
        Ok(Self { postgres, url })
    }

    /// Where the ledger is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Does what the database does by itself when many rows have come: plans know of them, and pages are marked as seen by all.
    pub(super) fn settle(&self) {
        self.postgres.sql(&self.url, "VACUUM (ANALYZE)");
        self.postgres.sql(&self.url, "CHECKPOINT");
    }

    /// The bytes of the table of entries with its index, and of the whole ledger.
    pub(super) fn bytes(&self) -> Result<[u64; 2]> {
        let entries = "SELECT pg_total_relation_size('billing.entries')";
        let ledger = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class
            WHERE relnamespace = 'billing'::regnamespace AND relkind = 'r'";
        let bytes = |sql| self.postgres.sql(&self.url, sql).parse().context("PostgreSQL tells no size");
        Ok([bytes(entries)?, bytes(ledger)?])
    }

    /// The processor time of all its processes.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let first = self.postgres.pid().context("PostgreSQL is gone")?;
        family_cpu(first.as_raw_nonzero().get().try_into()?)
    }
}
