//! The DIEM of one UTC day: what was used of an allocation, and what is left.

use billing_model::{Decimal, Total};
use serde::Serialize;

use crate::amount;

/// What accounts have used of the DIEM of one UTC day, and have left until it ends.
///
/// ```
/// use billing_report::Diem;
/// let mut diem = Diem::default();
/// diem.add(Some("10".parse()?), &"-4.2".parse()?);
/// // An account without an allocation is charged too, and has nothing left.
/// diem.add(None, &"-1".parse()?);
/// assert_eq!((diem.used.to_string(), diem.left.unwrap().to_string()), ("5.2".to_owned(), "5.8".to_owned()));
/// # Ok::<(), billing_model::ValueError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diem {
    /// The DIEM that was used: charges less refunds, zero or positive.
    #[serde(serialize_with = "amount::serialize")]
    pub used: Total,
    /// What may be used a day; `None` where no account has an allocation.
    #[serde(serialize_with = "amount::serialize_optional")]
    pub allocation: Option<Total>,
    /// What is left of it; `None` without an allocation. An account that has used more than it may has nothing left.
    #[serde(serialize_with = "amount::serialize_optional")]
    pub left: Option<Total>,
}

impl Diem {
    /// Adds an account: its allocation, and the sum of the day's DIEM entries, signed as in the ledger.
    pub fn add(&mut self, allocation: Option<Decimal>, of_day: &Total) {
        let used = if of_day.is_positive() { Total::default() } else { -of_day.clone() };
        self.used.merge(&used);
        if let Some(allocation) = allocation {
            let allocation = Total::from(allocation);
            let mut left = allocation.clone();
            left.subtract(&used);
            self.allocation.get_or_insert_default().merge(&allocation);
            let left = if left.is_positive() { left } else { Total::default() };
            self.left.get_or_insert_default().merge(&left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_do_not_lend_each_other_what_they_have_left() {
        for (accounts, used, left) in [
            (&[][..], "0", None),
            (&[(None, "-3")], "3", None),
            (&[(Some("10"), "0")], "0", Some("10")),
            (&[(Some("10"), "-12")], "12", Some("0")),
            (&[(Some("10"), "-12"), (Some("5"), "-1")], "13", Some("4")),
            // More was given back than was charged.
            (&[(Some("10"), "2")], "0", Some("10")),
            (&[(Some("0"), "0")], "0", Some("0")),
        ] {
            let mut diem = Diem::default();
            for (allocation, of_day) in accounts {
                let allocation = allocation.map(|text: &str| text.parse::<Decimal>().unwrap());
                diem.add(allocation, &of_day.parse().unwrap());
            }
            let found = (diem.used.to_string(), diem.left.map(|left| left.to_string()));
            assert_eq!(found, (used.to_owned(), left.map(str::to_owned)), "{accounts:?}");
        }
    }
}
