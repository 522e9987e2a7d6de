//! The rules of the house, which a test checks: who may depend on whom, how files are named, how a crate presents
//! itself, which files may use each other, and where links lead.
//!
//! The rules themselves are tables in `rules`; the files beside it compare the workspace with them. A rule says what
//! ARCHITECTURE.md and CONTRIBUTING.md say in words. Change both together.

mod circles;
mod dependencies;
mod links;
mod packages;
mod rules;
mod sources;

use std::fmt;

use anyhow::Result;

use crate::workspace::Workspace;

/// A place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, from the root of the project.
    pub file: String,
    /// The rule, in a word.
    pub rule: &'static str,
    /// What is wrong, and what to do when that is not obvious.
    pub message: String,
}

impl Violation {
    fn new(file: impl Into<String>, rule: &'static str, message: impl Into<String>) -> Self {
        Self { file: file.into(), rule, message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.file, self.message, self.rule)
    }
}

/// Every place of this project where a rule is broken.
///
/// # Errors
/// When the project cannot be read.
pub fn check() -> Result<Vec<Violation>> {
    Ok(violations(&Workspace::read()?))
}

/// Every place of a workspace where a rule is broken, in order of files.
pub fn violations(workspace: &Workspace) -> Vec<Violation> {
    let mut found = Vec::new();
    dependencies::check(workspace, &mut found);
    packages::check(workspace, &mut found);
    sources::check(workspace, &mut found);
    links::check(workspace, &mut found);
    circles::check(workspace, &mut found);
    found.sort();
    found
}
