//! Blocks of entries, on their way into the ledger.

use std::borrow::Cow;
use std::collections::BTreeMap;

use billing_engine::Draft;
use billing_ledger::{AccountId, CopiedBlock};
use billing_model::{Currency, Total};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::failure::Failure;
use crate::row::signed;
use crate::session::{Session, Values};
use crate::strings::Strings;
use crate::text::{self, kept};

/// Blocks that have no numbers yet, as columns, in the order in which they get them.
#[derive(Default)]
pub(crate) struct BlockRows {
    accounts: Vec<i64>,
    first_sequences: Vec<i64>,
    removed_ns: Vec<Option<i64>>,
    entries: Vec<i64>,
    first_ns: Vec<i64>,
    last_ns: Vec<i64>,
    currencies: Vec<String>,
    amounts: Vec<String>,
    entry_sets: Vec<String>,
    whole_sets: Vec<String>,
}

impl BlockRows {
    pub(crate) fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Takes a block of an account, whose texts these are.
    pub(crate) fn push(&mut self, account: AccountId, draft: &Draft, strings: &Strings) {
        let (currencies, amounts) = sums_of(draft, strings);
        let (first_ns, last_ns) = draft.span_ns();
        self.accounts.push(account.0);
        self.first_sequences.push(signed(draft.first_sequence()));
        self.removed_ns.push(draft.removed_ns());
        self.entries.push(signed(draft.entry_set().entries()));
        self.first_ns.push(first_ns);
        self.last_ns.push(last_ns);
        self.currencies.push(array_text(&currencies));
        self.amounts.push(array_text(&amounts));
        self.entry_sets.push(draft.entry_set().to_string());
        self.whole_sets.push(draft.whole_set().to_string());
    }

    /// Takes a block of another ledger.
    pub(crate) fn push_copied(&mut self, CopiedBlock { block, span_ns }: &CopiedBlock) {
        let (currencies, amounts) = kept_sums(&block.sums);
        self.accounts.push(block.account.0);
        self.first_sequences.push(signed(block.first_sequence));
        self.removed_ns.push(block.removed_at.and_then(|at| at.unix_ns()));
        self.entries.push(signed(block.entries()));
        self.first_ns.push(span_ns.0);
        self.last_ns.push(span_ns.1);
        self.currencies.push(array_text(&currencies));
        self.amounts.push(array_text(&amounts));
        self.entry_sets.push(block.entry_set.to_string());
        self.whole_sets.push(block.whole_set.to_string());
    }

    /// Takes the blocks of others behind these.
    pub(crate) fn append(&mut self, others: &mut Self) {
        self.accounts.append(&mut others.accounts);
        self.first_sequences.append(&mut others.first_sequences);
        self.removed_ns.append(&mut others.removed_ns);
        self.entries.append(&mut others.entries);
        self.first_ns.append(&mut others.first_ns);
        self.last_ns.append(&mut others.last_ns);
        self.currencies.append(&mut others.currencies);
        self.amounts.append(&mut others.amounts);
        self.entry_sets.append(&mut others.entry_sets);
        self.whole_sets.append(&mut others.whole_sets);
    }

