//! Checks a ledger against its own entries: every count, sum and balance is made anew and compared with what is kept.

use billing_engine::check::{look_at_key, quoted};
use billing_ledger::{Checked, Error, ErrorKind, Report};

use crate::connections::Connections;
use crate::failure::{self, Failure};
use crate::greeting::Opening;
use crate::ledger::PostgresLedger;
use crate::settings::Settings;
use crate::target::Target;
use crate::text::read;

mod account;
mod blocks;
mod entry;
mod findings;
mod kept;
mod moment;
mod removed;
mod schema;
mod tables;

use findings::Findings;
use moment::Moment;

/// The most blocks that are made at a time, about 32 MiB. The entries of an account are read once more for each further portion of its
/// blocks, those of the portion's span of time.
const MOST_BLOCKS: usize = 1 << 17;

const KEYS: &str = "
    SELECT id, account, octet_length(digest)::bigint, EXISTS (SELECT FROM accounts WHERE accounts.id = keys.account)
    FROM keys ORDER BY id";

impl PostgresLedger {
    /// Checks a ledger: that everything it keeps agrees with its entries. Each count, rollup and balance is compared to the last digit,
    /// and each block with its digests. Each entry, also one that was taken out, must be readable, have its numbers, texts and other
    /// fields in their one form, and belong to an account and to a block. No sequence number may be missing, there twice, or higher
    /// than any that was given out. Keys, receipts and records of imported files must be possible. An entry of a synced account must be
    /// in one record of what was walked, which agrees with its entries, and nothing came there from elsewhere.
    ///
    /// It sees one moment of the ledger, writes nothing, and keeps nobody waiting. Tables, columns and keys must be those of a ledger,
    /// and each row must be found by its index. Whether an index has more faults, PostgreSQL's own `pg_amcheck` finds, for which one has
    /// to be a superuser.
    ///
    /// Entries are read in their order; twice only on days with very many sums and in accounts with very many blocks. Memory does not
    /// grow with the ledger. `progress` is called every now and then.
    ///
    /// Some of what is kept cannot be made anew: when entries were taken out, and which of them came with a receipt. So
    /// a receipt is known to be wrong only when fewer entries came into the account than its receipts say.
    ///
    /// ```no_run
    /// use billing_postgres::{PostgresLedger, Settings};
    ///
    /// let target = "postgres://gateway@db.example.org/billing".parse()?;
    /// let report = PostgresLedger::check(target, Settings::COMMAND, |checked| eprintln!("{} entries", checked.entries))?;
    /// for difference in &report.differences {
    ///     eprintln!("{difference}");
    /// }
    /// assert!(report.is_clean());
    /// # Ok::<(), billing_ledger::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`PostgresLedger::open`]; [`ErrorKind::OlderVersion`] for a ledger that is still to be taken forward; [`ErrorKind::Away`] when the database is lost meanwhile. Never [`ErrorKind::Corrupt`]: damage is
    /// what the report is for.
    pub fn check(
        target: Target,
        settings: Settings,
        progress: impl FnMut(&Checked),
    ) -> Result<Report, Error> {
        let opening = Opening { may_create: false, may_be_unfinished: false };
        // A check writes nothing, so an older ledger is left as it is.
        let settings = Settings { may_migrate: false, ..settings };
        let connections = match Connections::open(target, settings, opening) {
            // What every ledger has is not as it should be, and that is the result of the check.
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(findings::report_damage(&error)),
            opened => opened?,
        };
        look_through(&connections, MOST_BLOCKS, progress)
    }
}

fn look_through(
    connections: &Connections,
    most_blocks: usize,
    progress: impl FnMut(&Checked),
) -> Result<Report, Error> {
    let moment = Moment::begin(connections)?;
    let mut findings = Findings::new(&moment, most_blocks, progress);
    findings.look().map_err(|failure| failure::error(connections.target(), failure))?;
    Ok(findings.notes.report)
}

impl<F: FnMut(&Checked)> Findings<'_, F> {
    /// Checks everything.
    fn look(&mut self) -> Result<(), Failure> {
        let mut is_whole = false;
        self.bear("the tables", |findings| {
            is_whole = findings.look_at_tables()?;
            Ok(())
        })?;
        if !is_whole {
            return Ok(());
        }
        self.bear("the keys", Self::look_at_keys)?;
        self.bear("the blocks", Self::look_at_numbers)?;
        let mut read = Vec::new();
        self.bear("the accounts", |findings| {
            read = findings.look_at_accounts()?;
            Ok(())
        })?;
        // Where not all was read, there is nothing to compare.
        match read.is_empty() {
            true => Ok(()),
            false => self.bear("the rows", |findings| findings.look_at_rows(&read)),
        }
    }

    fn look_at_keys(&mut self) -> Result<(), Failure> {
        let mut rows = self.moment.rows(KEYS);
        while let Some(row) = rows.next()? {
            let id = quoted(&read(row.try_get(0)?));
            look_at_key(&id, (row.try_get(1)?, row.try_get(3)?), row.try_get(2)?, self);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use billing_sample::History;
    use billing_testkit::check_cases::{batch, changed};
    use billing_testkit::ledger_suite::house::taking;
    use billing_testkit::{OwnedLedger as _, Postgres};

    use super::*;

    /// In accounts with more blocks than are made at a time, the others are made of a further reading.
    #[test]
    fn very_many_blocks_are_compared_to_the_last_one() {
        let Some(postgres) = Postgres::need() else { return };
        let url = postgres.database();
        let target: Target = url.parse().unwrap();
        let ledger = PostgresLedger::open_or_create(target, Settings::COMMAND).unwrap();
        changed(&ledger, ledger.create_account("small").unwrap());
        let account = ledger.create_account("ours").unwrap();
        // The entries are not stored in the order of time.
        let mut entries: Vec<_> = History::new(1, 60).collect();
        entries.rotate_left(20);
        entries.chunks(4).zip(0..).for_each(|(entries, n)| {
            batch(&ledger, account, &format!("batch {n}"), entries.to_vec());
        });
        // Entries of all parts are taken out, so the last blocks have entries of the first ones.
        for step in [7, 11] {
            let places = ledger.placed_entries(account).unwrap();
            let removed = places.iter().step_by(step).map(|(place, _)| *place);
            ledger.change(&taking(account, removed)).unwrap();
        }
        let found = |most| look_through(ledger.connections(), most, |_| ()).unwrap();
        for most in [1, 2, 5, 17, 100] {
            let report = found(most);
            assert_eq!(report.differences, [], "{most} at a time");
            assert_eq!((report.checked.blocks, report.checked.removed_entries), (4 + 17, 2 + 9 + 5));
        }
        for number in [5, 13, 20, 21] {
            postgres.sql(
                &url,
                &format!("UPDATE billing.blocks SET last_ns = last_ns + 1 WHERE number = {number}"),
            );
            for most in [1, 3, 100] {
                let differences = found(most).differences;
                assert_eq!(
                    (differences.len(), differences[0].field),
                    (1, "last_ns"),
                    "{number}: {differences:?}"
                );
            }
            postgres.sql(
                &url,
                &format!("UPDATE billing.blocks SET last_ns = last_ns - 1 WHERE number = {number}"),
            );
        }
    }
}
