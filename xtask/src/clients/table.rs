//! What clients got, beside the exact figures.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

/// The table of the document is between these lines.
pub(super) const BEGIN: &str = "<!-- made by `cargo xtask clients --write` -->";
pub(super) const END: &str = "<!-- end -->";

/// Numbers by name, as text: nothing here calculates.
type Figures = BTreeMap<String, String>;

/// One way to use a client, as its driver reports it. `None` stands for what a client cannot do.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Line {
    how: String,
    rows: Option<u64>,
    /// Sums of `amount` by currency.
    totals: Option<Figures>,
    /// Sums of `byDate`.
    analytics: Option<Figures>,
    balance: Option<Figures>,
    note: String,
}

impl Line {
    /// A line without figures.
    pub(super) fn without(note: &str) -> Self {
        Self { note: note.to_owned(), ..Self::default() }
    }
}

/// Every client's lines, beside the exact figures.
pub(super) struct Table {
    exact: Line,
    lines: Vec<(String, Line)>,
}

impl Table {
    pub(super) fn beside(exact: Line) -> Self {
        Self { exact, lines: Vec::new() }
    }

    /// Adds the results of a client, or the reason why it has none.
    pub(super) fn add(&mut self, client: &str, lines: Result<Vec<Line>>) {
        let lines = match lines {
            Ok(lines) if lines.is_empty() => vec![Line::without("its driver said nothing")],
            Ok(lines) => lines,
            Err(error) => vec![Line::without(&format!("not run: {error:#}"))],
        };
        self.lines.extend(lines.into_iter().map(|line| (client.to_owned(), line)));
    }

    /// The exact figures, and a row for each way to use each client.
    pub(super) fn markdown(&self) -> String {
        let mut text = String::from("| exact | |\n|---|---|\n");
        text += &row(&["entries".to_owned(), self.exact.rows.unwrap_or_default().to_string()]);
        for (what, figures) in [
            ("sum of `amount`", &self.exact.totals),
            ("analytics, sum of `byDate`", &self.exact.analytics),
            ("balance", &self.exact.balance),
        ] {
            for (name, figure) in figures.iter().flatten() {
                text += &row(&[format!("{what}, {name}"), figure.clone()]);
            }
        }
        text += "\n| client | used as | entries | sums of `amount` | analytics | balance | |\n|---|---|---:|---|---|---|---|\n";
        for (client, line) in &self.lines {
            let is_whole = line.rows == self.exact.rows;
            let totals = match &line.totals {
                Some(_) if !is_whole => "of these only".to_owned(),
                totals => beside(totals.as_ref(), self.exact.totals.as_ref()),
            };
            text += &row(&[
                client.clone(),
                line.how.clone(),
                line.rows.map_or_else(nothing, |rows| rows.to_string()),
                totals,
                beside(line.analytics.as_ref(), self.exact.analytics.as_ref()),
                beside(line.balance.as_ref(), self.exact.balance.as_ref()),
                line.note.clone(),
            ]);
        }
        text
    }
}

/// The figures that differ from the exact ones, with all digits. A difference in the last digit counts.
fn beside(found: Option<&Figures>, exact: Option<&Figures>) -> String {
    let (Some(found), Some(exact)) = (found, exact) else { return nothing() };
    let missing =
        exact.keys().filter(|name| !found.contains_key(*name)).map(|name| format!("{name} missing"));
    let other = found.iter().filter(|(name, figure)| exact.get(*name) != Some(figure));
    let wrong: Vec<String> = other.map(|(name, figure)| format!("{name} {figure}")).chain(missing).collect();
    if wrong.is_empty() { "exact".to_owned() } else { wrong.join("<br>") }
}

fn nothing() -> String {
    "–".to_owned()
}

fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The document with another table in it; `None` when it has no place for one.
pub(super) fn replaced(document: &str, table: &str) -> Option<String> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}
