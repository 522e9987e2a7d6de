//! Which form a file of entries has, whatever it is wrapped in.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::foreign::{HEAD_BYTES, foreign};
use crate::input_error::{InputError, InputErrorKind};
use crate::json_input::{Scan, fill};
use crate::text::{BOM, MAX_ENTRY_BYTES};

const BUFFER_BYTES: usize = 64 << 10;

/// The most white space before the first entry that is held to find out what comes behind it.
const MAX_LEADING_SPACE: usize = 64 << 10;

const GZIP_MAGIC: &[u8] = b"\x1f\x8b";

const ZSTD_MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";

/// A frame that holds no text and may come first, as `pzstd` writes it: the lowest four bits are free (RFC 8878, 3.1.2).
const ZSTD_SKIPPABLE_MAGIC: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// The form of a file that is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InputFormat {
    /// Look and see: `[` opens a JSON array, `{` a line of NDJSON, or an entry or a page of more lines, and everything else
    /// is CSV. A file with nothing in it, or with more than 64 KiB of white space before anything else, is NDJSON.
    #[default]
    Auto,
    /// One JSON object a line. An empty file has no entries.
    Ndjson,
    /// A JSON array of entries, or a page as the API answers it (`{"data":[…],…}`), or an entry, or several of them, one
    /// after the other. A page is read whether or not it is the last.
    Json,
    /// CSV with a header, as in `billing_csv`.
    Csv,
}

/// The text of the input: decompressed where it is compressed, and without a byte order mark.
pub(crate) fn open<'a>(input: impl Read + 'a) -> Result<Box<dyn BufRead + 'a>, InputError> {
    without_mark(decompressed(input)?).map(boxed).map_err(|cause| InputError::io(cause, None))
}

/// The input, decompressed where it is compressed. A file of another kind is refused.
pub(crate) fn decompressed<'a>(input: impl Read + 'a) -> Result<Box<dyn BufRead + 'a>, InputError> {
    let input: Box<dyn BufRead> = Box::new(BufReader::with_capacity(BUFFER_BYTES, input));
    let (head, input) = looked_at(input)?;
    let unpacked: Box<dyn Read> = if head.starts_with(GZIP_MAGIC) {
        Box::new(MultiGzDecoder::new(input))
    } else if is_zstd(&head) {
        Box::new(ZstdDecoder::new(input).map_err(|cause| InputError::io(cause, None))?)
    } else {
        return Ok(input);
    };
    let (head, input) = looked_at(Box::new(BufReader::with_capacity(BUFFER_BYTES, unpacked)))?;
    // If it were read, its digest would not be that of the file that it holds.
    if head.starts_with(GZIP_MAGIC) || is_zstd(&head) {
        let twice = InputErrorKind::Foreign("is compressed twice: decompress it once first");
        return Err(InputError::new(twice, None));
    }
    Ok(input)
}

fn is_zstd(head: &[u8]) -> bool {
    head.starts_with(ZSTD_MAGIC)
        || head.first().is_some_and(|first| first & 0xf0 == ZSTD_SKIPPABLE_MAGIC[0])
            && head.get(1..4) == Some(&ZSTD_SKIPPABLE_MAGIC[1..])
}

fn boxed<'a>(input: impl BufRead + 'a) -> Box<dyn BufRead + 'a> {
    Box::new(input)
}

/// The input and its first bytes. A file of another kind is refused.
fn looked_at<'a>(mut input: Box<dyn BufRead + 'a>) -> Result<(Vec<u8>, Box<dyn BufRead + 'a>), InputError> {
    let head = take(&mut input, HEAD_BYTES).map_err(|cause| InputError::io(cause, None))?;
    match foreign(&head) {
        Some(what) => Err(InputError::new(InputErrorKind::Foreign(what), None)),
        None => Ok((head.clone(), boxed(Cursor::new(head).chain(input)))),
    }
}

/// Decompresses all frames of zstd, and reports damage as the gzip decoder does, as invalid data.
struct ZstdDecoder<R: BufRead>(zstd::Decoder<'static, R>);

impl<R: BufRead> ZstdDecoder<R> {
    fn new(input: R) -> io::Result<Self> {
        zstd::Decoder::with_buffer(input).map(Self)
    }
}

impl<R: BufRead> Read for ZstdDecoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|cause| match (cause.kind(), cause.raw_os_error()) {
            (io::ErrorKind::Other, None) => io::Error::new(io::ErrorKind::InvalidData, cause),
            _ => cause,
        })
    }
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
            // An empty file is NDJSON without entries. NDJSON skips white space, however much there is.
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

/// Tells, by the first line, a line of NDJSON from a page and from an entry of several lines. An object with `data` is
/// a page. An object that does not end on the line is no NDJSON. One that ends there and is wrong is a bad line of
/// NDJSON.
fn is_entry(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Page {
        data: Option<IgnoredAny>,
    }
    match serde_json::from_slice(line) {
        Ok(Page { data }) => data.is_none(),
        Err(_) => {
            let line = line.trim_ascii();
            let mut scan = Scan::default();
            let length = scan.advance(line);
            scan.done && length == line.len() && !line.windows(6).any(|name| name == b"\"data\"")
        }
    }
}
