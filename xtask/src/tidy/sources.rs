//! How Rust files are called, how long they are, how they begin, and what a front page holds.

use super::Violation;
use super::rules::{FORBIDDEN_WORDS, LINES_MAX};
use crate::workspace::{Source, Workspace};

pub(super) fn check(workspace: &Workspace, found: &mut Vec<Violation>) {
    for source in &workspace.sources {
        check_name(source, found);
        check_length(source, found);
        if !source.text.starts_with("//!") {
            let message = "does not begin with a `//!` line that says what it holds";
            found.push(Violation::new(source.path.clone(), "first-line", message));
        }
    }
    for member in &workspace.members {
        let Some(path) = &member.library else { continue };
        let file = workspace.sources.iter().find(|source| source.path == *path);
        match file {
            Some(source) => check_front_page(source, member.directory.starts_with("crates/"), found),
            None => {
                let message = format!("`{}` has its library in a file that is not there", member.name);
                found.push(Violation::new(path.clone(), "front-page", message));
            }
        }
    }
}

/// Checks each directory and the file itself, word by word, so that `test_utils.rs` is found too.
fn check_name(source: &Source, found: &mut Vec<Violation>) {
    let words = source.path.trim_end_matches(".rs").split(['/', '_', '-', '.']);
    for word in words.filter(|word| FORBIDDEN_WORDS.contains(word)) {
        let message = format!("is named after no thing (`{word}`): say what it holds");
        found.push(Violation::new(source.path.clone(), "file-name", message));
    }
}

fn check_length(source: &Source, found: &mut Vec<Violation>) {
    let count = source.text.lines().count();
    if count > LINES_MAX {
        let message =
            format!("has {count} lines, at most {LINES_MAX} are allowed: it holds more than one thing");
        found.push(Violation::new(source.path.clone(), "file-length", message));
    }
}

/// A front page lists what the crate has, and has no logic itself. A crate that others use also shows how, with an
/// example that would fail if it were wrong.
fn check_front_page(source: &Source, needs_example: bool, found: &mut Vec<Violation>) {
    for statement in statements(&source.text) {
        let is_listed = ["mod ", "pub mod ", "use ", "pub use ", "pub(crate) mod ", "pub(crate) use "]
            .iter()
            .any(|start| statement.starts_with(start));
        let is_inline =
            statement.contains('{') && statement.trim_start_matches("pub").trim().starts_with("mod ");
        if !is_listed || is_inline {
            let start: String = statement.chars().take(40).collect();
            let message = format!("a front page holds modules and re-exports, not logic: `{start}`");
            found.push(Violation::new(source.path.clone(), "front-page", message));
            // What follows in such a file is more of the same.
            break;
        }
    }
    let words = source.text.lines().filter(|line| line.starts_with("//!"));
    let words = words.collect::<Vec<_>>().join("\n");
    if needs_example && !(words.contains("//! ```") && words.contains("assert")) {
        let message = "the front page shows no example that asserts something";
        found.push(Violation::new(source.path.clone(), "front-page", message));
    }
}

/// What stands between the semicolons, without comments and attributes.
fn statements(text: &str) -> Vec<String> {
    let mut code = String::new();
    let mut open_brackets = 0usize;
    for line in text.lines().map(str::trim) {
        let line = line.split_once("//").map_or(line, |(code, _comment)| code);
        let is_attribute_start = line.starts_with("#[") || line.starts_with("#![");
        if open_brackets == 0 && !is_attribute_start {
            code.push_str(line);
            code.push(' ');
            continue;
        }
        for (at, character) in line.char_indices() {
            match character {
                '[' => open_brackets += 1,
                ']' => open_brackets = open_brackets.saturating_sub(1),
                _ => continue,
            }
            if open_brackets == 0 {
                code.push_str(&line[at + 1..]);
                code.push(' ');
                break;
            }
        }
    }
    code.split(';').map(|statement| statement.trim().to_owned()).filter(|s| !s.is_empty()).collect()
}
