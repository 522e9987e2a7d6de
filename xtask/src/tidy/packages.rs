//! What every package of ours must have: a description, the lints, the same Rust version, no features yet, and tests
//! that run.

use super::Violation;
use super::rules::OUTSIDE_DEFAULT;
use crate::manifest;
use crate::workspace::{Member, Workspace};

pub(super) fn check(workspace: &Workspace, found: &mut Vec<Violation>) {
    for member in &workspace.members {
        let mut report = |rule, message: String| {
            found.push(Violation::new(format!("{}/Cargo.toml", member.directory), rule, message));
        };
        if member.description.as_deref().unwrap_or_default().trim().is_empty() {
            report("description", "has no description".to_owned());
        }
        if !manifest::takes_lints(&member.manifest) {
            report(
                "lints",
                "does not take the lints of the workspace: `[lints] workspace = true`".to_owned(),
            );
        }
        if let Some(name) = member.directory.strip_prefix("crates/")
            && name != member.name
        {
            report("directory", format!("stands in `{name}` and is called `{}`", member.name));
        }
        check_features(member, &mut report);
        check_tests(member, &mut report);
    }
    check_rust_version(workspace, found);
}

/// As long as there are no features, there are no combinations of them that could fail to build.
fn check_features(member: &Member, report: &mut impl FnMut(&'static str, String)) {
    if !member.features.is_empty() {
        let message = format!(
            "has features ({}): add a step to the gate that builds every combination (`cargo hack check \
             --feature-powerset`), then lift this rule",
            member.features.join(", ")
        );
        report("features", message);
    }
}

/// A plain `cargo test` in the root must run every test that there is.
fn check_tests(member: &Member, report: &mut impl FnMut(&'static str, String)) {
    match (member.name == OUTSIDE_DEFAULT, member.is_default) {
        (true, true) => {
            let message = "is one of the default members: `cargo run` would find two programs".to_owned();
            report("default-members", message);
        }
        (true, false) if member.is_tested => {
            let message = "tests in here would be left out of a plain `cargo test`: set `test = false` and \
                           `doctest = false`, and test it from the package `billing-tests`";
            report("default-members", message.to_owned());
        }
        (false, false) => {
            let message =
                "is not one of the default members: a plain `cargo test` would leave it out".to_owned();
            report("default-members", message);
        }
        _ => {}
    }
}

/// One promise for all: the version that the gate runs.
fn check_rust_version(workspace: &Workspace, found: &mut Vec<Violation>) {
    let Some(first) = workspace.members.first() else { return };
    for member in &workspace.members {
        let file = format!("{}/Cargo.toml", member.directory);
        match (&member.rust_version, &first.rust_version) {
            (None, _) => {
                let message = "promises no Rust version: `rust-version.workspace = true`";
                found.push(Violation::new(file, "rust-version", message));
            }
            (Some(version), Some(other)) if version != other => {
                let message = format!("promises Rust {version}, `{}` promises {other}", first.name);
                found.push(Violation::new(file, "rust-version", message));
            }
            _ => {}
        }
    }
}
