//! The log of `billing serve`: lines on stderr, for which the server never waits.
//!
//! The reader of stderr may be slow or stop. So lines wait in a queue of bounded length. When the queue is full, lines
//! are lost and counted.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::{LogFormat, LogLevel};

/// The most lines that wait: some MiB.
const QUEUE: usize = 10_000;

/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

enum Item {
    Line(Vec<u8>),
    /// Dropped by the writer when all lines before it are written.
    Flush(#[expect(dead_code, reason = "its end is the message")] SyncSender<()>),
}

/// The sending end of the queue.
#[derive(Clone)]
pub(crate) struct Log {
    queue: SyncSender<Item>,
    lost: Arc<AtomicU64>,
}

impl Log {
    /// Begins the log of this process. It can be called once.
    pub(crate) fn start(format: LogFormat, level: LogLevel) -> Self {
        let (queue, lines) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let log = Self { queue, lost: Arc::clone(&lost) };
        std::thread::spawn(move || write_lines(&lines, &lost));
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(level_filter(level));
        let subscriber = subscriber.with_writer(log.clone());
        match format {
            LogFormat::Text => subscriber.finish().with(targets(level)).init(),
            LogFormat::Json => {
                let json =
                    subscriber.json().flatten_event(true).with_current_span(true).with_span_list(false);
                json.finish().with(targets(level)).init();
            }
        }
        log
    }

    /// Waits until all lines so far are written, or until that takes too long.
    pub(crate) fn flush(&self) {
        let (done, written) = sync_channel(0);
        if self.queue.try_send(Item::Flush(done)).is_ok() {
            let _ = written.recv_timeout(LAST_LINES);
        }
    }
}

fn level_filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    }
}

/// The level of each crate. Below info only this project's crates log. Libraries log so much there that it would hide
/// the rest, and it is not known whether it could have a key in it.
fn targets(level: LogLevel) -> Targets {
    let most = level_filter(level);
    let targets = Targets::new().with_default(most.min(LevelFilter::INFO)).with_target("billing_", most);
    // That a connection is lost is in our own line, with the ledger and the cause.
    targets.with_target("deadpool", LevelFilter::OFF)
}

fn write_lines(lines: &Receiver<Item>, lost: &AtomicU64) {
    let mut stderr = io::stderr();
    // A line that cannot be written is lost, like one that finds the queue full.
    for item in lines {
        if let Item::Line(line) = item {
            let _ = stderr.write_all(&line);
        }
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lines => drop(writeln!(
                stderr,
                "warning: {lines} lines of the log were lost: stderr is read too slowly"
            )),
        }
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { log: self, text: Vec::new() }
    }
}

/// One line. It is put into the queue when it is complete.
pub(crate) struct Line<'a> {
    log: &'a Log,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if self.log.queue.try_send(Item::Line(std::mem::take(&mut self.text))).is_err() {
            self.log.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_never_say_more_than_what_is_worth_knowing() {
        for (level, ours, theirs) in [
            (LogLevel::Error, LevelFilter::ERROR, LevelFilter::ERROR),
            (LogLevel::Warn, LevelFilter::WARN, LevelFilter::WARN),
            (LogLevel::Info, LevelFilter::INFO, LevelFilter::INFO),
            (LogLevel::Debug, LevelFilter::DEBUG, LevelFilter::INFO),
        ] {
            let targets = targets(level);
            let most = |target: &str| {
                [
                    LevelFilter::TRACE,
                    LevelFilter::DEBUG,
                    LevelFilter::INFO,
                    LevelFilter::WARN,
                    LevelFilter::ERROR,
                ]
                .into_iter()
                .find(|filter| filter.into_level().is_some_and(|level| targets.would_enable(target, &level)))
            };
            assert_eq!(most("deadpool.postgres"), None);
            assert_eq!((most("billing_server::access"), most("hyper::proto")), (Some(ours), Some(theirs)));
        }
    }
}
