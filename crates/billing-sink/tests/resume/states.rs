//! What opening a file finds, and what follows from it.

use std::fs;
use std::time::Duration;

use billing_model::{Mark, Sink};
use billing_sink::{ErrorKind, FileSink, Opened, ResumableFile, Target};
use sha2::{Digest, Sha256};

use crate::support::{
    FORMS, Files, NDJSON, Place, Run, Walk, arguments, asked, broken_off, check_finished, instant,
    not_yet_renamed, settled, started,
};

fn open(place: &Place) -> Opened {
    ResumableFile::open(place.path(), &asked(), false).unwrap()
}

/// What was found, in one word.
fn found(opened: &Opened) -> &'static str {
    match opened {
        Opened::New(_) => "new",
        Opened::Begun(_) => "begun",
        Opened::Written(_) => "written",
    }
}

#[test]
fn other_arguments_are_refused_and_change_nothing() {
    let walk = Walk::plain(3);
    for files in [broken_off(NDJSON, &walk, 2), not_yet_renamed(NDJSON, &walk)] {
        for (pairs, difference) in [
            (
                &[("currency", "DIEM"), ("since", "2026-06-01")][..],
                "currency: asked `DIEM`, begun with `USD`",
            ),
            (&[("currency", "USD")], "since: asked nothing, begun with `2026-06-01`"),
            (
                &[("currency", "USD"), ("since", "2026-05-01"), ("wire", "csv")],
                "since: asked `2026-05-01`, begun with `2026-06-01`; wire: asked `csv`, begun with nothing",
            ),
        ] {
            let place = Place::with(&files);
            let error = ResumableFile::open(place.path(), &arguments(pairs), false).unwrap_err();
            assert_eq!((error.kind(), error.is_restartable()), (ErrorKind::OtherArguments, true));
            let path = place.path();
            assert_eq!(
                error.to_string(),
                format!("`{}` was begun with other arguments: {difference}", path.display())
            );
            assert_eq!(place.files(), files);
            place.check_completes(NDJSON, &walk);
        }
    }
}

#[test]
fn restart_throws_away_whatever_there_is() {
    let walk = Walk::plain(3);
    let broken = broken_off(NDJSON, &walk, 2);
    let mut damaged = broken.clone();
    damaged.checkpoint.as_mut().unwrap()[100] ^= 1;
    for files in [broken.clone(), damaged, not_yet_renamed(NDJSON, &walk), Files { part: None, ..broken }] {
        let place = Place::with(&files);
        let others = arguments(&[("since", "2020")]);
        let restart = || match ResumableFile::open(place.path(), &others, true).unwrap() {
            Opened::New(file) => file,
            other => panic!("{other:?}"),
        };
        drop(restart());
        assert_eq!(place.files(), files, "not before the file is begun");

        let mut sink = FileSink::new(NDJSON.format, restart().begin(settled(), started()).unwrap());
        sink.write(&walk.entries[..1]).unwrap();
        let written = walk.summary(1);
        sink.mark(&Mark { complete_until: instant(1), written: &written }).unwrap();
        let finished = sink.finish().unwrap();
        assert_eq!(
            (finished.summary.entries, finished.bytes),
            (1, fs::metadata(place.path()).unwrap().len())
        );
        finished.close().unwrap();
        assert_eq!(place.names(), ["usage"]);
    }
}

