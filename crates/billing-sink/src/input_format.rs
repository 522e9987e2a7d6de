//! Which form a file of entries has, whatever it is wrapped in.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::input_error::InputError;
use crate::json_input::fill;
use crate::ndjson_input::MAX_ENTRY_BYTES;

const BUFFER_BYTES: usize = 64 << 10;

/// White space before the first entry, as much as is held to find out what comes after it.
const MAX_LEADING_SPACE: usize = 64 << 10;

const GZIP_MAGIC: &[u8] = b"\x1f\x8b";

const BOM: &[u8] = b"\xef\xbb\xbf";

/// The form of a file that is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputFormat {
    /// Look and see: `[` opens a JSON array, `{` a page or a line of NDJSON, and everything else is CSV. A file with
    /// nothing in it, or with more than 64 KiB of white space before anything else, is NDJSON.
    #[default]
    Auto,
    /// One JSON object a line. An empty file has no entries.
    Ndjson,
    /// A JSON array of entries, or a page as the API answers it (`{"data":[…],…}`), or several of them, one after the
    /// other. A page is read whether or not it is the last.
    Json,
    /// CSV with a header, as in `billing_csv`.
    Csv,
}

/// The text of the input: decompressed where it is compressed, and without a byte order mark.
pub(crate) fn open<'a>(input: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    Ok(Box::new(without_mark(decompressed(input)?)?))
}

/// The input, decompressed where it is compressed.
pub(crate) fn decompressed<'a>(input: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut input: Box<dyn BufRead> = Box::new(BufReader::with_capacity(BUFFER_BYTES, input));
    let magic = take(&mut input, GZIP_MAGIC.len())?;
    let is_gzip = magic == GZIP_MAGIC;
    input = Box::new(Cursor::new(magic).chain(input));
    if is_gzip {
        input = Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(input)));
    }
    Ok(input)
}

/// The input without a byte order mark, where it starts with one.
pub(crate) fn without_mark<R: Read>(mut input: R) -> io::Result<Chain<Cursor<Vec<u8>>, R>> {
    let mut head = take(&mut input, BOM.len())?;
    if head == BOM {
        head.clear();
    }
    Ok(Cursor::new(head).chain(input))
}

/// Takes as many bytes as there are, up to `length`.
fn take(input: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut taken = Vec::with_capacity(length);
    input.take(length as u64).read_to_end(&mut taken)?;
    Ok(taken)
}

/// Which format the input has, and what was read to find out.
pub(crate) fn recognise(input: &mut impl BufRead) -> Result<(InputFormat, Vec<u8>), InputError> {
    let failed = |cause| InputError::io(cause, None);
    let mut head = Vec::new();
    let first = loop {
        let chunk = fill(input).map_err(failed)?;
        let spaces = chunk.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let first = chunk.get(spaces).copied();
        let ended = chunk.is_empty();
        head.extend_from_slice(&chunk[..spaces]);
        input.consume(spaces);
        match first {
            Some(first) => break first,
            // Nothing is how NDJSON writes no entries, and to NDJSON white space is nothing, however much comes.
            None if ended || head.len() > MAX_LEADING_SPACE => return Ok((InputFormat::Ndjson, head)),
            None => {}
        }
    };
    match first {
        b'[' => Ok((InputFormat::Json, head)),
        b'{' => {
            let start = head.len();
            input.take(MAX_ENTRY_BYTES as u64).read_until(b'\n', &mut head).map_err(failed)?;
            let format = if is_entry(&head[start..]) { InputFormat::Ndjson } else { InputFormat::Json };
            Ok((format, head))
        }
        _ => Ok((InputFormat::Csv, head)),
    }
}

/// Tells a line of NDJSON from a page, by its first line: an object with `data` is a page, and so is one that does not
/// end on the line.
fn is_entry(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Page {
        data: Option<IgnoredAny>,
    }
    serde_json::from_slice(line).is_ok_and(|Page { data }| data.is_none())
}
