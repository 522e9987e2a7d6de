//! Decompresses a body, gzip or zstd, whether compression was asked for or not.
//!
//! The body is read whole before it is decompressed, and the headers keep the length that the service gave. So a text/csv
//! body that was cut is noticed, compressed or not.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// The `Accept-Encoding` of requests that want compressed answers.
pub(crate) const ASKED_FOR: &str = "zstd, gzip";

/// The most content codings of one body. One is usual, and two are a mistake that can be undone. Each costs as much
/// memory as the largest body.
const MAX_CODINGS: usize = 2;

/// The largest zstd window that is accepted: 8 MiB, which is what a decoder has to support (RFC 9659, 3).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Why a body cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodingError {
    /// A coding other than gzip and zstd, or too many codings.
    #[error("`{0}` is not a content coding that was asked for")]
    Unknown(String),
    /// The body is cut, has something behind its end, or has a wrong checksum.
    #[error("the compressed body is cut or damaged")]
    Damaged(#[source] io::Error),
    /// The body decompresses to more than the limit. Decompression stopped there.
    #[error("the body is too large")]
    TooLarge,
}

/// The decompressed body, of at most `limit` bytes.
pub(crate) fn decode(headers: &HeaderMap, mut body: Vec<u8>, limit: usize) -> Result<Vec<u8>, CodingError> {
    let all = headers.get_all(CONTENT_ENCODING).iter();
    let all = all.map(|value| value.to_str().unwrap_or("unreadable")).collect::<Vec<_>>().join(",");
    let codings = all.split(',').map(|coding| coding.trim().to_ascii_lowercase());
    let codings: Vec<String> = codings.filter(|coding| !matches!(coding.as_str(), "" | "identity")).collect();
    if codings.len() > MAX_CODINGS {
        return Err(CodingError::Unknown(all));
    }
    // The header lists the codings in the order in which they were applied (RFC 9110, 8.4).
    for coding in codings.iter().rev() {
        // An answer without a body may still have the headers of one, so an empty body is not decompressed.
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

/// Reads to the end of the last gzip member or zstd frame, up to the limit: a small body can decompress to any size.
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

    /// Compares the decompressed body, or the beginning of the error.
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
            // The checksum is in the last bytes.
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
