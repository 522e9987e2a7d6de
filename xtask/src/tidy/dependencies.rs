//! Who depends on whom, and with which features.

use super::Violation;
use super::rules::{DEV_ONLY, FORBIDDEN_FEATURES, ONLY_IN, OWN, TEST_PACKAGES};
use crate::manifest;
use crate::workspace::{Member, Workspace};

pub(super) fn check(workspace: &Workspace, found: &mut Vec<Violation>) {
    for member in &workspace.members {
        check_own(member, &workspace.members, found);
        check_others(member, found);
    }
    check_features(workspace, found);
    check_offered(workspace, found);
}

/// Checks dependencies between our crates.
fn check_own(member: &Member, members: &[Member], found: &mut Vec<Violation>) {
    let file = manifest_of(member);
    let Some((_, allowed)) = OWN.iter().find(|(name, _)| *name == member.name) else {
        let message =
            format!("`{}` is not in the table of who may know whom, xtask/src/tidy/rules.rs", member.name);
        found.push(Violation::new(file, "own-crates", message));
        return;
    };
    for dependency in member.dependencies.iter().filter(|dependency| !dependency.is_dev) {
        let name = dependency.name.as_str();
        if members.iter().any(|member| member.name == name) && !allowed.contains(&name) {
            let message = format!("`{}` may not depend on `{name}`", member.name);
            found.push(Violation::new(file.clone(), "own-crates", message));
        }
    }
}

/// Checks crates of others that only some of ours, or only tests, may use.
fn check_others(member: &Member, found: &mut Vec<Violation>) {
    for dependency in member.dependencies.iter().filter(|dependency| !dependency.is_dev) {
        let name = dependency.name.as_str();
        if let Some((_, allowed)) = ONLY_IN.iter().find(|(only, _)| *only == name)
            && !allowed.contains(&member.name.as_str())
        {
            let message =
                format!("`{}` may not depend on `{name}`: only {} may", member.name, allowed.join(", "));
            found.push(Violation::new(manifest_of(member), "others-crates", message));
        }
        if DEV_ONLY.contains(&name) && !TEST_PACKAGES.contains(&member.name.as_str()) {
            let message = format!("`{name}` is for tests and benchmarks: make it a dev-dependency");
            found.push(Violation::new(manifest_of(member), "dev-only", message));
        }
    }
}

/// Checks the resolved graph: a feature is on for all as soon as one crate turns it on.
fn check_features(workspace: &Workspace, found: &mut Vec<Violation>) {
    for package in &workspace.resolved {
        for (name, start, why) in FORBIDDEN_FEATURES.iter().filter(|(name, ..)| *name == package.name) {
            for feature in package.features.iter().filter(|feature| feature.starts_with(start)) {
                let message = format!(
                    "`{name}/{feature}` is on: {why} (who asks for it: `cargo tree -e features -i {name}`)"
                );
                found.push(Violation::new("Cargo.lock", "forbidden-feature", message));
            }
        }
    }
}

/// Checks that every dependency in the root manifest is used by a member.
fn check_offered(workspace: &Workspace, found: &mut Vec<Violation>) {
    let taken: Vec<&str> =
        workspace.members.iter().flat_map(|member| manifest::taken(&member.manifest)).collect();
    for name in manifest::offered(&workspace.manifest) {
        if !taken.contains(&name) {
            let message = format!("no member takes `{name}` of [workspace.dependencies]: remove it");
            found.push(Violation::new("Cargo.toml", "unused-dependency", message));
        }
    }
}

fn manifest_of(member: &Member) -> String {
    format!("{}/Cargo.toml", member.directory)
}
