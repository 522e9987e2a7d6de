//! A file as records of fields: quotes, line ends and positions, before anything is known of columns.
//!
//! This stands on `csv_core` and not on `csv`. The reader of `csv` takes a quoted field in which the file ends for a
//! whole one, and its line numbers are one too low in a file with CRLF. Both read `"-0.1"5` as -0.15, so the quotes are
//! followed here as well.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::str::Utf8Error;

use csv_core::{ReadRecordResult, Reader as Core};

use crate::error::{Error, ErrorKind, Place};

/// Bytes of a record, at most: a hundred thousand times the usual, and little enough to hold. Without a bound, one
/// stray quote would read a whole file into memory.
const MAX_RECORD_BYTES: usize = 16 << 20;

/// Fields of a record, at most. An empty field takes no bytes, but its end takes a place in memory.
const MAX_FIELDS: usize = 1 << 16;

const BUFFER_BYTES: usize = 64 << 10;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads one record after the other into the same memory.
#[derive(Debug)]
pub(crate) struct Records<R> {
    input: BufReader<Chain<Cursor<Vec<u8>>, R>>,
    core: Core,
    /// The fields of the record, one after the other without anything between, and room for more.
    bytes: Vec<u8>,
    /// Where each field ends in `bytes`, and room for more.
    ends: Vec<usize>,
    fields: usize,
    /// The number, from 0, of the first field that goes on after its closing quote.
    misquoted: Option<usize>,
    place: Place,
    /// True when there is nothing more to read.
    at_end: bool,
}

impl<R: Read> Records<R> {
    /// Skips a byte order mark, which is not part of the first field.
    pub(crate) fn open(mut source: R) -> Result<Self, Error> {
        let place = Place { record: 0, line: 1 };
        let mut head = Vec::with_capacity(BOM.len());
        let head_read = source.by_ref().take(BOM.len() as u64).read_to_end(&mut head);
        head_read.map_err(|cause| Error::io(cause, place))?;
        if head == BOM {
            head.clear();
        }
        Ok(Self {
            input: BufReader::with_capacity(BUFFER_BYTES, Cursor::new(head).chain(source)),
            core: Core::new(),
            bytes: vec![0; 1 << 10],
            ends: vec![0; 16],
            fields: 0,
            misquoted: None,
            place,
            at_end: false,
        })
    }

    /// Where the current record is. The first, the header, has the number 0.
    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// True when the file ended before the record's line did: it may have been cut off.
    pub(crate) fn at_end(&self) -> bool {
        self.at_end
    }

    /// Goes to the first record, `false` when there is none.
    pub(crate) fn first(&mut self) -> Result<bool, Error> {
        self.skip_line_breaks()?;
        self.read()
    }

    /// Goes to the next record, `false` when there is none.
    pub(crate) fn next(&mut self) -> Result<bool, Error> {
        self.place.record += 1;
        self.skip_line_breaks()?;
        self.read()
    }

    /// Does not count the current record, as blank lines are not counted.
    pub(crate) fn uncount(&mut self) {
        self.place.record = self.place.record.saturating_sub(1);
    }

    /// Blank lines are no records. Skipping the rest of a CRLF here as well keeps the count of lines right.
    fn skip_line_breaks(&mut self) -> Result<(), Error> {
        loop {
            self.place.line = self.core.line();
            let input = self.fill()?;
            let breaks = input.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let lines = input[..breaks].iter().filter(|byte| **byte == b'\n').count() as u64;
            let more = breaks > 0 && breaks == input.len();
            self.input.consume(breaks);
            self.core.set_line(self.core.line() + lines);
            if !more {
                self.place.line = self.core.line();
                return Ok(());
            }
        }
    }

