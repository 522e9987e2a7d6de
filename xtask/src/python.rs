//! Tools that are written in Python, each in an environment of its own under `target/tools`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{command, workspace};

/// Makes an environment with these requirements in it, unless it is there, and says where it is.
///
/// # Errors
/// When python3 has no venv, or what is required cannot be installed.
pub fn environment(name: &str, requirements: &str) -> Result<PathBuf> {
    let directory = workspace::target_directory()?.join("tools").join(name);
    let python = directory.join("bin").join("python");
    // This file is written last, so an environment without it is not complete.
    let installed = directory.join("requirements.txt");
    let is_there = fs::read_to_string(&installed).is_ok_and(|there| there == requirements);
    // The interpreter is a link to the system's, which may be gone by now.
    if is_there && Command::new(&python).arg("--version").output().is_ok_and(|said| said.status.success()) {
        return Ok(directory);
    }
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("cannot clear {}", directory.display()))?;
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(&directory);
    if let Err(error) = command::output(venv) {
        bail!("{name} needs python3 with venv (on Debian the package python3-venv): {error:#}");
    }
    let wanted = directory.join("wanted.txt");
    fs::write(&wanted, requirements)?;
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    pip.arg(&wanted);
    command::run(pip)?;
    fs::rename(&wanted, &installed)?;
    Ok(directory)
}
