//! The charts of each currency, of which one is seen at a time.

use std::fmt;

use super::bars::Bars;
use super::heat::Heat;
use super::series::{Charts, Detail, Drawn};
use super::stack::Stack;
use super::text::Text;
use super::timeline::Grain;
use crate::figures::Places;
use crate::report::Report;

/// The panels, and what chooses among them. It is done with radio buttons and style, and so works without a script.
pub(super) struct Panels<'a> {
    pub(super) report: &'a Report,
    pub(super) drawn: &'a Drawn<'a>,
}

impl fmt::Display for Panels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let charts = &self.drawn.charts;
        if charts.is_empty() {
            return Ok(());
        }
        f.write_str("<section class=\"charts\" aria-label=\"Charts\">\n")?;
        if charts.len() > 1 {
            // The one that is seen first is the one with the most entries.
            let most = charts.iter().map(|charts| charts.total.sums.entries).max();
            let first = charts.iter().position(|charts| Some(charts.total.sums.entries) == most);
            for n in 0..charts.len() {
                let checked = if first == Some(n) { " checked" } else { "" };
                writeln!(f, "<input class=\"tab\" type=\"radio\" name=\"currency\" id=\"c{n}\"{checked}>")?;
            }
            f.write_str("<div class=\"tabs\">")?;
            for (n, charts) in charts.iter().enumerate() {
                write!(f, "<label for=\"c{n}\">{}</label>", Text(&charts.total.currency))?;
            }
            f.write_str("</div>\n")?;
        }
        for (n, charts) in charts.iter().enumerate() {
            self.panel(f, n, charts)?;
        }
        if self.drawn.without > 0 {
            writeln!(
                f,
                "<p class=\"note\">There are no charts of {} more currencies. They are in the table.</p>",
                self.drawn.without
            )?;
        }
        f.write_str("</section>\n")
    }
}

impl Panels<'_> {
    fn panel(&self, f: &mut fmt::Formatter<'_>, n: usize, charts: &Charts<'_>) -> fmt::Result {
        let (drawn, meta) = (self.drawn, &self.report.meta);
        let unit = &charts.total.currency;
        let places = self.report.places_of(unit);
        let whole = &charts.total.sums.spend;
        let alone = if drawn.charts.len() == 1 { " alone" } else { "" };
        writeln!(f, "<div class=\"panel{alone}\" id=\"p{n}\">\n<h2>{}</h2>", Text(unit))?;
        if charts.models.is_empty() {
            f.write_str("<p class=\"note\">Nothing was spent.</p>\n")?;
        }
        if let Some(timeline) = drawn.timeline {
            // What a reader would not take it for.
            let note = match (timeline.grain, drawn.detail) {
                (Grain::Day, Detail::Parts) => None,
                (Grain::Day, Detail::Sums) => Some(
                    ". Exact amounts are those of whole days: their parts would make the page too large."
                        .to_owned(),
                ),
                (grain, _) => {
                    Some(format!(". A bar stands for a {}: days would be too many.", grain.as_str()))
                }
            };
            let stack = |what, (unit, places), series, palette, data| Stack {
                what,
                unit,
                places,
                timeline,
                series,
                palette,
                data: format!("{n}.{data}"),
                note: note.clone(),
            };
            write!(f, "{}", stack("Spend", (unit, places), &charts.models, "s", "spend"))?;
            f.write_str("<div class=\"pair\">\n")?;
            write!(f, "{}", Bars { title: "Spend by model", unit, places, series: &charts.models, whole })?;
            write!(f, "{}", Bars { title: "Spend by API key", unit, places, series: &charts.keys, whole })?;
            f.write_str("</div>\n<div class=\"pair\">\n")?;
            let tokens = format!("tokens charged in {unit}");
            write!(f, "{}", stack("Tokens", (&tokens, Places::WHOLE), &charts.tokens, "t", "tokens"))?;
        } else {
            if !charts.models.is_empty() {
                f.write_str(
                    "<p class=\"note\">There is no chart of time: its days cannot be read, or span centuries.</p>\n",
                )?;
            }
            f.write_str("<div class=\"pair\">\n")?;
            write!(f, "{}", Bars { title: "Spend by model", unit, places, series: &charts.models, whole })?;
            write!(f, "{}", Bars { title: "Spend by API key", unit, places, series: &charts.keys, whole })?;
        }
        let heat = Heat {
            unit,
            places,
            weekdays: &drawn.weekdays,
            hours: &charts.hours,
            data: format!("{n}.hours"),
            zone: &meta.time_zone,
        };
        write!(f, "{heat}</div>\n</div>\n")
    }
}
