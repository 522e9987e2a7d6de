//! An export as a program runs it: it opens the file, goes on with what is there, and is killed again.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use billing_format::{Content, InputFormat, read_entries};
use billing_http::{Client, Error};
use billing_model::{Stretch, Timestamp, UsageEntry};
use billing_sink::{Begun, DrainError, FileSink, Opened, ResumableFile, drain};
use billing_testkit::Upstream;
use futures::{Stream, StreamExt, stream};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::mortal::{FILE, Kill, Mortal, Tail, new_directory};
use crate::order::Order;

/// What stood in the place of the file before.
const OLD: &[u8] = b"old";

/// How a run ends, when nothing else ends it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// With the walk.
    Complete,
    /// Given up after so many stretches, and dropped as is proper.
    Dropped(usize),
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
    let ending = prop_oneof![1 => (0usize..12).prop_map(Ending::Dropped), 2 => kill];
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
    Dropped,
    /// With what was on the disk.
    Killed(TempDir),
    Failed(Error),
}

/// Why a stream ended before its walk.
#[derive(Debug)]
enum Cut {
    Dropped,
    Killed,
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
        let outcome = run(order, runs.next().unwrap(), life.is_gzip, &client, directory.path()).await;
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
            Outcome::Dropped => seen.note(file),
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

async fn run(order: &Order, run: &Run, is_gzip: bool, client: &Client, directory: &Path) -> Outcome {
    let asked = BTreeMap::from([("order".to_owned(), format!("{order:?}"))]);
    let opened = ResumableFile::open(directory.join(FILE), &asked, false).unwrap();
    let walk = order.walk(order.window).concurrency(run.concurrency);
    let walk = match opened.begun() {
        Some(Begun { complete_until: Some(until), summary, .. }) => walk.resume(*until, summary.entries),
        _ => walk,
    };
    // A run that begins a file whose window ends now fetches a page before it knows the window.
    let stretches = match order.times() {
        Some(times) if opened.begun().is_none() && !matches!(opened, Opened::Written(_)) => {
            let walk = order.walk(times).concurrency(run.concurrency).build().unwrap();
            match walk.begin(client, order.local_clock()).await {
                Ok(begun) => {
                    assert_eq!(begun.window(), order.window);
                    begun.stretches().boxed()
                }
                Err(error) => return Outcome::Failed(error),
            }
        }
        _ => walk.build().unwrap().stretches(client).boxed(),
    };
    let file = match opened {
        Opened::New(file) => file.begin(BTreeMap::new(), Timestamp::from_unix_ns(0)).unwrap(),
        Opened::Begun(file) => file.go_on().unwrap(),
        Opened::Written(file) => {
            file.commit().unwrap().close().unwrap();
            return Outcome::Complete;
        }
    };
    let file = file.checkpoint_every(if run.is_careful { Duration::ZERO } else { Duration::MAX });
    let file = if is_gzip { file.gzip() } else { file };
    let (kill, most) = match run.ending {
        Ending::Complete => (None, None),
        Ending::Dropped(stretches) => (None, Some(stretches)),
        Ending::Killed(kill) => (Some(kill), None),
    };
    let (file, grave) = Mortal::new(file, directory, kill);
    let is_dead = || grave.borrow().is_some();
    let stretches = cut(stretches, most, is_dead);
    let drained = drain(stretches, FileSink::new(order.format, file)).await;
    if let Some(left) = grave.take() {
        return Outcome::Killed(left);
    }
    match drained {
        Ok(drained) => {
            drained.output.close().unwrap();
            Outcome::Complete
        }
        Err(DrainError::Pages(Cut::Failed(error))) => Outcome::Failed(error),
        Err(DrainError::Pages(_)) => Outcome::Dropped,
        Err(DrainError::Sink(error)) => panic!("{error}"),
    }
}

/// The stretches up to the end of the run.
fn cut(
    stretches: impl Stream<Item = Result<Stretch, Error>>,
    most: Option<usize>,
    is_dead: impl Fn() -> bool,
) -> impl Stream<Item = Result<Stretch, Cut>> {
    let state = (Box::pin(stretches), most, is_dead);
    stream::unfold(state, async |(mut stretches, most, is_dead)| {
        let next = match most {
            _ if is_dead() => Some(Err(Cut::Killed)),
            Some(0) => Some(Err(Cut::Dropped)),
            _ => stretches.next().await.map(|next| next.map_err(Cut::Failed)),
        };
        next.map(|next| (next, (stretches, most.map(|left| left.saturating_sub(1)), is_dead)))
    })
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
