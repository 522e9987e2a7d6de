//! Sums and counts of entries, added to those of the database: one statement for many rows, and the database adds.
//!
//! PostgreSQL's `numeric` has room for 131,072 digits before the point and for 16,383 behind it, and loses none when it adds. An entry's
//! number has 29 digits and a power of ten from -350 to 350, so a sum of however many has at most 400 digits on either side.

use std::borrow::Cow;
use std::collections::BTreeMap;

use billing_engine::{Balances, Deltas, Line, Sums};
use billing_ledger::AccountId;
use futures::future::try_join3;
use sha2::{Digest as _, Sha256};

use crate::failure::Failure;
use crate::session::Session;
use crate::strings::Strings;
use crate::text::{indexed, kept};

/// Where sums and counts are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tables {
    /// To those of the ledger.
    Ledger,
    /// To those of an import that has not ended: tables of its own, which nobody else sees.
    Gathered,
}

impl Tables {
    /// What the tables' names begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Ledger => "billing.",
            Self::Gathered => "pg_temp.gathered_",
        }
    }
}

/// The digest that a line of sums has in its key.
pub(crate) fn line_digest(sku: &str, currency: &str, api_key_id: Option<&str>, is_credit: bool) -> [u8; 32] {
    let mut digest = Sha256::new();
    for text in [Some(sku), Some(currency), api_key_id] {
        // A length before each text, and one more than any for none: no two lines are the same bytes.
        let length = text.map_or(u64::MAX, |text| text.len() as u64);
        digest.update(length.to_be_bytes());
        digest.update(text.unwrap_or_default());
    }
    digest.update([u8::from(is_credit)]);
    digest.finalize().into()
}

/// Changes of counts, as columns.
#[derive(Default)]
struct CountRows {
    accounts: Vec<i64>,
    levels: Vec<i16>,
    slots: Vec<i64>,
    currencies: Vec<String>,
    entries: Vec<i64>,
}

/// Changes of the sums of days, as columns.
#[derive(Default)]
struct RollupRows {
    accounts: Vec<i64>,
    days: Vec<i64>,
    lines: Vec<Vec<u8>>,
    skus: Vec<String>,
    currencies: Vec<String>,
    api_keys: Vec<Option<String>>,
    are_credits: Vec<bool>,
    entries: Vec<i64>,
    amounts: Vec<String>,
    units: Vec<String>,
}

/// Changes of balances, as columns.
#[derive(Default)]
pub(crate) struct BalanceRows {
    accounts: Vec<i64>,
    indexed: Vec<String>,
    are_credits: Vec<bool>,
    currencies: Vec<String>,
    entries: Vec<i64>,
    amounts: Vec<String>,
}

impl BalanceRows {
    pub(crate) fn push(
        &mut self,
        account: AccountId,
        currency: &str,
        is_credit: bool,
        entries: i64,
        amount: String,
    ) {
        self.accounts.push(account.0);
        self.indexed.push(indexed(currency).into_owned());
        self.are_credits.push(is_credit);
        self.currencies.push(kept(currency).into_owned());
        self.entries.push(entries);
        self.amounts.push(amount);
    }

    /// Adds all of it.
    pub(crate) async fn store(&self, session: Session<'_>, tables: Tables) -> Result<(), Failure> {
        let BalanceRows { accounts, indexed, are_credits, currencies, entries, amounts } = self;
        let sql = format!(
            "INSERT INTO {}balances AS kept
             (account, indexed_currency, is_credit, currency, entries, amount)
             SELECT account, indexed_currency, is_credit, currency, entries, amount::numeric
             FROM unnest($1::bigint[], $2::text[], $3::boolean[], $4::text[], $5::bigint[], $6::text[])
                 AS coming (account, indexed_currency, is_credit, currency, entries, amount)
             ON CONFLICT (account, indexed_currency, is_credit) DO UPDATE SET
                 entries = kept.entries + excluded.entries, amount = kept.amount + excluded.amount",
            tables.prefix()
        );
        session.execute(&sql, &[accounts, indexed, are_credits, currencies, entries, amounts]).await.map(drop)
    }
}

/// What is added to sums and counts by one statement each.
#[derive(Default)]
pub(crate) struct SumRows {
    counts: CountRows,
    rollups: RollupRows,
    balances: BalanceRows,
    /// True when entries are taken out, so that a sum may be left without any.
    takes_out: bool,
}

impl SumRows {
    /// Takes what was gathered of an account, whose texts these are.
    pub(crate) fn take(&mut self, account: AccountId, deltas: &mut Deltas, strings: &Strings) {
        let text = |number| strings.text(number).unwrap_or_default();
        let mut indexed_currencies = BTreeMap::new();
        let counts = &mut self.counts;
        for slot in deltas.drain_slots() {
            let currency =
                indexed_currencies.entry(slot.currency).or_insert_with(|| indexed(text(slot.currency)));
            counts.accounts.push(account.0);
            counts.levels.push(i16::try_from(slot.level).unwrap_or(i16::MAX));
            counts.slots.push(slot.slot);
            counts.currencies.push(currency.to_string());
            counts.entries.push(slot.entries);
            self.takes_out |= slot.entries < 0;
        }
        let mut balances = Balances::default();
        let rollups = &mut self.rollups;
        for (line, sums) in deltas.drain_lines() {
            balances.add(&line, &sums);
            let Line { day, sku, currency, api_key, is_credit } = line;
            let Sums { entries, amount, units } = sums;
            let (sku, currency, api_key) = (text(sku), text(currency), strings.text(api_key));
            rollups.accounts.push(account.0);
            rollups.days.push(day.0);
            rollups.lines.push(line_digest(sku, currency, api_key, is_credit).to_vec());
            rollups.skus.push(kept(sku).into_owned());
            rollups.currencies.push(kept(currency).into_owned());
            rollups.api_keys.push(api_key.map(kept).map(Cow::into_owned));
            rollups.are_credits.push(is_credit);
            rollups.entries.push(entries);
            rollups.amounts.push(amount.to_string());
            rollups.units.push(units.to_string());
            // A line whose entries cancel out may be one of which nothing is left, or one that never was.
            self.takes_out |= entries <= 0;
        }
        for ((currency, is_credit), sums) in balances {
            self.balances.push(account, text(currency), is_credit, sums.entries, sums.amount.to_string());
        }
    }

