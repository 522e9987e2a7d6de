//! An entry that stands somewhere else, in a ledger or a file, and is only looked at.

use std::fmt;

use crate::currency::Currency;
use crate::decimal::Decimal;
use crate::decimal_text::{decimal_text, parse_decimal};
use crate::entry::{InferenceDetails, UsageEntry};
use crate::error::{ValueError, ValueErrorKind};
use crate::other_fields::OtherFields;
use crate::timestamp::Timestamp;

/// An entry that is lent: its texts and the text of its numbers stand where they are kept, and nothing is copied to look at it.
///
/// ```
/// use billing_model::{LentEntry, NumberText, Timestamp};
/// let lent = LentEntry {
///     timestamp: "2026-06-14T19:52:45.087Z".parse()?,
///     sku: "venice-sd35-image-unit",
///     price_per_unit_usd: NumberText::new("0.01")?,
///     units: NumberText::new("1")?,
///     amount: NumberText::new("-0.01")?,
///     currency: "USD",
///     notes: "",
///     request_id: None,
///     execution_time_ms: None,
///     prompt_tokens: None,
///     completion_tokens: None,
///     api_key_id: None,
///     other_fields: None,
/// };
/// assert_eq!(lent.to_entry()?.amount.to_string(), "-0.01");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LentEntry<'a> {
    /// As [`UsageEntry::timestamp`].
    pub timestamp: Timestamp,
    /// As [`UsageEntry::sku`].
    pub sku: &'a str,
    /// As [`UsageEntry::price_per_unit_usd`].
    pub price_per_unit_usd: NumberText<'a>,
    /// As [`UsageEntry::units`].
    pub units: NumberText<'a>,
    /// As [`UsageEntry::amount`].
    pub amount: NumberText<'a>,
    /// As [`UsageEntry::currency`].
    pub currency: &'a str,
    /// As [`UsageEntry::notes`].
    pub notes: &'a str,
    /// As [`InferenceDetails::request_id`]. An entry without any of the four has no details that are known.
    pub request_id: Option<&'a str>,
    /// As [`InferenceDetails::execution_time_ms`].
    pub execution_time_ms: Option<NumberText<'a>>,
    /// As [`InferenceDetails::prompt_tokens`].
    pub prompt_tokens: Option<NumberText<'a>>,
    /// As [`InferenceDetails::completion_tokens`].
    pub completion_tokens: Option<NumberText<'a>>,
    /// As [`UsageEntry::api_key_id`].
    pub api_key_id: Option<&'a str>,
    /// As [`UsageEntry::other_fields`].
    pub other_fields: Option<&'a OtherFields>,
}

/// The text of a number as [`write_decimal`](crate::write_decimal) writes it, which goes into an answer as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NumberText<'a>(&'a [u8]);

impl<'a> NumberText<'a> {
    /// A text that is one.
    ///
    /// ```
    /// # use billing_model::NumberText;
    /// assert!(["0", "-0.01", "128000", "1e-29"].iter().all(|text| NumberText::new(text).is_ok()));
    /// assert!(["", "-", "-0", "01", "1.0", "1.", ".5", "1e3", "+1", " 1"].iter().all(|text| NumberText::new(text).is_err()));
    /// ```
    ///
    /// # Errors
    /// [`ValueErrorKind::NotADecimal`] for any other text, also for one that is a number in another form.
    #[inline]
    pub fn new(text: &'a str) -> Result<Self, ValueError> {
        Self::of_bytes(text.as_bytes())
    }

    /// As [`NumberText::new`], from bytes that were not checked to be UTF-8: the text of a number is ASCII.
    ///
    /// ```
    /// # use billing_model::NumberText;
    /// assert_eq!(NumberText::of_bytes(b"-0.01")?.as_str(), "-0.01");
    /// assert!(NumberText::of_bytes(b"1\xff").is_err());
    /// # Ok::<(), billing_model::ValueError>(())
    /// ```
    ///
    /// # Errors
    /// As [`NumberText::new`].
    #[inline]
    pub fn of_bytes(text: &'a [u8]) -> Result<Self, ValueError> {
        // Nearly all are short and plain.
        if (text.len() <= MAX_USUAL && is_plain(text)) || is_written_so(text) {
            Ok(Self(text))
        } else {
            Err(ValueError::new(ValueErrorKind::NotADecimal, &String::from_utf8_lossy(text)))
        }
    }

