//! Groups as rows: in order, the rest summed up, with shares and totals.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use billing_model::{Currency, Decimal, Total};

use crate::dimension::Dimension;
use crate::facts::{ABSENT, Code};
use crate::group::{Group, Part};
use crate::labels::{LabelOrder, Labels};
use crate::line::{Line, Section, Sum};
use crate::question::{Question, Sort};
use crate::row::Row;
use crate::size::Size;
use crate::tally::Dimensions;
use crate::trend::Lines;

/// Decimal places of a share.
const SHARE_PLACES: u32 = 6;

/// The key that rows are sorted by: a sum, the highest first, and then their labels.
type RowOrder<'a> = (Option<Reverse<Size>>, LabelOrder<'a>);

/// Makes rows.
pub(crate) struct Rows<'a> {
    pub(crate) question: &'a Question,
    pub(crate) labels: &'a Labels,
    pub(crate) dimensions: Dimensions,
    pub(crate) has_requests: bool,
    /// `None` where rows have no lines.
    pub(crate) trend: Option<&'a Lines>,
}

impl Rows<'_> {
    /// The rows of a report, and its totals.
    pub(crate) fn finish(&self, lines: Vec<Line<'_>>, before: &HashMap<Code, Group>) -> (Vec<Row>, Vec<Row>) {
        let (mut rows, mut totals) = (Vec::new(), Vec::new());
        let named = before.iter().map(|(code, group)| (self.labels.facts.currency_of(*code), group));
        let before: HashMap<Currency, &Group> = named.collect();
        let mut by_currency = self.by_currency(lines);
        // A currency of which nothing stands against a row has a total all the same.
        before.keys().for_each(|currency| _ = by_currency.entry(currency.clone()).or_default());
        for (currency, lines) in by_currency {
            let mut total = Sum::of(&lines, self.trend);
            // So does what stands against no row of a currency that has rows.
            total.before = before.get(&currency).map(|group| (*group).clone());
            let spend = total.group.total(Part::Spend);
            for section in self.sections(lines) {
                self.write(&mut rows, &currency, &self.section(section), &spend);
            }
            totals.push(self.sum(&currency, &total, &spend, [None, None]));
        }
        (rows, totals)
    }

    /// Appends the rows of a section of a currency of which so much was spent.
    pub(crate) fn write(
        &self,
        rows: &mut Vec<Row>,
        currency: &Currency,
        section: &Section<'_>,
        spend: &Total,
    ) {
        rows.extend(section.lines.iter().map(|line| {
            let trend = self.trend.map(|trend| trend.of(line.key)).unwrap_or_default();
            Row { trend, ..self.row(currency, *line, spend, self.dimensions) }
        }));
        rows.extend(section.rest.as_ref().map(|rest| self.sum(currency, rest, spend, self.dimensions)));
    }

    /// The lines of each currency, in the order of currencies.
    pub(crate) fn by_currency<'g>(&self, lines: Vec<Line<'g>>) -> BTreeMap<Currency, Vec<Line<'g>>> {
        let mut by_code: HashMap<Code, Vec<Line<'_>>> = HashMap::new();
        for line in lines {
            by_code.entry(line.key.currency).or_default().push(line);
        }
        let named = by_code.into_iter().map(|(code, lines)| (self.labels.facts.currency_of(code), lines));
        named.collect()
    }

    /// The lines of a currency by their first dimension, in its order, where there are two.
    fn sections<'g>(&self, lines: Vec<Line<'g>>) -> Vec<Vec<Line<'g>>> {
        let [Some(first), Some(_)] = self.dimensions else { return vec![lines] };
        let mut by_label: HashMap<Code, Vec<Line<'_>>> = HashMap::new();
        for line in lines {
            by_label.entry(line.key.labels[0]).or_default().push(line);
        }
        let sort = if first.is_time() { Sort::Time } else { self.question.sort };
        let mut sections: Vec<_> = by_label.into_iter().collect();
        sections.sort_by_cached_key(|(label, lines)| {
            let mut sums = Group::default();
            // The order of time needs none.
            if !first.is_time() {
                lines.iter().for_each(|line| sums.merge_sums(line.group));
            }
            self.order(sort, first, *label, &sums)
        });
        sections.into_iter().map(|(_, lines)| lines).collect()
    }

    /// The lines that have one label in common, in order: the top of them, and the rest as one.
    fn section<'g>(&self, mut lines: Vec<Line<'g>>) -> Section<'g> {
        let place = usize::from(self.dimensions[1].is_some());
        let Some(last) = self.dimensions[place] else { return Section { lines, rest: None } };
        let order = |line: &Line<'g>, sort| self.order(sort, last, line.key.labels[place], line.group);
        let is_short = |top: usize| lines.len() > top + 1;
        let mut rest = None;
        if let Some(top) = self.question.top.map(usize::from).filter(|top| is_short(*top)) {
            let by_tokens = self.question.sort == Sort::Tokens;
            let sort = if by_tokens { Sort::Tokens } else { Sort::Spend };
            let mut ordered: Vec<_> = lines.iter().map(|line| (order(line, sort), *line)).collect();
            // The rest needs no order.
            ordered.select_nth_unstable_by(top, |(one, _), (other, _)| one.cmp(other));
            lines = ordered.into_iter().map(|(_, line)| line).collect();
            rest = Some(Sum::rest(&lines.split_off(top), place, self.trend));
        }
        lines.sort_by_cached_key(|line| order(line, self.question.sort));
        Section { lines, rest }
    }

    /// The key that a label is sorted by, beside the sums of its entries.
    fn order(&self, sort: Sort, dimension: Dimension, label: Code, group: &Group) -> RowOrder<'_> {
        let by_label = self.labels.order(dimension, label);
        match sort {
            Sort::Time if dimension.is_time() => (None, by_label),
            Sort::Name => (None, self.labels.text_order(dimension, label)),
            Sort::Tokens => (Some(Reverse(group.size_of_tokens())), by_label),
            Sort::Spend | Sort::Time => (Some(Reverse(group.size(Part::Spend))), by_label),
        }
    }

    fn sum(&self, currency: &Currency, sum: &Sum, total: &Total, dimensions: Dimensions) -> Row {
        let row = self.row(currency, sum.line(), total, dimensions);
        Row { trend: sum.trend.clone(), rest: sum.rest, ..row }
    }

    /// A line as a row. `total` is the spend of its currency, of which the row has a share.
    fn row(&self, currency: &Currency, line: Line<'_>, total: &Total, dimensions: Dimensions) -> Row {
        let sums = line.group.to_sums(self.has_requests);
        let labels = dimensions.into_iter().zip(line.key.labels).filter_map(|(dimension, code)| {
            let text = |by| self.labels.text(by, code).map(|text| text.into_owned());
            // The last label of the rest has no text: it is of many.
            let is_rest = line.is_rest && code == ABSENT;
            dimension.map(|by| (by, if is_rest { None } else { text(by) }))
        });
        let mut labels: Vec<_> = labels.collect();
        labels.sort_by_key(|(dimension, _)| *dimension);
        let rate = self.question.rates.as_ref().and_then(|rates| rates.of(currency));
        Row {
            labels,
            rest: None,
            currency: currency.to_string(),
            share: sums.spend.divided_by(total, SHARE_PLACES),
            usd: rate.map(|rate: Decimal| sums.spend.times(rate)),
            sums,
            previous: line.before.map(|before| Box::new(before.to_sums(self.has_requests))),
            trend: Vec::new(),
        }
    }
}
