//! The export job, run as a program runs it: opened, gone on with where there is something to go on with, stopped and killed.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use billing_export::{Cause, Event, ExportFile, Stop};
use billing_format::{Content, InputFormat, read_entries};
use billing_http::{Client, Error, ErrorKind};
use billing_model::{TimeWindow, Timestamp, UsageEntry};
use billing_testkit::Upstream;
use futures::future::{Future, poll_fn};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::mortal::{self, FILE, Kill, MortalPlace, Tail, new_directory};
use crate::order::Order;

/// What stood in the place of the file before.
const OLD: &[u8] = b"old";

/// How a run ends, when nothing else ends it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// With the walk.
    Complete,
    /// Told to stop at once after so many stretches.
    Dropped(usize),
    /// Told to stop after so many stretches, where another run can go on.
    Stopped(usize),
    Killed(Kill),
}

/// One run of the program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) concurrency: u32,
    /// Every mark is made durable; otherwise hardly any is.
    pub(crate) is_careful: bool,
    pub(crate) ending: Ending,
}

/// The runs of an export, the last of which goes to its end.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) runs: Vec<Run>,
    /// There was a file before.
    pub(crate) has_old_file: bool,
    pub(crate) is_gzip: bool,
}

pub(crate) fn any_life() -> impl Strategy<Value = Life> {
    let tail = prop_oneof![Just(Tail::Kept), any::<u8>().prop_map(Tail::Cut), Just(Tail::Zeros)];
    let moment = prop_oneof![2 => 1usize..9, 1 => 9usize..30];
    let kill = (moment, tail).prop_map(|(moment, tail)| Ending::Killed(Kill { moment, tail }));
    let ending = prop_oneof![
        1 => (0usize..12).prop_map(Ending::Dropped),
        1 => (0usize..12).prop_map(Ending::Stopped),
        3 => kill
    ];
    let run = |ending| {
        (1u32..=16, prop::bool::weighted(0.8), ending).prop_map(|(concurrency, is_careful, ending)| Run {
            concurrency,
            is_careful,
            ending,
        })
    };
    (
        prop::collection::vec(run(ending.boxed()), 0..5),
        run(Just(Ending::Complete).boxed()),
        any::<[bool; 2]>(),
    )
        .prop_map(|(mut runs, last, [has_old_file, is_gzip])| {
            runs.push(last);
            Life { runs, has_old_file, is_gzip }
        })
}

/// How a run ended.
enum Outcome {
    Complete,
    Stopped,
    /// With what was on the disk.
    Killed(TempDir),
    Failed(Error),
}

/// Runs an export until it is done: what is in the file, decompressed. Errors that are `excused` are gone on after.
///
/// At no time is there another file under its name than the old one, or all of the new one.
pub(crate) async fn export(
    order: &Order,
    life: &Life,
    upstream: &Upstream,
    excused: impl Fn(&Error) -> bool,
) -> Result<Vec<u8>, Error> {
    let mut directory = new_directory().unwrap();
    if life.has_old_file {
        fs::write(directory.path().join(FILE), OLD).unwrap();
    }
    let mut seen = Seen { has_old_file: life.has_old_file, new: None };
    let mut client = order.client(upstream);
    let (last, others) = life.runs.split_last().unwrap();
    let mut runs = others.iter().chain(std::iter::repeat(last));
    // An excused error is one of a few faults, each of which happens once.
    for _ in 0..others.len() + 16 {
        let way = Way { order, is_gzip: life.is_gzip, upstream, directory: directory.path() };
        let outcome = way.run(runs.next().unwrap(), &client).await;
        let file = fs::read(directory.path().join(FILE)).ok();
        match outcome {
            Outcome::Complete => {
                let names = fs::read_dir(directory.path()).unwrap().count();
                assert_eq!(names, 1, "nothing is left but the file");
                let file = file.unwrap();
                seen.note(Some(file.clone()));
                assert!(seen.new.is_some_and(|new| new == file), "the old file is not the new one");
                return Ok(if life.is_gzip { decompressed(&file) } else { file });
            }
            Outcome::Stopped => seen.note(file),
            Outcome::Killed(left) => {
                directory = left;
                seen.note(fs::read(directory.path().join(FILE)).ok());
                // Another process.
                client = order.client(upstream);
            }
            Outcome::Failed(error) => {
                assert!(file.as_deref() == seen.has_old_file.then_some(OLD), "a file in spite of {error}");
                if !excused(&error) {
                    return Err(error);
                }
            }
        }
    }
    panic!("the export does not come to its end");
}

/// What stood under the name of the file.
struct Seen {
    has_old_file: bool,
    new: Option<Vec<u8>>,
}

