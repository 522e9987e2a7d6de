//! Which file an input is, by its content.

use std::fmt;
use std::io::{self, BufRead, Read};

use sha2::{Digest, Sha256};

use crate::input_error::InputError;
use crate::input_format::decompressed;

/// The decompressed content of a file, and its SHA-256. So `usage.csv` and `usage.csv.gz` have the same.
///
/// It is a reader like any other, for [`read_entries`](crate::read_entries) for example. Nothing of it is held in
/// memory.
///
/// ```
/// use billing_format::{Content, InputFormat, read_entries};
///
/// let mut content = Content::open(b"[]".as_slice())?;
/// read_entries(&mut content, InputFormat::Auto, &mut Vec::new())?;
/// let sha256 = content.finish()?;
/// assert_eq!(sha256[..4], [0x4f, 0x53, 0xcd, 0xa1]); // printf '[]' | sha256sum
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Content<'a> {
    input: Box<dyn BufRead + 'a>,
    hasher: Sha256,
    last: Option<u8>,
}

impl<'a> Content<'a> {
    /// Finds out how it is compressed.
    ///
    /// # Errors
    /// When the input cannot be read, or is a file of another kind.
    pub fn open(input: impl Read + 'a) -> Result<Self, InputError> {
        Ok(Self { input: decompressed(input)?, hasher: Sha256::new(), last: None })
    }

    /// The last byte that was read.
    pub fn last(&self) -> Option<u8> {
        self.last
    }

    /// Reads what is left, and gives the SHA-256 of all.
    ///
    /// # Errors
    /// When the rest cannot be read, or when it is compressed and damaged or cut off.
    pub fn finish(mut self) -> Result<[u8; 32], InputError> {
        io::copy(&mut self, &mut io::sink()).map_err(|cause| InputError::io(cause, None))?;
        Ok(self.hasher.finalize().into())
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.last = buffer[..count].last().copied().or(self.last);
        Ok(count)
    }
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("last", &self.last).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn sha256(input: &[u8]) -> Result<[u8; 32], InputError> {
        Content::open(input)?.finish()
    }

    proptest! {
        #[test]
        fn a_compressed_file_is_the_same_however_it_is_read(
            text in "(t[ -~]{0,300})?", cut in any::<prop::sample::Index>(), most in 1usize..40,
        ) {
            let bytes = text.as_bytes();
            let expect: [u8; 32] = Sha256::digest(bytes).into();
            let (one, other) = bytes.split_at(cut.index(bytes.len() + 1));
            for file in [bytes.to_vec(), gzip(bytes), [gzip(one), gzip(other)].concat()] {
                prop_assert_eq!(sha256(&file).unwrap(), expect);
                let mut content = Content::open(file.as_slice()).unwrap();
                let mut buffer = vec![0; most];
                let count = content.read(&mut buffer).unwrap();
                prop_assert_eq!(content.last(), buffer[..count].last().copied());
                prop_assert_eq!(content.finish().unwrap(), expect);
            }
        }
    }

    /// If it were read, it would be the file inside under another digest.
    #[test]
    fn what_is_compressed_twice_is_refused() {
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        for twice in [gzip(&gzip(b"[]")), gzip(&zstd(b"[]")), zstd(&gzip(b"[]")), zstd(&zstd(b"[]"))] {
            let error = sha256(&twice).unwrap_err();
            assert!(error.to_string().contains("is compressed twice"), "{error}");
        }
    }

    #[test]
    fn what_is_damaged_has_no_digest() {
        let whole = gzip(b"entries");
        for cut in [whole.len() - 1, whole.len() - 9, 12] {
            assert!(sha256(&whole[..cut]).unwrap_err().is_cut_off(), "{cut}");
        }
    }
}
