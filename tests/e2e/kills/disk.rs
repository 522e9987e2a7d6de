//! A model of a disk. After a power loss it may be in any of several states: what was made durable is there, and of the
//! rest perhaps some.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::call_log::Call;
use super::small_export::Files;

/// A directory, as the calls on it leave it.
pub(crate) struct Disk {
    directory: String,
    /// What is in each file: now, and for certain after a power loss.
    contents: Vec<Content>,
    /// The file of each name, in the same way.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// What changed the names since then.
    changes: Vec<Change>,
    open: BTreeMap<u32, Open>,
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Clone)]
enum Change {
    Names(String, usize),
    Renames(String, String),
    Removes(String),
}

enum Open {
    Directory,
    File { content: usize, at: usize },
}

impl Disk {
    /// All that is there is durable.
    pub(crate) fn new(directory: &str, files: &Files) -> Self {
        let contents =
            files.values().map(|bytes| Content { now: bytes.clone(), durable: bytes.clone() }).collect();
        let names: BTreeMap<_, _> = files.keys().cloned().zip(0..).collect();
        Self {
            directory: directory.to_owned(),
            contents,
            durable_names: names.clone(),
            names,
            changes: Vec::new(),
            open: BTreeMap::new(),
        }
    }

    /// What a call leaves.
    pub(crate) fn take(&mut self, call: &Call) {
        match call {
            Call::Open { path, creates, file } => {
                let open = if Path::new(path) == Path::new(&self.directory) {
                    Open::Directory
                } else {
                    Open::File { content: self.opened(name_of(path), *creates), at: 0 }
                };
                self.open.insert(*file, open);
            }
            Call::Seek { file, to } => *self.at(*file).1 = *to,
            Call::Write { file, bytes } => {
                let (content, at) = self.at(*file);
                let end = *at + bytes.len();
                assert!(*at <= content.now.len(), "no holes");
                content.now.resize(end.max(content.now.len()), 0);
                content.now[*at..end].copy_from_slice(bytes);
                *at = end;
            }
            Call::Truncate { file, to } => self.at(*file).0.now.resize(*to, 0),
            Call::Sync { file, .. } => match &self.open[file] {
                Open::Directory => {
                    self.durable_names.clone_from(&self.names);
                    self.changes.clear();
                }
                Open::File { content, .. } => {
                    let content = &mut self.contents[*content];
                    content.durable.clone_from(&content.now);
                }
            },
            Call::Rename { from, to } => {
                self.change(Change::Renames(name_of(from).to_owned(), name_of(to).to_owned()));
            }
            Call::Unlink { path } => self.change(Change::Removes(name_of(path).to_owned())),
        }
    }

    fn opened(&mut self, name: &str, creates: bool) -> usize {
        if let Some(content) = self.names.get(name) {
            return *content;
        }
        assert!(creates, "`{name}` was opened and is not there");
        self.contents.push(Content::default());
        let content = self.contents.len() - 1;
        self.change(Change::Names(name.to_owned(), content));
        content
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn at(&mut self, file: u32) -> (&mut Content, &mut usize) {
        match self.open.get_mut(&file) {
            Some(Open::File { content, at }) => (&mut self.contents[*content], at),
            _ => panic!("{file} is not an open file"),
        }
    }

    /// What is there now.
    pub(crate) fn now(&self) -> Files {
        self.names.iter().map(|(name, file)| (name.clone(), self.contents[*file].now.clone())).collect()
    }

    /// What a power loss now may leave: each selection of the changes of names, and of each file what it may leave of that.
    pub(crate) fn after_power_loss(&self) -> BTreeSet<Files> {
        let mut states = BTreeSet::new();
        for selected in 0_u32..1 << self.changes.len() {
            let mut names = self.durable_names.clone();
            let changes = self.changes.iter().enumerate();
            changes
                .filter(|(index, _)| selected >> index & 1 == 1)
                .for_each(|(_, change)| change.apply(&mut names));
            let mut combined = vec![Files::new()];
            for (name, content) in names {
                let variants = self.contents[content].after_power_loss();
                let with = |files: &Files| {
                    let one = |bytes: &Vec<u8>| {
                        let mut files = files.clone();
                        files.insert(name.clone(), bytes.clone());
                        files
                    };
                    variants.iter().map(one).collect::<Vec<_>>()
                };
                combined = combined.iter().flat_map(with).collect();
            }
            states.extend(combined);
        }
        states
    }
}

impl Change {
    /// A change of a name that is not there, because the change before it is lost, changes nothing.
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Names(name, content) => drop(names.insert(name.clone(), *content)),
            Self::Removes(name) => drop(names.remove(name)),
            Self::Renames(from, to) => {
                if let Some(content) = names.remove(from) {
                    names.insert(to.clone(), content);
                }
            }
        }
    }
}

impl Content {
    /// What may be left of a file: what was made durable; everything that is there now; or, of what was added since,
    /// the first half or only the length.
    fn after_power_loss(&self) -> BTreeSet<Vec<u8>> {
        let Self { now, durable } = self;
        let mut left = BTreeSet::from([durable.clone(), now.clone()]);
        // A cut is there or not, and never by half.
        if now.len() > durable.len() {
            left.insert(now[..(durable.len() + now.len()) / 2].to_vec());
            let mut zeros = now.clone();
            zeros[durable.len()..].fill(0);
            left.insert(zeros);
        }
        left
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}
