//! What the charts of a page are drawn from.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use billing_model::Total;

use crate::dimension::Dimension;
use crate::facts::Code;
use crate::group::Part;
use crate::labels::Labels;
use crate::line::{Line, Section, Sum, lines};
use crate::question::Question;
use crate::report::Breakdown;
use crate::rows::Rows;
use crate::tally::{Dimensions, Tally};

/// How many models and keys have a colour of their own. More cannot be told apart.
pub(crate) const MOST_SERIES: usize = 8;

/// The dimensions of each chart.
const BY: [Dimensions; 3] = [
    [Some(Dimension::Day), Some(Dimension::Model)],
    [Some(Dimension::Key), None],
    [Some(Dimension::Weekday), Some(Dimension::Hour)],
];

/// Tallies of all charts, without entries.
pub(crate) fn tallies() -> Vec<Tally> {
    BY.into_iter().map(Tally::new).collect()
}

/// Rows for charts: models and keys in the order of their spend in the whole window, which is the order of their colours; those below
/// the top are one row, also where it is only one.
pub(crate) fn breakdown(tally: &Tally, question: &Question, labels: &Labels) -> Breakdown {
    let dimensions = tally.dimensions;
    let rows = Rows { question, labels, dimensions, has_requests: false, trend: None };
    let before = HashMap::new();
    let lines = lines(tally, &before);
    let mut breakdown = Breakdown { by: dimensions.into_iter().flatten().collect(), rows: Vec::new() };
    for (currency, mut lines) in rows.by_currency(lines) {
        let mut spend = Total::default();
        lines.iter().for_each(|line| spend.merge(&line.group.total(Part::Spend)));
        lines.sort_by_key(|line| line.key.labels);
        if let Some(place) = dimensions.iter().position(|by| by.is_some_and(|by| !by.is_time())) {
            for section in with_rest(lines, place, dimensions, labels) {
                rows.write(&mut breakdown.rows, &currency, &section, &spend);
            }
        } else {
            rows.write(&mut breakdown.rows, &currency, &Section { lines, rest: None }, &spend);
        }
    }
    breakdown
}

/// The lines of a currency with the rest summed up at a place of their labels, for each value of the other one.
fn with_rest<'g>(
    lines: Vec<Line<'g>>,
    place: usize,
    dimensions: Dimensions,
    labels: &Labels,
) -> Vec<Section<'g>> {
    let top = top(&lines, place, dimensions[place], labels);
    let mut sections: BTreeMap<Code, Vec<Line<'_>>> = BTreeMap::new();
    for line in lines {
        // With a place before it, lines are of one day each.
        let section = if place == 0 { 0 } else { line.key.labels[0] };
        sections.entry(section).or_default().push(line);
    }
    let sections = sections.into_values().map(|lines| {
        let (mut shown, others): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|line| top.contains_key(&line.key.labels[place]));
        shown.sort_by_key(|line| top.get(&line.key.labels[place]).copied());
        let rest = (!others.is_empty()).then(|| Sum::rest(&others, place, None));
        Section { lines: shown, rest }
    });
    sections.collect()
}

/// The labels with the highest spend, each with its rank from 0.
fn top(
    lines: &[Line<'_>],
    place: usize,
    dimension: Option<Dimension>,
    labels: &Labels,
) -> HashMap<Code, usize> {
    let mut spend: HashMap<Code, Total> = HashMap::new();
    for line in lines {
        spend.entry(line.key.labels[place]).or_default().merge(&line.group.total(Part::Spend));
    }
    let mut by_spend: Vec<_> = spend.into_iter().collect();
    by_spend.sort_by_cached_key(|(code, spend)| {
        (Reverse(spend.clone()), dimension.map(|by| labels.order(by, *code)))
    });
    by_spend.into_iter().take(MOST_SERIES).enumerate().map(|(place, (code, _))| (code, place)).collect()
}
