//! Bytes that something else has altered never become part of the finished file.

use billing_sink::{Error, ErrorKind, Opened, ResumableFile};

use crate::support::{
    CSV, FORMS, Files, Form, JSON, Place, Run, Walk, asked, broken_off, check_begun, not_yet_renamed,
};

/// Opens the files and completes them, or returns why not. In both cases the finished file has no other bytes.
fn complete(place: &Place, form: Form, walk: &Walk, case: &str) -> Result<(), ErrorKind> {
    let before = place.files();
    match Run::complete(&place.path(), form, walk) {
        Ok(()) => {
            place.check_complete(form, walk);
            Ok(())
        }
        Err(error) => {
            assert_eq!(place.files(), before, "{case}: {error} leaves everything as it was");
            Err(error.kind())
        }
    }
}

#[test]
fn every_altered_byte_of_a_checkpoint_is_seen() {
    let walk = Walk::plain(3);
    for whole in [broken_off(JSON, &walk, 2), not_yet_renamed(JSON, &walk)] {
        let checkpoint = whole.checkpoint.as_ref().unwrap();
        let last_line =
            checkpoint[..checkpoint.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        for at in 0..checkpoint.len() {
            for change in [|byte: u8| byte ^ 1, |byte| byte ^ 0x80, |_| b'\n'] {
                let mut altered = checkpoint.clone();
                altered[at] = change(altered[at]);
                if altered == *checkpoint {
                    continue;
                }
                let place = Place::with(&Files { checkpoint: Some(altered), ..whole.clone() });
                let case = format!("byte {at}");
                match complete(&place, JSON, &walk, &case) {
                    // The damage is in the last line, or in the line break before it. The line counts as torn, and the
                    // record before it is used.
                    Ok(()) => assert!(at + 1 >= last_line, "{case}"),
                    Err(ErrorKind::CheckpointDamaged) => {}
                    Err(ErrorKind::CheckpointInTheWay) => assert!(at < 30, "{case}"),
                    Err(kind) => panic!("{case}: {kind:?}"),
                }
            }
        }
    }
}

#[test]
fn lines_that_changed_places_are_seen() {
    let walk = Walk::plain(3);
    let form = CSV;
    let files = broken_off(form, &walk, 3);
    let text = String::from_utf8(files.checkpoint.clone().unwrap()).unwrap();
    let lines: Vec<_> = text.split_inclusive('\n').collect();
    let [header, first, second, third] = lines[..] else { panic!("a header and three marks: {text}") };
    for (text, expect) in [
        ([header, second, first, third].concat(), Err(ErrorKind::CheckpointDamaged)),
        ([header, first, third].concat(), Ok(())),
        ([header, first, first, second].concat(), Err(ErrorKind::CheckpointDamaged)),
        ([first, second].concat(), Err(ErrorKind::CheckpointInTheWay)),
        ([header, header, first].concat(), Err(ErrorKind::CheckpointDamaged)),
        // What a power loss may leave after the last line, or of the first line.
        ([header, first, "\0\0\0\0\0"].concat(), Ok(())),
        ("\0".repeat(100), Ok(())),
        (String::new(), Ok(())),
    ] {
        let place = Place::with(&Files { checkpoint: Some(text.clone().into_bytes()), ..files.clone() });
        assert_eq!(complete(&place, form, &walk, &text), expect, "{text}");
    }
}

fn open_and_go_on(place: &Place, walk: &Walk) -> Result<ResumableFile, Error> {
    match ResumableFile::open(place.path(), &asked(), false).unwrap() {
        Opened::Begun(file) => {
            assert_eq!(check_begun(file.begun(), walk), 2);
            file.go_on()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_altered_byte_of_a_partial_file_is_seen() {
    let walk = Walk::plain(3);
    for form in FORMS {
        let files = broken_off(form, &walk, 2);
        let part = files.part.clone().unwrap();
        for at in 0..part.len() {
            let mut altered = part.clone();
            altered[at] ^= 1;
            let flipped = format!("its first {} bytes are not those that were written", part.len());
            let cut = format!("it has {at} bytes, and {} were written", part.len());
            for (part, detail) in [(altered, flipped), (part[..at].to_vec(), cut)] {
                let damaged = Files { part: Some(part), ..files.clone() };
                let place = Place::with(&damaged);
                let error = open_and_go_on(&place, &walk).unwrap_err();
                assert_eq!((error.kind(), error.is_restartable()), (ErrorKind::PartDamaged, true));
                let path = place.part().canonicalize().unwrap_or_else(|_| place.part());
                assert_eq!(error.path(), Some(&*path));
                assert_eq!(
                    error.to_string(),
                    format!("`{}` is not what its checkpoint says: {detail}", path.display())
                );
                if at > 0 {
                    assert_eq!(place.files(), damaged);
                }
            }
        }
        let gone = Place::with(&Files { part: None, ..files });
        assert_eq!(open_and_go_on(&gone, &walk).unwrap_err().kind(), ErrorKind::PartDamaged);
    }
}

#[test]
fn what_follows_the_last_mark_is_cut_off() {
    let walk = Walk::plain(3);
    for form in FORMS {
        let mut files = broken_off(form, &walk, 2);
        // More bytes than will still be written over them.
        files.part.as_mut().unwrap().extend_from_slice(&[b'x'; 10_000]);
        files.checkpoint.as_mut().unwrap().extend_from_slice(b"{\"half a record\": 1");
        Place::with(&files).check_completes(form, &walk);
    }
}

/// After a kill, what is not durable may end anywhere: within a row, or within a gzip member.
#[test]
fn what_is_not_durable_is_torn_anywhere() {
    let walk = Walk::plain(3);
    for form in FORMS {
        let (broken, whole) = (broken_off(form, &walk, 2), not_yet_renamed(form, &walk));
        let (durable, all) = (broken.part.clone().unwrap(), whole.part.unwrap());
        assert!(all.starts_with(&durable) && all.len() > durable.len(), "the same bytes every time");
        for end in durable.len()..=all.len() {
            let place = Place::with(&Files { part: Some(all[..end].to_vec()), ..broken.clone() });
            let (run, _) = Run::start(&place.path(), form, &walk, std::time::Duration::ZERO).unwrap();
            assert_eq!(run.from(), 2, "{end}");
            drop(run);
            place.check_completes(form, &walk);
        }
    }
}
