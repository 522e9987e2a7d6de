//! Bars along time, stacked of several colours.

use std::fmt::{self, Write as _};

use billing_model::Total;

use super::axis::Axis;
use super::figure::Money;
use super::series::Series;
use super::text::Text;
use super::timeline::Timeline;
use crate::figures::Places;

/// The units of a plot: a bar's place, and its height. More bars have fewer, which makes them short to write.
const WIDE: u32 = 20;
const HEIGHT: u32 = 300;
const DENSE_HEIGHT: u32 = 150;
const MOST_WIDE: usize = 100;

/// A chart of bars.
pub(super) struct Stack<'a> {
    /// What is counted: `Spend`, `Tokens`.
    pub(super) what: &'a str,
    /// The unit of the amounts, such as a currency.
    pub(super) unit: &'a str,
    /// Those of the amounts.
    pub(super) places: Places,
    pub(super) timeline: Timeline,
    /// From the lowest part of a bar to the highest one.
    pub(super) series: &'a [Series],
    /// The prefix of the colours' classes.
    pub(super) palette: &'a str,
    /// Under which name the script finds the amounts.
    pub(super) data: String,
    /// What is said below the title.
    pub(super) note: Option<String>,
}

impl Stack<'_> {
    /// The heights of the bars up to each of the series, the first one first.
    fn sums(&self) -> Vec<Vec<Total>> {
        let mut sum = vec![Total::default(); self.timeline.count()];
        let add = |series: &Series| {
            sum.iter_mut().zip(&series.amounts).for_each(|(sum, amount)| sum.merge(amount));
            sum.clone()
        };
        self.series.iter().map(add).collect()
    }

    /// What the chart shows, in words.
    fn summary(&self, sums: &[Total]) -> String {
        let grain = self.timeline.grain.as_str();
        let names: Vec<_> = self.timeline.names().collect();
        let highest =
            sums.iter().enumerate().max_by(|one, other| one.1.cmp(other.1).then(other.0.cmp(&one.0)));
        let mut said = format!("{} in {} by {grain}", self.what, self.unit);
        if let (Some(first), Some(last), Some((at, most))) = (names.first(), names.last(), highest) {
            let _ = write!(
                said,
                ", {first} to {last}. The most is {}, in {}.",
                self.places.show(most),
                names[at]
            );
        }
        said
    }
}

impl fmt::Display for Stack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sums = self.sums();
        let Some(highest) = sums.last() else { return Ok(()) };
        let Some(axis) = highest.iter().max().and_then(Axis::to) else { return Ok(()) };
        let count = self.timeline.count();
        let is_wide = count <= MOST_WIDE;
        let (unit, height) = if is_wide { (WIDE, HEIGHT) } else { (1, DENSE_HEIGHT) };
        let width = u32::try_from(count).unwrap_or(u32::MAX / WIDE) * unit;
        let grain = self.timeline.grain.as_str();
        write!(f, "<figure class=\"chart\">\n<figcaption><h3>{} by {grain}</h3>", self.what)?;
        write!(f, "<p>{}{}</p>", Text(self.unit), self.note.as_deref().unwrap_or_default())?;
        write!(
            f,
            "</figcaption>\n<div class=\"plot\" data-chart=\"{data}\">{axis}<svg role=\"img\" aria-label=\"{label}\" \
             viewBox=\"0 0 {width} {height}\" preserveAspectRatio=\"none\"><path class=\"grid\" d=\"{lines}\"/>",
            data = self.data,
            label = Text(&self.summary(highest)),
            lines = axis.lines(width, height),
        )?;
        // From the highest to the lowest: each covers what the next ones are not.
        for (series, sums) in self.series.iter().zip(&sums).rev() {
            let heights: Vec<_> = sums.iter().map(|sum| sum.steps_of(&axis.top, height)).collect();
            let path = if is_wide { wide(&heights) } else { dense(&heights) };
            write!(f, "<path class=\"{}{}\" d=\"{path}\"/>", self.palette, series.colour)?;
        }
        f.write_str("</svg>")?;
        marks(f, self.timeline)?;
        f.write_str("</div>\n<ul class=\"legend\">")?;
        for series in self.series {
            write!(
                f,
                "<li><i class=\"key {}{}\"></i><bdi>{}</bdi> <b class=\"n\">",
                self.palette,
                series.colour,
                Text(&series.name)
            )?;
            write!(f, "{}</b></li>", Money(self.places, &series.sum))?;
        }
        f.write_str("</ul>\n</figure>\n")
    }
}

/// Bars with room between them: `M2 300v-120h16v120z`.
fn wide(heights: &[u32]) -> String {
    // A few bars would be slabs.
    let bar = match heights.len() {
        0..=3 => 6,
        4..=8 => 10,
        _ => 16,
    };
    let mut path = String::new();
    for (left, height) in (0..).step_by(WIDE as usize).zip(heights).filter(|(_, height)| **height > 0) {
        let left: u32 = left;
        let _ = write!(path, "M{} {HEIGHT}v-{height}h{bar}v{height}z", left + (WIDE - bar) / 2);
    }
    path
}

/// Bars side by side, as one outline: `M0 150v-20h1v5h2V150z`.
fn dense(heights: &[u32]) -> String {
    let mut path = format!("M0 {DENSE_HEIGHT}");
    let (mut level, mut along) = (0, 0);
    for height in heights {
        if *height != level {
            if along > 0 {
                let _ = write!(path, "h{along}");
            }
            let _ = write!(path, "v{}", i64::from(level) - i64::from(*height));
            (level, along) = (*height, 0);
        }
        along += 1;
    }
    let _ = write!(path, "h{along}V{DENSE_HEIGHT}z");
    path
}

fn marks(f: &mut fmt::Formatter<'_>, timeline: Timeline) -> fmt::Result {
    f.write_str("<div class=\"x\" aria-hidden=\"true\">")?;
    for (n, (at, mark)) in timeline.marks().into_iter().enumerate() {
        // In hundredths of a percent, at the middle of the bar.
        let left = (2 * at + 1) * 5_000 / timeline.count();
        let class = if n % 2 == 1 { " class=\"odd\"" } else { "" };
        write!(f, "<span{class} style=\"left:{}.{:02}%\">{mark}</span>", left / 100, left % 100)?;
    }
    f.write_str("</div>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_drawn_in_few_characters() {
        assert_eq!(wide(&[120, 0, 300]), "M7 300v-120h6v120zM47 300v-300h6v300z");
        assert_eq!(dense(&[20, 20, 15, 0, 0, 7]), "M0 150v-20h2v5h1v15h2v-7h1V150z");
        assert_eq!(dense(&[0, 0, 3]), "M0 150h2v-3h1V150z");
    }
}
