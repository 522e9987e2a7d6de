//! Rows as gzip, in members: each is whole by itself, and one behind the other they are one file.

use std::fmt;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Compressed bytes that are handed out at once, so that the cost of a call does not show.
const BUFFER_BYTES: usize = 64 << 10;

/// Rows that are held back at the most. A page has some hundred kilobytes, and between two marks there is mostly one.
const MAX_HELD_BYTES: usize = 1 << 20;

/// The member that has not ended, and the rows that are not in it yet.
///
/// What is durable has to end with a member, and it ends at a mark. But which mark will be made durable is not known when it
/// is made: it is the newest one when the time has come, or when a run breaks off. A member for each mark would make the
/// file 2 % larger where pages have 1000 entries, and 19 % where they have 100. So the rows behind the newest mark are held
/// back, and the member can end there.
#[derive(Default)]
pub(crate) struct Members {
    /// `None` while nothing is in it.
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

    /// Holds rows back. False when they are too many: the member has to end before they can be taken.
    pub(crate) fn hold(&mut self, rows: &[u8]) -> bool {
        if self.held.len() + rows.len() > MAX_HELD_BYTES {
            return false;
        }
        self.held.extend_from_slice(rows);
        true
    }

    /// Takes the rows into the member that were held back.
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
        // Without a name and a time in its header: the same rows are the same bytes.
        self.encoder.get_or_insert_with(|| GzEncoder::new(Vec::new(), Compression::default()))
    }

    /// What there is of the member so far, and was not handed out; nothing while that is little.
    pub(crate) fn ready(&mut self) -> Vec<u8> {
        match &mut self.encoder {
            Some(encoder) if encoder.get_ref().len() >= BUFFER_BYTES => std::mem::take(encoder.get_mut()),
            _ => Vec::new(),
        }
    }

    /// Ends the member: the rest of it. Nothing when nothing is in it.
    pub(crate) fn end(&mut self) -> io::Result<Vec<u8>> {
        self.encoder.take().map_or_else(|| Ok(Vec::new()), GzEncoder::finish)
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("held", &self.held.len()).finish_non_exhaustive()
    }
}
