//! Rows as gzip in members. A member is whole by itself, and members one behind the other are one gzip file.

use std::fmt;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Compressed bytes that are handed out at once, so that the cost of a call does not show.
const BUFFER_BYTES: usize = 64 << 10;

/// The most bytes of rows that are held back. A page has some hundred kilobytes, and between two marks there is mostly
/// one page.
const MAX_HELD_BYTES: usize = 1 << 20;

/// The member that has not ended, and the rows that are not in it yet.
///
/// The durable bytes must end at a mark, and must end with a member. Which mark becomes durable is not known when it is
/// made: it is the newest one when the interval is over, or when a run breaks off. With a member for each mark, the
/// file would be 2 % larger with pages of 1000 entries, and 19 % larger with pages of 100. So the rows behind the
/// newest mark are held back, and the member can still end at that mark.
#[derive(Default)]
pub(crate) struct Members {
    /// The encoder of the member; `None` while the member is empty.
    encoder: Option<GzEncoder<Vec<u8>>>,
    held: Vec<u8>,
}

impl Members {
    /// Takes rows into the member.
    pub(crate) fn write_all(&mut self, rows: &[u8]) -> io::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        self.begun().write_all(rows)
    }

    /// Holds rows back. False when there are too many: then the member has to end before they can be taken.
    pub(crate) fn hold(&mut self, rows: &[u8]) -> bool {
        if self.held.len() + rows.len() > MAX_HELD_BYTES {
            return false;
        }
        self.held.extend_from_slice(rows);
        true
    }

    /// Takes the rows that were held back into the member.
    pub(crate) fn release(&mut self) -> io::Result<()> {
        let mut held = std::mem::take(&mut self.held);
        let released = self.write_all(&held);
        // The next rows need the same room.
        held.clear();
        self.held = held;
        released
    }

    /// The member that has not ended; a new one when there is none.
    pub(crate) fn begun(&mut self) -> &mut GzEncoder<Vec<u8>> {
        // The header has no name and no time, so that the same rows give the same bytes.
        self.encoder.get_or_insert_with(|| GzEncoder::new(Vec::new(), Compression::default()))
    }

    /// The compressed bytes that were not handed out yet; nothing while they are few.
    pub(crate) fn ready(&mut self) -> Vec<u8> {
        match &mut self.encoder {
            Some(encoder) if encoder.get_ref().len() >= BUFFER_BYTES => std::mem::take(encoder.get_mut()),
            _ => Vec::new(),
        }
    }

    /// Ends the member and gives the rest of its bytes; nothing when the member is empty.
    pub(crate) fn end(&mut self) -> io::Result<Vec<u8>> {
        self.encoder.take().map_or_else(|| Ok(Vec::new()), GzEncoder::finish)
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("held", &self.held.len()).finish_non_exhaustive()
    }
}
