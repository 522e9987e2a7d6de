//! Reads the log beside a file without the engine, and finds the states of the ledger in it.
//!
//! Every commit seals its state with a random value, and names the state that it continues. The seal is in the page of
//! `meta`, so each commit puts that page into the log. So the states of a log are the one before its first seal, and
//! each one that it seals. **A log fits a file that is at one of its states**: every page that changed from there on is
//! in the log, every other page is in the file, and together they are the last state. A log fits no other file.
//!
//! The form of the log is documented at sqlite.org/fileformat2.html, 4; that of its index, the `-shm` file, by which
//! processes share what is valid of it, at sqlite.org/walformat.html, 2.

use std::fs::File;
use std::io;

use crate::meta::{Meta, Secret, State};

const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Bytes of the index that are read: two copies of its header, and how much of the log was copied into the file.
pub(crate) const INDEX: usize = 100;
const INDEX_HEADER: usize = 48;

/// Where SQLite's schema cookie stands in the first page.
pub(crate) const COOKIE: usize = 40;

/// The version of the log and of its index. There has never been another one.
const VERSION: u32 = 3_007_000;

/// The valid part of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) page_size: usize,
    /// Frames of whole transactions.
    pub(crate) frames: u32,
    /// Pages were copied into the file up to this frame.
    pub(crate) copied: u32,
    /// They change when the log begins anew.
    pub(crate) salts: [u8; 8],
    /// A checksum of all of these frames.
    checksum: [u32; 2],
}

impl Extent {
    /// Reads the extent from the index; `None` while somebody writes it.
    pub(crate) fn of_index(index: &[u8; INDEX]) -> Option<Self> {
        let (header, rest) = index.split_first_chunk::<INDEX_HEADER>()?;
        let u32_at = |at| native(header, at);
        if !rest.starts_with(header) || u32_at(0)? != VERSION || header[12] == 0 {
            return None;
        }
        let page_size = match u16::from_ne_bytes([header[14], header[15]]) {
            // 65536 is the one size that two bytes cannot hold.
            1 => 1 << 16,
            size => usize::from(size),
        };
        Some(Self {
            page_size,
            frames: u32_at(16)?,
            copied: native(index, 2 * INDEX_HEADER)?,
            salts: header[32..40].try_into().ok()?,
            checksum: [u32_at(24)?, u32_at(28)?],
        })
    }

    /// Reads the extent from the log itself, as the engine does when nobody has the file open: up to the last commit
    /// with a right checksum. `None` when there is none.
    pub(crate) fn of_log(log: &File) -> io::Result<Option<Self>> {
        let mut header = [0; LOG_HEADER];
        let Some(mut extent) = read_whole(log, &mut header, 0)?.then(|| Self::of_header(&header)).flatten()
        else {
            return Ok(None);
        };
        let is_big_endian = header[3] & 1 == 1;
        let (mut frame, mut number, mut sum) = (vec![0; extent.frame_size()], 0, extent.checksum);
        while read_whole(log, &mut frame, extent.offset(number + 1))? {
            number += 1;
            let (head, page) = frame.split_at(FRAME_HEADER);
            sum = checksum(&head[..8], sum, is_big_endian);
            sum = checksum(page, sum, is_big_endian);
            if head[8..16] != extent.salts || big(head, 0) == Some(0) || sums(head) != Some(sum) {
                break;
            }
            if big(head, 4) != Some(0) {
                (extent.frames, extent.checksum) = (number, sum);
            }
        }
        Ok((extent.frames > 0).then_some(extent))
    }

    fn of_header(header: &[u8; LOG_HEADER]) -> Option<Self> {
        let page_size = usize::try_from(big(header, 8)?).ok()?;
        let is_size = page_size.is_power_of_two() && (512..=1 << 16).contains(&page_size);
        let (magic, sum) = (big(header, 0)?, [big(header, 24)?, big(header, 28)?]);
        if magic & !1 != 0x377f_0682 || big(header, 4)? != VERSION || !is_size {
            return None;
        }
        let is_right = checksum(&header[..24], [0; 2], magic & 1 == 1) == sum;
        let salts = header[16..24].try_into().ok()?;
        is_right.then_some(Self { page_size, frames: 0, copied: 0, salts, checksum: sum })
    }

    /// True when the log still ends as the index says. Its last frame has the checksum of all frames, so a log that was
    /// cut, overwritten or exchanged does not.
    pub(crate) fn is_end_of(&self, log: &File) -> io::Result<bool> {
        if self.frames == 0 {
            return Ok(true);
        }
        let mut head = [0; FRAME_HEADER];
        Ok(read_whole(log, &mut head, self.offset(self.frames))?
            && head[8..16] == self.salts
            && sums(&head) == Some(self.checksum))
    }

