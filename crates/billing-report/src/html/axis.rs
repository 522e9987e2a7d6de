//! The axis of a chart: from zero to a round number, in round steps.

use std::fmt;

use billing_model::{Decimal, Total};

use super::figure::{power, short};

/// Where an axis ends, and the numbers that stand at it.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) top: Total,
    ticks: Vec<Total>,
}

/// The most steps of an axis.
const MOST_STEPS: u32 = 5;

impl Axis {
    /// The axis that the largest amount stands at; `None` where there is none above zero.
    pub(super) fn to(largest: &Total) -> Option<Self> {
        if !largest.is_positive() {
            return None;
        }
        let power = power(largest);
        let steps = [(2, power - 1), (5, power - 1), (1, power), (2, power)];
        let step = steps.into_iter().find_map(|(digit, power)| {
            let step: Total = format!("{digit}e{power}").parse().ok()?;
            (step.times(MOST_STEPS.into()) >= *largest).then_some(step)
        })?;
        let count = (1..MOST_STEPS).find(|count| step.times(Decimal::from(*count)) >= *largest);
        let ticks: Vec<_> = (0..=count.unwrap_or(MOST_STEPS)).map(|n| step.times(Decimal::from(n))).collect();
        Some(Self { top: ticks.last()?.clone(), ticks })
    }

    /// How many steps there are.
    fn steps(&self) -> usize {
        self.ticks.len() - 1
    }

    /// The lines behind a plot, one at each step above zero.
    pub(super) fn lines(&self, width: u32, height: u32) -> String {
        let steps = u32::try_from(self.steps()).unwrap_or(1);
        (0..steps).map(|n| format!("M0 {}h{width}", height * n / steps)).collect()
    }
}

/// The numbers at the axis.
impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<div class=\"y\" aria-hidden=\"true\">")?;
        for (n, tick) in self.ticks.iter().enumerate() {
            write!(f, "<span style=\"bottom:{}%\">{}</span>", 100 * n / self.steps(), short(tick))?;
        }
        f.write_str("</div>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_ends_at_a_round_number_at_or_above_the_largest() {
        for (largest, expect) in [
            ("1", "0 0.2 0.4 0.6 0.8 1"),
            ("1.01", "0 0.5 1 1.5"),
            ("2.5", "0 0.5 1 1.5 2 2.5"),
            ("2.6", "0 1 2 3"),
            ("5.1", "0 2 4 6"),
            ("9.99", "0 2 4 6 8 10"),
            ("123456789", "0 50 M 100 M 150 M"),
            ("0.00005852", "0 0.00002 0.00004 0.00006"),
            ("5e-324", "0 1e-324 2e-324 3e-324 4e-324 5e-324"),
            ("1.7e308", "0 5e307 1e308 1.5e308 2e308"),
        ] {
            let axis = Axis::to(&largest.parse().unwrap()).unwrap();
            let ticks: Vec<_> = axis.ticks.iter().map(short).collect();
            assert_eq!(ticks.join(" "), expect);
        }
        assert!(Axis::to(&Total::default()).is_none());
    }
}
