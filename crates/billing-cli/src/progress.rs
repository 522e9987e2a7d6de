//! What a command says while it runs, an export above all: a line that moves on a terminal, and the events that a user has to know of.

use std::io::IsTerminal;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use billing_http::{ErrorKind, Event};
use billing_model::{Summary, TimeWindow, Timestamp, one_line};
use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal;
use crate::text::{self, grouped, rate};

/// A wait shorter than this needs no words where there is no moving line.
const WORTH_SAYING: Duration = Duration::from_secs(5);

/// Characters of what is in the way; no terminal is wider.
const MOST_CHARS: usize = 500;

pub(crate) struct Progress {
    /// The window, once it is known.
    window: Mutex<TimeWindow>,
    quiet: bool,
    start: Instant,
    /// The moving line; hidden where stderr is not a terminal.
    line: ProgressBar,
    /// The longest wait for the service's limits.
    longest_wait: Mutex<Duration>,
    /// When the service is asked again. Pages that were on their way come meanwhile.
    paused_until: Mutex<Option<Instant>>,
    /// The longest that a try had been without an end.
    longest_silence: Mutex<Duration>,
    /// Entries that were there before, and those that came.
    entries: Mutex<(u64, u64)>,
    /// That the walk has gone to the other endpoint, until a page comes from there: where neither is, it is no news.
    switched: Mutex<Option<String>>,
    /// The end of the first page: where an open window is taken to begin, for the percentage.
    first_reached: OnceLock<Timestamp>,
}

