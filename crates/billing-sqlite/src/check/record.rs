//! The rows of the tables that are kept beside the entries, in the order of their keys.

use billing_engine::LEVELS;
use billing_engine::check::{Balances, Counts, Held, Rollups, Table};
use rusqlite::{Row, Statement};

use super::words::held_sum;

/// A table of the file.
pub(super) trait Kept: Table<i64> {
    /// The rows of an account in the order of its primary key.
    const SQL: &'static str;

    /// How many columns its key has.
    const KEY: usize;

    /// The level of its rows, where it has several.
    fn level(self) -> Option<i64>;

    fn key_of(row: &Row<'_>) -> rusqlite::Result<Self::Key>;

    /// Its rows, from the statement [`Kept::SQL`].
    fn rows<'s>(
        self,
        select: &'s mut Statement<'_>,
        account: i64,
    ) -> rusqlite::Result<impl Iterator<Item = rusqlite::Result<Held<Self::Key>>> + 's> {
        let values = [Some(account), self.level()].into_iter().flatten();
        select.query_map(rusqlite::params_from_iter(values), |row| {
            let total = |has: bool, column: usize| has.then(|| row.get_ref(column).map(held_sum)).transpose();
            let (has_amount, has_units) = Self::HAS_TOTALS;
            Ok(Held {
                key: Self::key_of(row)?,
                entries: row.get(Self::KEY)?,
                totals: [total(has_amount, Self::KEY + 1)?, total(has_units, Self::KEY + 2)?],
                fault: None,
            })
        })
    }
}

impl Kept for Counts {
    const SQL: &'static str = "
        SELECT slot, currency, entries FROM counts WHERE account = ?1 AND level = ?2 ORDER BY slot, currency";
    const KEY: usize = 2;

    fn level(self) -> Option<i64> {
        LEVELS.get(self.0).map(|(level, _)| *level)
    }

    fn key_of(row: &Row<'_>) -> rusqlite::Result<Self::Key> {
        Ok((row.get(0)?, row.get(1)?))
    }
}

impl Kept for Rollups {
    const SQL: &'static str = "
        SELECT day, sku, currency, api_key, is_credit, entries, amount, units FROM rollups
        WHERE account = ?1 ORDER BY day, sku, currency, api_key, is_credit";
    const KEY: usize = 5;

    fn level(self) -> Option<i64> {
        None
    }

    fn key_of(row: &Row<'_>) -> rusqlite::Result<Self::Key> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
    }
}

impl Kept for Balances {
    const SQL: &'static str = "
        SELECT currency, is_credit, entries, amount FROM balances
        WHERE account = ?1 ORDER BY currency, is_credit";
    const KEY: usize = 2;

    fn level(self) -> Option<i64> {
        None
    }

    fn key_of(row: &Row<'_>) -> rusqlite::Result<Self::Key> {
        Ok((row.get(0)?, row.get(1)?))
    }
}
