//! What a check has found so far.

use std::collections::HashSet;
use std::rc::Rc;

use billing_engine::Span;
use billing_engine::check::{self, Facts, Findings as _, HeldSum, Notes, Values, quoted, shown};
use billing_ledger::{Checked, Difference, DifferenceKind, Error, ErrorKind, Report};
use billing_model::{Decimal, parse_decimal};
use tokio_postgres::Row;

use crate::failure::{self, Failure};
use crate::text::{indexed, read};

use super::moment::Moment;

/// The field of a difference that is damage.
const INTEGRITY: &str = "integrity";

/// Entries between two calls of `progress`: some milliseconds.
const PROGRESS_EVERY: u64 = 4096;

/// The most texts that are at hand, and the most bytes of one that is.
const MOST_TEXTS: usize = 1 << 12;
const MOST_BYTES: usize = 1 << 10;

/// A text as the database keeps it; `None` for the API key of an entry that has none. The order is that of the tables.
pub(super) type Text = Option<Rc<str>>;

/// Texts at hand, so that the keys of what is summed share them.
#[derive(Default)]
pub(super) struct Texts(HashSet<Rc<str>>);

impl Texts {
    pub(super) fn text(&mut self, kept: &str) -> Text {
        if let Some(text) = self.0.get(kept) {
            return Some(Rc::clone(text));
        }
        let text: Rc<str> = kept.into();
        if kept.len() <= MOST_BYTES {
            if self.0.len() >= MOST_TEXTS {
                self.0.clear();
            }
            self.0.insert(Rc::clone(&text));
        }
        Some(text)
    }

    /// A currency as the keys of counts and balances have it.
    pub(super) fn currency_key(&mut self, currency: &Text) -> Text {
        let kept = currency.as_deref().unwrap_or_default();
        let text = read(kept);
        let key = indexed(&text);
        if *key == *kept { currency.clone() } else { self.text(&key) }
    }
}

pub(super) struct Findings<'m, F> {
    pub(super) moment: &'m Moment<'m>,
    pub(super) notes: Notes,
    /// The most blocks that are made at a time.
    pub(super) most_blocks: usize,
    progress: F,
}

impl<F: FnMut(&Checked)> check::Findings for Findings<'_, F> {
    type Text = Text;
    type Error = Failure;

    fn notes(&mut self) -> &mut Notes {
        &mut self.notes
    }

    fn text(&self, kept: &Text) -> String {
        quoted(&read(kept.as_deref().unwrap_or_default()))
    }

    fn key_name(&self, api_key: &Text) -> String {
        match api_key {
            None => "no API key".to_owned(),
            Some(_) => format!("API key {}", self.text(api_key)),
        }
    }

    fn read_again(&self, account: i64, span: Span, add: &mut dyn FnMut(&Facts<Text>)) -> Result<(), Failure> {
        let sql = "SELECT timestamp_ns, sku, currency, api_key_id, amount, units FROM entries
                   WHERE account = $1 AND timestamp_ns BETWEEN $2 AND $3";
        let mut texts = Texts::default();
        self.moment.each(sql, &[&account, &span.first_ns, &span.last_ns], |row| {
            let currency = texts.text(row.try_get(2)?);
            // What is no number counts as zero. The first reading has noted it.
            let number = |column: usize| {
                Ok::<_, Failure>(parse_decimal(row.try_get(column)?).unwrap_or(Decimal::ZERO))
            };
            add(&Facts {
                timestamp_ns: row.try_get(0)?,
                sku: texts.text(row.try_get(1)?),
                currency_key: texts.currency_key(&currency),
                currency,
                api_key: row.try_get::<_, Option<&str>>(3)?.and_then(|key| texts.text(key)),
                amount: number(4)?,
                units: number(5)?,
            });
            Ok(())
        })
    }
}

impl<'m, F: FnMut(&Checked)> Findings<'m, F> {
    pub(super) fn new(moment: &'m Moment<'m>, most_blocks: usize, progress: F) -> Self {
        Self { moment, notes: Notes::default(), most_blocks, progress }
    }

