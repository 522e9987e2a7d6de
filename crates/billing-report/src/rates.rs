//! What a unit of each currency is taken for in USD.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use billing_model::{Currency, Decimal, ValueError, parse_decimal};

/// A stated table of rates: how many USD one unit of a currency is taken for.
///
/// They are for comparing, and no exchange: nobody pays a DIEM out. Venice says what one DIEM and one VCU buy, and counts its
/// credits in USD (`docs/upstream-api.md`).
///
/// ```
/// use billing_model::Currency;
/// use billing_report::Rates;
/// let mut rates = Rates::default();
/// let rate: billing_report::Rate = "VCU=0.05".parse()?;
/// rates.set(rate);
/// assert_eq!(rates.of(&Currency::Vcu).unwrap().to_string(), "0.05");
/// assert_eq!(rates.of(&Currency::from("NEW")), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    table: BTreeMap<Currency, Decimal>,
    /// Whose rates were set.
    set: BTreeSet<Currency>,
}

impl Default for Rates {
    /// USD, DIEM, bundled and earned credits 1, VCU 0.10.
    fn default() -> Self {
        let tenth = Decimal::from_parts(1, -1).unwrap_or_default();
        let table = BTreeMap::from([
            (Currency::Diem, Decimal::ONE),
            (Currency::EarnedCredits, Decimal::ONE),
            (Currency::BundledCredits, Decimal::ONE),
            (Currency::Usd, Decimal::ONE),
            (Currency::Vcu, tenth),
        ]);
        Self { table, set: BTreeSet::new() }
    }
}

impl Rates {
    /// The rate of a currency, if it is in the table.
    pub fn of(&self, currency: &Currency) -> Option<Decimal> {
        self.table.get(currency).copied()
    }

    /// Puts a rate into the table, or replaces it.
    pub fn set(&mut self, rate: Rate) {
        self.set.insert(rate.currency.clone());
        self.table.insert(rate.currency, rate.usd);
    }

    /// The currencies whose rates were [set](Self::set).
    pub(crate) fn set_by_hand(&self) -> impl Iterator<Item = &Currency> {
        self.set.iter()
    }

    /// The table, by currency.
    pub fn iter(&self) -> impl Iterator<Item = (&Currency, Decimal)> {
        self.table.iter().map(|(currency, usd)| (currency, *usd))
    }
}

/// What one unit of a currency is taken for: `VCU=0.05`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The currency.
    pub currency: Currency,
    /// USD for one unit of it. Not below zero.
    pub usd: Decimal,
}

/// A text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateError {
    /// It has no currency or no `=`.
    #[error("`{0}` is not a rate; give one as VCU=0.10, USD for one unit")]
    NotARate(String),
    /// The number is none.
    #[error("the rate of `{currency}` is no number")]
    NotANumber {
        /// Whose rate.
        currency: String,
        /// Why not.
        #[source]
        error: ValueError,
    },
    /// The number is below zero.
    #[error("the rate of `{0}` is below zero")]
    Negative(String),
}

impl FromStr for Rate {
    type Err = RateError;

    /// Reads a currency and a number. The capitals of known currencies need not be typed.
    ///
    /// ```
    /// use billing_model::Currency;
    /// let rate: billing_report::Rate = "vcu=0.05".parse()?;
    /// assert_eq!(rate.currency, Currency::Vcu);
    /// # Ok::<(), billing_report::RateError>(())
    /// ```
    fn from_str(text: &str) -> Result<Self, RateError> {
        let (currency, usd) = text
            .split_once('=')
            .filter(|(currency, _)| !currency.is_empty())
            .ok_or_else(|| RateError::NotARate(text.to_owned()))?;
        let not_a_number = |error| RateError::NotANumber { currency: currency.to_owned(), error };
        let usd = parse_decimal(usd).map_err(not_a_number)?;
        match usd.is_negative() {
            true => Err(RateError::Negative(currency.to_owned())),
            false => Ok(Self { currency: typed_currency(currency), usd }),
        }
    }
}

/// The currency of a name that was typed. One that is not known is taken as it is: nobody knows how it is written.
fn typed_currency(name: &str) -> Currency {
    match Currency::from(name.to_ascii_uppercase().as_str()) {
        Currency::Other(_) => Currency::from(name),
        known => known,
    }
}
