//! The tables of a report, one for each currency: which columns they have, and what stands in their cells.

use std::collections::BTreeMap;

use crate::column::{Column, Scale, money_places};
use crate::dimension::Dimension;
use crate::figures::Places;
use crate::heading::label_columns;
use crate::naming::{self, Label, Naming};
use crate::remarks::{unlisted_days, unmatched};
use crate::report::Report;
use crate::row::Row;

/// A table of a report.
pub(crate) struct Section<'a> {
    /// What its amounts count; `None` for a table whose rows are currencies.
    pub(crate) currency: Option<String>,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: &'a [Row],
    /// The sum of all rows, where a single row does not say the same.
    pub(crate) total: Option<&'a Row>,
    /// Amounts have more digits than are shown.
    pub(crate) is_rounded: bool,
    /// What is said below the table, a sentence each.
    pub(crate) remarks: Vec<String>,
    scale: Scale,
}

impl Report {
    /// The places in which the tables show the amounts of a currency.
    pub(crate) fn places_of(&self, currency: &str) -> Places {
        // Where rows are currencies, all of them stand below each other.
        let is_one_table = self.meta.by == [Dimension::Currency];
        let rows = self.rows.iter().chain(&self.totals);
        money_places(rows.filter(|row| is_one_table || row.currency == currency))
    }

    /// Its tables.
    pub(crate) fn sections(&self, ascii: bool) -> Vec<Section<'_>> {
        if self.meta.by == [Dimension::Currency] {
            return match &self.rows[..] {
                [] => Vec::new(),
                rows => vec![Section::new(self, rows, None, ascii)],
            };
        }
        let mut by_currency: BTreeMap<&str, Vec<&[Row]>> = BTreeMap::new();
        for rows in self.rows.chunk_by(|row, next| row.currency == next.currency) {
            by_currency.entry(currency_of(rows)).or_default().push(rows);
        }
        let days = self.days_so_far();
        let mut sections = Vec::new();
        for total in &self.totals {
            // A currency that only the span before has is a total without rows.
            let rows = by_currency.remove(total.currency.as_str()).unwrap_or_else(|| vec![&[]]);
            for rows in rows {
                let shown = Some(total).filter(|total| !says_it_all(rows, total));
                let mut section = Section::new(self, rows, shown, ascii).of_currency(&total.currency);
                section.remarks.extend(unmatched(rows, total).map(|amount| {
                    format!("{} of the span before stands against no row.", section.scale.money(&amount))
                }));
                sections.push(section);
            }
        }
        // A report from elsewhere may have rows without a total.
        for rows in by_currency.into_values().flatten() {
            sections.push(Section::new(self, rows, None, ascii).of_currency(currency_of(rows)));
        }
        for section in &mut sections {
            section.remarks.extend(days.and_then(|days| unlisted_days(section.rows, days)));
        }
        sections
    }
}

fn currency_of(rows: &[Row]) -> &str {
    rows.first().map_or("", |row| &row.currency)
}

/// True for a single row that came to what the total came to, in the span before too.
fn says_it_all(rows: &[Row], total: &Row) -> bool {
    matches!(rows, [row] if row.previous == total.previous)
}

impl<'a> Section<'a> {
    fn new(report: &Report, rows: &'a [Row], total: Option<&'a Row>, ascii: bool) -> Self {
        let all = || rows.iter().chain(total);
        let scale = Scale::new(rows, total, &report.meta.by, ascii);
        let dimensions = label_columns(&report.meta.by);
        let is_by_time = matches!(dimensions[..], [one] if one.is_time());
        let is_compared = report.meta.previous.is_some();
        let kinds = Column::KINDS.into_iter().filter(|kind| all().any(|row| kind.says(row))).count();
        let is_there = |column: &Column| match column {
            Column::Previous | Column::Change if is_compared => true,
            // The tokens of a single kind are all there are.
            Column::Tokens if kinds == 1 => false,
            // Of one row it is all, and currencies are no parts of each other.
            Column::Share | Column::Bar if rows.len() < 2 || dimensions == [Dimension::Currency] => false,
            Column::Bar if !is_by_time => false,
            column => all().any(|row| column.says(row)),
        };
        let figures = Column::FIGURES.into_iter().filter(is_there);
        let columns = dimensions.iter().copied().map(Column::Label).chain(figures).collect();
        let is_rounded = all().any(|row| scale.cuts(row));
        Self { currency: None, columns, rows, total, is_rounded, remarks: Vec::new(), scale }
    }

    fn of_currency(self, currency: &str) -> Self {
        Self { currency: Some(naming::currency(currency)), ..self }
    }

    /// True for a column of which every row says nothing, or next to nothing.
    pub(crate) fn is_next_to_nothing(&self, column: Column) -> bool {
        self.rows.iter().chain(self.total).all(|row| {
            let cell = self.scale.cell(row, column);
            cell.chars().all(|c| matches!(c, '0' | '.')) || cell.starts_with(['<', '>'])
        })
    }

    /// A cell of a row.
    pub(crate) fn cell(&self, row: &Row, column: Column, naming: &Naming<'_>) -> Label {
        match column {
            Column::Label(Dimension::Currency) => Label::Words(naming::currency(&row.currency)),
            Column::Label(dimension) => naming.label(row, dimension),
            column => Label::Words(self.scale.cell(row, column)),
        }
    }

    /// A cell of the total.
    pub(crate) fn total_cell(&self, total: &Row, column: Column) -> String {
        match column {
            _ if self.columns.first() == Some(&column) => "total".to_owned(),
            Column::Bar | Column::ShortTrend | Column::Trend => String::new(),
            column => self.scale.cell(total, column),
        }
    }
}
