//! The rows of a report as a table, with all digits.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use billing_model::{Decimal, Total};

use super::figure::{Count, change, percent};
use super::text::{Text, capital};
use crate::column::Column;
use crate::dimension::Dimension;
use crate::naming::Naming;
use crate::report::Report;
use crate::row::Row;
use crate::sums::Sums;

/// The most rows of the table. The others are summed.
const MOST_ROWS: usize = 500;

/// The table.
pub(super) struct Table<'a> {
    report: &'a Report,
    naming: Naming<'a>,
    columns: Vec<Column>,
    rows: Vec<&'a Row>,
    /// The sums of the rows of each currency that have no place.
    rest: Vec<Row>,
    /// How many rows have none.
    left: u64,
}

/// The columns behind the labels, from left to right.
const FIGURES: [Column; 14] = [
    Column::Spend,
    Column::Share,
    Column::Usd,
    Column::Previous,
    Column::Change,
    Column::Credits,
    Column::Net,
    Column::Input,
    Column::Cached,
    Column::CacheWrite,
    Column::Output,
    Column::Price,
    Column::Requests,
    Column::Entries,
];

/// The head of a column. There is room for longer words than in a terminal.
fn title(column: Column) -> String {
    match column {
        Column::Label(Dimension::Key) => "API key".to_owned(),
        Column::Cached => "Cached input".to_owned(),
        Column::Price => "Per M tokens".to_owned(),
        Column::Usd => "In USD".to_owned(),
        column => capital(column.head()),
    }
}

/// By what the script sorts: as numbers, as texts, or in the order of the report, where neither is the order of time.
fn sort(column: Column) -> &'static str {
    match column {
        Column::Label(Dimension::Weekday) => "order",
        Column::Label(_) => "text",
        _ => "number",
    }
}

impl<'a> Table<'a> {
    /// The table of a report: the rows with the highest spend of each currency, in the report's order.
    pub(super) fn of(report: &'a Report) -> Self {
        let mut by = report.meta.by.clone();
        if !by.contains(&Dimension::Currency) {
            by.push(Dimension::Currency);
        }
        let is_needed = |column: &Column| {
            *column == Column::Spend || report.totals.iter().any(|total| column.says(total))
        };
        let figures = FIGURES.into_iter().filter(is_needed);
        let columns = by.into_iter().map(Column::Label).chain(figures).collect();
        let (rows, left) = choose(&report.rows);
        let count = left.iter().map(|row| row.rest.unwrap_or(1)).sum();
        Self {
            report,
            naming: Naming::new(report),
            columns,
            rows,
            rest: rest(&left, &report.totals),
            left: count,
        }
    }

    /// What stands in a cell, with all digits; nothing where the row has none.
    fn cell(&self, row: &Row, column: Column) -> Option<String> {
        let Sums { entries, spend, credits, tokens, requests, .. } = &row.sums;
        Some(match column {
            Column::Label(Dimension::Currency) => row.currency.clone(),
            Column::Label(Dimension::Weekday) => capital(&self.naming.label(row, Dimension::Weekday).text()),
            Column::Label(dimension) => self.naming.label(row, dimension).text(),
            Column::Spend => spend.to_string(),
            Column::Share => percent(row.share.as_ref()?, &Decimal::ONE.into())?.replace('<', "&lt;"),
            Column::Usd => row.usd.as_ref()?.to_string(),
            Column::Previous => row.previous.as_ref()?.spend.to_string(),
            Column::Change => change(spend, &row.previous.as_ref()?.spend)?,
            Column::Credits => credits.to_string(),
            Column::Net => row.sums.net().to_string(),
            Column::Input => tokens.input.to_string(),
            Column::Cached => tokens.cached_input.to_string(),
            Column::CacheWrite => tokens.cache_write.to_string(),
            Column::Output => tokens.output.to_string(),
            Column::Price => row.sums.price_per_million_tokens()?.to_string(),
            Column::Requests => (*requests)?.to_string(),
            Column::Entries => entries.to_string(),
            // The kinds of tokens stand apart, and what is drawn is in the charts.
            Column::Tokens | Column::Bar | Column::ShortTrend | Column::Trend => return None,
        })
    }

    fn row(&self, f: &mut fmt::Formatter<'_>, row: &Row) -> fmt::Result {
        f.write_str("<tr>")?;
        for column in &self.columns {
            // What ends a cell may be left out in HTML, and half of a page is cells.
            match (column, self.cell(row, *column)) {
                (Column::Label(_), Some(text)) => write!(f, "<td>{}", Text(&text))?,
                (_, Some(number)) => write!(f, "<td>{number}")?,
                (_, None) => f.write_str("<td>–")?,
            }
        }
        f.write_str("\n")
    }

    /// A row of sums. Its label stands in the first column.
    fn sum(&self, f: &mut fmt::Formatter<'_>, label: &str, row: &Row) -> fmt::Result {
        f.write_str("<tr>")?;
        let mut label = Some(label);
        for column in &self.columns {
            match column {
                Column::Label(Dimension::Currency) => write!(f, "<td>{}", Text(&row.currency))?,
                Column::Label(_) => match label.take() {
                    Some(label) => write!(f, "<th scope=\"row\">{label}")?,
                    None => f.write_str("<td>")?,
                },
                column => write!(f, "<td>{}", self.cell(row, *column).as_deref().unwrap_or("–"))?,
            }
        }
        f.write_str("\n")
    }

