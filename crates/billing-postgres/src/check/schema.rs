//! The tables of a ledger, as a check looks for them: columns, keys, and rows beside their indexes.

use std::collections::BTreeSet;

use billing_engine::check::{Findings as _, Values};
use billing_ledger::{Checked, DifferenceKind};

use crate::failure::Failure;

use super::findings::Findings;

/// Every table, its columns with their types, `C` for a text in the order of its bytes, and its keys, no two rows of which are the
/// same. A test compares this with a new ledger.
const TABLES: &[(&str, &str, &[&str])] = &[
    (
        "ledger",
        "is_one boolean, version integer, secret bytea, is_copying boolean, copy_state text C",
        &["is_one"],
    ),
    ("numbers", "name text C, last bigint", &["name"]),
    (
        "accounts",
        "id bigint, name text C, next_sequence bigint, diem_allocation text C, renumbered_from bigint",
        &["id", "name"],
    ),
    (
        "keys",
        "id text C, account bigint, kind text C, description text C, digest bytea, last_six text C, created_ns bigint, \
         revoked_ns bigint, last_used_ns bigint",
        &["id", "digest"],
    ),
    (
        "entries",
        "account bigint, timestamp_ns bigint, sequence bigint, sku text C, price_per_unit_usd text C, units text C, \
         amount text C, currency text C, notes text C, request_id text C, execution_time_ms text C, prompt_tokens text C, \
         completion_tokens text C, api_key_id text C, other_fields text C",
        &["account, timestamp_ns, sequence"],
    ),
    (
        "removed",
        "account bigint, removal bigint, timestamp_ns bigint, sequence bigint, sku text C, price_per_unit_usd text C, \
         units text C, amount text C, currency text C, notes text C, request_id text C, execution_time_ms text C, \
         prompt_tokens text C, completion_tokens text C, api_key_id text C, other_fields text C",
        &["account, removal, timestamp_ns, sequence"],
    ),
    ("unused", "account bigint, first_sequence bigint, last_sequence bigint", &["account, first_sequence"]),
    (
        "counts",
        "account bigint, level smallint, currency text C, slot bigint, entries bigint",
        &["account, level, currency, slot"],
    ),
    (
        "rollups",
        "account bigint, day bigint, line bytea, sku text C, currency text C, api_key_id text C, is_credit boolean, \
         entries bigint, amount numeric, units numeric",
        &["account, day, line"],
    ),
    (
        "balances",
        "account bigint, indexed_currency text C, is_credit boolean, currency text C, entries bigint, amount numeric",
        &["account, indexed_currency, is_credit"],
    ),
    (
        "blocks",
        "account bigint, first_sequence bigint, number bigint, removed_ns bigint, entries bigint, first_ns bigint, \
         last_ns bigint, currencies text[] C, amounts text[] C, entry_set text C, whole_set text C",
        &["account, first_sequence"],
    ),
    (
        "receipts",
        "account bigint, key_sha256 bytea, idempotency_key text C, digest bytea, entries bigint, received_ns bigint",
        &["account, key_sha256"],
    ),
    (
        "files",
        "account bigint, sha256 bytea, copy bigint, name text C, imported_ns bigint, entries bigint, \
         first_sequence bigint",
        &["account, sha256, copy"],
    ),
    (
        "sources",
        "account bigint, base_url text C, key_fingerprint text C, settle_ns bigint, synced_ns bigint",
        &["account"],
    ),
    (
        "coverage",
        "account bigint, since_ns bigint, until_ns bigint, as_of_ns bigint, currencies text[] C, amounts text[] C, \
         whole_set text C",
        &["account, since_ns"],
    ),
    ("turns", "account bigint, holder text C", &["account"]),
];

/// What the schema has of columns.
const COLUMNS: &str = "
    SELECT relname::text, attname::text,
        format_type(atttypid, atttypmod) || CASE WHEN collname = 'C' THEN ' C' ELSE '' END
    FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_class ON pg_class.oid = attrelid
    LEFT JOIN pg_catalog.pg_collation ON pg_collation.oid = attcollation
    WHERE relnamespace = 'billing'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped
    ORDER BY relname, attnum";

