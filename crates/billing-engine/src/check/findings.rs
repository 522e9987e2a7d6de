//! What a check has found so far.

use billing_ledger::{Difference, DifferenceKind, Report};
use billing_model::{Decimal, Total};

use crate::span::Span;

/// Bytes of a digest: of a key, of a batch, of a file.
pub const DIGEST_BYTES: i64 = 32;

/// The field of a difference, and both values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// Which value of the place, mostly a column.
    pub field: &'static str,
    /// What the ledger keeps; `None` for nothing.
    pub held: Option<String>,
    /// What it should be; `None` for nothing.
    pub expected: Option<String>,
}

impl Values {
    /// A field with what is kept and what should be.
    pub fn new(field: &'static str, held: Option<String>, expected: Option<String>) -> Self {
        Self { field, held, expected }
    }
}

/// A kept sum, or a description of what is there in its place.
pub type HeldSum = Result<Total, String>;

/// What an entry adds to counts and sums.
pub struct Facts<T> {
    /// The instant of the entry, in nanoseconds since 1970.
    pub timestamp_ns: i64,
    /// Its product.
    pub sku: T,
    /// Its currency.
    pub currency: T,
    /// The currency as counts and balances have it in their keys: another text where the engine keeps long ones in another form.
    pub currency_key: T,
    /// Its API key, or what stands for none.
    pub api_key: T,
    /// Zero when it is no number.
    pub amount: Decimal,
    /// Zero when they are no number.
    pub units: Decimal,
}

/// The report in the making.
#[derive(Default)]
pub struct Notes {
    /// What was looked at and found.
    pub report: Report,
    /// The account that is being checked.
    pub account: Option<String>,
}

impl Notes {
    /// Counts a difference. True when it is to be listed too.
    fn count(&mut self, kind: DifferenceKind) -> bool {
        let found = self.report.found.entry(kind).or_default();
        *found += 1;
        *found <= Report::LISTED
    }

    fn list(&mut self, kind: DifferenceKind, place: String, values: Values) {
        let Values { field, held, expected } = values;
        let account = self.account.clone();
        self.report.differences.push(Difference { kind, account, place, field, held, expected });
    }
}

/// Where an engine's check notes what it finds, and asks for what a comparison needs of the engine.
pub trait Findings {
    /// A text of an entry as the engine has it at hand, in the order of its tables.
    type Text: Ord + Clone;
    /// What may go wrong when the engine reads.
    type Error;

    /// The report in the making.
    fn notes(&mut self) -> &mut Notes;

    /// A text in quotes.
    fn text(&self, text: &Self::Text) -> String;

    /// An API key in words: also the one of entries that have none.
    fn key_name(&self, api_key: &Self::Text) -> String;

    /// Reads the entries of an account once more that lie in a span and are counted.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read_again(
        &self,
        account: i64,
        span: Span,
        add: &mut dyn FnMut(&Facts<Self::Text>),
    ) -> Result<(), Self::Error>;

    /// Notes a difference. Its place is put into words only when it is listed.
    fn add(&mut self, kind: DifferenceKind, place: impl FnOnce(&Self) -> String, values: Values)
    where
        Self: Sized,
    {
        if self.notes().count(kind) {
            let place = place(self);
            self.notes().list(kind, place, values);
        }
    }
}
