//! Pipes that have a name.

use std::path::Path;

/// Makes a pipe of this name, as `mkfifo` does.
///
/// # Panics
/// When it cannot be made.
pub fn make_pipe(path: impl AsRef<Path>) {
    make(path.as_ref());
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn make(path: &Path) {
    use rustix::fs::{CWD, Mode, mkfifoat};
    mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).expect("a pipe can be made");
}

/// rustix does not have the call on Apple's systems, and each of them has the program.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn make(path: &Path) {
    let made =
        std::process::Command::new("mkfifo").arg(path).status().expect("mkfifo is a part of every Unix");
    assert!(made.success());
}
