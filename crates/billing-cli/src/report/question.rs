//! What is asked of a ledger, from the flags of a report.

use anyhow::anyhow;
use billing_model::{Currency, Timestamp};
use billing_report::{By, Dimension, Filter, Question, Rate, Rates, Sort, Zone};

use super::window::Times;
use crate::args;
use crate::exit::Failure;

/// Days of `daily` and `models`, and weeks and months of `weekly` and `monthly`.
const DAYS: u32 = 30;
const WEEKS: u32 = 12;
const MONTHS: u32 = 12;

/// The question of `billing report`. `charts` is true for a form that draws them.
pub(super) fn of_report(args: &args::Report, charts: bool, now: Timestamp) -> Result<Question, Failure> {
    let zone = zone(&args.place);
    let times = Times::typed(&args.window, zone, now)?;
    let mut question = Question::new(args.by);
    question.window = times.window()?;
    question.previous = args.compare.map(|_| times.previous()).transpose()?;
    question.zone = zone;
    question.week_start = args.week_start;
    question.filter = filter(args)?;
    question.requests = args.requests;
    question.charts = charts;
    question.sort = args.sort.map_or(question.sort, Sort::from);
    question.top = args.top;
    question.rates = (args.usd || !args.rate.is_empty()).then(|| rates(&args.rate)).transpose()?;
    if question.sort == Sort::Time && !args.by.dimensions().any(Dimension::is_time) {
        return Err(Failure::usage(anyhow!(
            "--sort time needs rows of time, and these are by {}",
            args.by.first
        ))
        .hint("--by day,model has some; --sort spend, tokens or name sorts any rows"));
    }
    Ok(question)
}

/// The question of a report that has nothing else to configure.
pub(super) fn of_short(args: &args::Short, by: Dimension, now: Timestamp) -> Result<Question, Failure> {
    let mut question = Question::new(By::one(by));
    let zone = zone(&args.place);
    let times = match by {
        Dimension::Week => Times::last_weeks(WEEKS, zone, now),
        Dimension::Month => Times::last_months(MONTHS, zone, now),
        _ => Times::last_days(DAYS, zone, now),
    };
    question.window = times.window()?;
    question.zone = zone;
    question.charts = args.format == args::Form::Html;
    Ok(question)
}

fn rates(typed: &[Rate]) -> Result<Rates, Failure> {
    let mut rates = Rates::default();
    for (number, rate) in typed.iter().enumerate() {
        if typed.iter().take(number).any(|other| other.currency == rate.currency) {
            return Err(Failure::usage(anyhow!("--rate gives two rates for {}", rate.currency)));
        }
        rates.set(rate.clone());
    }
    Ok(rates)
}

fn zone(place: &args::Place) -> Zone {
    place.timezone.unwrap_or(Zone::UTC)
}

fn filter(args: &args::Report) -> Result<Filter, Failure> {
    let pattern = |text: &String| {
        let no_pattern = |error: billing_report::PatternError| {
            anyhow::Error::new(error).context(format!("--model `{text}` is no pattern"))
        };
        text.parse().map_err(|error| {
            Failure::usage(no_pattern(error))
                .hint("* stands for any text, ? for one character, [ab] for a or b")
        })
    };
    Ok(Filter {
        currency: args.currency.as_deref().map(|name| Currency::from(name.to_uppercase().as_str())),
        model: args.model.as_ref().map(pattern).transpose()?,
        key: args.key.clone(),
    })
}

impl From<args::Sort> for Sort {
    fn from(sort: args::Sort) -> Self {
        match sort {
            args::Sort::Spend => Self::Spend,
            args::Sort::Tokens => Self::Tokens,
            args::Sort::Name => Self::Name,
            args::Sort::Time => Self::Time,
        }
    }
}
