//! All tables side by side, each in the order of accounts.

use billing_engine::LEVELS;
use billing_engine::check::{Balances, Counts, Numbers, Rollups};

use crate::failure::Failure;

use super::entry::columns;
use super::kept::{BLOCKS, COVERAGE, FILES, Kept, PLACES, unknown_levels};
use super::moment::{Moment, Rows};

const ACCOUNTS: &str = "
    SELECT id, name, next_sequence, diem_allocation, renumbered_from FROM accounts ORDER BY id";

const SOURCES: &str = "
    SELECT account, EXISTS (SELECT FROM accounts WHERE id = account),
        (SELECT count(*) FROM receipts WHERE receipts.account = sources.account),
        (SELECT count(*) FROM files WHERE files.account = sources.account)
    FROM sources ORDER BY account";

const RECEIPTS: &str = "
    SELECT account, idempotency_key, octet_length(digest)::bigint, entries, key_sha256 FROM receipts
    ORDER BY account, key_sha256";

/// The numbers that no entry needs to have.
const UNUSED: &str =
    "SELECT account, first_sequence, last_sequence FROM unused ORDER BY account, first_sequence";

/// The numbers that removals have.
const REMOVALS: &str = "
    SELECT account, first_sequence FROM blocks WHERE removed_ns IS NOT NULL ORDER BY account, first_sequence";

/// All tables side by side, each in the order of accounts.
pub(super) struct Tables<'m> {
    pub(super) accounts: Rows<'m>,
    pub(super) entries: Rows<'m>,
    pub(super) removed: Rows<'m>,
    pub(super) removals: Rows<'m>,
    pub(super) removals_again: Rows<'m>,
    unused: Rows<'m>,
    pub(super) counts: Vec<Rows<'m>>,
    pub(super) unknown_levels: Rows<'m>,
    pub(super) rollups: Rows<'m>,
    pub(super) balances: Rows<'m>,
    /// Blocks that are made anew, and behind them those that are compared.
    pub(super) places: Rows<'m>,
    pub(super) blocks: Rows<'m>,
    pub(super) sources: Rows<'m>,
    pub(super) coverage: Rows<'m>,
    pub(super) files: Rows<'m>,
    pub(super) receipts: Rows<'m>,
}

impl<'m> Tables<'m> {
    pub(super) fn of(moment: &'m Moment<'m>) -> Self {
        let levels = 0..LEVELS.len();
        Self {
            accounts: moment.rows(ACCOUNTS),
            entries: moment
                .rows(&format!("SELECT {} FROM entries ORDER BY account, timestamp_ns, sequence", columns())),
            removed: moment.rows(&format!(
                "SELECT {}, removal FROM removed ORDER BY account, removal, timestamp_ns, sequence",
                columns()
            )),
            removals: moment.rows(REMOVALS),
            removals_again: moment.rows(REMOVALS),
            unused: moment.rows(UNUSED),
            counts: levels.map(|at| moment.rows(&Counts(at).sql())).collect(),
            unknown_levels: moment.rows(&unknown_levels()),
            rollups: moment.rows(&Rollups.sql()),
            balances: moment.rows(&Balances.sql()),
            places: moment.rows(PLACES),
            blocks: moment.rows(BLOCKS),
            sources: moment.rows(SOURCES),
            coverage: moment.rows(COVERAGE),
            files: moment.rows(FILES),
            receipts: moment.rows(RECEIPTS),
        }
    }

    /// The next account that any table refers to.
    pub(super) fn next(&mut self) -> Result<Option<i64>, Failure> {
        let Self { accounts, entries, removed, unused, unknown_levels, rollups, balances, places, .. } = self;
        let Self { sources, coverage, files, receipts, counts, .. } = self;
        let tables = [accounts, entries, removed, unused, unknown_levels, rollups, balances, places];
        let others = [sources, coverage, files, receipts];
        let mut next: Option<i64> = None;
        for table in tables.into_iter().chain(others).chain(counts) {
            next = next.into_iter().chain(table.account()?).min();
        }
        Ok(next)
    }

    /// The numbers of an account's entries, the next of which gets this one.
    pub(super) fn numbers(&mut self, account: i64, next: Option<i64>) -> Result<Numbers, Failure> {
        let mut unused = Vec::new();
        while let Some(row) = self.unused.next_of(account)? {
            unused.push(row.try_get(1)?..row.try_get::<_, i64>(2)?.saturating_add(1));
        }
        Ok(Numbers::new(next, None, unused))
    }

    /// How many rows were read of each table.
    pub(super) fn read(&self) -> Vec<(&'static str, u64)> {
        let counts: u64 = self.counts.iter().chain([&self.unknown_levels]).map(Rows::count).sum();
        let tables = [
            ("accounts", &self.accounts),
            ("entries", &self.entries),
            ("removed", &self.removed),
            ("unused", &self.unused),
            ("rollups", &self.rollups),
            ("balances", &self.balances),
            ("blocks", &self.blocks),
            ("sources", &self.sources),
            ("coverage", &self.coverage),
            ("files", &self.files),
            ("receipts", &self.receipts),
        ];
        tables.into_iter().map(|(table, rows)| (table, rows.count())).chain([("counts", counts)]).collect()
    }
}
