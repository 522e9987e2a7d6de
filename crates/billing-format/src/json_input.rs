//! Entries from JSON arrays and from pages as the API answers them, however long, one at a time.
//!
//! `serde_json` reads a document as a whole, or from a stream byte by byte, which is several times slower. Here, one
//! pass finds only where each element ends. `serde_json` then reads the element from its text.

use std::io::{self, BufRead};

use billing_model::{ReadNotes, UsageEntry, whole_characters};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::input_error::{InputError, InputErrorKind, Place};
use crate::ndjson_input::{Reading, decode};
use crate::paging::PagePlace;
use crate::text::{BOM, MAX_ENTRY_BYTES};

/// The entries of a document, or of several, one after the other: arrays, objects with an array `data`, which are pages,
/// and objects without one, which are entries.
#[derive(Debug)]
pub(crate) struct JsonEntries<R> {
    input: R,
    text: Vec<u8>,
    /// The entry that comes next, from 1.
    number: u64,
    within: Within,
    /// True when the input is one array of entries and nothing else.
    one_array: bool,
    reading: Reading,
    /// The text so far, without white space, of the object that is being read, as long as it may be an entry.
    object: Vec<u8>,
    /// What that object says of the pages around it, if it is a page.
    place: PagePlace,
    /// True when that object has a member that only entries have.
    is_entry: bool,
    pages: Vec<PagePlace>,
    notes: ReadNotes,
}

/// Where we are. `first` until an element or a member was read.
#[derive(Clone, Copy, Debug)]
enum Within {
    /// Between documents.
    Nothing,
    /// Behind the one array that there may be.
    End,
    /// In an array of entries, which may be a page's.
    Array { first: bool, of_page: bool },
    /// In a page or an entry, between its members. It is a page once it is `with_data`.
    Object { first: bool, with_data: bool },
}

