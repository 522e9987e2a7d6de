//! What an entry is charged in.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// The currency of an entry's amount.
///
/// A currency that this crate does not know is kept as it came ([`Currency::Other`]); it never loses an entry.
/// Sums are kept per currency: DIEM is an allowance, not money, although one DIEM buys what one USD buys.
///
/// ```
/// use billing_model::Currency;
/// assert_eq!(Currency::from("DIEM"), Currency::Diem);
/// assert_eq!(Currency::from("NEW_CREDITS").to_string(), "NEW_CREDITS");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Currency {
    /// `DIEM`: an allowance that resets at 00:00 UTC.
    Diem,
    /// `EARNED_CREDITS`: denominated in USD.
    EarnedCredits,
    /// `BUNDLED_CREDITS`: denominated in USD.
    BundledCredits,
    /// `USD`.
    Usd,
    /// `VCU`: the legacy unit, 0.10 USD each.
    Vcu,
    /// One that came later.
    Other(Box<str>),
}

impl Currency {
    /// The currency as the API spells it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Diem => "DIEM",
            Self::EarnedCredits => "EARNED_CREDITS",
            Self::BundledCredits => "BUNDLED_CREDITS",
            Self::Usd => "USD",
            Self::Vcu => "VCU",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for Currency {
    #[inline]
    fn from(name: &str) -> Self {
        match name {
            "DIEM" => Self::Diem,
            "EARNED_CREDITS" => Self::EarnedCredits,
            "BUNDLED_CREDITS" => Self::BundledCredits,
            "USD" => Self::Usd,
            "VCU" => Self::Vcu,
            other => Self::Other(other.into()),
        }
    }
}

impl FromStr for Currency {
    type Err = Infallible;

    fn from_str(name: &str) -> Result<Self, Infallible> {
        Ok(Self::from(name))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