    fn controls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "<form id=\"controls\" hidden><label>Filter <input id=\"filter\" type=\"search\" autocomplete=\"off\" \
             spellcheck=\"false\"></label>",
        )?;
        if self.report.totals.len() > 1 {
            f.write_str("<label>Currency <select id=\"currency\"><option value=\"\">all</option>")?;
            for total in self.report.totals.iter().take(50) {
                write!(f, "<option>{}</option>", Text(&total.currency))?;
            }
            f.write_str("</select></label>")?;
        }
        f.write_str("<output id=\"shown\" aria-live=\"polite\"></output></form>\n")
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<section id=\"rows\" class=\"rows\" tabindex=\"-1\">\n")?;
        f.write_str("<h2 id=\"rows-title\">Rows</h2>\n")?;
        if self.left > 0 {
            writeln!(
                f,
                "<p class=\"note\">The {} rows with the highest spend are listed. The other {} are summed at the end of the table.</p>",
                self.rows.len(),
                Count(self.left)
            )?;
        }
        self.controls(f)?;
        // Style knows from the classes which columns are texts, and which of them stay on one line.
        let labels = self.columns.iter().take_while(|column| matches!(column, Column::Label(_))).count();
        write!(
            f,
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"rows-title\"><table class=\"l{labels}"
        )?;
        for (n, column) in self.columns.iter().enumerate() {
            if matches!(column, Column::Label(dimension) if dimension.is_time()) {
                write!(f, " w{}", n + 1)?;
            }
        }
        f.write_str("\">\n<thead><tr>")?;
        for column in &self.columns {
            write!(f, "<th scope=\"col\" data-sort=\"{}\">{}", sort(*column), title(*column))?;
        }
        f.write_str("\n<tbody>\n")?;
        self.rows.iter().try_for_each(|row| self.row(f, row))?;
        f.write_str("<tfoot>\n")?;
        for row in &self.rest {
            let count = row.rest.unwrap_or_default();
            let rows = if count == 1 { "row" } else { "rows" };
            self.sum(f, &format!("{} more {rows}", Count(count)), row)?;
        }
        for total in self.report.totals.iter().take(MOST_ROWS) {
            self.sum(f, "Total", total)?;
        }
        f.write_str("</table></div>\n</section>\n")
    }
}

/// Which rows have a place, and which have none. Each currency has as many as any other, as far as it has rows.
fn choose(rows: &[Row]) -> (Vec<&Row>, Vec<&Row>) {
    if rows.len() <= MOST_ROWS {
        return (rows.iter().collect(), Vec::new());
    }
    let mut by_spend: Vec<_> = (0..rows.len()).collect();
    by_spend.sort_by_key(|at| (Reverse(&rows[*at].sums.spend), *at));
    // The place of each row among those of its currency: the first of all currencies come before the second.
    let mut seen = BTreeMap::new();
    let mut places: Vec<(usize, usize)> = by_spend
        .into_iter()
        .map(|at| {
            let count: &mut usize = seen.entry(&rows[at].currency).or_default();
            *count += 1;
            (*count, at)
        })
        .collect();
    places.sort_unstable();
    let mut is_shown = vec![false; rows.len()];
    places.into_iter().take(MOST_ROWS).for_each(|(_, at)| is_shown[at] = true);
    let (mut shown, mut left) = (Vec::new(), Vec::new());
    rows.iter()
        .zip(is_shown)
        .for_each(|(row, is_shown)| if is_shown { shown.push(row) } else { left.push(row) });
    (shown, left)
}

/// The rows of each currency as one, as many as there is room for.
fn rest(left: &[&Row], totals: &[Row]) -> Vec<Row> {
    let mut of_currency: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    left.iter().for_each(|row| of_currency.entry(&row.currency).or_default().push(row));
    let sums = totals.iter().take(MOST_ROWS).filter_map(|total| {
        let rows = of_currency.get(total.currency.as_str())?;
        let mut sums = Sums::default();
        rows.iter().for_each(|row| sums.merge(&row.sums));
        let sum = |amount: fn(&Row) -> Option<&Total>| {
            rows.iter().filter_map(|row| amount(row)).cloned().reduce(|mut sum, one| {
                sum.merge(&one);
                sum
            })
        };
        let mut before = Sums::default();
        rows.iter().filter_map(|row| row.previous.as_ref()).for_each(|sums| before.merge(sums));
        Some(Row {
            labels: Vec::new(),
            rest: Some(rows.iter().map(|row| row.rest.unwrap_or(1)).sum()),
            currency: total.currency.clone(),
            share: sum(|row| row.share.as_ref()),
            usd: sum(|row| row.usd.as_ref()),
            previous: total.previous.is_some().then(|| Box::new(before)),
            sums,
            trend: Vec::new(),
        })
    });
    sums.collect()
}
