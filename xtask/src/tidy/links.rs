//! Links in the documents: each leads to a file that is there, and to a heading that is in it.

use super::Violation;
use crate::workspace::{Source, Workspace};

pub(super) fn check(workspace: &Workspace, found: &mut Vec<Violation>) {
    for document in &workspace.documents {
        for target in targets(&document.text).filter(|target| !target.contains("://")) {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let leads = match resolved(&document.path, path) {
                Some(path) => leads(workspace, &path, heading),
                None => false,
            };
            if !leads {
                let message = format!("the link to `{target}` leads nowhere");
                found.push(Violation::new(document.path.clone(), "link", message));
            }
        }
    }
}

fn leads(workspace: &Workspace, path: &str, heading: &str) -> bool {
    if heading.is_empty() {
        return workspace.paths.iter().any(|there| there == path);
    }
    let is_there = |document: &&Source| document.path == path;
    workspace.documents.iter().find(is_there).is_some_and(|document| {
        let mut headings = lines(&document.text).filter(|line| line.starts_with('#'));
        headings.any(|line| anchor(line.trim_start_matches('#').trim()) == heading)
    })
}

/// Lines outside of fenced blocks.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut is_fenced = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        !is_fence && !is_fenced
    })
}

/// Where the links of a document lead, as it is written there. What is between backticks is no link.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    let prose = lines(text).flat_map(|line| line.split('`').step_by(2));
    prose.flat_map(|prose| prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()))
}

/// What a link in a document names, from the root of the project; `None` is outside of it.
fn resolved(document: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(document.to_owned());
    }
    let mut words: Vec<&str> = document.split('/').collect();
    words.pop();
    for word in link.trim_end_matches('/').split('/') {
        match word {
            "." => {}
            ".." => drop(words.pop()?),
            word => words.push(word),
        }
    }
    Some(words.join("/"))
}

/// The name that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}
