//! How large a sum is, for the order of rows.

use std::cmp::Ordering;

use billing_model::Total;

/// A sum that is only compared. Sums in units are compared without the divisions that make totals of them.
#[derive(Clone, Debug)]
pub(crate) enum Size {
    /// In units of 10⁻²⁸, as a group has it.
    Units(i128),
    /// One that may have no room there. Hardly any sum is one, so it stands elsewhere.
    Total(Box<Total>),
}

impl Size {
    fn to_total(&self) -> Total {
        match self {
            Self::Units(units) => Total::from_units(*units),
            Self::Total(total) => Total::clone(total),
        }
    }
}

impl Ord for Size {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Units(one), Self::Units(other)) => one.cmp(other),
            _ => self.to_total().cmp(&other.to_total()),
        }
    }
}

impl PartialOrd for Size {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Size {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Size {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_in_units_and_others_stand_in_one_order() {
        let units = |text: &str| Size::Units(text.parse::<Total>().unwrap().to_units().unwrap());
        let total = |text: &str| Size::Total(Box::new(text.parse().unwrap()));
        let ascending = [
            total("-1e300"),
            units("-2"),
            total("-1"),
            units("0"),
            total("1e-300"),
            units("1e-28"),
            total("1e300"),
        ];
        for (place, one) in ascending.iter().enumerate() {
            for (other_place, other) in ascending.iter().enumerate() {
                assert_eq!(one.cmp(other), place.cmp(&other_place), "{one:?} {other:?}");
            }
        }
        assert_eq!(units("1.5"), total("1.5"));
    }
}