impl<R: BufRead> JsonEntries<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            text: Vec::new(),
            number: 1,
            within: Within::Nothing,
            one_array: false,
            reading: Reading::Lenient,
            object: Vec::new(),
            place: PagePlace::default(),
            is_entry: false,
            pages: Vec::new(),
            notes: ReadNotes::default(),
        }
    }

    /// Takes one array of entries, and no pages and no second document.
    pub(crate) fn one_array(input: R, reading: Reading) -> Self {
        Self { one_array: true, reading, ..Self::new(input) }
    }

    /// What the pages said of where they stand, in order.
    pub(crate) fn pages(&self) -> &[PagePlace] {
        &self.pages
    }

    pub(crate) fn notes(&self) -> &ReadNotes {
        &self.notes
    }

    /// After an error that is in one entry only, the next call goes on with the entry behind it.
    fn next_entry(&mut self) -> Result<Option<UsageEntry>, InputError> {
        loop {
            self.within = match self.within {
                Within::Nothing => match self.peek()? {
                    Some(b'[') => self.open(Within::Array { first: true, of_page: false }),
                    start if self.one_array => {
                        let error = self.syntax("an array of entries belongs here");
                        return Err(error.cut_off(start.is_none()));
                    }
                    None => return Ok(None),
                    Some(b'{') => {
                        self.object.clear();
                        self.object.push(b'{');
                        self.place = PagePlace::default();
                        self.is_entry = false;
                        self.open(Within::Object { first: true, with_data: false })
                    }
                    Some(first) if first == BOM[0] => {
                        self.skip_mark()?;
                        Within::Nothing
                    }
                    Some(_) => {
                        return Err(self.syntax("an entry, or an array or a page of entries belongs here"));
                    }
                },
                Within::End => match self.peek()? {
                    None => return Ok(None),
                    Some(_) => return Err(self.syntax("nothing belongs after the array of entries")),
                },
                Within::Array { first, of_page } => {
                    if !self.is_closed(first, b']')? {
                        self.read_value()?;
                        let place = Place::Entry(self.number);
                        self.number += 1;
                        self.within = Within::Array { first: false, of_page };
                        return decode(&self.text, self.reading, place, &mut self.notes).map(Some);
                    }
                    match (of_page, self.one_array) {
                        (true, _) => Within::Object { first: false, with_data: true },
                        (false, true) => Within::End,
                        (false, false) => Within::Nothing,
                    }
                }
                Within::Object { first, with_data } => {
                    if !self.is_closed(first, b'}')? {
                        self.read_member(first, with_data)?
                    } else if with_data {
                        self.end_page();
                        Within::Nothing
                    } else {
                        self.object.push(b'}');
                        let place = Place::Entry(self.number);
                        self.number += 1;
                        self.within = Within::Nothing;
                        let entry = decode(&self.object, self.reading, place, &mut self.notes);
                        return entry.map(Some).map_err(|error| error.of_object(&self.object));
                    }
                }
            };
        }
    }

    /// Reads a member of an object, and goes into it when it is the `data` of a page.
    fn read_member(&mut self, first: bool, with_data: bool) -> Result<Within, InputError> {
        self.read_value()?;
        let Some(name) = name_of(&self.text) else {
            return Err(self.syntax("the name of a member belongs here"));
        };
        if self.peek_some()? != b':' {
            return Err(self.syntax("a `:` belongs here"));
        }
        self.input.consume(1);
        let opens = self.peek_some()?;
        self.is_entry |= ["timestamp", "sku", "amount", "pricePerUnitUsd"].contains(&name.as_str());
        if self.is_entry && (name == "data" || with_data) {
            // If this were read as a page, the entry would be lost.
            return Err(
                self.syntax("an object is an entry or a page with `data`, and this has members of both")
            );
        }
        match (name.as_str(), opens, with_data) {
            ("data", b'[', false) => {
                self.object.push(b'}');
                self.check_json(&self.object)?;
                Ok(self.open(Within::Array { first: true, of_page: true }))
            }
            ("data", _, true) => Err(self.syntax("`data` is there twice")),
            ("data", _, false) => Err(self.syntax("`data` is not an array")),
            _ => {
                if !with_data {
                    if !first {
                        self.object.push(b',');
                    }
                    self.object.extend_from_slice(&self.text);
                    self.object.push(b':');
                }
                self.read_value()?;
                self.place.note(&name, &self.text);
                if opens == b'[' && holds_entries(&self.text) {
                    return Err(
                        self.syntax("entries stand in an array `data`, and this array has another name")
                    );
                }
                if with_data {
                    self.check_json(&self.text)?;
                } else if self.object.len() + self.text.len() > MAX_ENTRY_BYTES {
                    return Err(InputError::new(InputErrorKind::TooLong, Some(Place::Entry(self.number))));
                } else {
                    self.object.extend_from_slice(&self.text);
                }
                Ok(Within::Object { first: false, with_data })
            }
        }
    }

    /// When there are very many pages, the last one takes the last place in the list.
    fn end_page(&mut self) {
        const MOST_PAGES: usize = 1 << 17;
        if self.pages.len() >= MOST_PAGES {
            self.pages.pop();
        }
        self.pages.push(self.place);
    }

    fn check_json(&self, text: &[u8]) -> Result<(), InputError> {
        match serde_json::from_slice(text) {
            Ok(IgnoredAny) => Ok(()),
            Err(_) => Err(self.syntax("not a JSON value")),
        }
    }

    /// Takes the byte order mark of a file that was put behind another one.
    fn skip_mark(&mut self) -> Result<(), InputError> {
        let place = self.place();
        for byte in BOM {
            let chunk = fill(&mut self.input).map_err(|cause| InputError::io(cause, place))?;
            if chunk.first() != Some(byte) {
                return Err(self.syntax("an entry, or an array or a page of entries belongs here"));
            }
            self.input.consume(1);
        }
        Ok(())
    }

    /// Takes the bracket that was peeked at.
    fn open(&mut self, within: Within) -> Within {
        self.input.consume(1);
        within
    }

    /// Takes the closing bracket, or the comma before the next element.
    fn is_closed(&mut self, first: bool, bracket: u8) -> Result<bool, InputError> {
        match self.peek_some()? {
            byte if byte == bracket => {
                self.input.consume(1);
                Ok(true)
            }
            b',' if !first => {
                self.input.consume(1);
                Ok(false)
            }
            _ if first => Ok(false),
            _ => Err(self.syntax("a `,` or the end of the list belongs before it")),
        }
    }

    /// Reads the text of one value. Whether it is a value is for `serde_json` to say.
    fn read_value(&mut self) -> Result<(), InputError> {
        self.text.clear();
        self.peek_some()?;
        let place = self.place();
        let mut scan = Scan::default();
        while !scan.done {
            let chunk = fill(&mut self.input).map_err(|cause| InputError::io(cause, place))?;
            if chunk.is_empty() {
                return Err(self.cut_off());
            }
            let length = scan.advance(chunk);
            self.text.extend_from_slice(&chunk[..length]);
            self.input.consume(length);
            if self.text.len() > MAX_ENTRY_BYTES {
                return Err(InputError::new(InputErrorKind::TooLong, place));
            }
        }
        if self.text.is_empty() { Err(self.syntax("a JSON value belongs here")) } else { Ok(()) }
    }

    /// The next byte that is not white space, left in the input.
    fn peek(&mut self) -> Result<Option<u8>, InputError> {
        let place = self.place();
        loop {
            let chunk = fill(&mut self.input).map_err(|cause| InputError::io(cause, place))?;
            let Some(last) = chunk.len().checked_sub(1) else { return Ok(None) };
            match chunk.iter().position(|byte| !is_space(*byte)) {
                Some(start) => {
                    let found = chunk[start];
                    self.input.consume(start);
                    return Ok(Some(found));
                }
                None => self.input.consume(last + 1),
            }
        }
    }

    fn peek_some(&mut self) -> Result<u8, InputError> {
        self.peek()?.ok_or_else(|| self.cut_off())
    }

    fn place(&self) -> Option<Place> {
        Some(match self.within {
            Within::Array { .. } => Place::Entry(self.number),
            Within::Nothing | Within::End | Within::Object { .. } => Place::Before(self.number),
        })
    }

    fn syntax(&self, what: &'static str) -> InputError {
        InputError::new(InputErrorKind::Syntax(what), self.place())
    }

    fn cut_off(&self) -> InputError {
        self.syntax("the JSON is cut off").cut_off(true)
    }
}

