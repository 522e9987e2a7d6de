//! How far an export is, as a line of text.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use billing_model::{Timestamp, one_line};

use crate::text::{self, grouped, rate};

/// The number of latest pages from which the entries for a span of time are estimated.
const PAGES_SEEN: usize = 32;

/// The most characters of a trouble. No terminal is wider.
const MOST_CHARS: usize = 500;

const NS_PER_S: u128 = 1_000_000_000;

/// How far an export is, and why no page comes.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Entries of earlier runs, and entries of this one.
    before: u64,
    came: u64,
    /// The entries that this run will have in all, where the service tells.
    total: Option<u64>,
    /// The end of the window.
    until: Option<Timestamp>,
    reached: Option<Timestamp>,
    /// The last timestamp of each of the latest pages, and the number of entries up to it.
    pages: VecDeque<(Timestamp, u64)>,
    trouble: Option<Trouble>,
}

/// Why no page comes.
#[derive(Debug)]
struct Trouble {
    text: String,
    until: Until,
}

/// How long a trouble lasts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// It is not known.
    Unknown,
    /// Until the service is asked again.
    Next(Instant),
    /// It began at this instant, and lasts so long at most.
    Limit(Instant, Duration),
}

impl Way {
    /// Begins to count, towards the end of the window, after so many entries of earlier runs.
    pub(super) fn begin(&mut self, until: Option<Timestamp>, before: u64) {
        *self = Self { until, before, ..Self::default() };
    }

    /// Counts on, towards another end.
    pub(super) fn towards(&mut self, until: Option<Timestamp>) {
        self.until = until;
    }

    pub(super) fn page(&mut self, entries: u64, reached: Option<Timestamp>, total: Option<u64>) {
        self.came += entries;
        self.total = total;
        self.reached = reached.or(self.reached);
        if let Some(reached) = reached {
            self.pages.push_back((reached, self.came));
            if self.pages.len() > PAGES_SEEN {
                self.pages.pop_front();
            }
        }
        // A page that was under way may come during a wait. The wait stays shown.
        let now = Instant::now();
        self.trouble =
            self.trouble.take().filter(|trouble| matches!(trouble.until, Until::Next(at) if at > now));
    }

    /// Notes why no page comes.
    pub(super) fn trouble(&mut self, text: &str, until: Until) {
        self.trouble = Some(Trouble { text: one_line(text, MOST_CHARS), until });
    }

    /// The line: `43,000 entries, 9,100/s, at 2026-06-11T08:15:00.000Z, about 12 s left`. When no page comes it is
    /// `43,000 entries; 429 Too many; again in 3 s`, because a terminal has room for only one of the two.
    pub(super) fn text(&self, elapsed: Duration, now: Instant) -> String {
        let is_begun = self.before + self.came > 0 || self.is_begun();
        let count = text::entries(self.before + self.came);
        let Some(trouble) = &self.trouble else {
            if !is_begun {
                return "waiting for the first page".to_owned();
            }
            let mut line = format!("{count}, {}/s", grouped(rate(self.came, elapsed)));
            if let Some(reached) = self.reached {
                line.push_str(&format!(", at {reached}"));
            }
            if let Some(left) = self.time_left(elapsed) {
                line.push_str(&format!(", about {} left", span_text(left)));
            }
            return line;
        };
        let behind = match trouble.until {
            Until::Next(at) if at > now => format!(" in {}", seconds_up(at - now)),
            Until::Limit(since, limit) => {
                format!(
                    ", {} s of at most {}",
                    now.saturating_duration_since(since).as_secs(),
                    seconds_up(limit)
                )
            }
            Until::Next(_) | Until::Unknown => String::new(),
        };
        let before = if is_begun { format!("{count}; ") } else { String::new() };
        format!("{before}{}{behind}", trouble.text)
    }

    /// True when a page has come.
    pub(super) fn is_begun(&self) -> bool {
        self.reached.is_some()
    }

    /// The time that is left, if the rest takes as long for each entry as what came.
    fn time_left(&self, elapsed: Duration) -> Option<Duration> {
        let ns = elapsed
            .as_nanos()
            .checked_mul(u128::from(self.entries_left()?))?
            .checked_div(self.came.into())?;
        Some(Duration::from_secs(u64::try_from(ns / NS_PER_S).ok()?))
    }

