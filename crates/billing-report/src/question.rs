//! The question that a report answers: the window, the filter, and the order of the rows.

use std::num::NonZeroUsize;

use billing_model::{Currency, Day, DayRange, TimeWindow, Timestamp};
use chrono::Weekday;

use crate::dimension::{By, Dimension};
use crate::model_pattern::ModelPattern;
use crate::rates::Rates;
use crate::zone::Zone;

/// A question that a report answers.
#[derive(Clone, Debug)]
pub struct Question {
    /// What its rows stand for.
    pub by: By,
    /// The span of time.
    pub window: TimeWindow,
    /// The span before it that it is compared with. It has a start and an end.
    pub previous: Option<TimeWindow>,
    /// The zone of days and hours.
    pub zone: Zone,
    /// The first day of a week.
    pub week_start: Weekday,
    /// Which entries count.
    pub filter: Filter,
    /// Whether requests are counted, each once.
    pub requests: bool,
    /// Whether the report has what the charts of a page are drawn from.
    pub charts: bool,
    /// The order of the rows.
    pub sort: Sort,
    /// How many rows of each currency, or with two dimensions of each value of the first one, are not summed up as the rest: those
    /// with the most tokens where rows are sorted by tokens, and those with the highest spend otherwise. They stand in the order
    /// of [`sort`](Self::sort). A single row is no rest, and stays.
    pub top: Option<NonZeroUsize>,
    /// What spend is taken for in USD, if it is asked for.
    pub rates: Option<Rates>,
}

/// Which entries a report is of.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Entries of one currency.
    pub currency: Option<Currency>,
    /// Entries whose model, or sku where it names none, fits.
    pub model: Option<ModelPattern>,
    /// Entries of one API key, by its id.
    pub key: Option<String>,
}

/// The order of the rows of a currency. Currencies themselves always stand in the same order, one after the other.
///
/// With two dimensions it is the order of the last one within each value of the first. The values of the first one stand in the
/// order of time where they are spans of it, hours or days of the week, and otherwise in this order too, by the sums of all their
/// rows: `--by day,model --sort spend` has the days in order and within each the dearest model first; `--by model,day --sort spend`
/// has the dearest model first and within it its dearest day. Rows that are equal in this order stand in that of their labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sort {
    /// The highest spend first. Of days too: `--by day --sort spend` has the dearest day first.
    Spend,
    /// The most tokens first.
    Tokens,
    /// By the text of the label; what has none is last.
    Name,
    /// In the order of time, weeks from their first day. What does not follow time is sorted by spend.
    Time,
}

impl Question {
    /// Everything there is, by these dimensions, in UTC. Rows that follow time are in its order, others by spend.
    pub fn new(by: By) -> Self {
        let sort = if by.second.unwrap_or(by.first).is_time() { Sort::Time } else { Sort::Spend };
        Self {
            by,
            window: TimeWindow::default(),
            previous: None,
            zone: Zone::UTC,
            week_start: Weekday::Mon,
            filter: Filter::default(),
            requests: false,
            charts: false,
            sort,
            top: None,
            rates: None,
        }
    }

    /// What has to be read for an answer. Sums of whole UTC days are taken where they say enough, because that is a hundred times
    /// faster; entries for everything else. No time is in two of the spans.
    pub fn reading(&self) -> Reading {
        let mut reading = Reading::default();
        for span in spans(self.window, self.previous) {
            match self.needs_entries() {
                true => reading.entries.push(span),
                false => reading.add(span),
            }
        }
        reading
    }

    /// True when sums by UTC day do not say enough.
    pub(crate) fn needs_entries(&self) -> bool {
        let needs = |dimension: Dimension| match dimension {
            Dimension::Hour | Dimension::Request | Dimension::Notes => true,
            Dimension::Day | Dimension::Week | Dimension::Month | Dimension::Weekday => !self.zone.is_utc(),
            Dimension::Model | Dimension::Sku | Dimension::Currency | Dimension::Key | Dimension::Kind => {
                false
            }
        };
        self.requests || self.charts || self.by.dimensions().any(needs)
    }
}

/// What has to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// UTC days whose sums are read; `None` is all days.
    pub sums: Vec<Option<DayRange>>,
    /// Spans of which the entries are read.
    pub entries: Vec<TimeWindow>,
}

impl Reading {
    /// The whole UTC days of a window as sums, and what is left at its ends as entries.
    fn add(&mut self, window: TimeWindow) {
        let (since, until) = (window.since(), window.until());
        let first =
            since.map(|at| Day::of(at).map(|day| if day.start() < at { Day(day.0 + 1) } else { day }));
        let end = until.map(Day::of);
        let (first, last) = match (first, end) {
            (None, None) => return self.sums.push(None),
            // Days that no ledger reaches to: sums have no bounds for them.
            (Some(None), _) | (_, Some(None)) => return self.entries.push(window),
            (first, end) => {
                (first.flatten().unwrap_or(DAYS.first), end.flatten().map_or(DAYS.last, |end| Day(end.0 - 1)))
            }
        };
        let days = DayRange { first, last };
        if days.count() == 0 {
            return self.entries.push(window);
        }
        self.sums.push(Some(days));
        self.add_edge(since, since.map(|_| first.start()));
        self.add_edge(until.map(|_| Day(last.0 + 1).start()), until);
    }

    fn add_edge(&mut self, since: Option<Timestamp>, until: Option<Timestamp>) {
        // An edge without entries is no window.
        if let (Some(_), Some(_), Ok(edge)) = (since, until, TimeWindow::new(since, until)) {
            self.entries.push(edge);
        }
    }
}

/// The days that the instants of a ledger lie in: those whose nanoseconds have 64 bits.
const DAYS: DayRange = DayRange { first: Day(-106_752), last: Day(106_751) };

/// The instants of both windows in spans that do not overlap and have no border of a window within, in the order of time.
fn spans(window: TimeWindow, previous: Option<TimeWindow>) -> Vec<TimeWindow> {
    let Some(previous) = previous else { return vec![window] };
    let windows = [window, previous];
    let ends = windows.iter().flat_map(|window| [window.since(), window.until()]);
    let mut borders: Vec<_> = ends.flatten().map(Some).collect();
    borders.sort();
    let starts = std::iter::once(None).chain(borders.iter().copied());
    let ends = borders.iter().copied().chain([None]);
    let spans = starts.zip(ends).filter_map(|(since, until)| TimeWindow::new(since, until).ok());
    let is_asked = |span: &TimeWindow| {
        windows.iter().any(|window| {
            window.since().is_none_or(|since| span.since().is_some_and(|start| since <= start))
                && window.until().is_none_or(|until| span.until().is_some_and(|end| end <= until))
        })
    };
    spans.filter(is_asked).collect()
}
