//! Runs are killed at any moment, also by power loss. Later runs end with the bytes of an undisturbed run.

use std::time::Duration;

use billing_sink::ResumableFile;
use billing_testkit::any_entries;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::support::{
    FORMS, Files, Form, JSON_GZ, Place, Run, Walk, asked, check_begun, check_finished, not_yet_renamed,
};

/// Chooses at random what a disk has kept.
struct Luck<'a>(std::iter::Cycle<std::slice::Iter<'a, Index>>);

impl Luck<'_> {
    fn below(&mut self, count: usize) -> usize {
        self.0.next().expect("they go round").index(count)
    }

    fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.below(most - least + 1)
    }

    /// What is left of a file that only grows: any length between before and after.
    fn grown(&mut self, before: &Option<Vec<u8>>, after: &Option<Vec<u8>>) -> Option<Vec<u8>> {
        let end = self.between(length(before), length(after));
        after.as_ref().map(|bytes| bytes[..end].to_vec())
    }

    fn one_of(&mut self, choices: [&Option<Vec<u8>>; 2]) -> Option<Vec<u8>> {
        choices[self.below(2)].clone()
    }
}

fn length(bytes: &Option<Vec<u8>>) -> usize {
    bytes.as_ref().map_or(0, Vec::len)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Step {
    Start,
    Write,
    Mark,
    Finish,
    Close,
}

/// What may be on the disk when the power fails within a step, from the files before and after it. The disk has
/// acknowledged the first `durable` bytes of the partial file. The bytes after them may be lost.
fn left_of(step: Step, before: &Files, after: &Files, durable: usize, luck: &mut Luck<'_>) -> Files {
    match step {
        Step::Start if length(&before.checkpoint) > 0 && length(&after.checkpoint) > 0 => Files {
            part: luck.one_of([&before.part, &after.part]),
            checkpoint: luck.one_of([&before.checkpoint, &after.checkpoint]),
            target: None,
        },
        Step::Start => {
            Files { part: after.part.clone(), checkpoint: luck.grown(&None, &after.checkpoint), target: None }
        }
        Step::Write | Step::Mark => {
            let checkpoint = luck.grown(&before.checkpoint, &after.checkpoint);
            let is_recorded =
                length(&checkpoint) > length(&before.checkpoint) && checkpoint == after.checkpoint;
            let mut part = after.part.clone().unwrap();
            if !is_recorded {
                part.truncate(luck.between(durable, part.len()));
                let lost = luck.between(durable, part.len());
                part[lost..].fill(0);
            }
            Files { part: Some(part), checkpoint, target: None }
        }
        // The power failed before the rename, or after it.
        Step::Finish => match luck.below(3) {
            0 => Files {
                part: Some(
                    after.target.as_ref().unwrap()[..luck.between(durable, length(&after.target))].to_vec(),
                ),
                checkpoint: before.checkpoint.clone(),
                target: None,
            },
            1 => {
                let checkpoint = luck.grown(&before.checkpoint, &after.checkpoint);
                Files { part: after.target.clone(), checkpoint, target: None }
            }
            _ => after.clone(),
        },
        Step::Close => {
            Files { checkpoint: luck.one_of([&before.checkpoint, &after.checkpoint]), ..after.clone() }
        }
    }
}

/// One life of a run: from its start until the power fails in the given step. Returns what is left; `None` when the run
/// ended before. `acknowledged` is the number of entries that are durable from earlier lives.
fn live(
    place: &Place,
    form: Form,
    walk: &Walk,
    steps: usize,
    acknowledged: &mut usize,
    luck: &mut Luck<'_>,
) -> Option<Files> {
    let every = if luck.below(4) > 0 { Duration::ZERO } else { Duration::MAX };
    let mut before = place.files();
    let mut durable = 0;
    let mut steps_left = steps;
    // Returns what is left if the power fails in the step that was just made.
    let mut fails_in = |step, durable, luck: &mut Luck<'_>| {
        let after = place.files();
        let left = (steps_left == 0).then(|| left_of(step, &before, &after, durable, luck));
        steps_left = steps_left.saturating_sub(1);
        before = after;
        left
    };
    let (mut run, written) = Run::start(&place.path(), form, walk, every).unwrap();
    assert!(run.from() >= *acknowledged, "{} entries are left of {acknowledged}", run.from());
    let finished = match written {
        Some(finished) => finished,
        None => {
            durable = place.files().part.unwrap().len().max(durable);
            if let Some(left) = fails_in(Step::Start, durable, luck) {
                return Some(left);
            }
            let mut entries = run.from();
            loop {
                let more = run.write().unwrap();
                if let Some(left) = fails_in(Step::Write, durable, luck) {
                    return Some(left);
                }
                let is_durable = run.mark().unwrap() && every.is_zero();
                if let Some(left) = fails_in(Step::Mark, durable, luck) {
                    return Some(left);
                }
                entries = walk.ends.iter().map(|(end, _)| *end).find(|end| *end > entries).unwrap_or(entries);
                if is_durable {
                    durable = place.files().part.unwrap().len();
                    *acknowledged = entries;
                }
                if !more {
                    break;
                }
            }
            let finished = run.finish().unwrap();
            if let Some(left) = fails_in(Step::Finish, durable, luck) {
                return Some(left);
            }
            finished
        }
    };
    check_finished(&finished, &std::fs::read(place.path()).unwrap(), form, walk);
    finished.close().unwrap();
    fails_in(Step::Close, durable, luck)
}

