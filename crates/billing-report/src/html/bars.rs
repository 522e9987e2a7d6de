//! Who had which share of the spend: one bar each, with its amount.

use std::fmt;

use billing_model::Total;

use super::figure::{Money, percent};
use super::series::Series;
use super::text::Text;
use crate::figures::Places;

/// The units of a whole bar.
const STEPS: u32 = 1_000;

/// A chart of shares.
pub(super) struct Bars<'a> {
    /// `Spend by model`.
    pub(super) title: &'a str,
    /// The currency.
    pub(super) unit: &'a str,
    /// Those of the currency's amounts.
    pub(super) places: Places,
    pub(super) series: &'a [Series],
    /// All of the spend.
    pub(super) whole: &'a Total,
}

impl fmt::Display for Bars<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(largest) = self.series.iter().map(|series| &series.sum).max() else { return Ok(()) };
        write!(
            f,
            "<figure class=\"chart shares\">\n<figcaption><h3>{}</h3><p>{}</p></figcaption>\n<ol>\n",
            self.title,
            Text(self.unit)
        )?;
        for Series { name, colour, sum, .. } in self.series {
            // What is not nothing is seen.
            let width = sum.steps_of(largest, STEPS).max(4);
            writeln!(
                f,
                "<li><span class=\"who\"><bdi>{}</bdi></span><span class=\"n\">{}</span><span class=\"part\">{}</span>\
                 <svg aria-hidden=\"true\" viewBox=\"0 0 {STEPS} 1\" preserveAspectRatio=\"none\"><path class=\"s{colour}\" \
                 d=\"M0 0h{width}v1H0z\"/></svg></li>",
                Text(name),
                Money(self.places, sum),
                percent(sum, self.whole).unwrap_or_default(),
            )?;
        }
        f.write_str("</ol>\n</figure>\n")
    }
}
