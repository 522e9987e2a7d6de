//! Packs a release: the program, its completions and man pages, and what has to go with them.
//!
//! The same program makes the same archives: names are in order; owners, modes and the time are fixed. Packing is
//! separate from building, so a test can pack the program that it has.

mod contents;
mod debian;
mod glibc;
mod third_party;
mod tree;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

use anyhow::{Context, Result, bail};
use cargo_metadata::{Message, TargetKind};
use sha2::{Digest, Sha256};

use contents::Contents;
use tree::Tree;

use crate::{command, workspace};

/// The file with the checksums, as `sha256sum -c` reads it.
const SUMS: &str = "SHA256SUMS";

/// What a release is made of.
#[derive(Clone, Debug)]
pub struct Release {
    /// The program.
    pub binary: PathBuf,
    /// The target that it was built for, `x86_64-unknown-linux-gnu`.
    pub target: String,
    /// The time of every packed file.
    pub time_unix_s: u64,
    /// The level of gzip, from 0, which only stores, to 9.
    pub compression: u32,
}

/// Builds the program as users get it, and packs it into `target/dist`, which is emptied first.
///
/// # Errors
/// When it does not build, or [`pack`] fails.
pub fn run(arguments: &[&str]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("`dist` takes nothing, and not `{argument}`");
    }
    make(build()?)
}

/// Packs this program into `target/dist`, which is emptied first.
pub(crate) fn make(binary: PathBuf) -> Result<()> {
    let release = Release { binary, target: host()?, time_unix_s: time()?, compression: 9 };
    let directory = workspace::target_directory()?.join("dist");
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("cannot clear {}", directory.display()))?;
    }
    for path in pack(&release, &directory)? {
        say(&format!("{:>9}  {}", fs::metadata(&path)?.len(), path.display()));
    }
    Ok(())
}

/// Packs a release into a directory, which is made when it is not there: a tarball, for Linux a Debian package too, and the
/// checksums of both. Gives their paths.
///
/// # Errors
/// When the program does not say what goes with it or is another version than that of the project, and when a file cannot
/// be read or written.
pub fn pack(release: &Release, directory: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let contents = Contents::collect(release, directory)?;
    let top = format!("billing-{}-{}", contents.version, release.target);
    let tarball = tree(&contents).tar_gz(&format!("{top}/"), release.time_unix_s, release.compression)?;
    let mut packed = vec![(format!("{top}.tar.gz"), tarball)];
    if release.target.contains("-linux-") {
        packed.push(debian::package(&contents, release)?);
    }
    packed.sort();
    let sums: String = packed.iter().map(|(name, bytes)| format!("{}  {name}\n", sha256(bytes))).collect();
    packed.push((SUMS.to_owned(), sums.into_bytes()));
    let written = packed.into_iter().map(|(name, bytes)| {
        let path = directory.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    });
    written.collect()
}

/// The content of the tarball, laid out for a person who unpacks and reads it.
fn tree(contents: &Contents) -> Tree<'_> {
    let mut tree = Tree::default();
    tree.add_program(contents.program, &contents.binary);
    for (name, text) in contents.texts.iter().chain([&contents.third_party]) {
        tree.add(name.clone(), text.as_bytes());
    }
    for completion in &contents.completions {
        tree.add(format!("completions/{}", completion.file), completion.script.as_bytes());
    }
    for (name, page) in &contents.pages {
        tree.add(format!("man/man1/{name}"), page.as_slice());
    }
    tree
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Builds the program, and gives its path as cargo reports it, because that depends on cargo's configuration. Only its
/// package is built, so that no feature of tests is on.
fn build() -> Result<PathBuf> {
    let mut cargo = command::cargo([
        "build",
        "--release",
        "--locked",
        "--package",
        "billing-cli",
        "--message-format",
        "json-render-diagnostics",
    ]);
    // The build takes minutes, so its progress is shown.
    cargo.stderr(Stdio::inherit());
    let mut built = None;
    for message in Message::parse_stream(command::output(cargo)?.as_bytes()) {
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.target.is_kind(TargetKind::Bin)
        {
            built = artifact.executable.or(built);
        }
    }
    Ok(built.context("cargo built no program")?.into())
}

/// The target that cargo builds for when nobody names one.
fn host() -> Result<String> {
    let version = command::output(command::cargo(["--version", "--verbose"]))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("cargo does not say what it builds for")?.to_owned())
}

/// `SOURCE_DATE_EPOCH` (<https://reproducible-builds.org/specs/source-date-epoch/>), else the time of the last commit.
fn time() -> Result<u64> {
    if let Ok(time) = env::var("SOURCE_DATE_EPOCH") {
        return time
            .parse()
            .with_context(|| format!("SOURCE_DATE_EPOCH is `{time}`, which is no number of seconds"));
    }
    let mut git = Command::new("git");
    git.args(["log", "-1", "--format=%ct"]).current_dir(workspace::root());
    match command::output(git) {
        Ok(time) => {
            time.parse().with_context(|| format!("git gives `{time}` as the time of the last commit"))
        }
        Err(error) => {
            say(&format!("note: the archives get the present time, for want of a commit: {error:#}"));
            Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
        }
    }
}

#[expect(clippy::print_stderr, reason = "a chore talks to whoever started it")]
fn say(line: &str) {
    eprintln!("{line}");
}
