//! Circles of files: files of one crate that use each other, directly or through others. Whoever reads one of them has to
//! read all.

mod files;
mod modules;
mod rooms;
mod tokens;

use super::Violation;
use crate::workspace::Workspace;

pub(super) fn check(workspace: &Workspace, found: &mut Vec<Violation>) {
    for member in &workspace.members {
        // A package may have a library and a program that uses it.
        for root in ["lib.rs", "main.rs"] {
            let root = format!("{}/src/{root}", member.directory);
            for circle in rooms::circles(&files::files(&workspace.sources, &root)) {
                let message = format!(
                    "is in a circle of files ({}): {}; move what both sides need into a file below them",
                    circle.files.join(", "),
                    circle.way
                );
                found.push(Violation::new(circle.files[0].clone(), "circle", message));
            }
        }
    }
}
