//! Finds out which file of a crate uses which: it builds the tree of modules, and follows the paths in them to files.

use std::collections::BTreeMap;

use super::modules::{Child, Module, Path, modules};
use super::tokens::tokens;
use crate::workspace::Source;

/// The longest chain of imports that is followed. Nobody writes such a long one, but imports in a file that does not
/// compile may go in a circle.
const MOST_IMPORTS: usize = 16;

/// The files of a crate, each known by the names of the modules from the crate's root to it.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// The path of each file.
    pub(super) paths: BTreeMap<Path, String>,
    /// Which file uses which, with one of the paths that show it.
    pub(super) uses: BTreeMap<(Path, Path), String>,
}

/// A crate: its modules by their names, those in braces too.
struct Tree<'a> {
    sources: &'a [Source],
    files: BTreeMap<Path, String>,
    modules: BTreeMap<Path, Module>,
}

/// The crate whose root is this file.
pub(super) fn files(sources: &[Source], root: &str) -> Files {
    let mut tree = Tree { sources, files: BTreeMap::new(), modules: BTreeMap::new() };
    tree.read_file(Path::new(), root.to_owned());
    let mut uses = BTreeMap::new();
    for (module, Module { paths, .. }) in &tree.modules {
        let file = tree.file_of(module);
        for path in paths {
            for used in tree.places(module, path) {
                let used = tree.file_of(&used);
                if used != file {
                    uses.entry((file.to_vec(), used.to_vec())).or_insert_with(|| path.join("::"));
                }
            }
        }
    }
    Files { paths: tree.files, uses }
}

impl Tree<'_> {
    /// Reads a file and the files of its children. A missing file is left out, because cargo reports it better.
    fn read_file(&mut self, file: Path, path: String) {
        let sources = self.sources;
        let Some(source) = sources.iter().find(|source| source.path == path) else { return };
        self.files.insert(file.clone(), path);
        for (inner, module) in modules(&tokens(&source.text)) {
            let name: Path = file.iter().chain(&inner).cloned().collect();
            let children = module.children.clone();
            self.modules.insert(name.clone(), module);
            for (child, place) in children {
                let child: Path = name.iter().cloned().chain([child]).collect();
                if let Some(path) = self.path_of(&child, &place, &source.path) {
                    self.read_file(child, path);
                }
            }
        }
    }

    /// The file of a module: that of the nearest module above it that has its own file.
    fn file_of<'m>(&self, module: &'m [String]) -> &'m [String] {
        let mut file = module;
        while let Some((_, above)) = file.split_last().filter(|_| !self.files.contains_key(file)) {
            file = above;
        }
        file
    }

    /// The file of a child module; `None` for a module in braces.
    fn path_of(&self, module: &[String], place: &Child, parent: &str) -> Option<String> {
        let is_there = |path: &String| self.sources.iter().any(|source| source.path == *path);
        let directory =
            |path: &str| path.rsplit_once('/').map_or_else(String::new, |(above, _)| above.to_owned());
        match place {
            Child::Inline => None,
            Child::At(path) => Some(normal(&format!("{}/{path}", directory(parent)))),
            Child::File => {
                let root = self.files.get(&Path::new())?;
                let stem = format!("{}/{}", directory(root), module.join("/"));
                [format!("{stem}.rs"), format!("{stem}/mod.rs")].into_iter().find(is_there)
            }
        }
    }

    /// The modules that a path leads to: the one that has the item, and each on the way that re-exports it.
    fn places(&self, from: &[String], path: &[String]) -> Vec<Path> {
        let mut found = Vec::new();
        let (mut at, mut rest) = (from.to_vec(), path.to_vec());
        for _ in 0..MOST_IMPORTS {
            let Some((place, item)) = self.walk(&at, &rest) else { break };
            let Some(module) = self.modules.get(&place) else { break };
            found.push(place.clone());
            // The module imports the item from elsewhere, or the path is the module itself.
            let Some(import) = item.first().and_then(|name| module.imports.get(name)) else { break };
            rest = import.iter().chain(&item[1..]).cloned().collect();
            at = place;
        }
        found
    }

    /// The last module on a path, and the rest of the path. `None` for a path that leads out of the crate.
    fn walk(&self, from: &[String], path: &[String]) -> Option<(Path, Path)> {
        let mut at = from.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                at.clear();
                rest = &path[1..];
            }
            "self" => rest = &path[1..],
            "super" => {
                while let Some((_, after)) = rest.split_first().filter(|(first, _)| *first == "super") {
                    at.pop()?;
                    rest = after;
                }
            }
            name => {
                let module = self.modules.get(from)?;
                let is_import = module.imports.get(name).is_some_and(|import| import.as_slice() != path);
                if !module.children.contains_key(name) && !is_import {
                    return None;
                }
            }
        }
        while let Some((name, after)) = rest.split_first() {
            let module = self.modules.get(&at)?;
            if !module.children.contains_key(name) {
                break;
            }
            at.push(name.clone());
            rest = after;
        }
        Some((at, rest.to_vec()))
    }
}

/// A path without `..`.
fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}
