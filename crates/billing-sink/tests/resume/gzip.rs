//! Where the gzip members of a file begin and end.

use std::io::Read;
use std::time::Duration;

use flate2::bufread::GzDecoder;

use crate::support::{Form, JSON_GZ, NDJSON_GZ, Place, Run, Walk};

/// The number of members in a file.
fn members(mut file: &[u8]) -> usize {
    let mut members = 0;
    while !file.is_empty() {
        let mut decoder = GzDecoder::new(file);
        decoder.read_to_end(&mut Vec::new()).unwrap();
        file = decoder.into_inner();
        members += 1;
    }
    members
}

/// Writes a walk in one run, and returns the number of members.
fn written(form: Form, walk: &Walk, every: Duration) -> usize {
    let place = Place::new();
    let (mut run, _) = Run::start(&place.path(), form, walk, every).unwrap();
    while run.write().unwrap() {
        run.mark().unwrap();
    }
    run.finish().unwrap().close().unwrap();
    place.check_complete(form, walk);
    members(&place.files().target.unwrap())
}

#[test]
fn a_member_ends_where_a_mark_is_made_durable_and_nowhere_else() {
    let walk = Walk::plain(50);
    assert_eq!(written(NDJSON_GZ, &walk, Duration::MAX), 1);
    assert_eq!(written(NDJSON_GZ, &walk, Duration::ZERO), 50);
    // The bracket that closes the array is written after the last mark.
    assert_eq!(written(JSON_GZ, &walk, Duration::MAX), 1);
    assert_eq!(written(JSON_GZ, &walk, Duration::ZERO), 51);
    let nothing = Walk { entries: Vec::new(), ends: Vec::new() };
    assert_eq!(written(NDJSON_GZ, &nothing, Duration::ZERO), 1, "a file without a byte is not gzip");
}

/// Megabytes between two marks are not held in memory, and the mark before them is still kept.
#[test]
fn a_mark_with_much_behind_it_is_gone_on_from() {
    let mut walk = Walk::plain(24);
    // These numbers compress badly, so a part of what follows the mark is in the file.
    let mut number = 5_u64;
    let mut next = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{number:016x}")
    };
    for entry in &mut walk.entries {
        entry.notes = (0..4096).map(|_| next()).collect();
    }
    // One mark, and then 1.4 MiB without a mark.
    walk.ends = vec![(2, true), (4, false), (22, false), (24, true)];
    for writes in 1..=4 {
        let place = Place::new();
        let (mut run, _) = Run::start(&place.path(), NDJSON_GZ, &walk, Duration::MAX).unwrap();
        for _ in 0..writes {
            run.write().unwrap();
            run.mark().unwrap();
        }
        drop(run);
        let (run, _) = Run::start(&place.path(), NDJSON_GZ, &walk, Duration::MAX).unwrap();
        assert_eq!(run.from(), if writes < 4 { 2 } else { 24 }, "{writes} writes");
        drop(run);
        if writes == 3 {
            place.check_completes(NDJSON_GZ, &walk);
        }
    }
    assert_eq!(written(NDJSON_GZ, &walk, Duration::MAX), 2, "at the first mark, and at the end");
}