/// What it has of indexes: the table, the columns, whether no two rows are the same, and whether it is fit for use.
const INDEXES: &str = "
    SELECT tables.relname::text, indexes.relname::text, indisunique, indisvalid AND indisready AND indislive,
        (SELECT string_agg(attname::text, ', ' ORDER BY place)
         FROM unnest(indkey::int2[]) WITH ORDINALITY AS part (number, place)
         JOIN pg_catalog.pg_attribute ON attrelid = indrelid AND attnum = number)
    FROM pg_catalog.pg_index
    JOIN pg_catalog.pg_class AS tables ON tables.oid = indrelid
    JOIN pg_catalog.pg_class AS indexes ON indexes.oid = indexrelid
    WHERE tables.relnamespace = 'billing'::regnamespace AND indpred IS NULL
    ORDER BY 1, 2";

/// From here on rows are read from the tables themselves, not by their indexes.
const BY_TABLES: &str = "
    SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off;
    SET LOCAL enable_bitmapscan = off";

impl<F: FnMut(&Checked)> Findings<'_, F> {
    /// Looks for tables, columns and keys that every ledger has. True when all that is read is there.
    pub(super) fn look_at_tables(&mut self) -> Result<bool, Failure> {
        let mut there = BTreeSet::new();
        self.moment.each(COLUMNS, &[], |row| {
            there.insert((row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?, row.try_get(2)?));
            Ok(())
        })?;
        let mut is_whole = true;
        for (table, columns, _) in TABLES {
            if !there.iter().any(|(name, ..)| name == table) {
                self.is_missing(&format!("the table {table}"));
                is_whole = false;
                continue;
            }
            for column in columns.split(", ") {
                let (name, kind) = column.split_once(' ').unwrap_or((column, ""));
                let kind: &str = kind;
                if !there.contains(&((*table).to_owned(), name.to_owned(), kind.to_owned())) {
                    self.is_missing(&format!("the column {name} of the table {table}, of the type {kind}"));
                    is_whole = false;
                }
            }
        }
        if is_whole {
            self.look_at_indexes()?;
        }
        Ok(is_whole)
    }

    fn look_at_indexes(&mut self) -> Result<(), Failure> {
        let (mut keys, mut unfit) = (BTreeSet::new(), Vec::new());
        self.moment.each(INDEXES, &[], |row| {
            let (table, index): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            if !row.try_get::<_, bool>(3)? {
                unfit.push(index);
            } else if row.try_get(2)? {
                keys.insert((table, row.try_get::<_, Option<String>>(4)?.unwrap_or_default()));
            }
            Ok(())
        })?;
        for index in unfit {
            self.is_damaged(&format!("the index {index}"), "it is not fit for use");
        }
        for (table, _, expected) in TABLES {
            for key in *expected {
                if !keys.contains(&((*table).to_owned(), (*key).to_owned())) {
                    self.is_missing(&format!("the key ({key}) of the table {table}"));
                }
            }
        }
        Ok(())
    }

    /// Compares how many rows were read by the indexes of tables with how many rows there are. To count them, each page is read.
    pub(super) fn look_at_rows(&mut self, read: &[(&str, u64)]) -> Result<(), Failure> {
        self.moment.run(BY_TABLES)?;
        let counts = read.iter().map(|(table, _)| format!("(SELECT count(*) FROM {table})"));
        let row = self.moment.row(&format!("SELECT {}", counts.collect::<Vec<_>>().join(", ")), &[])?;
        for (column, (table, read)) in read.iter().enumerate() {
            let rows: i64 = row.try_get(column)?;
            if u64::try_from(rows) != Ok(*read) {
                let values = Values::new("rows", Some(read.to_string()), Some(rows.to_string()));
                let place = |_: &Self| format!("the index of the table {table}");
                self.add(DifferenceKind::Integrity, place, values);
            }
        }
        Ok(())
    }
}