    /// The entries that are left: by the service's count, or estimated from the entries for each hour in the latest
    /// pages. An estimate from the whole window would be wrong when nights or months have no entries.
    fn entries_left(&self) -> Option<u64> {
        if let Some(total) = self.total {
            return Some(total.saturating_sub(self.came));
        }
        let (first, last) = (self.pages.front()?, self.pages.back()?);
        let ns =
            |from: Timestamp, to: Timestamp| u128::try_from(to.unix_ns()?.checked_sub(from.unix_ns()?)?).ok();
        let left = u128::from(last.1 - first.1)
            .checked_mul(ns(last.0, self.until?)?)?
            .checked_div(ns(first.0, last.0)?)?;
        u64::try_from(left).ok()
    }
}

/// `12 s`, `3 min`, `2 h 10 min`.
fn span_text(span: Duration) -> String {
    match span.as_secs() {
        s @ 0..=99 => format!("{s} s"),
        s @ 100..=5999 => format!("{} min", s.div_ceil(60)),
        s => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

pub(super) fn seconds_up(wait: Duration) -> String {
    format!("{} s", wait.as_millis().div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_SECONDS: Duration = Duration::from_secs(10);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_left_is_told_by_what_came() {
        let now = Instant::now();
        let mut way = Way::default();
        way.begin(Some(at("2026-06-11T00:00:00Z")), 500);
        assert_eq!(way.text(TEN_SECONDS, now), "500 entries, 0/s");
        way.page(1000, Some(at("2026-06-01T00:00:00Z")), None);
        assert_eq!(way.text(TEN_SECONDS, now), "1,500 entries, 100/s, at 2026-06-01T00:00:00.000Z");
        // There are a thousand entries a day, and eight days are left.
        way.page(2000, Some(at("2026-06-03T00:00:00Z")), None);
        assert_eq!(
            way.text(TEN_SECONDS, now),
            "3,500 entries, 300/s, at 2026-06-03T00:00:00.000Z, about 26 s left"
        );
        // By the service's count.
        way.page(0, Some(at("2026-06-03T00:00:00Z")), Some(123_000));
        assert_eq!(
            way.text(TEN_SECONDS, now),
            "3,500 entries, 300/s, at 2026-06-03T00:00:00.000Z, about 7 min left"
        );
    }

    #[test]
    fn a_wait_is_counted_down_until_a_page_comes_behind_it() {
        let now = Instant::now();
        let mut way = Way::default();
        assert_eq!(way.text(TEN_SECONDS, now), "waiting for the first page");
        way.trouble("429 Too many; again", Until::Next(now + Duration::from_secs(300)));
        assert_eq!(way.text(TEN_SECONDS, now), "429 Too many; again in 300 s");
        assert_eq!(way.text(TEN_SECONDS, now + Duration::from_millis(1500)), "429 Too many; again in 299 s");
        way.page(10, Some(at("2026-06-01T00:00:00Z")), None);
        assert_eq!(way.text(TEN_SECONDS, now), "10 entries; 429 Too many; again in 300 s");
        way.trouble("waiting for /x", Until::Limit(now, Duration::from_secs(120)));
        let later = now + Duration::from_millis(61_900);
        assert_eq!(way.text(TEN_SECONDS, later), "10 entries; waiting for /x, 61 s of at most 120 s");
        way.page(0, None, None);
        assert_eq!(way.text(TEN_SECONDS, now), "10 entries, 1/s, at 2026-06-01T00:00:00.000Z");
    }

    #[test]
    fn odd_clocks_and_windows_give_no_estimate() {
        let mut way = Way::default();
        way.begin(Some(at("2026-06-01T00:00:00Z")), 0);
        for (entries, reached) in
            [(1, "2026-06-02T00:00:00Z"), (1, "2026-06-02T00:00:00Z"), (1, "9999-01-01T00:00:00Z")]
        {
            way.page(entries, Some(at(reached)), None);
            assert_eq!(way.time_left(TEN_SECONDS), None);
        }
    }

    #[test]
    fn spans_are_short() {
        let found = [0, 99, 100, 5999, 6000, 90_000].map(|s| span_text(Duration::from_secs(s)));
        assert_eq!(found, ["0 s", "99 s", "2 min", "100 min", "1 h 40 min", "25 h 0 min"]);
    }
}
