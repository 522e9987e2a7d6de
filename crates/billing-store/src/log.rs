//! The log beside a file, read without the engine: which states of a ledger it goes through.
//!
//! Every commit seals the state that it makes with a random value, and says which state it continues. The seal is in the
//! page of `meta`, so each commit puts that page into the log. The states of a log are thus the one before its first
//! seal, and each that it seals. **A log fits a file that is at one of its states**: every page that changed from there on
//! is in the log, every other page is the file's, and together they are the last state. It fits no other file.
//!
//! The form of the log is documented at sqlite.org/fileformat2.html, 4; that of its index, the `-shm` file, by which
//! processes share what is valid of it, at sqlite.org/walformat.html, 2.

use std::fs::File;
use std::io;

use crate::meta::{Meta, State};
use crate::schema::Secret;

const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The part of the index that is read: its header twice, and how much of the log was copied back.
pub(crate) const INDEX: usize = 100;
const INDEX_HEADER: usize = 48;

/// Where SQLite's schema cookie stands in the first page.
pub(crate) const COOKIE: usize = 40;

/// The only version there ever was, of the log and of its index.
const VERSION: u32 = 3_007_000;

/// What is valid of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) page_size: usize,
    /// Frames of whole transactions.
    pub(crate) frames: u32,
    /// Up to which of them pages were copied into the file.
    pub(crate) copied: u32,
    /// Others when the log is begun anew.
    pub(crate) salts: [u8; 8],
    /// A checksum of all of these frames.
    checksum: [u32; 2],
}

impl Extent {
    /// From the index. None while somebody writes it.
    pub(crate) fn of_index(index: &[u8; INDEX]) -> Option<Self> {
        let (header, rest) = index.split_first_chunk::<INDEX_HEADER>()?;
        let u32_at = |at| native(header, at);
        if !rest.starts_with(header) || u32_at(0)? != VERSION || header[12] == 0 {
            return None;
        }
        let page_size = match u16::from_ne_bytes([header[14], header[15]]) {
            // The one size that has no room in two bytes.
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

    /// From the log itself, as the engine finds it out when nobody has the file open: up to the last commit whose
    /// checksum holds. None when there is none.
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

    /// Whether the log still ends as the index says. Its last frame has the checksum of all of them, so one that was
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

    /// Where a frame begins; they are counted from 1.
    fn offset(&self, frame: u32) -> u64 {
        LOG_HEADER as u64 + u64::from(frame.saturating_sub(1)) * self.frame_size() as u64
    }
}

/// The states that a log goes through, read as far as they are needed.
#[derive(Debug)]
pub(crate) struct Chain {
    salts: [u8; 8],
    /// Frames that were looked at.
    read: u32,
    steps: Vec<Step>,
}

/// A state, and the frame with which it is in the log; the first one may be the state before all frames.
#[derive(Debug)]
struct Step {
    frame: u32,
    seal: [u8; 16],
    /// Version 2 of ledgers did not say.
    cookie: Option<u32>,
}

/// Whether a log fits a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    Fits,
    Foreign,
    /// The log has no seal at all.
    Unsealed,
    /// The file is at none of the states, but may be at the one before: the log begins with a seal of version 2, which
    /// does not say what it continues.
    Unproven,
}

impl Chain {
    pub(crate) fn new(salts: [u8; 8]) -> Self {
        Self { salts, read: 0, steps: Vec::new() }
    }

    pub(crate) fn salts(&self) -> [u8; 8] {
        self.salts
    }

    /// Reads on to the end of the log. False when there is something that is not this ledger's.
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

    /// `VACUUM` and the like, by other programs, leave the seal as it is.
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
            cookie
        });
        self.steps.push(Step { frame, seal: seal.value, cookie });
    }

    /// Whether a file at this state goes with the log, after so many of its frames were copied into the file.
    ///
    /// A page is copied as it is last in the log, or not at all while somebody reads from before. So a file is at the last
    /// state once the last seal was copied, and until then at any from `seen` on, at which it was before. One that is
    /// behind those was put back.
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

/// The place from which a handle reads is shared, so one thread reads at a time.
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

/// The log's checksum of pairs of words, going on from another one.
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

/// The checksum that a frame ends the log with.
fn sums(head: &[u8]) -> Option<[u32; 2]> {
    Some([big(head, 16)?, big(head, 20)?])
}

fn big(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The index is in the order of the machine's bytes.
fn native(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
