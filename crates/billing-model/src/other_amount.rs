//! Amounts under names that no contract knew when this was written: of currencies that came later.

use serde::de;
use serde_json::value::RawValue;

use crate::currency::Currency;
use crate::total::Total;

/// What an answer has under another name than the documented ones, if it is not null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherAmount {
    /// The name, as the service has it.
    pub name: String,
    /// How much; `None` for what is not a number that can be kept exactly.
    pub amount: Option<Total>,
}

impl OtherAmount {
    /// The currency that the name means, written as an entry has it.
    ///
    /// ```
    /// use billing_model::{Currency, OtherAmount};
    /// let currency = |name: &str| OtherAmount { name: name.to_owned(), amount: None }.currency();
    /// assert_eq!(currency("vcu"), Currency::Vcu);
    /// assert_eq!(currency("promoCredits").as_str(), "PROMO_CREDITS");
    /// assert_eq!(currency("EUR").as_str(), "EUR");
    /// ```
    pub fn currency(&self) -> Currency {
        let mut words = String::new();
        let mut after_small = false;
        for letter in self.name.chars() {
            if after_small && letter.is_ascii_uppercase() {
                words.push('_');
            }
            after_small = letter.is_ascii_lowercase() || letter.is_ascii_digit();
            words.push(letter.to_ascii_uppercase());
        }
        Currency::from(words.as_str())
    }

    /// False for a zero: nothing is said by it.
    pub fn is_something(&self) -> bool {
        self.amount.as_ref().is_none_or(|amount| !amount.is_zero())
    }

    /// Keeps what stands under a name, unless it is null.
    pub(crate) fn keep(others: &mut Vec<Self>, name: String, value: &RawValue) {
        if value.get() != "null" {
            others.push(Self { name, amount: serde_json::from_str(value.get()).ok() });
        }
    }
}

/// Fills the place of a member, which is there once.
pub(crate) fn once<T, E: de::Error>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::duplicate_field(name)),
    }
}