impl Seen {
    /// Asserts that the file under its name is the old one, or the final one.
    fn note(&mut self, file: Option<Vec<u8>>) {
        let is_old = file.as_deref() == self.has_old_file.then_some(OLD);
        match &self.new {
            Some(new) => assert!(file.as_ref() == Some(new), "once it is there it stays"),
            None if is_old => {}
            None => self.new = file,
        }
    }
}

/// What all runs of an export have in common.
struct Way<'a> {
    order: &'a Order,
    is_gzip: bool,
    upstream: &'a Upstream,
    directory: &'a Path,
}

/// What a run has told.
#[derive(Default)]
struct Told {
    stretches: usize,
    /// How often it began to walk again.
    again: usize,
    /// Up to where everything was handed out.
    complete_until: Option<Timestamp>,
    /// True when nothing was handed out behind that.
    is_at_place: bool,
}

impl Told {
    fn note(&mut self, event: &Event<'_>, window: TimeWindow) {
        match event {
            Event::Settled { window: settled, .. } if window.until().is_some() => {
                assert_eq!(*settled, window)
            }
            Event::Begun { left, .. } => {
                self.complete_until = left.and_then(|left| left.complete_until);
                self.is_at_place = true;
            }
            Event::Came { complete_until, .. } => {
                self.stretches += 1;
                self.is_at_place = complete_until.is_some();
                self.complete_until = complete_until.or(self.complete_until);
            }
            Event::Again { .. } => self.again += 1,
            _ => {}
        }
    }
}

impl Way<'_> {
    async fn run(&self, run: &Run, client: &Client) -> Outcome {
        let Self { order, is_gzip, upstream, directory } = *self;
        let kill = if let Ending::Killed(kill) = run.ending { Some(kill) } else { None };
        let life = mortal::Life::new(directory, kill);
        let interval = if run.is_careful { Duration::ZERO } else { Duration::MAX };
        let file =
            ExportFile::new(directory.join(FILE), order.format).gzip(is_gzip).checkpoint_every(interval);
        let place = MortalPlace { file, life: life.clone() };
        let (stop, told) = (Stop::default(), Mutex::new(Told::default()));
        let job = order.export(upstream, run.concurrency).open(place).unwrap().stopped_by(&stop);
        let observe = |event: &Event<'_>| {
            let mut told = told.lock().unwrap();
            told.note(event, order.window);
            match (event, run.ending) {
                (Event::Begun { .. } | Event::Came { .. }, Ending::Dropped(most))
                    if told.stretches == most =>
                {
                    stop.now();
                }
                (Event::Begun { .. } | Event::Came { .. }, Ending::Stopped(most))
                    if told.stretches == most =>
                {
                    stop.soon();
                }
                _ => {}
            }
        };
        let mut running = pin!(job.run(client, || order.local_clock(), observe));
        // A run that was killed comes no further.
        let ended = poll_fn(|context| {
            let polled = running.as_mut().poll(context);
            if life.is_over() { Poll::Ready(None) } else { polled.map(Some) }
        });
        let Some(ended) = ended.await else { return Outcome::Killed(life.left().unwrap()) };
        let error = match ended {
            Ok(exported) => {
                exported.output.close().unwrap();
                return Outcome::Complete;
            }
            Err(error) => error,
        };
        let told = told.lock().unwrap();
        let (kept, is_settled) = (error.kept().map(|kept| kept.complete_until), error.is_settled());
        match error.into_cause() {
            Cause::Stopped => {
                let is_urgent = matches!(run.ending, Ending::Dropped(_));
                assert!(is_urgent || told.is_at_place, "it stopped where nobody can go on");
                assert_eq!(kept, told.complete_until, "what was marked is kept");
                Outcome::Stopped
            }
            Cause::Service(error) if error.kind() == ErrorKind::Moved => {
                assert_eq!(
                    (told.again, kept),
                    (2, None),
                    "it gave up too early, or kept what is not the ledger"
                );
                Outcome::Failed(error)
            }
            Cause::Service(error) => {
                assert!(!is_settled || kept == told.complete_until, "what was marked is kept after {error}");
                Outcome::Failed(error)
            }
            cause => panic!("{cause:?}"),
        }
    }
}

fn decompressed(file: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    Content::open(file).unwrap().read_to_end(&mut content).unwrap();
    content
}

/// The entries in the bytes of a file.
pub(crate) fn entries_in(file: &[u8]) -> Vec<UsageEntry> {
    let mut entries = Vec::new();
    read_entries(file, InputFormat::Auto, &mut entries).unwrap();
    entries
}
