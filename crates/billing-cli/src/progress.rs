//! Progress of a running command, mostly of an export: a moving line on a terminal, and events that the user has to know.

mod line;
mod way;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use billing_http::{ErrorKind, Event};
use billing_model::{Summary, TimeWindow, one_line};
use indicatif::ProgressBar;

use crate::{terminal, text};
pub(crate) use line::moving_line;
use way::{Until, Way, seconds_up};

/// Shorter waits are not told where there is no moving line.
const WORTH_SAYING: Duration = Duration::from_secs(5);

/// The time between two updates of the moving line, which counts seconds.
const TICK: Duration = Duration::from_secs(1);

/// Ticks between two lines where there is no moving line.
const TICKS_OF_A_LINE: u32 = 10;

const CURSOR_REFUSED: &str =
    "the service refused a cursor, so the walk went on from its last entry: its entries are of two moments";

/// The most characters of a query parameter that are shown, because cursors may be long.
const MOST_OF_A_PARAMETER: usize = 60;

/// How much of the progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Events and the moving line.
    All,
    /// Events only: the entries go to a terminal, or to a program that may write to this terminal.
    Events,
    /// Warnings only.
    Quiet,
    /// Nothing. Warnings are kept for the summary.
    Kept,
}

pub(crate) struct Progress {
    shown: Shown,
    /// True when each request is shown.
    is_verbose: bool,
    start: Instant,
    way: Arc<Mutex<Way>>,
    /// The moving line. It is hidden where stderr is not a terminal.
    line: ProgressBar,
    /// The thread that updates the line every second, until its sender is dropped.
    ticker: Mutex<Option<(mpsc::Sender<()>, JoinHandle<()>)>>,
    /// The longest wait for the service's limits so far.
    longest_wait: Mutex<Duration>,
    /// The longest time so far that a try lasted without an end.
    longest_silence: Mutex<Duration>,
    /// The note that the walk has changed to the other endpoint. It is shown when a page comes from there: if neither
    /// endpoint exists, the note would mislead.
    switched: Mutex<Option<String>>,
    /// True when the refusal of a cursor was told.
    has_refused_cursor: AtomicBool,
    /// Warnings for the summary, which are not shown.
    kept: Mutex<Vec<String>>,
}

impl Progress {
    pub(crate) fn new(shown: Shown, is_verbose: bool) -> Self {
        let (start, way) = (Instant::now(), Arc::<Mutex<Way>>::default());
        let line = moving_line(shown != Shown::All, "waiting for the first page");
        let ticker = (shown == Shown::All).then(|| {
            let (sender, stop) = mpsc::channel();
            let (line, way) = (line.clone(), Arc::clone(&way));
            (sender, thread::spawn(move || tick(&line, &way, start, &stop)))
        });
        Self {
            shown,
            is_verbose,
            start,
            way,
            line,
            ticker: Mutex::new(ticker),
            longest_wait: Mutex::default(),
            longest_silence: Mutex::default(),
            switched: Mutex::default(),
            has_refused_cursor: AtomicBool::new(false),
            kept: Mutex::default(),
        }
    }

