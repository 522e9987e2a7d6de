//! Entries from NDJSON: one JSON object a line.

use std::io::{BufRead, Read};

use billing_model::{ReadNotes, UsageEntry};

use crate::input_error::{InputError, InputErrorKind, Place};
use crate::text::{BOM, MAX_ENTRY_BYTES};

/// One entry a line. Blank lines are skipped, and a CR before the line end.
#[derive(Debug)]
pub(crate) struct NdjsonEntries<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
    /// The entry that comes next, from 1.
    row: u64,
    reading: Reading,
    notes: ReadNotes,
}

impl<R: BufRead> NdjsonEntries<R> {
    pub(crate) fn new(input: R, reading: Reading) -> Self {
        Self { input, line: Vec::new(), number: 0, row: 1, reading, notes: ReadNotes::default() }
    }

    pub(crate) fn notes(&self) -> &ReadNotes {
        &self.notes
    }

    /// After an error that is in one entry only, the next call goes on with the next line.
    fn next_entry(&mut self) -> Result<Option<UsageEntry>, InputError> {
        loop {
            self.number += 1;
            let place = Place::Line { line: self.number, row: self.row };
            self.line.clear();
            let mut limited = self.input.by_ref().take(MAX_ENTRY_BYTES as u64 + 1);
            let read = limited.read_until(b'\n', &mut self.line);
            match read.map_err(|cause| InputError::io(cause, Some(place)))? {
                0 => return Ok(None),
                read if read > MAX_ENTRY_BYTES => {
                    return Err(InputError::new(InputErrorKind::TooLong, Some(place)));
                }
                _ => {}
            }
            let mut text = self.line.trim_ascii();
            // When files were put one behind the other, each may begin with its own mark.
            if self.reading == Reading::Lenient {
                text = text.strip_prefix(BOM).unwrap_or(text);
            }
            if !text.is_empty() {
                self.row += 1;
                // A faulty line without a line break was most likely cut off.
                let cut_off = !self.line.ends_with(b"\n");
                let entry = decode(text, self.reading, place, &mut self.notes);
                return entry.map(Some).map_err(|error| error.cut_off(cut_off));
            }
        }
    }
}

impl<R: BufRead> Iterator for NdjsonEntries<R> {
    type Item = Result<UsageEntry, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry().transpose()
    }
}

/// How an entry is read from its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As files have it.
    Lenient,
    /// Strictly, for a sender who can be asked what was meant.
    Strict,
}

/// One entry from its text, and what was changed in it or passed over.
pub(crate) fn decode(
    text: &[u8],
    reading: Reading,
    place: Place,
    notes: &mut ReadNotes,
) -> Result<UsageEntry, InputError> {
    let text =
        std::str::from_utf8(text).map_err(|_| InputError::new(InputErrorKind::NotUtf8, Some(place)))?;
    match reading {
        Reading::Lenient => UsageEntry::from_json_noting(text, notes)
            .map_err(|cause| InputError::entry_of_file(cause, place, text)),
        Reading::Strict => {
            UsageEntry::from_json_strict(text).map_err(|cause| InputError::entry(cause, place, text))
        }
    }
}
