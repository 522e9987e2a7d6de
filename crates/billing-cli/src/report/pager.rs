//! Shows a long text on a terminal, a screen at a time, with the pager of whoever sits there.

use std::env;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Failure;
use crate::runtime::runtime;

/// The pager where none is named.
const LESS: &str = "less";

/// What `less` is told where nobody told it anything: end at once when all of it fits (F), let colours through (R), leave the text on
/// the screen (X).
const LESS_OPTIONS: &str = "FRX";

/// What a shell ends with when the program that it ran was ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Shows a text. False where there is no pager, or it failed, so that the text is still to be printed.
///
/// A pager that is left before the end is no failure: what was to be seen was seen. One that fails may have shown nothing. How much it
/// has read does not tell, because a short text is taken by the pipe.
pub(super) fn show(text: &str) -> Result<bool, Failure> {
    let Some(pager) = pager() else { return Ok(false) };
    // Ctrl-C is for the pager, which stops a search with it. Hearing it here keeps it from ending this program, which would leave the
    // pager and the shell with one terminal.
    let runtime = runtime(1)?;
    let interrupt = runtime.block_on(async { signal(SignalKind::interrupt()) });
    let mut command = Command::new("sh");
    command.args(["-c", &pager]).stdin(Stdio::piped());
    if env::var_os("LESS").is_none() {
        command.env("LESS", LESS_OPTIONS);
    }
    let Ok(mut child) = command.spawn() else { return Ok(false) };
    if let Some(mut stdin) = child.stdin.take() {
        // It has seen enough when it does not read on.
        let _ = stdin.write_all(text.as_bytes());
    }
    let ended = child.wait();
    drop(interrupt);
    Ok(ended.is_ok_and(has_shown))
}

/// True for a pager that ended well, or was ended by whoever looked at it, with Ctrl-C.
fn has_shown(status: ExitStatus) -> bool {
    status.success()
        || status.code() == Some(INTERRUPTED)
        || status.signal() == Some(SignalKind::interrupt().as_raw_value())
}

/// The pager that is asked for; `None` where none is wanted.
fn pager() -> Option<String> {
    let variable = |name| env::var(name).ok();
    let pager = variable("BILLING_PAGER").or_else(|| variable("PAGER")).unwrap_or_else(|| LESS.to_owned());
    let pager = pager.trim();
    (!pager.is_empty() && pager != "cat").then(|| pager.to_owned())
}
