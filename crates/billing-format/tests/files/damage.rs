//! Compressed files that are cut or damaged are refused, and never read in part.

use billing_format::InputErrorKind;

use crate::support::{HEADER, gzip, message, object, read, row, zstd};

fn texts() -> [String; 3] {
    let rows: String = (0..40).map(|number| row(number, "n")).collect();
    let lines: String = (0..40).map(|number| object(number, "\"n\"", "") + "\n").collect();
    let list: Vec<_> = (0..40).map(|number| object(number, "\"n\"", "")).collect();
    [format!("{HEADER}\n{rows}"), lines, format!("[{}]", list.join(","))]
}

#[test]
fn a_compressed_file_that_is_cut_anywhere_is_an_error() {
    for text in texts() {
        let (first, second) = text.as_bytes().split_at(text.len() / 2);
        for (whole, magic) in [
            (gzip(text.as_bytes()), 2),
            (zstd(text.as_bytes()), 4),
            ([gzip(first), gzip(second)].concat(), 2),
            ([zstd(first), zstd(second)].concat(), 4),
        ] {
            let all = read(&whole).unwrap().0;
            assert_eq!(all.len(), 40);
            for cut in 1..whole.len() {
                match read(&whole[..cut]) {
                    // A file that is cut at the end of its first member is a whole file.
                    Ok((entries, _)) => {
                        assert!(entries.len() < 40 && all.starts_with(&entries), "cut at {cut}");
                        assert!(cut == gzip(first).len() || cut == zstd(first).len(), "cut at {cut}");
                    }
                    Err(error) if cut >= magic => {
                        let is_cut = error.kind() == InputErrorKind::Compression && error.is_cut_off();
                        // Cut at the end of its first member, the text may end within a row.
                        let at_a_member = cut == gzip(first).len() || cut == zstd(first).len();
                        assert!(is_cut || at_a_member, "cut at {cut}: {}", message(&error));
                    }
                    Err(_) => {}
                }
            }
        }
    }
}

#[test]
fn a_compressed_file_that_is_damaged_is_an_error() {
    for text in texts() {
        for whole in [zstd(text.as_bytes()), gzip(text.as_bytes())] {
            for (place, bit) in
                [(whole.len() - 2, 1), (whole.len() - 6, 1), (whole.len() / 2, 0x10), (whole.len() / 3, 4)]
            {
                let mut damaged = whole.clone();
                damaged[place] ^= bit;
                let error = read(&damaged).map(|(entries, _)| entries.len()).unwrap_err();
                assert!(!error.is_io(), "{}", message(&error));
            }
            for rubbish in [&b"x"[..], b"rubbish behind the end", b"\0\0\0\0\0\0\0\0"] {
                let error = read(&[&*whole, rubbish].concat()).unwrap_err();
                assert_eq!(error.kind(), InputErrorKind::Compression, "{}", message(&error));
            }
        }
    }
}

/// `pzstd` and seekable zstd write frames that have none of the text.
#[test]
fn frames_that_are_to_be_skipped_are_skipped() {
    let skippable = |first: u8| [&[first, 0x2a, 0x4d, 0x18, 4, 0, 0, 0], &b"more"[..]].concat();
    for text in texts() {
        let frame = zstd(text.as_bytes());
        for file in [
            [skippable(0x50), frame.clone()].concat(),
            [skippable(0x5f), frame.clone(), skippable(0x5e)].concat(),
            [frame.clone(), skippable(0x50)].concat(),
        ] {
            assert_eq!(read(&file).unwrap().0.len(), 40);
        }
    }
}
