//! What a report says of itself: what was asked, and what its totals come to.

use billing_model::{Currency, TimeWindow, Total};

use crate::calendar::weekday_name;
use crate::model_pattern::ModelPattern;
use crate::question::{Filter, Question};
use crate::rates::Rates;
use crate::report::{FilterText, Meta, Span, Usd};
use crate::row::Row;

/// Fills in what follows from the question and from the totals.
pub(crate) fn fill(mut meta: Meta, question: &Question, totals: &[Row]) -> Meta {
    let set = question.rates.iter().flat_map(Rates::set_by_hand);
    let unused = set.filter(|currency| totals.iter().all(|total| total.currency != currency.as_str()));
    meta.notes
        .extend(unused.map(|currency| format!("No entry here is in {currency}, for which a rate is given.")));
    Meta {
        by: question.by.dimensions().collect(),
        window: span(question.window),
        previous: question.previous.map(span),
        time_zone: question.zone.name().to_owned(),
        week_start: weekday_name(question.week_start).to_owned(),
        filter: filter_text(&question.filter),
        entries: totals.iter().map(|total| total.sums.entries).sum(),
        usd: question.rates.as_ref().map(|rates| usd(rates, totals)),
        ..meta
    }
}

fn span(window: TimeWindow) -> Span {
    let text = |at: Option<billing_model::Timestamp>| at.map(|at| at.to_string());
    Span { since: text(window.since()), until: text(window.until()) }
}

fn filter_text(filter: &Filter) -> FilterText {
    FilterText {
        currency: filter.currency.as_ref().map(Currency::to_string),
        model: filter.model.as_ref().map(ModelPattern::to_string),
        key: filter.key.clone(),
    }
}

fn usd(rates: &Rates, totals: &[Row]) -> Usd {
    let mut spend = Total::default();
    totals.iter().filter_map(|total| total.usd.as_ref()).for_each(|usd| spend.merge(usd));
    let unrated = totals.iter().filter(|total| total.usd.is_none());
    Usd {
        rates: rates.iter().map(|(currency, usd)| (currency.to_string(), usd.to_string())).collect(),
        spend,
        unrated: unrated.map(|total| total.currency.clone()).collect(),
    }
}
