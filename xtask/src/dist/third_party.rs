//! The licences of the crates that are linked into the program, with the texts that their sources have.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::Package;

use crate::{command, workspace};

/// Starts of the names of files with a licence, or with a notice that a licence requires.
const NAMES: [&str; 6] = ["COPYING", "COPYRIGHT", "LICENCE", "LICENSE", "NOTICE", "UNLICENSE"];

/// Ends of such names that are programs or data.
const NO_TEXTS: [&str; 6] = [".c", ".h", ".json", ".py", ".rs", ".toml"];

const INTRODUCTION: &str = "\
The program `billing` has these crates in it: their names and versions, their
licences as SPDX expressions, and where they come from. Below them are the
texts that their sources have, each once, with the names of its crates.

The standard library of Rust is in it too: MIT OR Apache-2.0, by the Rust
Project Contributors, https://github.com/rust-lang/rust
";

const RULE: &str = "--------------------------------------------------------------------------------";

/// The whole file.
pub(super) fn text() -> Result<String> {
    let linked = linked()?;
    let metadata = workspace::metadata()?;
    let is_linked = |package: &&Package| linked.contains(&format!("{} v{}", package.name, package.version));
    let mut packages: Vec<&Package> = metadata.packages.iter().filter(is_linked).collect();
    // A package without a source is ours, under the licences of the project.
    packages.retain(|package| package.source.is_some());
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));

    let mut text = format!("{INTRODUCTION}\n");
    let mut users = BTreeMap::<String, BTreeSet<String>>::new();
    for package in packages {
        let name = format!("{} {}", package.name, package.version);
        let licence =
            package.license.as_deref().with_context(|| format!("{name} does not say its licence"))?;
        writeln!(text, "{name}: {licence}, {}", package.repository.as_deref().unwrap_or("crates.io"))?;
        let directory = package.manifest_path.parent().context("a manifest stands in a directory")?;
        let mut found = Vec::new();
        collect(directory.as_std_path(), &mut found)?;
        if found.is_empty() && licence == "MIT" {
            found.push(mit_by(&package.authors));
        }
        for licence in found {
            users.entry(licence).or_default().insert(name.clone());
        }
    }
    for (licence, users) in users {
        let users: Vec<_> = users.into_iter().collect();
        write!(text, "\n{RULE}\n{}\n{RULE}\n\n{licence}\n", users.join(", "))?;
    }
    Ok(text)
}

/// The licence of a crate whose sources have no text of it: its `Cargo.toml` says MIT, and by whom it is.
fn mit_by(authors: &[String]) -> String {
    const OURS: &str = include_str!("../../../LICENSE-MIT");
    let terms = OURS.find("Permission is hereby granted").and_then(|start| OURS.get(start..));
    format!("MIT License\n\nCopyright (c) {}\n\n{}", authors.join(", "), terms.unwrap_or(OURS).trim_end())
}

/// `name vVERSION` of every crate that is linked in, from `cargo tree`. Unlike `cargo metadata`, it leaves out macros,
/// and features that only tests turn on.
fn linked() -> Result<BTreeSet<String>> {
    let tree = command::output(command::cargo([
        "tree",
        "--locked",
        "--package",
        "billing-cli",
        "--edges",
        "normal,no-proc-macro",
        "--target",
        "host-tuple",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]))?;
    Ok(tree.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect())
}

/// The licences in a directory and below it, such as of C code that a crate has in its own directory.
fn collect(directory: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let is_named = |names: &[&str]| names.iter().any(|start| name.to_uppercase().starts_with(start));
        if entry.file_type()?.is_dir() {
            collect(&path, found)?;
        } else if is_named(&NAMES) && !NO_TEXTS.iter().any(|end| name.ends_with(end)) {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
            found.push(text.trim_matches('\n').trim_end().to_owned());
        }
    }
    Ok(())
}
