//! Entries from JSON arrays and from pages as the API answers them, however long, one at a time.
//!
//! `serde_json` reads a document whole, or from a stream byte by byte and several times slower. Here only the ends of
//! the elements are found, in one pass; what an element is, `serde_json` decides from its text.

use std::io::{self, BufRead};

use billing_model::UsageEntry;
use serde::de::IgnoredAny;

use crate::input_error::{InputError, InputErrorKind, Place};
use crate::ndjson_input::{MAX_ENTRY_BYTES, Reading, decode};

/// The entries of a document, or of several, one after the other: arrays, and objects with an array `data`.
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
    /// In a page, between its members.
    Page { first: bool, with_data: bool },
}

impl<R: BufRead> JsonEntries<R> {
    pub(crate) fn new(input: R) -> Self {
        let reading = Reading::Lenient;
        Self { input, text: Vec::new(), number: 1, within: Within::Nothing, one_array: false, reading }
    }

    /// Takes one array of entries, and no pages and no second document.
    pub(crate) fn one_array(input: R, reading: Reading) -> Self {
        Self { one_array: true, reading, ..Self::new(input) }
    }

    /// After an error in an entry alone the next call goes on with the entry behind it.
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
                    Some(b'{') => self.open(Within::Page { first: true, with_data: false }),
                    Some(_) => return Err(self.syntax("an array or a page of entries belongs here")),
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
                        return decode(&self.text, self.reading, place).map(Some);
                    }
                    match (of_page, self.one_array) {
                        (true, _) => Within::Page { first: false, with_data: true },
                        (false, true) => Within::End,
                        (false, false) => Within::Nothing,
                    }
                }
                Within::Page { first, with_data } => {
                    if !self.is_closed(first, b'}')? {
                        self.read_member(with_data)?
                    } else if with_data {
                        Within::Nothing
                    } else {
                        return Err(self.syntax("the object has no array `data`: it is not a page"));
                    }
                }
            };
        }
    }

    /// Reads a member of a page, and goes into it when it is `data`.
    fn read_member(&mut self, with_data: bool) -> Result<Within, InputError> {
        self.read_value()?;
        let Ok(name) = serde_json::from_slice::<String>(&self.text) else {
            return Err(self.syntax("the name of a member belongs here"));
        };
        if self.peek_some()? != b':' {
            return Err(self.syntax("a `:` belongs here"));
        }
        self.input.consume(1);
        let opens = self.peek_some()?;
        match (name.as_str(), opens, with_data) {
            ("data", b'[', false) => Ok(self.open(Within::Array { first: true, of_page: true })),
            ("data", _, true) => Err(self.syntax("`data` is there twice")),
            ("data", _, false) => Err(self.syntax("`data` is not an array")),
            _ => {
                self.read_value()?;
                match serde_json::from_slice(&self.text) {
                    Ok(IgnoredAny) => Ok(Within::Page { first: false, with_data }),
                    Err(_) => Err(self.syntax("not a JSON value")),
                }
            }
        }
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
            Within::Nothing | Within::End | Within::Page { .. } => Place::Before(self.number),
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

/// `fill_buf` that tries again when a signal came between.
pub(crate) fn fill(input: &mut impl BufRead) -> io::Result<&[u8]> {
    let length = loop {
        match input.fill_buf() {
            Ok(bytes) => break bytes.len(),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    };
    // A borrow that is returned from a loop would last through the loop. What was read is found again; the end of the
    // input is not asked for a second time.
    if length == 0 { Ok(&[]) } else { input.fill_buf() }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Finds the end of a value: brackets are counted, and what stands in a string is no bracket.
#[derive(Default)]
struct Scan {
    depth: usize,
    in_string: bool,
    escaped: bool,
    done: bool,
}

impl Scan {
    /// How many of these bytes belong to the value.
    fn advance(&mut self, bytes: &[u8]) -> usize {
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
                    // What comes after a number or a literal ends it, and belongs to whatever it stands in.
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
