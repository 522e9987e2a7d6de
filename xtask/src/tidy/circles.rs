//! Circles of files: files of one crate that use each other, directly or through others. To understand one of them, one
//! has to read all.

mod files;
mod modules;
mod rooms;
mod tokens;

use super::Violation;
use crate::workspace::Workspace;

/// The files of a known circle, in order, from the root of the project.
pub type Circle = &'static [&'static str];

/// The circles must be exactly the known ones: a new circle is refused, and one that is gone has to be taken off the
/// list.
pub(super) fn check(workspace: &Workspace, known: &[Circle], found: &mut Vec<Violation>) {
    let mut circles = Vec::new();
    for member in &workspace.members {
        // A package may have a library and a program that uses it.
        for root in ["lib.rs", "main.rs"] {
            let root = format!("{}/src/{root}", member.directory);
            circles.extend(rooms::circles(&files::files(&workspace.sources, &root)));
        }
    }
    for circle in &circles {
        if !known.iter().any(|known| *known == circle.files) {
            let message = format!(
                "is in a circle of files ({}): {}; move what both sides need into a file below them",
                circle.files.join(", "),
                circle.way
            );
            found.push(Violation::new(circle.files[0].clone(), "circle", message));
        }
    }
    for known in known {
        if !circles.iter().any(|circle| *known == circle.files) {
            let message = format!(
                "this circle of files is gone, or another one now ({}): take it off the list",
                known.join(", ")
            );
            found.push(Violation::new("xtask/src/tidy/rules.rs", "circle", message));
        }
    }
}
