//! When in the week the money is spent: a map of its hours.

use std::fmt::{self, Write as _};

use billing_model::Total;

use super::figure::Money;
use super::text::Text;
use crate::figures::Places;

const HOURS: usize = 24;

/// How many strengths of colour there are.
const LEVELS: u32 = 5;

/// A map of seven days by 24 hours.
pub(super) struct Heat<'a> {
    pub(super) unit: &'a str,
    /// Those of the currency's amounts.
    pub(super) places: Places,
    pub(super) weekdays: &'a [String],
    pub(super) hours: &'a [Total],
    pub(super) data: String,
    pub(super) zone: &'a str,
}

impl fmt::Display for Heat<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((at, most)) =
            self.hours.iter().enumerate().max_by(|one, other| one.1.cmp(other.1).then(other.0.cmp(&one.0)))
        else {
            return Ok(());
        };
        let Some(weekday) = self.weekdays.get(at / HOURS).filter(|_| most.is_positive()) else {
            return Ok(());
        };
        let summary = format!(
            "Spend in {} by hour of the week. The most is {}, on {weekday} from {:02}:00.",
            self.unit,
            self.places.show(most),
            at % HOURS
        );
        write!(
            f,
            "<figure class=\"chart heat\">\n<figcaption><h3>Hours of the week</h3><p>{}, {}</p></figcaption>\n\
             <div class=\"plot\" data-chart=\"{}\"><div class=\"y\" aria-hidden=\"true\">",
            Text(self.unit),
            Text(self.zone),
            self.data
        )?;
        for (n, day) in self.weekdays.iter().enumerate() {
            // The middle of the day's row, from the top, in percent.
            write!(f, "<span style=\"top:{}%\">{}</span>", (2 * n + 1) * 50 / 7, &day[..3])?;
        }
        write!(
            f,
            "</div><svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 240 70\" preserveAspectRatio=\"none\">",
            Text(&summary)
        )?;
        for level in 0..=LEVELS {
            let mut path = String::new();
            let cells = self.hours.iter().enumerate().filter(|(_, spend)| level_of(spend, most) == level);
            for (at, _) in cells {
                // One unit of the ten is left free to the right and below, in an image that is stretched.
                let _ = write!(path, "M{} {}h9v9h-9z", at % HOURS * 10, at / HOURS * 10);
            }
            if !path.is_empty() {
                write!(f, "<path class=\"h{level}\" d=\"{path}\"/>")?;
            }
        }
        f.write_str("</svg><div class=\"x\" aria-hidden=\"true\">")?;
        for hour in (0..HOURS).step_by(3) {
            let class = if hour % 2 == 1 { " class=\"odd\"" } else { "" };
            let left = (2 * hour + 1) * 5_000 / HOURS;
            write!(f, "<span{class} style=\"left:{}.{:02}%\">{hour:02}</span>", left / 100, left % 100)?;
        }
        f.write_str("</div></div>\n<p class=\"scale\"><span>nothing</span>")?;
        (0..=LEVELS).try_for_each(|level| write!(f, "<i class=\"key h{level}\"></i>"))?;
        write!(f, "<span class=\"n\">{}</span></p>\n</figure>\n", Money(self.places, most))
    }
}

/// How strong a colour is: none for nothing, and the least for whatever is more.
fn level_of(spend: &Total, most: &Total) -> u32 {
    if spend.is_positive() { spend.steps_of(most, LEVELS).max(1) } else { 0 }
}
