//! Circles of files: files of one crate that use each other, directly or through others. Whoever reads one of them has to
//! read all.

mod files;
mod modules;
mod rooms;
mod tokens;

use super::Violation;
use crate::workspace::Workspace;

/// The files of a circle that is known, in order, from the root of the project.
pub type Circle = &'static [&'static str];

/// What there is must be what is known: a circle that is new is refused, and one that is gone is taken off the list.
pub(super) fn check(workspace: &Workspace, known: &[Circle], found: &mut Vec<Violation>) {
    let mut circles = Vec::new();
    for member in &workspace.members {
        // A package with both has a program over its library.
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
