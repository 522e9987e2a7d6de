//! The rows of the tables that are kept beside the entries, in the order of their keys.

use billing_engine::LEVELS;
use billing_engine::check::{
    Balances, Counts, Held, HeldBlock, HeldFile, HeldRecord, Place, Rollups, Table, Values, quoted,
};
use tokio_postgres::Row;

use crate::failure::Failure;
use crate::sums::line_digest;
use crate::text::{indexed, read};

use super::findings::{Text, Texts, held_sum, held_sums};

/// A table whose rows are compared with entries.
pub(super) trait Kept: Table<Text> {
    /// Its rows in the order of accounts and keys.
    fn sql(self) -> String;

    /// A row of it.
    fn held(row: &Row, texts: &mut Texts) -> Result<Held<Self::Key>, Failure>;
}

impl Kept for Counts {
    /// The table has the slots of one currency side by side, so the slots of each account are sorted.
    fn sql(self) -> String {
        let level = LEVELS.get(self.0).map_or(-1, |(level, _)| *level);
        format!(
            "SELECT account, slot, currency, entries FROM counts WHERE level = {level} ORDER BY account, slot, currency"
        )
    }

    fn held(row: &Row, texts: &mut Texts) -> Result<Held<Self::Key>, Failure> {
        let key = (row.try_get(1)?, texts.text(row.try_get(2)?));
        Ok(Held { key, entries: row.try_get(3)?, totals: [None, None], fault: None })
    }
}

/// Counts of levels that do not exist.
pub(super) fn unknown_levels() -> String {
    let levels = LEVELS.map(|(level, _)| level.to_string()).join(", ");
    format!(
        "SELECT account, level, slot, currency, entries FROM counts WHERE level NOT IN ({levels})
         ORDER BY account, level, slot, currency"
    )
}

impl Kept for Rollups {
    /// The table has the lines of a day in the order of their digests, so each day is sorted.
    fn sql(self) -> String {
        "SELECT account, day, sku, currency, api_key_id, is_credit, entries, amount::text, units::text, line FROM rollups
         ORDER BY account, day, sku, currency, api_key_id NULLS FIRST, is_credit"
            .to_owned()
    }

    fn held(row: &Row, texts: &mut Texts) -> Result<Held<Self::Key>, Failure> {
        let (sku, currency): (&str, &str) = (row.try_get(2)?, row.try_get(3)?);
        let (api_key, is_credit): (Option<&str>, bool) = (row.try_get(4)?, row.try_get(5)?);
        let line = line_digest(&read(sku), &read(currency), api_key.map(read).as_deref(), is_credit);
        let held_line: &[u8] = row.try_get(9)?;
        let fault = (held_line != line.as_slice())
            .then(|| Values::new("line", Some(hex(held_line)), Some(hex(&line))));
        let api_key = api_key.and_then(|key| texts.text(key));
        Ok(Held {
            key: (row.try_get(1)?, texts.text(sku), texts.text(currency), api_key, is_credit.into()),
            entries: row.try_get(6)?,
            totals: [Some(held_sum(row.try_get(7)?)), Some(held_sum(row.try_get(8)?))],
            fault,
        })
    }
}

impl Kept for Balances {
    fn sql(self) -> String {
        "SELECT account, indexed_currency, is_credit, entries, amount::text, currency FROM balances
         ORDER BY account, indexed_currency, is_credit"
            .to_owned()
    }

    fn held(row: &Row, texts: &mut Texts) -> Result<Held<Self::Key>, Failure> {
        let (key, currency): (&str, &str) = (row.try_get(1)?, row.try_get(5)?);
        let fault = (*indexed(&read(currency)) != *key)
            .then(|| Values::new("currency", Some(quoted(&read(currency))), Some(quoted(&read(key)))));
        Ok(Held {
            key: (texts.text(key), row.try_get::<_, bool>(2)?.into()),
            entries: row.try_get(3)?,
            totals: [Some(held_sum(row.try_get(4)?)), None],
            fault,
        })
    }
}

/// Blocks in the order of accounts and numbers, twice: without what they say of their entries, and with it.
pub(super) const PLACES: &str = "
    SELECT account, number, first_sequence, removed_ns IS NOT NULL, entries, first_ns, last_ns, cardinality(currencies)
    FROM blocks ORDER BY account, first_sequence";
pub(super) const BLOCKS: &str = "
    SELECT account, entries, first_ns, last_ns, entry_set, whole_set, currencies, amounts
    FROM blocks ORDER BY account, first_sequence";

pub(super) fn place_of(row: &Row) -> Result<Place, Failure> {
    let sums: i32 = row.try_get(7)?;
    Ok(Place {
        number: row.try_get(1)?,
        first_sequence: row.try_get(2)?,
        is_removal: row.try_get(3)?,
        entries: row.try_get(4)?,
        span_ns: (row.try_get(5)?, row.try_get(6)?),
        sums: sums.unsigned_abs().into(),
    })
}

pub(super) fn block_of(row: &Row, texts: &mut Texts) -> Result<HeldBlock<Text>, Failure> {
    Ok(HeldBlock {
        entries: row.try_get(1)?,
        span_ns: (row.try_get(2)?, row.try_get(3)?),
        entry_set: row.try_get(4)?,
        whole_set: row.try_get(5)?,
        sums: held_sums(row, 6, texts)?,
    })
}

/// Records of what was walked, in the order of accounts and time.
pub(super) const COVERAGE: &str = "
    SELECT account, since_ns, until_ns, whole_set, currencies, amounts FROM coverage ORDER BY account, since_ns";

pub(super) fn record_of(row: &Row, texts: &mut Texts) -> Result<HeldRecord<Text>, Failure> {
    Ok(HeldRecord {
        since_ns: row.try_get(1)?,
        until_ns: row.try_get(2)?,
        whole_set: row.try_get(3)?,
        sums: held_sums(row, 4, texts)?,
    })
}

/// Imported files in the order in which their entries were stored.
pub(super) const FILES: &str = "
    SELECT account, name, octet_length(sha256)::bigint, entries, first_sequence, copy,
        copy = 0 OR EXISTS (SELECT FROM files AS others WHERE others.account = files.account
            AND others.sha256 = files.sha256 AND others.copy = files.copy - 1)
    FROM files ORDER BY account, first_sequence, entries";

pub(super) fn file_of(row: &Row) -> Result<HeldFile, Failure> {
    Ok(HeldFile {
        name: quoted(&read(row.try_get(1)?)),
        no_name: None,
        sha256_bytes: row.try_get(2)?,
        entries: row.try_get(3)?,
        first_sequence: row.try_get(4)?,
        copy: row.try_get(5)?,
        is_next_copy: row.try_get(6)?,
    })
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
