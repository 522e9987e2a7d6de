//! The checkpoint: the file beside a partial file that says how much of it is durable.
//!
//! It is a text that only grows. Each line is JSON, followed by the SHA-256 of this JSON and of the line before. So a
//! line that was not written whole, or is not in its place, is detected. Only whole lines count, and the last whole
//! line says how far the file is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::claim::{claim, make_private};
use crate::destination::directory_of;
use crate::directory::Directory;
use crate::error::{Error, ErrorKind};
use crate::part::beside;
use crate::record::{Header, MAGIC, Record, VERSION, Version};
use crate::tally::Sha256Sum;

/// The longest line. A line is a few hundred bytes, and some more for each unknown currency.
const MAX_LINE_BYTES: usize = 16 << 20;

/// The space and the sum behind the JSON of a line, and the line feed.
const LINE_END_BYTES: usize = 1 + 64 + 1;

/// An open checkpoint. It is locked, so no other run has it as long as this lives, also when the partial file has
/// become the file.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    path: PathBuf,
    file: File,
    /// The end of the last whole line.
    end: u64,
    /// The sum of the last whole line.
    sum: Sha256Sum,
}

/// What stands in a checkpoint.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) header: Header,
    /// The last record, when there is one.
    pub(crate) last: Option<Record>,
}

impl Checkpoint {
    /// Opens the checkpoint of a file when there is one, and changes nothing.
    pub(crate) fn open(target: &Path, named: &Path) -> Result<Option<Self>, Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let checkpoint = match Self::claim(target, named, &options) {
            Err(error) if error.is_caused_by(io::ErrorKind::NotFound) => return Ok(None),
            claimed => claimed?,
        };
        if checkpoint.is_foreign().map_err(|cause| checkpoint.unreadable(cause))? {
            return Err(Error::new(ErrorKind::CheckpointInTheWay, &checkpoint.path));
        }
        Ok(Some(checkpoint))
    }

    /// Creates the checkpoint of a file that has none. An empty one means that there is nothing to go on with.
    pub(crate) fn create(target: &Path, named: &Path) -> Result<Self, Error> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // It has the arguments of the run and the sums of the entries, so only the owner may read it.
            options.mode(0o600);
        }
        Self::claim(target, named, &options)
    }

    fn claim(target: &Path, named: &Path, options: &OpenOptions) -> Result<Self, Error> {
        let path = beside(target, ".checkpoint");
        let file = claim(&path, options, named, ErrorKind::CheckpointInTheWay)?;
        Ok(Self { path, file, end: 0, sum: Sha256Sum::default() })
    }

    /// True for somebody's file that has the name by chance: it must not be overwritten. Zeros are what a power loss may
    /// leave of what was being written.
    fn is_foreign(&self) -> io::Result<bool> {
        let mut start = Vec::with_capacity(MAGIC.len());
        (&self.file).rewind()?;
        (&self.file).take(MAGIC.len() as u64).read_to_end(&mut start)?;
        Ok(!start.iter().zip(MAGIC).all(|(found, ours)| found == ours || *found == 0))
    }

    /// Reads all of it. `None` when not even the first line is whole: then there is nothing to go on with.
    pub(crate) fn read(&mut self) -> Result<Option<Story>, Error> {
        (&self.file).rewind().map_err(|cause| self.unreadable(cause))?;
        let mut lines =
            Lines { reader: BufReader::new(&self.file), end: 0, sum: Sha256Sum::default(), number: 0 };
        let mut text = Vec::new();
        let mut story = None;
        loop {
            match lines.next(&mut text).map_err(|cause| self.unreadable(cause))? {
                Line::Whole => {}
                // A line that is not whole is what a kill or a power loss leaves at the end: it never counted.
                Line::None | Line::Last => break,
                Line::Damaged => return Err(self.damaged(lines.number)),
            }
            let read = match &mut story {
                None => self.read_header(&text)?.map(|header| story = Some(Story { header, last: None })),
                Some(story) => {
                    serde_json::from_slice(&text).ok().map(|record: Record| story.last = Some(record))
                }
            };
            read.ok_or_else(|| self.damaged(lines.number))?;
        }
        (self.end, self.sum) = (lines.end, lines.sum);
        Ok(story)
    }

    fn read_header(&self, text: &[u8]) -> Result<Option<Header>, Error> {
        match serde_json::from_slice::<Version>(text) {
            Ok(Version { version }) if version > VERSION => {
                let detail = format!("its format is {version}, and {VERSION} is the newest that is known");
                Err(Error::detailed(ErrorKind::NewerCheckpoint, &self.path, detail))
            }
            _ => Ok(serde_json::from_slice(text).ok()),
        }
    }

    /// Removes its content durably. Only then may the bytes of the partial file be removed. In the other order, a power
    /// loss could leave a record of bytes that are gone.
    pub(crate) fn empty(&mut self) -> Result<(), Error> {
        (self.end, self.sum) = (0, Sha256Sum::default());
        self.cut()?;
        self.sync()
    }

    /// Cuts off what follows the last whole line, so that the next line begins where it has to.
    pub(crate) fn cut(&mut self) -> Result<(), Error> {
        let cut = || {
            // Somebody may have changed its permissions by hand.
            make_private(&self.file)?;
            self.file.set_len(self.end)?;
            (&self.file).seek(SeekFrom::Start(self.end))
        };
        cut().map(drop).map_err(|cause| self.unwritable(cause))
    }

    /// Writes one more line and makes it durable.
    ///
    /// After a kill on the way the line is whole, or it is a torn end that `read` ignores. After an error the state of
    /// the file is unknown, and nothing may be appended any more.
    pub(crate) fn append(&mut self, line: &impl Serialize) -> Result<(), Error> {
        let append = || {
            let mut text = serde_json::to_vec(line)?;
            let sum = self.sum.then(&text);
            writeln!(text, " {sum}")?;
            if text.len() > MAX_LINE_BYTES {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            (&self.file).write_all(&text)?;
            self.file.sync_data()?;
            Ok((text.len() as u64, sum))
        };
        let (bytes, sum) = append().map_err(|cause| self.unwritable(cause))?;
        self.end += bytes;
        self.sum = sum;
        Ok(())
    }

    /// Makes durable what was read from it. The run that wrote it may have been killed before it did that.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(|cause| self.unwritable(cause))
    }

    /// Removes it, durably.
    pub(crate) fn remove(self) -> Result<(), Error> {
        let removed =
            fs::remove_file(&self.path).and_then(|()| Directory::open(directory_of(&self.path))?.sync());
        removed.map_err(|cause| Error::io(ErrorKind::Remove, Some(&self.path), cause))
    }

    fn damaged(&self, line: u64) -> Error {
        let detail = format!("line {line} is not what was written");
        Error::detailed(ErrorKind::CheckpointDamaged, &self.path, detail)
    }

    fn unreadable(&self, cause: io::Error) -> Error {
        Error::io(ErrorKind::Read, Some(&self.path), cause)
    }

    fn unwritable(&self, cause: io::Error) -> Error {
        Error::io(ErrorKind::Write, Some(&self.path), cause)
    }
}