    /// The text.
    pub fn as_str(self) -> &'a str {
        // It is ASCII, as every number is.
        std::str::from_utf8(self.0).unwrap_or_default()
    }

    /// The same as bytes, at no cost.
    #[inline]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The number.
    ///
    /// # Errors
    /// [`ValueErrorKind::DecimalOutOfRange`] for more digits than a [`Decimal`] has room for. No number that this
    /// library wrote has so many.
    pub fn to_decimal(self) -> Result<Decimal, ValueError> {
        parse_decimal(self.as_str())
    }
}

impl fmt::Debug for NumberText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NumberText").field(&self.as_str()).finish()
    }
}

/// Bytes up to which a plain text is always the one that is written: so many digits fit, behind the point too.
const MAX_USUAL: usize = 28;

/// True when a text is the very one that is written for its number.
#[cold]
fn is_written_so(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    parse_decimal(text).is_ok_and(|number| decimal_text(number) == text)
}

/// Digits, and perhaps a point amid them, without zeros that say nothing.
fn is_plain(text: &[u8]) -> bool {
    let is_negative = text.first() == Some(&b'-');
    let digits = &text[usize::from(is_negative)..];
    let point = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let (whole, fraction) = digits.split_at(point);
    match (whole, fraction) {
        ([], _) => false,
        ([b'0'], []) => !is_negative,
        ([b'0', _, ..], _) => false,
        (_, []) => true,
        (_, [b'.', digits @ .., last]) => {
            last.is_ascii_digit() && *last != b'0' && digits.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

impl LentEntry<'_> {
    /// A copy of the entry that owns its texts.
    ///
    /// # Errors
    /// As [`NumberText::to_decimal`].
    pub fn to_entry(&self) -> Result<UsageEntry, ValueError> {
        let number = |number: Option<NumberText<'_>>| number.map(NumberText::to_decimal).transpose();
        let details = InferenceDetails {
            request_id: self.request_id.map(str::to_owned),
            execution_time_ms: number(self.execution_time_ms)?,
            prompt_tokens: number(self.prompt_tokens)?,
            completion_tokens: number(self.completion_tokens)?,
        };
        Ok(UsageEntry {
            timestamp: self.timestamp,
            sku: self.sku.to_owned(),
            price_per_unit_usd: self.price_per_unit_usd.to_decimal()?,
            units: self.units.to_decimal()?,
            amount: self.amount.to_decimal()?,
            currency: Currency::from(self.currency),
            notes: self.notes.to_owned(),
            inference_details: details.into_option(),
            api_key_id: self.api_key_id.map(str::to_owned),
            other_fields: self.other_fields.cloned(),
        })
    }

    /// How many bytes of text it holds, beside its numbers.
    pub fn text_bytes(&self) -> usize {
        let other_fields = self.other_fields.map(OtherFields::as_str);
        let optional = [self.api_key_id, self.request_id, other_fields].into_iter().flatten().map(str::len);
        self.sku.len() + self.currency.len() + self.notes.len() + optional.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The text that is written for a number is taken, and no other text of that number is.
        #[test]
        fn the_text_of_a_number_is_one(digits in any::<i64>(), places in 0..400i32, zeros in 0..3usize) {
            let Ok(number) = parse_decimal(&format!("{digits}e-{places}")) else { return Ok(()) };
            let text = decimal_text(number);
            prop_assert_eq!(NumberText::new(&text).unwrap().to_decimal().unwrap(), number);
            let zeros = "0".repeat(zeros + 1);
            let other = match text.contains(['.', 'e']) {
                true => text.replacen('-', "-0", 1) + &zeros,
                false => format!("{text}.{zeros}"),
            };
            prop_assert!(NumberText::new(&other).is_err(), "{}", other);
        }
    }
}