#[test]
fn a_file_that_is_written_is_not_written_again() {
    let walk = Walk::plain(3);
    for form in FORMS {
        let unnamed = not_yet_renamed(form, &walk);
        let named = Files { part: None, target: unnamed.part.clone(), ..unnamed.clone() };
        let old = Files { target: Some(b"old".to_vec()), ..unnamed.clone() };
        let with_a_new_part = Files { part: Some(Vec::new()), ..named.clone() };
        let with_another_part = Files { part: Some(b"of another program".to_vec()), ..named.clone() };
        for files in [unnamed, named, old, with_a_new_part, with_another_part] {
            let place = Place::with(&files);
            let opened = open(&place);
            assert_eq!(opened.begun().unwrap().complete_until, Some(instant(3)));
            assert_eq!(opened.begun().unwrap().summary, walk.summary(3));
            let Opened::Written(file) = opened else { panic!("{opened:?}") };
            let finished = file.commit().unwrap();
            check_finished(&finished, &fs::read(place.path()).unwrap(), form, &walk);
            assert_eq!(place.names(), ["usage", "usage.checkpoint"], "until it is closed");
            drop(finished);

            let Opened::Written(file) = open(&place) else { panic!("it was not closed") };
            file.commit().unwrap().close().unwrap();
            place.check_complete(form, &walk);
            assert_eq!(found(&open(&place)), "new", "nothing is left to do");
            place.check_complete(form, &walk);
        }
    }
}

#[test]
fn a_written_file_that_was_taken_away_is_begun_anew() {
    let walk = Walk::plain(3);
    let files = not_yet_renamed(NDJSON, &walk);
    let mut other = files.part.clone().unwrap();
    other[7] ^= 1;
    for (part, target) in [
        (None, None),
        (None, Some(b"mine".to_vec())),
        (None, Some(other.clone())),
        (Some(other.clone()), None),
        (Some(other[..9].to_vec()), Some(b"mine".to_vec())),
    ] {
        let place = Place::with(&Files { part, target, ..files.clone() });
        assert_eq!(found(&open(&place)), "new");
        place.check_completes(NDJSON, &walk);
    }
}

#[test]
fn without_a_mark_nothing_stays() {
    let walk = Walk::plain(3);
    let place = Place::new();
    place.put(&Files { target: Some(b"old".to_vec()), ..Files::default() });
    let (mut run, _) = Run::start(&place.path(), NDJSON, &walk, Duration::ZERO).unwrap();
    assert_eq!(place.names(), ["usage", "usage.checkpoint", "usage.part"]);
    run.write().unwrap();
    drop(run);
    assert_eq!(place.names(), ["usage"]);
    assert_eq!(fs::read(place.path()).unwrap(), b"old");
}

#[test]
fn what_was_settled_stays_settled_also_without_a_mark() {
    let walk = Walk::plain(3);
    let place = Place::new();
    let run = Run::start(&place.path(), NDJSON, &walk, Duration::ZERO).unwrap();
    let files = Files { part: Some(b"no mark speaks of this".to_vec()), ..place.files() };
    drop(run);
    let place = Place::with(&files);
    let opened = open(&place);
    let begun = opened.begun().unwrap();
    assert_eq!((&begun.settled, begun.started, begun.complete_until), (&settled(), started(), None));
    drop(opened);
    assert_eq!(place.files(), files);
    place.check_completes(NDJSON, &walk);
}

#[test]
fn a_part_without_a_checkpoint_is_nothing_to_go_on_with() {
    let walk = Walk::plain(3);
    let place = Place::with(&Files { part: Some(b"of a run that was killed".to_vec()), ..Files::default() });
    assert_eq!(found(&open(&place)), "new");
    place.check_completes(NDJSON, &walk);
}

#[test]
fn the_newest_mark_is_durable_when_a_run_breaks_off() {
    let walk = Walk::plain(3);
    for form in FORMS {
        for every in [Duration::ZERO, Duration::from_secs(1), Duration::MAX] {
            let place = Place::new();
            let (mut run, _) = Run::start(&place.path(), form, &walk, every).unwrap();
            for _ in 0..2 {
                run.write().unwrap();
                run.mark().unwrap();
            }
            let lines = String::from_utf8(place.files().checkpoint.unwrap()).unwrap().lines().count();
            assert_eq!(lines, if every.is_zero() { 3 } else { 1 }, "{every:?}");
            run.write().unwrap();
            drop(run);
            let (run, _) = Run::start(&place.path(), form, &walk, every).unwrap();
            assert_eq!(run.from(), 2);
            drop(run);
            place.check_completes(form, &walk);
        }
    }
}

