//! Lines and bars that fit into a cell.

use billing_model::Total;

/// Heights of a point, the lowest first.
const BLOCKS: &[char] = &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const PLAIN: &[char] = &['.', ':', '-', '=', '+', '*', '#'];

/// Parts of a character that is filled from the left.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// A character for each amount, as high as its part of the highest one. What is zero is a space.
pub(crate) fn sparkline(points: &[Total], ascii: bool) -> String {
    let heights = if ascii { PLAIN } else { BLOCKS };
    let steps = u32::try_from(heights.len()).unwrap_or_default();
    let Some(highest) = points.iter().max() else { return String::new() };
    let height = |point: &Total| match point.steps_of(highest, steps) {
        _ if !point.is_positive() => ' ',
        step => heights[(step as usize).saturating_sub(1)],
    };
    points.iter().map(height).collect()
}

/// The same amounts in at most so many points, each the sum of as many as the others; the last one may be of fewer.
pub(crate) fn in_fewer(points: &[Total], most: usize) -> Vec<Total> {
    let each = points.len().div_ceil(most.max(1)).max(1);
    let sum = |points: &[Total]| {
        let mut sum = Total::default();
        points.iter().for_each(|point| sum.merge(point));
        sum
    };
    points.chunks(each).map(sum).collect()
}

/// A bar of at most so many columns, as long as an amount's part of the highest one. What is not zero has a bar.
pub(crate) fn bar(amount: &Total, highest: &Total, columns: u32, ascii: bool) -> String {
    if !amount.is_positive() {
        return String::new();
    }
    if ascii {
        return "#".repeat(amount.steps_of(highest, columns).max(1) as usize);
    }
    let eighths = amount.steps_of(highest, columns * 8).max(1) as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(texts: &[&str]) -> Vec<Total> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_point_is_as_high_as_its_part_of_the_highest_one() {
        for (points, expect, plain) in [
            (&["0", "1", "2", "3", "4", "5", "6", "7", "8"][..], " ▁▂▃▄▅▆▇█", " .:-==+*#"),
            (&["0", "0"], "  ", "  "),
            (&["1e308", "5e-324", "0"], "█▁ ", "#. "),
            (&[], "", ""),
        ] {
            assert_eq!(sparkline(&totals(points), false), expect);
            assert_eq!(sparkline(&totals(points), true), plain, "{expect}");
        }
    }

    #[test]
    fn fewer_points_have_the_same_sum() {
        let points = totals(&["1", "2", "3", "4", "5"]);
        assert_eq!(in_fewer(&points, 2), totals(&["6", "9"]));
        assert_eq!(in_fewer(&points, 3), totals(&["3", "7", "5"]));
        assert_eq!(in_fewer(&points, 9), points);
        assert_eq!(in_fewer(&[], 3), []);
    }

    #[test]
    fn a_bar_is_as_long_as_its_part_of_the_highest_amount() {
        let [none, tiny, half, all] = &totals(&["0", "1e-9", "1", "2"])[..] else { panic!() };
        let bars = |ascii| [none, tiny, half, all].map(|amount| bar(amount, all, 5, ascii));
        assert_eq!(bars(false), ["", "▏", "██▌", "█████"]);
        assert_eq!(bars(true), ["", "#", "##", "#####"]);
    }
}
