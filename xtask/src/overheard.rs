//! Runs a program, passes its output on as it comes, and reads it.

use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::line_of;

/// How long to wait for more output after the program has ended. A process that it has started may have the same
/// output, and outlive it.
const SILENCE: Duration = Duration::from_millis(200);

/// Where a line was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// On stdout.
    Out,
    /// On stderr.
    Err,
}

/// Runs a command to its end. Every byte that it prints goes to `out` and `err` at once. `hear` gets each whole line,
/// with the time since the start.
///
/// # Errors
/// When it cannot be started, and when it does not succeed.
pub fn run(
    mut command: Command,
    out: impl Write + Send + 'static,
    err: impl Write + Send + 'static,
    mut hear: impl FnMut(Stream, Duration, &str),
) -> Result<()> {
    let line = line_of(&command);
    let start = Instant::now();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().with_context(|| format!("cannot start `{line}`"))?;
    let (tell, told) = channel();
    let tell_err = tell.clone();
    if let (Some(stdout), Some(stderr)) = (process.stdout.take(), process.stderr.take()) {
        thread::spawn(move || pass_on(stdout, out, |bytes| (Stream::Out, start.elapsed(), bytes), &tell));
        thread::spawn(move || pass_on(stderr, err, |bytes| (Stream::Err, start.elapsed(), bytes), &tell_err));
    }
    let mut begun = [Vec::new(), Vec::new()];
    loop {
        match told.recv_timeout(SILENCE) {
            Ok((stream, at, bytes)) => {
                let begun: &mut Vec<u8> = &mut begun[stream as usize];
                for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
                    begun.extend_from_slice(piece);
                    if begun.ends_with(b"\n") {
                        hear(stream, at, String::from_utf8_lossy(begun).trim_end_matches('\n'));
                        begun.clear();
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) if process.try_wait()?.is_none() => {}
            Err(_) => break,
        }
    }
    let status = process.wait()?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// A piece of what was printed: where, when, and what.
type Piece = (Stream, Duration, Vec<u8>);

/// Passes on what comes until there is no more, and tells of it.
fn pass_on(mut from: impl Read, mut to: impl Write, piece: impl Fn(Vec<u8>) -> Piece, tell: &Sender<Piece>) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let bytes = match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => &buffer[..read],
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let piece = piece(bytes.to_vec());
        // The reader of our output may be gone. The program must not notice that, and goes on.
        let _ = to.write_all(bytes).and_then(|()| to.flush());
        if tell.send(piece).is_err() {
            return;
        }
    }
}
