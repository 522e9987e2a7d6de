//! Takes the content codings off a body: gzip and zstd, whether they were asked for or not.
//!
//! The whole body is there before it is decoded, so the length that the service gave stays in the head: a text/csv that
//! was cut is seen by it, compressed or not.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// What is asked for where compression is wanted.
pub(crate) const ASKED_FOR: &str = "zstd, gzip";

/// One coding is usual, two are a mistake that can be undone, and each costs as much as a body may have.
const MAX_CODINGS: usize = 2;

/// The window of a zstd frame that a decoder has to bear is 8 MiB (RFC 9659, 3), and more is not given to it.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Why a body cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodingError {
    /// A coding that nobody asked for, or too many.
    #[error("`{0}` is not a content coding that was asked for")]
    Unknown(String),
    /// It does not end where its coding ends, or its checksum is another.
    #[error("the compressed body is cut or damaged")]
    Damaged(#[source] io::Error),
    /// More than the limit, of which no more than the limit was decoded.
    #[error("the body is too large")]
    TooLarge,
}

/// The body without its codings, which may have up to `limit` bytes.
pub(crate) fn decode(headers: &HeaderMap, mut body: Vec<u8>, limit: usize) -> Result<Vec<u8>, CodingError> {
    let all = headers.get_all(CONTENT_ENCODING).iter();
    let all = all.map(|value| value.to_str().unwrap_or("unreadable")).collect::<Vec<_>>().join(",");
    let codings = all.split(',').map(|coding| coding.trim().to_ascii_lowercase());
    let codings: Vec<String> = codings.filter(|coding| !matches!(coding.as_str(), "" | "identity")).collect();
    if codings.len() > MAX_CODINGS {
        return Err(CodingError::Unknown(all));
    }
    // They stand in the order in which they were applied (RFC 9110, 8.4).
    for coding in codings.iter().rev() {
        // Nothing is nothing, whatever it is said to be: an answer without a body keeps the headers of one.
        if body.is_empty() {
            break;
        }
        body = match coding.as_str() {
            "gzip" | "x-gzip" => read(MultiGzDecoder::new(body.as_slice()), limit)?,
            "zstd" => read(zstd_decoder(body.as_slice()).map_err(CodingError::Damaged)?, limit)?,
            _ => return Err(CodingError::Unknown(coding.clone())),
        };
    }
    Ok(body)
}

fn zstd_decoder<R: BufRead>(body: R) -> io::Result<zstd::Decoder<'static, R>> {
    let mut decoder = zstd::Decoder::with_buffer(body)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// Reads to the end of the last member, and not beyond the limit: a small body can decode to one of any size.
fn read(decoder: impl Read, limit: usize) -> Result<Vec<u8>, CodingError> {
    let mut decoded = Vec::new();
    let more_than_limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(more_than_limit).read_to_end(&mut decoded).map_err(CodingError::Damaged)?;
    if decoded.len() > limit { Err(CodingError::TooLarge) } else { Ok(decoded) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use reqwest::header::HeaderValue;
    use std::io::Write;

    const TEXT: &[u8] = b"timestamp,sku\n2026-06-14T19:52:45.087Z,a\n";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// The decoded body, or the beginning of the error.
    fn check(coding: &str, body: &[u8], expect: Result<&[u8], &str>) {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_str(coding).unwrap())]);
        match (decode(&headers, body.to_vec(), 1000), expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{coding}"),
            (Err(found), Err(expect)) => assert!(found.to_string().starts_with(expect), "{coding}: {found}"),
            (found, expect) => panic!("{coding}: {found:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn a_body_is_decoded_as_it_says() {
        check("identity", TEXT, Ok(TEXT));
        check("", TEXT, Ok(TEXT));
        check("gzip", &gzip(TEXT), Ok(TEXT));
        check("X-GZIP", &gzip(TEXT), Ok(TEXT));
        check("zstd", &zstd(TEXT), Ok(TEXT));
        check("gzip, zstd", &zstd(&gzip(TEXT)), Ok(TEXT));
        check(" identity , gzip,", &gzip(TEXT), Ok(TEXT));
        for coding in ["gzip", "zstd"] {
            check(coding, b"", Ok(b""));
        }
        check("br", TEXT, Err("`br` is not a content coding that was asked for"));
        check("deflate", TEXT, Err("`deflate` is not"));
        check("gzip, gzip, gzip", TEXT, Err("`gzip, gzip, gzip` is not"));
    }

    #[test]
    fn several_members_are_one_body() {
        let (first, second) = TEXT.split_at(14);
        check("gzip", &[gzip(first), gzip(second)].concat(), Ok(TEXT));
        check("zstd", &[zstd(first), zstd(second)].concat(), Ok(TEXT));
    }

    #[test]
    fn a_cut_or_damaged_body_is_no_body() {
        for (coding, whole) in [("gzip", gzip(TEXT)), ("zstd", zstd(TEXT))] {
            for cut in 1..whole.len() {
                check(coding, &whole[..cut], Err("the compressed body is cut"));
            }
            for rubbish in [&b"x"[..], b"\0", b"rubbish behind the end", b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"]
            {
                check(coding, &[&whole, rubbish].concat(), Err("the compressed body is cut or damaged"));
            }
            check(coding, TEXT, Err("the compressed body is cut or damaged"));
            // In the last bytes stands the checksum.
            let mut flipped = whole.clone();
            let at = whole.len() - if coding == "gzip" { 6 } else { 2 };
            flipped[at] ^= 1;
            check(coding, &flipped, Err("the compressed body is cut or damaged"));
        }
    }

    #[test]
    fn what_decodes_to_more_than_the_limit_is_not_decoded_to_its_end() {
        let many = vec![b'x'; 50 << 20];
        for (coding, bomb) in [("gzip", gzip(&many)), ("zstd", zstd(&many))] {
            assert!(bomb.len() < 100_000);
            check(coding, &bomb, Err("the body is too large"));
            let nested = if coding == "gzip" { gzip(&bomb) } else { zstd(&bomb) };
            check(&format!("{coding}, {coding}"), &nested, Err("the body is too large"));
        }
        check("gzip", &gzip(&[b'x'; 1000]), Ok(&[b'x'; 1000]));
        check("gzip", &gzip(&[b'x'; 1001]), Err("the body is too large"));
    }
}
