//! The log of `billing serve`: lines on stderr, which never hold the server up.
//!
//! Whoever reads stderr may be slow, or stop. Lines wait for it in a queue of bounded length, and when that is full they are
//! lost and counted: a server that bills does not wait for its log.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::args::LogFormat;

/// Lines that wait, at most: some MiB.
const QUEUE: usize = 10_000;

/// How long the last lines may take.
const LAST_LINES: Duration = Duration::from_secs(1);

enum Item {
    Line(Vec<u8>),
    /// All lines before it were written when this is dropped.
    Flush(#[expect(dead_code, reason = "its end is the message")] SyncSender<()>),
}

/// The way into the queue.
#[derive(Clone)]
pub(crate) struct Log {
    queue: SyncSender<Item>,
    lost: Arc<AtomicU64>,
}

impl Log {
    /// Begins the log of this process, which can be done once.
    pub(crate) fn start(format: LogFormat) -> Self {
        let (queue, lines) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let log = Self { queue, lost: Arc::clone(&lost) };
        std::thread::spawn(move || write_lines(&lines, &lost));
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_max_level(LevelFilter::INFO);
        match format {
            LogFormat::Text => subscriber.with_writer(log.clone()).init(),
            LogFormat::Json => {
                subscriber
                    .json()
                    .flatten_event(true)
                    .with_current_span(true)
                    .with_span_list(false)
                    .with_writer(log.clone())
                    .init();
            }
        }
        log
    }

    /// Waits until what was logged is written, or until that takes too long.
    pub(crate) fn flush(&self) {
        let (done, written) = sync_channel(0);
        if self.queue.try_send(Item::Flush(done)).is_ok() {
            let _ = written.recv_timeout(LAST_LINES);
        }
    }
}

fn write_lines(lines: &Receiver<Item>, lost: &AtomicU64) {
    let mut stderr = io::stderr();
    // A line that cannot be written is lost like one that finds no room.
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

/// One line, which goes into the queue when it is complete.
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