    fn read(&mut self) -> Result<bool, Error> {
        let mut filled = 0;
        self.fields = 0;
        self.misquoted = None;
        let mut within = Within::Start;
        if self.fill()?.is_empty() {
            return Ok(false);
        }
        loop {
            self.fill()?;
            // At the end of the file, a line break is added: it completes every record but one within quotes.
            let input = if self.at_end { b"\n" } else { self.input.buffer() };
            let (result, taken, written, ended) =
                self.core.read_record(input, &mut self.bytes[filled..], &mut self.ends[self.fields..]);
            if !self.at_end {
                let misquoted = within.follow(&input[..taken]);
                self.misquoted = self.misquoted.or(misquoted.map(|number| self.fields + number));
                self.input.consume(taken);
            }
            filled += written;
            self.fields += ended;
            match result {
                ReadRecordResult::InputEmpty if self.at_end => {
                    return Err(Error::new(ErrorKind::UnclosedQuote, self.place).cut_off(true));
                }
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if self.bytes.len() >= MAX_RECORD_BYTES => {
                    return Err(Error::new(ErrorKind::RecordTooLong, self.place));
                }
                ReadRecordResult::OutputFull => self.bytes.resize(self.bytes.len() * 2, 0),
                ReadRecordResult::OutputEndsFull if self.ends.len() >= MAX_FIELDS => {
                    return Err(Error::new(ErrorKind::RecordTooLong, self.place));
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    /// The bytes that come next; none at the end of the file.
    fn fill(&mut self) -> Result<&[u8], Error> {
        while self.input.buffer().is_empty() && !self.at_end {
            match self.input.fill_buf() {
                Ok(bytes) => self.at_end = bytes.is_empty(),
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(Error::io(cause, self.place)),
            }
        }
        Ok(self.input.buffer())
    }

    /// The fields of the current record, or `None` when one of them is not UTF-8.
    pub(crate) fn fields(&self) -> Option<Fields<'_>> {
        let ends = &self.ends[..self.fields];
        // All fields are checked at once, which is faster than one by one. Two halves of a character, at the end of a
        // field and at the start of the next, must not pass as one.
        let text = std::str::from_utf8(&self.bytes[..ends.last().copied().unwrap_or(0)]).ok()?;
        ends.iter().all(|end| text.is_char_boundary(*end)).then_some(Fields { text, ends })
    }

    /// The number, from 0, of the first field that goes on after its closing quote.
    pub(crate) fn misquoted_field(&self) -> Option<usize> {
        self.misquoted
    }

    /// The number, from 0, of the first field that is not UTF-8, and what is wrong there.
    pub(crate) fn invalid_field(&self) -> Option<(usize, Utf8Error)> {
        let ends = &self.ends[..self.fields];
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let fields = starts.zip(ends).map(|(start, end)| &self.bytes[start..*end]);
        fields.enumerate().find_map(|(number, field)| Some((number, std::str::from_utf8(field).err()?)))
    }
}

/// Where in a field we are, as far as quotes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Start,
    Unquoted,
    Quoted,
    /// After a quote in a quoted field: it closes the field, unless another one follows.
    AfterQuote,
}

impl Within {
    /// Follows the next bytes of a record. Gives the first field with text after its closing quote, counted from the
    /// one that these bytes start in.
    fn follow(&mut self, bytes: &[u8]) -> Option<usize> {
        // The short way: few records have quotes, and to look for one costs little.
        if *self != Self::AfterQuote && !bytes.contains(&b'"') {
            if let (Self::Start | Self::Unquoted, Some(last)) = (*self, bytes.last()) {
                *self = self.after(*last);
            }
            return None;
        }
        let mut ended = 0;
        let mut misquoted = None;
        for byte in bytes {
            let next = self.after(*byte);
            if (*self, next) == (Self::AfterQuote, Self::Unquoted) {
                misquoted = misquoted.or(Some(ended));
            }
            ended += usize::from(next == Self::Start);
            *self = next;
        }
        misquoted
    }

    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::AfterQuote,
            (Self::Quoted, _) | (Self::Start | Self::AfterQuote, b'"') => Self::Quoted,
            (_, b',' | b'\r' | b'\n') => Self::Start,
            _ => Self::Unquoted,
        }
    }
}

/// The fields of one record.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The field with this number, from 0; empty beyond the last.
    pub(crate) fn text(&self, number: usize) -> &'a str {
        let start = if number == 0 { 0 } else { self.ends.get(number - 1).copied().unwrap_or(0) };
        self.ends.get(number).and_then(|end| self.text.get(start..*end)).unwrap_or_default()
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = &'a str> {
        (0..self.len()).map(move |number| self.text(number))
    }
}