    fn frame_size(&self) -> usize {
        FRAME_HEADER + self.page_size
    }

    /// Where a frame begins. Frames are counted from 1.
    fn offset(&self, frame: u32) -> u64 {
        LOG_HEADER as u64 + u64::from(frame.saturating_sub(1)) * self.frame_size() as u64
    }
}

/// The states in a log, read as far as they are needed.
#[derive(Debug)]
pub(crate) struct Chain {
    salts: [u8; 8],
    /// The number of frames that were read.
    read: u32,
    steps: Vec<Step>,
}

/// A state, and the frame that completes it. The first step may be the state before all frames.
#[derive(Debug)]
struct Step {
    frame: u32,
    seal: [u8; 16],
    /// `None` for ledgers of version 2, which did not keep it.
    cookie: Option<u32>,
}

/// Whether a log fits a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Fits,
    Foreign,
    /// The log has no seal at all.
    Unsealed,
    /// The file is at none of the states, but may be at the one before them. The log begins with a seal of version 2,
    /// which does not name the state that it continues.
    Unproven,
}

impl Chain {
    pub(crate) fn new(salts: [u8; 8]) -> Self {
        Self { salts, read: 0, steps: Vec::new() }
    }

    pub(crate) fn salts(&self) -> [u8; 8] {
        self.salts
    }

    /// Reads on to the end of the log. False when something in it is not this ledger's.
    pub(crate) fn read_on(
        &mut self,
        log: &File,
        extent: &Extent,
        root: u32,
        secret: &Secret,
    ) -> io::Result<bool> {
        let mut head = [0; FRAME_HEADER];
        let mut page = Vec::new();
        while self.read < extent.frames {
            let (frame, offset) = (self.read + 1, extent.offset(self.read + 1));
            if !read_whole(log, &mut head, offset)? || head[8..16] != self.salts {
                return Ok(false);
            }
            let number = big(&head, 0);
            if number == Some(1) || number == Some(root) {
                page.resize(extent.page_size, 0);
                if !read_whole(log, &mut page, offset + FRAME_HEADER as u64)? {
                    return Ok(false);
                }
            }
            if number == Some(1) {
                self.push_cookie(frame, &page);
            } else if number == Some(root) {
                match Meta::parse(&page).filter(|meta| meta.secret == *secret) {
                    Some(meta) => self.push(frame, &meta),
                    None => return Ok(false),
                }
            }
            self.read = frame;
        }
        Ok(true)
    }

    /// Notes a new schema cookie: `VACUUM` and the like, by other programs, leave the seal as it is.
    fn push_cookie(&mut self, frame: u32, page: &[u8]) {
        if let (Some(last), Some(cookie)) = (self.steps.last(), big(page, COOKIE))
            && last.cookie.is_some_and(|former| former != cookie)
        {
            let seal = last.seal;
            self.steps.push(Step { frame, seal, cookie: Some(cookie) });
        }
    }

    fn push(&mut self, frame: u32, meta: &Meta) {
        let Some(seal) =
            meta.seal.filter(|seal| self.steps.last().is_none_or(|last| last.seal != seal.value))
        else {
            return;
        };
        let cookie = seal.chain.map(|(cookie, previous)| {
            // The state before all frames.
            if !self.steps.last().is_some_and(|step| step.is_at(&previous)) {
                let frame = self.steps.last().map_or(0, |step| step.frame);
                self.steps.push(Step { frame, seal: previous.seal, cookie: Some(previous.cookie) });
            }
            if cookie != previous.cookie {
                // The schema changed. The first page is copied before the page of `meta`, so after a kill in between
                // the file has the new cookie and the former seal.
                self.steps.push(Step { frame, seal: previous.seal, cookie: Some(cookie) });
            }
            cookie
        });
        self.steps.push(Step { frame, seal: seal.value, cookie });
    }

    /// Tells whether a file at this state fits the log, after so many of its frames were copied into the file.
    ///
    /// The last version of a page in the log is copied, or none while a reader needs the older one. So a file is at the
    /// last state once the last seal was copied. Until then it may be at any state from `seen` on, which is where it
    /// was before. A file that is behind `seen` was put back.
    pub(crate) fn fit(&self, state: &State, copied: u32, seen: Option<&State>) -> Fit {
        let (Some(first), Some(last)) = (self.steps.first(), self.steps.last()) else { return Fit::Unsealed };
        let is_copied = last.frame <= copied;
        let from = if is_copied {
            self.steps.len() - 1
        } else {
            seen.and_then(|seen| self.steps.iter().rposition(|step| step.is_at(seen))).unwrap_or(0)
        };
        match first.cookie {
            _ if self.steps[from..].iter().any(|step| step.is_at(state)) => Fit::Fits,
            None if !is_copied => Fit::Unproven,
            _ => Fit::Foreign,
        }
    }
}

