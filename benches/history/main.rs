//! A made-up history as text, to be piped into what is measured: `history SEED ENTRIES` prints NDJSON.
//!
//! `cargo xtask bench server` imports one and sends others to be recorded. It stands apart from both, as data does that
//! comes from elsewhere.

use std::io::{self, Write};

use billing_sample::History;

/// What is written at a time: large enough that a pipe's reader is woken for something.
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