impl Progress {
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            window: Mutex::new(TimeWindow::ALL),
            quiet,
            start: Instant::now(),
            line: moving_line(quiet, "waiting for the first page"),
            longest_wait: Mutex::default(),
            paused_until: Mutex::default(),
            longest_silence: Mutex::default(),
            entries: Mutex::default(),
            switched: Mutex::default(),
            first_reached: OnceLock::new(),
        }
    }

    pub(crate) fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Page { entries, reached, total } => {
                let switched = self.switched.lock().map_or(None, |mut switched| switched.take());
                if let Some(note) = switched {
                    self.say(&note);
                }
                self.page(*entries, *reached, *total);
            }
            Event::Retrying { error, wait } => {
                if error.kind() == ErrorKind::RateLimited {
                    self.pause(*wait);
                }
                self.trouble(&format!("{}; again in {}", error.brief(), seconds_up(*wait)));
                // What ran into its time limit has cost a wait already.
                if self.line.is_hidden() && (*wait >= WORTH_SAYING || error.is_timeout()) {
                    self.say(&format!("{error}; again in {}", seconds_up(*wait)));
                }
            }
            Event::Waiting { wait } => {
                self.pause(*wait);
                let text = format!("waiting {} before the next request", seconds_up(*wait));
                self.wait(&text, *wait, &self.longest_wait);
            }
            Event::Silent { path, waited, limit } => {
                let (waited_s, limit) = (seconds_up(*waited), seconds_up(*limit));
                let text = format!("waiting for /{path}, {waited_s} of at most {limit}");
                self.wait(&text, *waited, &self.longest_silence);
            }
            Event::Narrowed { error, until } => {
                self.say(&format!("note: {error}; trying a shorter window, up to {until}"));
            }
            Event::Switched { from, to, gone: true } => {
                self.say(&format!(
                    "note: the service has ended /billing/{from}; going on with its successor /billing/{to}"
                ));
            }
            Event::Switched { from, to, gone: false } => {
                if let Ok(mut switched) = self.switched.lock() {
                    *switched =
                        Some(format!("note: the service has no /billing/{from}; using /billing/{to}"));
                }
            }
            Event::Warning(text) => self.say(&format!("warning: the service says: {}", text)),
            _ => {}
        }
    }

    /// Shows what is waited for. Where there is no moving line it is said, unless half of it was said before: where every
    /// page has to wait, once is enough.
    fn wait(&self, text: &str, wait: Duration, longest: &Mutex<Duration>) {
        self.trouble(text);
        let said = longest.lock().map_or(Duration::MAX, |mut longest| {
            let said = *longest;
            *longest = said.max(wait);
            said
        });
        if self.line.is_hidden() && wait >= WORTH_SAYING && wait > said.saturating_mul(2) {
            self.say(text);
        }
    }

    fn pause(&self, wait: Duration) {
        if let Ok(mut paused_until) = self.paused_until.lock() {
            *paused_until = Instant::now().checked_add(wait);
        }
    }

    /// How long the service is still left alone.
    fn pause_left(&self) -> Option<Duration> {
        let paused_until = self.paused_until.lock().map_or(None, |paused_until| *paused_until);
        paused_until?.checked_duration_since(Instant::now()).filter(|left| *left >= Duration::from_secs(1))
    }

    /// Shows what is in the way, behind how far it came.
    fn trouble(&self, text: &str) {
        let (before, count) = self.entries.lock().map_or((0, 0), |counted| *counted);
        // The moving line goes to the terminal past the place that makes text harmless.
        let text = one_line(text, MOST_CHARS);
        self.line.set_message(format!("{}; {text}", text::entries(before + count)));
    }

    fn page(&self, entries: u64, reached: Option<Timestamp>, total: Option<u64>) {
        let Ok(mut counted) = self.entries.lock() else { return };
        counted.1 += entries;
        let (before, count) = *counted;
        let pace = grouped(rate(count, self.start.elapsed()));
        let mut text = format!("{}, {pace}/s", text::entries(before + count));
        if let Some(reached) = reached {
            text.push_str(&format!(", at {reached}"));
        }
        if let Some(percent) = total
            .map_or_else(|| self.percent_of_time(reached), |total| percent(before + count, before + total))
        {
            text.push_str(&format!(" ({percent} %)"));
        }
        if let Some(left) = self.pause_left() {
            text.push_str(&format!("; waiting {} before the next request", seconds_up(left)));
        }
        self.line.set_message(text);
    }

    /// How far into the window the walk is.
    fn percent_of_time(&self, reached: Option<Timestamp>) -> Option<u64> {
        let reached = reached?;
        let ms = |at: Timestamp| DateTime::<Utc>::from(at).timestamp_millis();
        let window = self.window.lock().map_or(TimeWindow::ALL, |window| *window);
        let since = match window.since() {
            Some(since) => since,
            None => *self.first_reached.get_or_init(|| reached),
        };
        let (since, until, reached) = (ms(since), ms(window.until()?), ms(reached));
        percent(u64::try_from(reached - since).ok()?, u64::try_from(until - since).ok()?)
    }

    /// Begins to count: a window of which so much is there already.
    pub(crate) fn begin(&self, window: TimeWindow, there: Option<&Summary>) {
        if let Ok(mut known) = self.window.lock() {
            *known = window;
        }
        if let Ok(mut counted) = self.entries.lock() {
            *counted = (there.map_or(0, |there| there.entries), 0);
        }
        if let Some(first) = there.and_then(|there| there.first) {
            let _ = self.first_reached.set(first);
        }
    }

    /// Says a line that stays, also when little is to be said.
    pub(crate) fn warn(&self, text: &str) {
        self.line.suspend(|| terminal::note(text));
    }

    /// Says a line that stays.
    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            self.line.suspend(|| terminal::note(text));
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A line that moves, with something to say first; hidden where stderr is not a terminal.
pub(crate) fn moving_line(quiet: bool, message: &'static str) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let line = ProgressBar::new_spinner();
    line.set_style(
        ProgressStyle::with_template("{spinner} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    line.set_message(message);
    line.enable_steady_tick(Duration::from_millis(100));
    line
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.line.finish_and_clear();
    }
}

fn percent(part: u64, whole: u64) -> Option<u64> {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).ok()
}

fn seconds_up(wait: Duration) -> String {
    format!("{} s", wait.as_millis().div_ceil(1000))
}