impl Step {
    fn is_at(&self, state: &State) -> bool {
        self.seal == state.seal && self.cookie.is_none_or(|cookie| cookie == state.cookie)
    }
}

/// Reads from a place in a file. False when the file ends before.
#[cfg(unix)]
pub(crate) fn read_whole(file: &File, into: &mut [u8], at: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    is_whole(file.read_exact_at(into, at))
}

/// A handle has one position for all threads, so one thread reads at a time.
#[cfg(not(unix))]
pub(crate) fn read_whole(mut file: &File, into: &mut [u8], at: u64) -> io::Result<bool> {
    use std::io::{Read, Seek, SeekFrom};
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    is_whole(file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(into)))
}

fn is_whole(read: io::Result<()>) -> io::Result<bool> {
    match read {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// The log's checksum over pairs of words, which continues another one.
fn checksum(bytes: &[u8], [mut one, mut two]: [u32; 2], is_big_endian: bool) -> [u32; 2] {
    let word = |bytes: [u8; 4]| match is_big_endian {
        true => u32::from_be_bytes(bytes),
        false => u32::from_le_bytes(bytes),
    };
    for pair in bytes.as_chunks::<8>().0 {
        let [a, b, c, d, e, f, g, h] = *pair;
        one = one.wrapping_add(word([a, b, c, d])).wrapping_add(two);
        two = two.wrapping_add(word([e, f, g, h])).wrapping_add(one);
    }
    [one, two]
}

/// The checksum in the header of a frame.
fn sums(head: &[u8]) -> Option<[u32; 2]> {
    Some([big(head, 16)?, big(head, 20)?])
}

fn big(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Reads a number of the index, which is in the machine's byte order.
fn native(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::ledger::SqliteLedger;
    use crate::meta::{Seal, USUAL_ROOT};

    /// A ledger's log of a few commits and its index, as they are while it is open.
    fn files() -> (Secret, Vec<u8>, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.db");
        drop(SqliteLedger::open_or_create(&path).unwrap());
        let ledger = SqliteLedger::open(&path).unwrap();
        for name in ["one", "two", "three"] {
            ledger.create_account(name).unwrap();
        }
        let read = |name: &str| std::fs::read(path.with_file_name(name)).unwrap();
        (*ledger.0.connections.secret(), read("ledger.db-wal"), read("ledger.db-shm"))
    }

    fn file(bytes: &[u8]) -> File {
        let file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut &file, bytes).unwrap();
        file
    }

    /// The seals that a log goes through; none when it is not this ledger's.
    fn seals(log: &[u8], extent: &Extent, secret: &Secret) -> Option<Vec<[u8; 16]>> {
        let mut chain = Chain::new(extent.salts);
        let is_ours = chain.read_on(&file(log), extent, USUAL_ROOT, secret).unwrap();
        is_ours.then(|| chain.steps.iter().map(|step| step.seal).collect())
    }

    #[test]
    fn the_log_alone_says_what_its_index_says() {
        let (secret, log, index) = files();
        let shared = Extent::of_index(index.first_chunk().unwrap()).unwrap();
        let found = Extent::of_log(&file(&log)).unwrap().unwrap();
        assert_eq!(found, shared);
        assert!(shared.is_end_of(&file(&log)).unwrap());
        assert_eq!(seals(&log, &found, &secret).unwrap().len(), 4, "the state before, and one a commit");
        assert_eq!(seals(&log, &found, &[0; 32]), None);
    }

    #[test]
    fn a_log_that_is_cut_is_valid_up_to_a_commit() {
        let (secret, log, _) = files();
        let whole = Extent::of_log(&file(&log)).unwrap().unwrap();
        let all = seals(&log, &whole, &secret).unwrap();
        // Around each border of a header or a page, and at the start of everything.
        let borders = (0..=whole.frames).flat_map(|frame| {
            let start = usize::try_from(whole.offset(frame + 1)).unwrap();
            [start.saturating_sub(1), start, start + 1, start + FRAME_HEADER - 1, start + FRAME_HEADER]
        });
        for length in borders.chain(0..64).filter(|length| *length < log.len()) {
            let cut = &log[..length];
            let Some(extent) = Extent::of_log(&file(cut)).unwrap() else { continue };
            assert!(extent.frames < whole.frames && extent.is_end_of(&file(cut)).unwrap());
            assert!(all.starts_with(&seals(cut, &extent, &secret).unwrap()), "cut at {length}");
            let last = usize::try_from(whole.offset(whole.frames)).unwrap() + FRAME_HEADER;
            assert_eq!(whole.is_end_of(&file(cut)).unwrap(), length >= last, "the index knows of more");
        }
    }

    #[test]
    fn a_log_with_a_byte_that_changed_ends_before_it() {
        let (_, log, _) = files();
        let whole = Extent::of_log(&file(&log)).unwrap().unwrap();
        let end = usize::try_from(whole.offset(whole.frames + 1)).unwrap();
        // Each byte of the headers, and some of the pages.
        for place in (0..end).filter(|place| *place < 200 || place % 97 == 0) {
            let mut other = log.clone();
            other[place] ^= 0x10;
            let found = Extent::of_log(&file(&other)).unwrap();
            let last = found.map_or(0, |found| found.frames);
            let is_before = usize::try_from(whole.offset(last + 1)).unwrap() <= place.max(LOG_HEADER);
            assert!(is_before, "byte {place}: {last} frames");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..9000), frames in 0..5u32) {
            let log = file(&bytes);
            prop_assert_eq!(Extent::of_log(&log).unwrap(), None);
            let extent =
                Extent { page_size: 512, frames, copied: 0, salts: [0; 8], checksum: [0; 2] };
            prop_assert!(!extent.is_end_of(&log).unwrap() || frames == 0);
            prop_assert_eq!(seals(&bytes, &extent, &[0; 32]).is_some(), frames == 0);
            if let Some(index) = bytes.first_chunk() {
                prop_assert_eq!(Extent::of_index(index), None);
            }
        }

        #[test]
        fn an_index_with_any_bytes_changed_is_no_panic(changes in prop::collection::vec((0..INDEX, any::<u8>()), 1..4)) {
            static FILES: std::sync::LazyLock<(Secret, Vec<u8>, Vec<u8>)> = std::sync::LazyLock::new(files);
            let (secret, log, index) = &*FILES;
            let mut index: [u8; INDEX] = *index.first_chunk().unwrap();
            for (place, byte) in changes {
                index[place] = byte;
                // The index is valid only when both headers are equal.
                if place < INDEX_HEADER {
                    index[place + INDEX_HEADER] = byte;
                }
            }
            if let Some(extent) = Extent::of_index(&index).filter(|extent| extent.frames < 1000) {
                let _ = (extent.is_end_of(&file(log)), seals(log, &extent, secret));
            }
        }
    }

    #[test]
    fn a_file_that_was_killed_between_the_first_page_and_that_of_meta_fits() {
        let state = |seal, cookie| State { seal: [seal; 16], cookie };
        let seal = Seal { value: [2; 16], chain: Some((9, state(1, 2))) };
        let mut chain = Chain::new([0; 8]);
        chain.push(7, &Meta { secret: [0; 32], seal: Some(seal) });
        for (state, fit) in [
            (state(1, 2), Fit::Fits),
            (state(1, 9), Fit::Fits),
            (state(2, 9), Fit::Fits),
            (state(1, 8), Fit::Foreign),
            (state(2, 2), Fit::Foreign),
        ] {
            assert_eq!(chain.fit(&state, 0, None), fit, "{state:?}");
            let is_last = state.seal == [2; 16] && fit == Fit::Fits;
            assert_eq!(chain.fit(&state, 7, None) == Fit::Fits, is_last, "{state:?}");
        }
    }

    #[test]
    fn a_file_fits_at_every_state_from_the_one_that_it_was_at_last() {
        let state = |seal| State { seal: [seal; 16], cookie: 1 };
        let step = |frame, seal| Step { frame, seal: [seal; 16], cookie: Some(1) };
        let chain =
            Chain { salts: [0; 8], read: 30, steps: vec![step(0, 1), step(10, 2), step(20, 3), step(30, 4)] };
        for (seal, copied, seen, fit) in [
            (1, 0, None, Fit::Fits),
            (4, 0, None, Fit::Fits),
            (5, 0, None, Fit::Foreign),
            // Copied in part: the last pages may be missing.
            (2, 25, None, Fit::Fits),
            (2, 25, Some(2), Fit::Fits),
            (2, 25, Some(3), Fit::Foreign),
            // As a whole.
            (3, 30, Some(1), Fit::Foreign),
            (4, 30, Some(1), Fit::Fits),
        ] {
            assert_eq!(
                chain.fit(&state(seal), copied, seen.map(state).as_ref()),
                fit,
                "{seal} {copied} {seen:?}"
            );
        }
        assert_eq!(chain.fit(&State { cookie: 2, ..state(3) }, 0, None), Fit::Foreign, "on other pages");
    }
}