/// Reads lines and checks their sums.
struct Lines<R> {
    reader: BufReader<R>,
    /// The end of the last whole line, and its sum.
    end: u64,
    sum: Sha256Sum,
    /// The number of the line that was read last, from 1.
    number: u64,
}

enum Line {
    Whole,
    /// The last line is not whole.
    Last,
    /// A line that is not the last is not whole.
    Damaged,
    /// There are no more lines.
    None,
}

impl<R: Read> Lines<R> {
    /// Reads the next line; its JSON is in `text` when it is whole.
    fn next(&mut self, text: &mut Vec<u8>) -> io::Result<Line> {
        text.clear();
        let bytes = (&mut self.reader).take(MAX_LINE_BYTES as u64).read_until(b'\n', text)?;
        if bytes == 0 {
            return Ok(Line::None);
        }
        self.number += 1;
        let split = text.len().checked_sub(LINE_END_BYTES);
        let sum = split.map(|split| (split, self.sum.then(&text[..split])));
        match sum {
            Some((split, sum)) if text[split..] == *format!(" {sum}\n").as_bytes() => {
                text.truncate(split);
                self.end += bytes as u64;
                self.sum = sum;
                Ok(Line::Whole)
            }
            _ if self.reader.fill_buf()?.is_empty() => Ok(Line::Last),
            _ => Ok(Line::Damaged),
        }
    }
}
