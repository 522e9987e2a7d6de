//! A program whose output is passed on as it comes, and listened to.

use std::io::{ErrorKind, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::line_of;

/// How long it may be silent after it has ended. What it has started may have its output too, and outlive it.
const SILENCE: Duration = Duration::from_millis(200);

/// Where a line was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// On stdout.
    Out,
    /// On stderr.
    Err,
}

/// Runs it to its end. What it prints goes to `out` and `err` at once, every byte; whole lines are told to `hear`, with
/// the time since it was started.
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
        // Nobody may be there to read it any more. The program is not to notice: it goes on as it would.
        let _ = to.write_all(bytes).and_then(|()| to.flush());
        if tell.send(piece).is_err() {
            return;
        }
    }
}