    /// Stores them under the next numbers. From here to the end of the transaction nobody else gets a number, so nothing else is done
    /// then.
    pub(crate) async fn store(&self, session: Session<'_>) -> Result<(), Failure> {
        if self.is_empty() {
            return Ok(());
        }
        let sql = "WITH given AS (
                 UPDATE numbers SET last = last + cardinality($1::bigint[]) WHERE name = 'block' RETURNING last
             )
             INSERT INTO blocks (number, account, first_sequence, removed_ns, entries, first_ns, last_ns,
                 currencies, amounts, entry_set, whole_set)
             SELECT given.last - cardinality($1::bigint[]) + place, account, first_sequence, removed_ns, entries,
                 first_ns, last_ns, currencies::text[], amounts::text[], entry_set, whole_set
             FROM given, unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                 $7::text[], $8::text[], $9::text[], $10::text[]) WITH ORDINALITY
                 AS coming (account, first_sequence, removed_ns, entries, first_ns, last_ns, currencies, amounts,
                     entry_set, whole_set, place)";
        self.insert(session, sql, &self.columns()).await
    }

    /// Keeps them in the table of an import that has not ended.
    pub(crate) async fn gather(&self, session: Session<'_>) -> Result<(), Failure> {
        if self.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO pg_temp.gathered_blocks (number, account, first_sequence, removed_ns, entries, first_ns,
                 last_ns, currencies, amounts, entry_set, whole_set)
             SELECT place + (SELECT count(*) FROM pg_temp.gathered_blocks), account, first_sequence, removed_ns, entries,
                 first_ns, last_ns, currencies::text[], amounts::text[], entry_set, whole_set
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                 $7::text[], $8::text[], $9::text[], $10::text[]) WITH ORDINALITY
                 AS coming (account, first_sequence, removed_ns, entries, first_ns, last_ns, currencies, amounts,
                     entry_set, whole_set, place)";
        self.insert(session, sql, &self.columns()).await
    }

    /// Stores them under these numbers, and those without one behind all others. Nobody else stores blocks meanwhile.
    pub(crate) async fn store_under(
        &self,
        session: Session<'_>,
        numbers: &[Option<i64>],
    ) -> Result<(), Failure> {
        if self.is_empty() {
            return Ok(());
        }
        let sql = "INSERT INTO blocks (number, account, first_sequence, removed_ns, entries, first_ns, last_ns,
                 currencies, amounts, entry_set, whole_set)
             SELECT COALESCE(number, (SELECT COALESCE(max(number), 0) FROM blocks) + place), account, first_sequence,
                 removed_ns, entries, first_ns, last_ns, currencies::text[], amounts::text[], entry_set, whole_set
             FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                 $7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[]) WITH ORDINALITY
                 AS coming (account, first_sequence, removed_ns, entries, first_ns, last_ns, currencies, amounts,
                     entry_set, whole_set, number, place)";
        let mut values = self.columns().to_vec();
        values.push(&numbers);
        self.insert(session, sql, &values).await
    }

    fn columns(&self) -> [&(dyn ToSql + Sync); 10] {
        let Self {
            accounts,
            first_sequences,
            removed_ns,
            entries,
            first_ns,
            last_ns,
            currencies,
            amounts,
            entry_sets,
            whole_sets,
        } = self;
        [
            accounts,
            first_sequences,
            removed_ns,
            entries,
            first_ns,
            last_ns,
            currencies,
            amounts,
            entry_sets,
            whole_sets,
        ]
    }

    async fn insert(&self, session: Session<'_>, sql: &str, values: Values<'_>) -> Result<(), Failure> {
        let stored = session.execute(sql, values).await?;
        match stored == self.accounts.len() as u64 {
            true => Ok(()),
            false => Err(Failure::damaged("the number of the last block is missing")),
        }
    }
}

/// Sums as they are kept: currencies in the order of their bytes, and the amounts.
pub(crate) fn kept_sums(sums: &[(Currency, Total)]) -> (Vec<String>, Vec<String>) {
    in_order(sums.iter().map(|(currency, sum)| (kept(currency.as_str()), sum)))
}

fn sums_of(draft: &Draft, strings: &Strings) -> (Vec<String>, Vec<String>) {
    let text = |currency| kept(strings.text(currency).unwrap_or_default());
    in_order(draft.sums().iter().map(|(currency, sum)| (text(*currency), sum)))
}

fn in_order<'s>(sums: impl Iterator<Item = (Cow<'s, str>, &'s Total)>) -> (Vec<String>, Vec<String>) {
    let sums: BTreeMap<_, _> = sums.collect();
    sums.into_iter().map(|(currency, sum)| (currency.into_owned(), sum.to_string())).unzip()
}

/// Reads sums from a column of currencies and the one of amounts behind it.
pub(crate) fn read_sums(row: &Row, column: usize) -> Result<Vec<(Currency, Total)>, Failure> {
    let currencies: Vec<&str> = row.try_get(column)?;
    let amounts: Vec<&str> = row.try_get(column + 1)?;
    if currencies.len() != amounts.len() {
        return Err(Failure::damaged("there are not as many sums as currencies"));
    }
    let mut sums = Vec::with_capacity(currencies.len());
    for (currency, amount) in currencies.into_iter().zip(amounts) {
        sums.push((Currency::from(&*text::read(currency)), amount.parse()?));
    }
    sums.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(sums)
}

/// The text that PostgreSQL reads as an array of texts. An array of arrays has no place for lists of different lengths, and an array of
/// such texts has.
pub(crate) fn array_text(texts: &[String]) -> String {
    let mut array = String::from("{");
    for text in texts {
        if array.len() > 1 {
            array.push(',');
        }
        array.push('"');
        for character in text.chars() {
            if matches!(character, '"' | '\\') {
                array.push('\\');
            }
            array.push(character);
        }
        array.push('"');
    }
    array.push('}');
    array
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_written_as_postgresql_reads_them() {
        let texts = ["USD", "", "NULL", "a\"b\\c", "{1, 2}"].map(str::to_owned);
        assert_eq!(array_text(&texts), r#"{"USD","","NULL","a\"b\\c","{1, 2}"}"#);
        assert_eq!(array_text(&[]), "{}");
    }
}