fn any_walk() -> impl Strategy<Value = Walk> {
    (any_entries(30), prop::collection::vec((any::<Index>(), any::<bool>()), 0..8)).prop_map(
        |(entries, ends)| {
            let mut ends: Vec<_> =
                ends.iter().map(|(end, complete)| (end.index(entries.len() + 1), *complete)).collect();
            ends.sort_unstable();
            ends.dedup_by_key(|(end, _)| *end);
            ends.retain(|(end, _)| *end < entries.len());
            ends.push((entries.len(), true));
            Walk { entries, ends }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_killed_export_ends_with_the_same_bytes(
        walk in any_walk(),
        form in prop::sample::select(FORMS.to_vec()),
        lives in prop::collection::vec(0usize..20, 1..6),
        luck in prop::collection::vec(any::<Index>(), 40),
    ) {
        let mut luck = Luck(luck.iter().cycle());
        let mut acknowledged = 0;
        let mut place = Place::new();
        for steps in lives {
            let Some(left) = live(&place, form, &walk, steps, &mut acknowledged, &mut luck) else { break };
            // The next life has another directory, so that the locks of the last one are not in the way.
            place = Place::with(&left);
            if left.checkpoint.is_none() {
                break;
            }
        }
        // A run that ended has left nothing to continue: the next one would begin anew.
        if place.files().checkpoint.is_some() {
            place.check_completes(form, &walk);
        }
        place.check_complete(form, &walk);
    }
}

#[test]
fn a_checkpoint_that_is_torn_anywhere_is_gone_on_with() {
    let walk = Walk::plain(3);
    let whole = not_yet_renamed(JSON_GZ, &walk);
    let checkpoint = whole.checkpoint.as_ref().unwrap();
    let mut lines = 0;
    for end in 0..=checkpoint.len() {
        let torn = Files { checkpoint: Some(checkpoint[..end].to_vec()), ..whole.clone() };
        let place = Place::with(&torn);
        lines = checkpoint[..end].iter().filter(|byte| **byte == b'\n').count();
        let opened = ResumableFile::open(place.path(), &asked(), false).unwrap();
        let marked = opened.begun().map(|begun| check_begun(begun, &walk));
        assert_eq!(marked, lines.checked_sub(1).map(|records| records.min(3)), "cut at {end}");
        drop(opened);
        assert_eq!(place.files(), torn, "looking changes nothing");
        place.check_completes(JSON_GZ, &walk);
    }
    assert_eq!(lines, 5, "the header, three marks and the last record");
}
