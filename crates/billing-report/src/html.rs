//! A report as one HTML file: what was spent, charts and a table.
//!
//! Nothing is fetched and no link leads out. Charts are drawn here, so that they are seen without a script; the script adds exact
//! amounts to them, and sorts and filters the table.

mod axis;
mod bars;
mod data;
mod figure;
mod head;
mod heat;
mod panel;
mod series;
mod stack;
mod table;
mod text;
mod timeline;

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

use crate::report::Report;
use data::Data;
use head::{Facts, Figures, Notes};
use panel::Panels;
use series::{Detail, Drawn};
use table::Table;
use text::Text;
use timeline::Grain;

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/page.js");

/// What a page may weigh. Beyond, a bar stands for a week, a month or a year, so that the file can still be sent by mail.
const MOST_BYTES: usize = 300_000;

/// What a page may show, from the most to the least.
const DETAILS: [(Grain, Detail); 5] = [
    (Grain::Day, Detail::Parts),
    (Grain::Day, Detail::Sums),
    (Grain::Week, Detail::Parts),
    (Grain::Month, Detail::Parts),
    (Grain::Year, Detail::Parts),
];

impl Report {
    /// The report as one HTML file, in UTF-8. It is below 300 KB unless its names and digits alone are more: where the amounts of
    /// each model on each day would be too many, the script knows the sums of days alone, and beyond that bars stand for weeks,
    /// months or years. The page says so.
    ///
    /// ```
    /// # use billing_report::{Meta, Question, ReportBuilder};
    /// let report = ReportBuilder::new(Question::new("day,model".parse()?)).finish(Meta::default());
    /// assert!(report.to_html().contains("<h1>Spend by day and model</h1>"));
    /// # Ok::<(), billing_report::ByError>(())
    /// ```
    pub fn to_html(&self) -> String {
        let mut page = String::new();
        let table = Table::of(self).to_string();
        for (grain, detail) in DETAILS {
            page = Page { report: self, drawn: Drawn::of(self, grain, detail), table: &table }.to_string();
            if page.len() < MOST_BYTES || self.charts.is_none() {
                break;
            }
        }
        page
    }
}

struct Page<'a> {
    report: &'a Report,
    drawn: Option<Drawn<'a>>,
    table: &'a str,
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { report, drawn, table } = self;
        let title = report.subject();
        // The one script that runs is the one that was hashed, whatever stands in the report.
        let hash = BASE64.encode(Sha256::digest(SCRIPT));
        write!(
            f,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
             script-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
             <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <a class=\"skip\" href=\"#rows\">Skip to the table</a>\n<main>\n<header>\n<h1>{title}</h1>\n{facts}</header>\n\
             {figures}{notes}",
            title = Text(&title),
            facts = Facts(report),
            figures = Figures(report),
            notes = Notes(report),
        )?;
        match drawn {
            Some(drawn) => write!(f, "{}", Panels { report, drawn })?,
            None => f.write_str(
                "<p class=\"note\">This page has no charts: the report was saved without what they are drawn from.</p>\n",
            )?,
        }
        f.write_str(table)?;
        f.write_str(
            "<footer><p>Amounts are rounded for show, in the currency beside them. They are exact to the last digit \
             below the large ones, in the table and in what is shown of a bar. Currencies are never added up.</p>\
             </footer>\n</main>\n<div id=\"tip\" hidden></div>\n",
        )?;
        if let Some(drawn) = drawn {
            write!(f, "{}", Data(drawn))?;
        }
        write!(f, "<script>{SCRIPT}</script>\n</body>\n</html>\n")
    }
}
