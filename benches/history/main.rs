//! Prints a made-up history as NDJSON, to be piped into another program: `history SEED ENTRIES`.
//!
//! `cargo xtask bench server` imports one history and sends others as batches. It is a program of its own,
//! because in use the data comes from another program too.

use std::io::{self, Write};

use billing_sample::History;

/// The bytes of one write: enough that the reader of the pipe is not woken for little.
const PIECE_BYTES: usize = 64 << 10;

fn main() -> io::Result<()> {
    let arguments: Vec<u64> = std::env::args().skip(1).map_while(|argument| argument.parse().ok()).collect();
    let [seed, entries] = arguments[..] else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: history SEED ENTRIES"));
    };
    let mut out = io::stdout().lock();
    let mut piece = Vec::with_capacity(2 * PIECE_BYTES);
    for entry in History::new(seed, entries) {
        entry.write_json(&mut piece);
        piece.push(b'\n');
        if piece.len() >= PIECE_BYTES {
            out.write_all(&piece)?;
            piece.clear();
        }
    }
    out.write_all(&piece)?;
    out.flush()
}