    pub(super) fn count_entry(&mut self) {
        self.notes.report.checked.entries += 1;
        if self.notes.report.checked.entries.is_multiple_of(PROGRESS_EVERY) {
            (self.progress)(&self.notes.report.checked);
        }
    }

    /// Checks a part. What cannot be read of it because the database is damaged is a finding, and the other parts are still checked.
    pub(super) fn bear(
        &mut self,
        part: &str,
        look: impl FnOnce(&mut Self) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        // An error ends a transaction, but for what was before this point.
        self.moment.run("SAVEPOINT part")?;
        match look(self) {
            Err(failure) if is_damage(&failure) => {
                self.moment.run("ROLLBACK TO SAVEPOINT part")?;
                self.notes.account = None;
                self.is_damaged(part, &words(&failure));
                Ok(())
            }
            looked => looked,
        }
    }

    /// Notes damage, in the database's words.
    pub(super) fn is_damaged(&mut self, part: &str, words: &str) {
        let values = Values::new(INTEGRITY, Some(shown(words)), Some("ok".to_owned()));
        self.add(DifferenceKind::Integrity, |_| part.to_owned(), values);
    }

    /// Notes that something is missing that every ledger has.
    pub(super) fn is_missing(&mut self, what: &str) {
        let values = Values::new("schema", None, Some(what.to_owned()));
        self.add(DifferenceKind::Integrity, |_| "the database".to_owned(), values);
    }
}

/// The report of a database that cannot be opened because it is damaged.
pub(super) fn report_damage(error: &Error) -> Report {
    let difference = Difference {
        kind: DifferenceKind::Integrity,
        account: None,
        place: "the database".to_owned(),
        field: INTEGRITY,
        held: Some(shown(&error.to_string())),
        expected: Some("ok".to_owned()),
    };
    Report { found: [(difference.kind, 1)].into(), differences: vec![difference], ..Report::default() }
}

/// True for a failure that says that the database is damaged: its codes for what is corrupt, for a file that is missing or cannot be
/// read, and for what must not happen; or a value that has another form than its column.
fn is_damage(failure: &Failure) -> bool {
    match failure {
        Failure::Database(cause) => match cause.code() {
            Some(code) => code.code().starts_with("XX") || code.code().starts_with("58"),
            None => failure::kind_of(cause) == ErrorKind::Corrupt,
        },
        Failure::Kind(kind, _) => *kind == ErrorKind::Corrupt,
        Failure::Error(error) => error.kind() == ErrorKind::Corrupt,
    }
}

fn words(failure: &Failure) -> String {
    match failure {
        Failure::Database(cause) => {
            cause.as_db_error().map_or_else(|| cause.to_string(), |error| error.message().to_owned())
        }
        Failure::Kind(_, detail) => detail.clone(),
        Failure::Error(error) => error.to_string(),
    }
}

/// A kept sum, or a description of what is there in its place.
pub(super) fn held_sum(text: Option<&str>) -> HeldSum {
    text.and_then(|text| text.parse().ok()).ok_or_else(|| quoted(text.unwrap_or_default()))
}

/// Sums from a column of currencies and the one of amounts behind it. What has no currency or no amount is a difference too.
pub(super) fn held_sums(
    row: &Row,
    column: usize,
    texts: &mut Texts,
) -> Result<Vec<(Text, HeldSum)>, Failure> {
    let currencies: Vec<Option<&str>> = row.try_get(column)?;
    let amounts: Vec<Option<&str>> = row.try_get(column + 1)?;
    let most = currencies.len().max(amounts.len());
    let sum = |at: usize| {
        let currency = currencies.get(at).copied().flatten();
        let amount = amounts.get(at).copied().flatten();
        (currency.and_then(|currency| texts.text(currency)), held_sum(amount))
    };
    Ok((0..most).map(sum).collect())
}
