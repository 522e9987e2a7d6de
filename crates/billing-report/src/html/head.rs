//! The head of a page: what it is of, the large figures, and what a reader has to know.

use std::fmt;

use billing_model::Total;

use super::figure::{Count, Digits, Money, change, shown};
use super::text::Text;
use crate::column;
use crate::figures::Places;
use crate::report::{Report, Usd};
use crate::row::Row;

/// The most cards of currencies. All of them are in the table below.
const MOST_CARDS: usize = 8;

/// The most characters of an amount that is shown large.
const MOST_LARGE: usize = 26;

/// What the report is of.
pub(super) struct Facts<'a>(pub(super) &'a Report);

impl fmt::Display for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        let meta = &report.meta;
        write!(f, "<p class=\"window\">{} <span class=\"zone\">", Text(&report.span(&meta.window)))?;
        write!(f, "{}</span> ", Text(&meta.time_zone))?;
        match report.open_end() {
            None => f.write_str("<span class=\"badge\">final</span>")?,
            Some(said) => write!(f, "<span class=\"badge open\">{}</span>", Text(&said))?,
        }
        f.write_str("</p>\n<dl class=\"facts\">")?;
        let compared = meta.previous.as_ref().map(|span| report.span(span));
        for (word, value) in [
            ("Compared with", compared),
            ("Only", report.choice()),
            ("From", Some(meta.source.text())),
            ("Made", Some(meta.created.clone())),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                write!(f, "<div><dt>{word}</dt><dd>{}</dd></div>", Text(&value))?;
            }
        }
        f.write_str("</dl>\n")
    }
}

/// The large figures: one card for each currency.
pub(super) struct Figures<'a>(pub(super) &'a Report);

impl fmt::Display for Figures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        if report.totals.is_empty() {
            return f.write_str("<p class=\"note\">There are no entries in this window.</p>\n");
        }
        f.write_str("<section class=\"cards\" aria-label=\"Totals\">\n")?;
        for total in report.totals.iter().take(MOST_CARDS) {
            write!(f, "{}", Card(total, report.places_of(&total.currency)))?;
        }
        if let Some(usd) = &report.meta.usd {
            write!(f, "{}", UsdCard(usd))?;
        }
        f.write_str("</section>\n")
    }
}

struct Card<'a>(&'a Row, Places);

impl fmt::Display for Card<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Row { currency, sums, previous, .. }, places) = self;
        write!(f, "<article class=\"card\" data-currency=\"{0}\"><h2>{0}</h2>", Text(currency))?;
        large(f, "spend", *places, &sums.spend)?;
        f.write_str("<p class=\"what\">spent")?;
        if let Some(before) = previous {
            let change = change(&sums.spend, &before.spend);
            write!(f, ", {} before", Money(*places, &before.spend))?;
            if let Some(change) = change {
                write!(f, " <span class=\"change\">({change})</span>")?;
            }
        }
        f.write_str("</p>\n<dl>")?;
        if !sums.credits.is_zero() {
            for (field, word, amount) in [("credits", "Credits", &sums.credits), ("net", "Net", &sums.net())]
            {
                rounded(f, field, word, &places.show(amount), amount)?;
            }
        }
        let kinds = [
            ("inputTokens", "Input tokens", &sums.tokens.input),
            ("cachedInputTokens", "Cached input", &sums.tokens.cached_input),
            ("cacheWriteTokens", "Cache write", &sums.tokens.cache_write),
            ("outputTokens", "Output tokens", &sums.tokens.output),
        ];
        for (field, word, total) in kinds.into_iter().filter(|(.., tokens)| !tokens.is_zero()) {
            tokens(f, field, word, total)?;
        }
        if let Some(price) = sums.price_per_million_tokens() {
            rounded(f, "pricePerMillionTokens", "Per million tokens", &column::price(sums), &price)?;
        }
        if let Some(requests) = sums.requests {
            count(f, "requests", "Requests", requests)?;
        }
        count(f, "entries", "Entries", sums.entries)?;
        f.write_str("</dl></article>\n")
    }
}

fn large(f: &mut fmt::Formatter<'_>, field: &str, places: Places, total: &Total) -> fmt::Result {
    // Digits are never cut: a long amount is written smaller, and may take lines.
    let length = places.show(total).len();
    let class = if length > MOST_LARGE { "large long" } else { "large" };
    write!(f, "<p class=\"{class} n\">{}</p>", Money(places, total))?;
    write!(
        f,
        "<p class=\"exact\">exactly <span class=\"n\" data-field=\"{field}\">{}</span></p>",
        Digits(total)
    )
}

/// An amount as it is shown, and exactly below it.
fn rounded(f: &mut fmt::Formatter<'_>, field: &str, word: &str, figure: &str, total: &Total) -> fmt::Result {
    write!(f, "<div><dt>{word}</dt><dd class=\"n\">")?;
    shown(f, figure)?;
    write!(f, "<span class=\"exact\" data-field=\"{field}\">{}</span></dd></div>", Digits(total))
}

fn tokens(f: &mut fmt::Formatter<'_>, field: &str, word: &str, total: &Total) -> fmt::Result {
    write!(f, "<div><dt>{word}</dt><dd class=\"n\" data-field=\"{field}\">{}</dd></div>", Digits(total))
}

fn count(f: &mut fmt::Formatter<'_>, field: &str, word: &str, number: u64) -> fmt::Result {
    write!(f, "<div><dt>{word}</dt><dd class=\"n\" data-field=\"{field}\">{}</dd></div>", Count(number))
}

struct UsdCard<'a>(&'a Usd);

impl fmt::Display for UsdCard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(usd) = self;
        f.write_str("<article class=\"card usd\" data-currency=\"\"><h2>All, taken for USD</h2>")?;
        large(f, "usd", Places::of(std::iter::once(&usd.spend)), &usd.spend)?;
        f.write_str("<p class=\"what\">by the rates below, which are no exchange</p>\n<dl>")?;
        for (currency, rate) in usd.rates.iter().take(2 * MOST_CARDS) {
            write!(f, "<div><dt>1 {}</dt><dd class=\"n\">{} USD</dd></div>", Text(currency), Text(rate))?;
        }
        for currency in usd.unrated.iter().take(2 * MOST_CARDS) {
            write!(f, "<div><dt>1 {}</dt><dd>no rate, not counted</dd></div>", Text(currency))?;
        }
        f.write_str("</dl></article>\n")
    }
}

/// The notes on the figures.
pub(super) struct Notes<'a>(pub(super) &'a Report);

impl fmt::Display for Notes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        let Report { meta, totals, .. } = report;
        for note in report.cut_spans().iter().chain(&report.mismatches()).chain(meta.notes.iter().take(20)) {
            writeln!(f, "<p class=\"note\">{}</p>", Text(note))?;
        }
        if totals.len() > MOST_CARDS {
            writeln!(
                f,
                "<p class=\"note\">{} more currencies are in the table alone.</p>",
                Count((totals.len() - MOST_CARDS) as u64)
            )?;
        }
        Ok(())
    }
}