#[test]
fn no_entries_are_a_file_too() {
    let walk = Walk { entries: Vec::new(), ends: Vec::new() };
    for form in FORMS {
        let place = Place::new();
        place.check_completes(form, &walk);
        // The run marked, and broke off before the end.
        let place = Place::new();
        let (mut run, _) = Run::start(&place.path(), form, &walk, Duration::ZERO).unwrap();
        assert!(run.mark().unwrap());
        drop(run);
        let found = open(&place);
        assert_eq!(found.begun().unwrap().complete_until, Some(instant(0)));
        drop(found);
        place.check_completes(form, &walk);
        // The run wrote everything, and was killed before or after the rename.
        let unnamed = not_yet_renamed(form, &walk);
        let named = Files { part: None, target: unnamed.part.clone(), ..unnamed.clone() };
        for files in [unnamed, named] {
            Place::with(&files).check_completes(form, &walk);
        }
    }
}

#[test]
fn a_second_run_is_refused_until_the_first_is_through() {
    let walk = Walk::plain(3);
    let place = Place::new();
    let refused = |case: &str| {
        for restart in [false, true] {
            let error = ResumableFile::open(place.path(), &asked(), restart).unwrap_err();
            assert!(error.is_busy(), "{case}: {error:?}");
        }
    };
    let opened = open(&place);
    refused("opened");
    let Opened::New(file) = opened else { panic!("{opened:?}") };
    let mut sink = FileSink::new(NDJSON.format, file.begin(settled(), started()).unwrap());
    refused("begun");
    sink.write(&walk.entries).unwrap();
    let written = walk.summary(3);
    sink.mark(&Mark { complete_until: instant(3), written: &written }).unwrap();
    refused("marked");
    let finished = sink.finish().unwrap();
    refused("finished, and not closed");
    assert_eq!(place.names(), ["usage", "usage.checkpoint"], "the refused runs left nothing");
    finished.close().unwrap();
    place.check_complete(NDJSON, &walk);
}

#[test]
fn a_checkpoint_of_a_newer_version_is_refused() {
    let header = r#"{"billingCheckpoint":2,"how":"differently"}"#;
    let sum = Sha256::new().chain_update([0; 32]).chain_update(header).finalize();
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    let files = Files {
        part: Some(b"newer".to_vec()),
        checkpoint: Some(format!("{header} {sum}\n").into_bytes()),
        target: None,
    };
    let place = Place::with(&files);
    let error = ResumableFile::open(place.path(), &asked(), false).unwrap_err();
    assert_eq!((error.kind(), error.is_restartable()), (ErrorKind::NewerCheckpoint, true));
    let expect =
        "was written by a newer version of this program: its format is 2, and 1 is the newest that is known";
    assert!(error.to_string().ends_with(expect), "{error}");
    assert_eq!(place.files(), files);
    assert!(matches!(ResumableFile::open(place.path(), &asked(), true).unwrap(), Opened::New(_)));
}

#[test]
fn a_commit_that_failed_can_be_made_another_time() {
    let walk = Walk::plain(3);
    let place = Place::new();
    let (mut run, _) = Run::start(&place.path(), NDJSON, &walk, Duration::MAX).unwrap();
    while run.write().unwrap() {}
    run.mark().unwrap();
    // A directory appears at the target's path meanwhile.
    fs::create_dir(place.path()).unwrap();
    assert_eq!(run.finish().unwrap_err().kind(), ErrorKind::Commit);
    fs::remove_dir(place.path()).unwrap();
    assert_eq!(found(&open(&place)), "written");
    place.check_completes(NDJSON, &walk);
}

#[test]
fn it_takes_back_what_it_wrote() {
    let place = Place::new();
    let Opened::New(file) = open(&place) else { panic!("there is nothing yet") };
    let file = file.begin(settled(), started()).unwrap();
    assert!(file.takes_back());
    assert_eq!((file.path(), file.entries_held()), (Some(&*place.path()), None));
}
