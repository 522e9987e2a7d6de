//! Rooms, and the circles that they form. A module and its children are one room, and uses between them do not count.
//! So a use counts between the two sibling rooms that its ends are in.

use std::collections::{BTreeMap, BTreeSet};

use super::files::Files;
use super::modules::Path;

/// Sibling rooms that all use each other, directly or through others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Circle {
    /// The file of each room, in order.
    pub(super) files: Vec<String>,
    /// A shortest way round, in words.
    pub(super) way: String,
}

/// Which room uses which, with an example: the two files, and the path in the first one.
type Uses<'a> = BTreeMap<(&'a [String], &'a [String]), (&'a [String], &'a [String], &'a str)>;

/// Every circle of a crate.
pub(super) fn circles(files: &Files) -> Vec<Circle> {
    let mut storeys: BTreeMap<&[String], Uses<'_>> = BTreeMap::new();
    for ((user, used), path) in &files.uses {
        let shared = user.iter().zip(used).take_while(|(one, other)| one == other).count();
        // One of the two is above the other in the tree, so they are in one room.
        if shared == user.len().min(used.len()) {
            continue;
        }
        let uses = storeys.entry(&user[..shared]).or_default();
        uses.entry((&user[..=shared], &used[..=shared])).or_insert((user, used, path));
    }
    storeys.values().flat_map(|uses| circles_among(uses, &files.paths)).collect()
}

fn circles_among(uses: &Uses<'_>, paths: &BTreeMap<Path, String>) -> Vec<Circle> {
    let rooms: BTreeSet<&[String]> = uses.keys().map(|(user, _)| *user).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for room in &rooms {
        if seen.contains(room) {
            continue;
        }
        // The rooms that can be reached from this one and lead back to it. If there is a circle, this room is one of
        // them.
        let leads = |from, to| way(uses, from, to).is_some();
        let circle: Vec<&[String]> =
            rooms.iter().copied().filter(|other| leads(room, other) && leads(other, room)).collect();
        seen.extend(circle.iter().copied());
        let Some(way) = circle.iter().filter_map(|room| way(uses, room, room)).min_by_key(Vec::len) else {
            continue;
        };
        let mut files: Vec<_> = circle.iter().filter_map(|room| paths.get(*room).cloned()).collect();
        files.sort_unstable();
        found.push(Circle { files, way: said(uses, &way) });
    }
    found
}

/// A shortest way from one room to another, both included; at least one step.
fn way<'a>(uses: &Uses<'a>, from: &'a [String], to: &[String]) -> Option<Vec<&'a [String]>> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for (_, next) in uses.keys().filter(|(user, _)| way.last() == Some(user)) {
                let more: Vec<_> = way.iter().chain([next]).copied().collect();
                if *next == to {
                    return Some(more);
                }
                if seen.insert(*next) {
                    longer.push(more);
                }
            }
        }
        ways = longer;
    }
    None
}

/// `a.rs → b.rs (crate::b::B) → a.rs (crate::a::A)`.
fn said(uses: &Uses<'_>, way: &[&[String]]) -> String {
    let name = |file: &[String]| format!("{}.rs", file.join("/"));
    let mut said = String::new();
    for step in way.windows(2) {
        let Some((user, used, path)) = uses.get(&(step[0], step[1])) else { continue };
        if said.is_empty() {
            said = name(user);
        }
        said.push_str(&format!(" → {} (`{path}`)", name(used)));
    }
    said
}