    /// Adds all of it.
    pub(crate) async fn store(&self, session: Session<'_>, tables: Tables) -> Result<(), Failure> {
        if self.counts.accounts.is_empty() && self.rollups.accounts.is_empty() {
            return Ok(());
        }
        try_join3(
            self.store_counts(session, tables),
            self.store_rollups(session, tables),
            self.balances.store(session, tables),
        )
        .await?;
        if self.takes_out { self.forget_empty(session).await } else { Ok(()) }
    }

    async fn store_counts(&self, session: Session<'_>, tables: Tables) -> Result<(), Failure> {
        let CountRows { accounts, levels, slots, currencies, entries } = &self.counts;
        let sql = format!(
            "INSERT INTO {}counts AS kept (account, level, slot, currency, entries)
             SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::text[], $5::bigint[])
             ON CONFLICT (account, level, slot, currency) DO UPDATE SET entries = kept.entries + excluded.entries",
            tables.prefix()
        );
        session.execute(&sql, &[accounts, levels, slots, currencies, entries]).await.map(drop)
    }

    async fn store_rollups(&self, session: Session<'_>, tables: Tables) -> Result<(), Failure> {
        let RollupRows {
            accounts,
            days,
            lines,
            skus,
            currencies,
            api_keys,
            are_credits,
            entries,
            amounts,
            units,
        } = &self.rollups;
        let sql = format!(
            "INSERT INTO {}rollups AS kept
             (account, day, line, sku, currency, api_key_id, is_credit, entries, amount, units)
             SELECT account, day, line, sku, currency, api_key_id, is_credit, entries, amount::numeric, units::numeric
             FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::boolean[],
                 $8::bigint[], $9::text[], $10::text[])
                 AS coming (account, day, line, sku, currency, api_key_id, is_credit, entries, amount, units)
             ON CONFLICT (account, day, line) DO UPDATE SET entries = kept.entries + excluded.entries,
                 amount = kept.amount + excluded.amount, units = kept.units + excluded.units",
            tables.prefix()
        );
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 10] =
            [accounts, days, lines, skus, currencies, api_keys, are_credits, entries, amounts, units];
        session.execute(&sql, &values).await.map(drop)
    }

    /// Removes what has no entries any more. Less than none is a fault of the ledger.
    async fn forget_empty(&self, session: Session<'_>) -> Result<(), Failure> {
        let (counts, rollups, balances) = (&self.counts, &self.rollups, &self.balances);
        let of_counts =
            "DELETE FROM counts USING unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::text[])
                 AS gone (account, level, slot, currency)
             WHERE counts.account = gone.account AND counts.level = gone.level AND counts.slot = gone.slot
             AND counts.currency = gone.currency AND counts.entries <= 0 RETURNING counts.entries";
        let of_rollups = "DELETE FROM rollups USING unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS gone (account, day, line)
             WHERE rollups.account = gone.account AND rollups.day = gone.day AND rollups.line = gone.line
             AND rollups.entries <= 0 RETURNING rollups.entries";
        let of_balances = "DELETE FROM balances USING unnest($1::bigint[], $2::text[], $3::boolean[])
                 AS gone (account, indexed_currency, is_credit)
             WHERE balances.account = gone.account AND balances.indexed_currency = gone.indexed_currency
             AND balances.is_credit = gone.is_credit AND balances.entries <= 0 RETURNING balances.entries";
        let CountRows { accounts, levels, slots, currencies, .. } = counts;
        let (counts, rollups, balances) = try_join3(
            session.rows(of_counts, &[accounts, levels, slots, currencies]),
            session.rows(of_rollups, &[&rollups.accounts, &rollups.days, &rollups.lines]),
            session.rows(of_balances, &[&balances.accounts, &balances.indexed, &balances.are_credits]),
        )
        .await?;
        for row in counts.iter().chain(&rollups).chain(&balances) {
            let entries: i64 = row.try_get(0)?;
            if entries < 0 {
                return Err(Failure::damaged(format!("a sum of it has {entries} entries")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lines_have_one_digest() {
        let mut digests: Vec<_> = [
            ("a", "b", None, false),
            ("a", "b", None, true),
            ("a", "b", Some(""), false),
            ("ab", "", None, false),
            ("", "ab", None, false),
            ("a", "", Some("b"), false),
        ]
        .into_iter()
        .map(|(sku, currency, key, is_credit)| line_digest(sku, currency, key, is_credit))
        .collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 6);
    }
}