impl<R: BufRead> Iterator for JsonEntries<R> {
    type Item = Result<UsageEntry, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry().transpose()
    }
}

/// Whether an array begins with an entry.
fn holds_entries(array: &[u8]) -> bool {
    let first = serde_json::from_slice::<Vec<&RawValue>>(array).ok().and_then(|items| items.first().copied());
    first.is_some_and(|first| UsageEntry::from_json(first.get()).is_ok())
}

/// `fill_buf` that tries again when a signal came between.
pub(crate) fn fill(input: &mut impl BufRead) -> io::Result<&[u8]> {
    let length = loop {
        match input.fill_buf() {
            Ok(bytes) => break bytes.len(),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    };
    // The borrow checker does not allow to return the buffer from within the loop, so it is asked for once more. At the
    // end of the input that could read again, so an empty slice is returned.
    if length == 0 { Ok(&[]) } else { input.fill_buf() }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The name of a member from its text, in which half a character may be.
fn name_of(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&whole_characters(text)?).ok())
}

/// Finds the end of a value: brackets are counted, and what stands in a string is no bracket.
#[derive(Default)]
pub(crate) struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
    pub(crate) done: bool,
}

impl Scan {
    /// How many of these bytes belong to the value.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> usize {
        for (position, byte) in bytes.iter().copied().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
            } else {
                match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.depth += 1,
                    // This byte ends a number or a literal, and belongs to what is around it.
                    b'}' | b']' | b',' | b':' if self.depth == 0 => self.done = true,
                    b'}' | b']' => self.depth -= 1,
                    _ if self.depth == 0 && is_space(byte) => self.done = true,
                    _ => continue,
                }
                if self.done {
                    return position;
                }
            }
            if self.depth == 0 && !self.in_string && matches!(byte, b'}' | b']' | b'"') {
                self.done = true;
                return position + 1;
            }
        }
        bytes.len()
    }
}
