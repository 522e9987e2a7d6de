//! A terminal of 80 columns that programs run in, and its screen.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Command;

use anyhow::{Result, ensure};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const COLUMNS: u16 = 80;

/// More rows than the commands print, so that nothing scrolls away.
const ROWS: u16 = 50;

/// The screen of a terminal after everything that was printed to it. Progress lines that were overwritten are gone.
pub(super) struct Terminal(avt::Terminal);

impl Terminal {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(avt::Terminal::new(COLUMNS.into(), ROWS.into())?))
    }

    /// Shows text as if it was printed.
    pub(super) fn feed(&mut self, text: &str) {
        self.0.feed(text);
    }

    pub(super) fn screen(&self) -> avt::Screen<'_> {
        self.0.screen()
    }

    /// Runs a command to its end, with all that it prints on this terminal.
    ///
    /// # Errors
    /// When it cannot be run, or does not succeed.
    pub(super) fn run(&mut self, command: Command) -> Result<()> {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&near)?;
        unlockpt(&near)?;
        let far =
            rustix::fs::open(ptsname(&near, Vec::new())?, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
        tcsetwinsize(&far, Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 })?;

        let mut process = start(command, far)?;
        let mut bytes = Vec::new();
        // When nobody has the other side open any more, reading ends with an error, behind all output.
        let _ = File::from(near).read_to_end(&mut bytes);
        let status = process.wait()?;
        self.feed(&String::from_utf8(bytes)?);
        ensure!(status.success(), "it ended with {status}");
        Ok(())
    }
}

/// Takes the command, so that our copies of its side of the terminal are closed when this returns.
fn start(mut command: Command, far: OwnedFd) -> Result<std::process::Child> {
    command.stdin(far.try_clone()?).stdout(far.try_clone()?).stderr(far);
    Ok(command.spawn()?)
}
