//! The count and the SHA-256 of bytes.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// Read at once.
const BUFFER_BYTES: usize = 64 << 10;

/// The count and the SHA-256 of the bytes so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) bytes: u64,
    hasher: Sha256,
}

impl Tally {
    /// Counts bytes in.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hasher.update(bytes);
    }

    /// The SHA-256 of all bytes so far.
    pub(crate) fn sha256(&self) -> Sha256Sum {
        Sha256Sum(self.hasher.clone().finalize().into())
    }

    /// The tally of the first bytes of a file, or of all when it has fewer.
    pub(crate) fn of_start(mut file: &File, bytes: u64) -> io::Result<Self> {
        file.rewind()?;
        let mut tally = Self::default();
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut rest = file.take(bytes);
        loop {
            match rest.read(&mut buffer) {
                Ok(0) => return Ok(tally),
                Ok(count) => tally.add(&buffer[..count]),
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause),
            }
        }
    }
}

/// A file, and the tally of what is written to it.
#[derive(Debug)]
pub(crate) struct TalliedFile {
    pub(crate) file: File,
    pub(crate) tally: Tally,
}

impl TalliedFile {
    pub(crate) fn new(file: File) -> Self {
        Self { file, tally: Tally::default() }
    }
}

impl Write for TalliedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.tally.add(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A SHA-256, which is written as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sha256Sum(pub(crate) [u8; 32]);

impl Sha256Sum {
    /// The SHA-256 of this sum and some bytes behind it. So each line is bound to the lines before it.
    pub(crate) fn then(self, bytes: &[u8]) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(bytes).finalize().into())
    }
}

impl fmt::Display for Sha256Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Sha256Sum {
    type Err = NotASum;

    fn from_str(text: &str) -> Result<Self, NotASum> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(NotASum),
        };
        let mut sum = [0; 32];
        if text.len() != 64 {
            return Err(NotASum);
        }
        for (byte, pair) in sum.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(sum))
    }
}

/// The text is not 64 lower-case hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("is not a SHA-256")]
pub(crate) struct NotASum;

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2, B.1.
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_tally_is_that_of_the_bytes_however_they_come() {
        let mut tally = Tally::default();
        tally.add(b"a");
        tally.add(b"");
        tally.add(b"bc");
        assert_eq!((tally.bytes, tally.sha256().to_string().as_str()), (3, ABC));
        assert_eq!(ABC.parse::<Sha256Sum>().unwrap(), tally.sha256());
        for text in ["", &ABC[1..], &ABC.to_uppercase(), &ABC.replace('b', "g"), &ABC.replace("ba", "é")] {
            assert!(text.parse::<Sha256Sum>().is_err(), "{text}");
        }

        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abcd").unwrap();
        assert_eq!(Tally::of_start(&file, 3).unwrap().sha256(), tally.sha256());
        assert_eq!(Tally::of_start(&file, 5).unwrap().bytes, 4);
        assert_eq!(Tally::of_start(&file, 0).unwrap().bytes, 0);
    }
}