    /// Shows an event of the client. The moving line has the state: how far the walk is, or why no page comes. Lines that stay
    /// are for what the user should still see later, and for waits where there is no moving line.
    pub(crate) fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Page { entries, reached, total } => {
                let switched = self.switched.lock().map_or(None, |mut switched| switched.take());
                if let Some(note) = switched {
                    self.say(&note);
                }
                self.change(|way| way.page(*entries, *reached, *total));
            }
            Event::Tried { method, path, query, took, result } if self.is_verbose => {
                self.say(&tried(method, path, query, *took, result));
            }
            Event::Retrying { error, wait } => {
                match error.kind() {
                    ErrorKind::RateLimited => {
                        self.trouble(&format!("{}; next request", error.brief()), next(*wait))
                    }
                    // Another page may come before the next request.
                    _ => {
                        let text = format!("{}; again in {}", error.brief(), seconds_up(*wait));
                        self.trouble(&text, Until::Unknown);
                    }
                }
                // A request that ran into its time limit has cost a wait already.
                if self.line.is_hidden() && (*wait >= WORTH_SAYING || error.is_timeout()) {
                    self.say(&format!("{error}; again in {}", seconds_up(*wait)));
                }
            }
            Event::Waiting { wait } => {
                self.trouble("pausing; next request", next(*wait));
                let text = format!("waiting {} before the next request", seconds_up(*wait));
                self.wait(&text, *wait, &self.longest_wait);
            }
            Event::Silent { path, waited, limit } => {
                let limit_of_try = *limit;
                let (waited_s, limit) = (seconds_up(*waited), seconds_up(*limit));
                let text = format!("waiting for /{path}, {waited_s} of at most {limit}");
                let since = Instant::now().checked_sub(*waited);
                let until = since.map_or(Until::Unknown, |since| Until::Limit(since, limit_of_try));
                self.trouble(&format!("waiting for /{path}"), until);
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
            Event::CursorRefused if !self.has_refused_cursor.swap(true, Ordering::Relaxed) => {
                self.warn(CURSOR_REFUSED);
            }
            Event::Warning(text) => {
                let text = format!("the service says: {text}");
                if self.shown != Shown::Quiet {
                    self.warn(&text);
                }
            }
            _ => {}
        }
    }

    /// Tells of a wait where there is no moving line, if it is more than twice the longest one that was told. When
    /// every page has to wait, one note is enough.
    fn wait(&self, text: &str, wait: Duration, longest: &Mutex<Duration>) {
        let said = longest.lock().map_or(Duration::MAX, |mut longest| {
            let said = *longest;
            *longest = said.max(wait);
            said
        });
        if self.line.is_hidden() && wait >= WORTH_SAYING && wait > said.saturating_mul(2) {
            self.say(text);
        }
    }

    /// Shows on the moving line why no page comes.
    fn trouble(&self, text: &str, until: Until) {
        self.change(|way| way.trouble(text, until));
    }

    fn change(&self, change: impl FnOnce(&mut Way)) {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut way);
        self.line.set_message(way.text(self.start.elapsed(), Instant::now()));
    }

    /// Begins to count the entries of a window. `there` is what earlier runs left.
    pub(crate) fn begin(&self, window: TimeWindow, there: Option<&Summary>) {
        self.change(|way| way.begin(window.until(), there.map_or(0, |there| there.entries)));
    }

    /// Says up to where entries are read from now on. What came before still counts.
    pub(crate) fn towards(&self, window: TimeWindow) {
        self.change(|way| way.towards(window.until()));
    }

    /// Writes a warning that stays, also with `--quiet`; with `--json` it is kept for the summary.
    pub(crate) fn warn(&self, text: &str) {
        match self.shown {
            Shown::Kept => self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(text.to_owned()),
            _ => self.line.suspend(|| terminal::note(&format!("warning: {text}"))),
        }
    }

    /// The warnings that were not shown.
    pub(crate) fn kept(&self) -> Vec<String> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes a line that stays.
    pub(crate) fn say(&self, text: &str) {
        if matches!(self.shown, Shown::All | Shown::Events) {
            self.line.suspend(|| terminal::note(text));
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Removes the moving line. Later events do not show it again.
    pub(crate) fn end(&self) {
        let ticker = self.ticker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((sender, thread)) = ticker {
            drop(sender);
            let _ = thread.join();
        }
        self.line.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

/// `19:05:10.504Z GET /billing/usage-history?pageSize=1000: 1,000 entries, 312 ms`.
fn tried(
    method: &str,
    path: &str,
    query: &str,
    took: Duration,
    result: &Result<Option<usize>, &billing_http::Error>,
) -> String {
    let time = chrono::Utc::now().format("%H:%M:%S%.3fZ");
    let query = query.replace("%3A", ":");
    let pairs: Vec<_> = query.split('&').map(|pair| one_line(pair, MOST_OF_A_PARAMETER)).collect();
    let what = match result {
        Ok(Some(count)) => text::entries(*count as u64),
        Ok(None) => "answered".to_owned(),
        Err(error) => error.brief(),
    };
    let query = if query.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
    format!("{time} {method} /{path}{query}: {what}, {} ms", took.as_millis())
}

/// The end of a wait that begins now.
fn next(wait: Duration) -> Until {
    Instant::now().checked_add(wait).map_or(Until::Unknown, Until::Next)
}

/// Updates the moving line every second. Where there is none, writes from time to time how far the export is.
fn tick(line: &ProgressBar, way: &Mutex<Way>, start: Instant, stop: &mpsc::Receiver<()>) {
    let mut ticks = 0;
    while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(TICK) {
        ticks += 1;
        let way = way.lock().unwrap_or_else(PoisonError::into_inner);
        let text = way.text(start.elapsed(), Instant::now());
        if !line.is_hidden() {
            line.set_message(text);
        } else if ticks % TICKS_OF_A_LINE == 0 {
            terminal::note(&format!("so far: {text}"));
        }
    }
}
