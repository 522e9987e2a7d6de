//! The modules in a file: their children, their imports, and every path in them that may lead to another file. Code for
//! tests alone is left out.

use std::collections::BTreeMap;

use super::tokens::Token;

/// A path as it is written, without generics.
pub(super) type Path = Vec<String>;

/// A module: that of a file, or one in braces within it.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// The names of its children, and in which file each is.
    pub(super) children: BTreeMap<String, Child>,
    /// The names that it imports by `use`, and from where.
    pub(super) imports: BTreeMap<String, Path>,
    /// The paths in it: of imports, of items and of values.
    pub(super) paths: Vec<Path>,
}

/// Where a child stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Child {
    /// In braces, in the same file.
    Inline,
    /// In its own file, at one of the usual places.
    File,
    /// In a file that an attribute names, relative to the directory of the file with the attribute.
    At(String),
}

/// The modules of a file: the file itself, under an empty path, and those in braces, each under its path from there.
pub(super) fn modules(tokens: &[Token<'_>]) -> BTreeMap<Path, Module> {
    let mut reader = Reader { tokens, at: 0, found: BTreeMap::new() };
    reader.read_module(&[], tokens.len());
    reader.found
}

/// Words with which an item may begin. Anything else that has an attribute, such as a field or a match arm, may end
/// with a comma.
const ITEM: [&str; 15] = [
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "macro_rules",
    "mod",
    "pub",
    "static",
    "struct",
    "trait",
    "type",
    "unsafe",
    "use",
];

struct Reader<'t> {
    tokens: &'t [Token<'t>],
    at: usize,
    found: BTreeMap<Path, Module>,
}

impl<'t> Reader<'t> {
    fn read_module(&mut self, name: &[String], end: usize) {
        self.found.entry(name.to_vec()).or_default();
        let mut file = None;
        while self.at < end {
            let is_path_start = self.at == 0 || self.tokens[self.at - 1] != Token::PathSign;
            match self.tokens[self.at] {
                Token::Sign('#') => {
                    let sign = self.at;
                    let attribute = self.attribute();
                    if is_for_tests(attribute) {
                        // An inner attribute applies to the whole module.
                        match attribute.first() {
                            Some(Token::Sign('!')) => self.at = end,
                            _ => self.skip_item(end),
                        }
                    } else {
                        if let [Token::Word("path"), Token::Sign('='), Token::Literal(text)] = attribute {
                            file = Some(text.trim_matches('"').to_owned());
                        }
                        // The words of the attribute itself may be paths too.
                        self.at = sign + 1;
                    }
                }
                // The path in a visibility, `pub(in …)`, is no use of that module.
                Token::Word("pub") if self.peek(1) == Some(Token::Sign('(')) => {
                    self.at = self.closing(self.at + 1) + 1;
                }
                Token::Word("mod") => self.read_child(name, &mut file, end),
                // Leaves out `impl Trait + use<'_>`, which is no import.
                Token::Word("use") if self.peek(1) != Some(Token::Sign('<')) => {
                    self.at += 1;
                    self.read_use(name, &Path::new());
                }
                Token::Word(_) if is_path_start && self.peek(1) == Some(Token::PathSign) => {
                    let path = self.read_path();
                    self.module(name).paths.push(path);
                }
                _ => self.at += 1,
            }
        }
        self.at = end;
    }

    fn module(&mut self, name: &[String]) -> &mut Module {
        self.found.entry(name.to_vec()).or_default()
    }

    fn peek(&self, ahead: usize) -> Option<Token<'t>> {
        self.tokens.get(self.at + ahead).copied()
    }

    /// `mod name;` or `mod name { … }`.
    fn read_child(&mut self, name: &[String], file: &mut Option<String>, end: usize) {
        let (child, after) = (self.peek(1), self.peek(2));
        self.at += 1;
        let Some(Token::Word(child)) = child else { return };
        let place = match after {
            Some(Token::Sign(';')) => file.take().map_or(Child::File, Child::At),
            Some(Token::Sign('{')) => Child::Inline,
            _ => return,
        };
        self.module(name).children.insert(child.to_owned(), place.clone());
        self.at += 2;
        if place == Child::Inline {
            let inner = self.closing(self.at - 1).min(end);
            let path: Path = name.iter().cloned().chain([child.to_owned()]).collect();
            self.read_module(&path, inner);
        }
    }

    /// Reads one branch of a `use` tree; `before` is the path to it. It ends before the separator behind the branch.
    fn read_use(&mut self, name: &[String], before: &[String]) {
        let mut path = before.to_vec();
        loop {
            match self.peek(0) {
                Some(Token::Sign('{')) => {
                    let end = self.closing(self.at);
                    self.at += 1;
                    while self.at < end {
                        self.read_use(name, &path);
                        // Skips the comma; and anything that cannot be in a `use`, so that the loop ends.
                        self.at += 1;
                    }
                    self.at = end + 1;
                    return;
                }
                Some(Token::Sign('*')) => {
                    self.at += 1;
                    self.module(name).paths.push(path);
                    return;
                }
                // The name of a crate follows.
                Some(Token::PathSign) if path.is_empty() => {
                    path.push(String::new());
                    self.at += 1;
                }
                Some(Token::PathSign) => self.at += 1,
                Some(Token::Word("as")) => {
                    let alias = self.peek(1);
                    self.at += 2;
                    if let Some(Token::Word(alias)) = alias {
                        self.import(name, alias, path);
                    }
                    return;
                }
                Some(Token::Word(word)) => {
                    // `use a::{self}` is `use a`.
                    if word != "self" || path.is_empty() {
                        path.push(word.to_owned());
                    }
                    self.at += 1;
                }
                _ => {
                    if let Some(last) = path.last().cloned() {
                        self.import(name, &last, path);
                    }
                    return;
                }
            }
        }
    }

    fn import(&mut self, name: &[String], alias: &str, path: Path) {
        let module = self.module(name);
        module.imports.entry(alias.to_owned()).or_insert_with(|| path.clone());
        module.paths.push(path);
    }

    fn read_path(&mut self) -> Path {
        let mut path = Path::new();
        while let Some(Token::Word(word)) = self.peek(0) {
            path.push(word.to_owned());
            self.at += 1;
            match (self.peek(0), self.peek(1)) {
                (Some(Token::PathSign), Some(Token::Word(_))) => self.at += 1,
                _ => break,
            }
        }
        path
    }

    /// The tokens in the brackets of an attribute, with the `!` before them. It ends behind the attribute. Empty for a
    /// `#` that begins no attribute.
    fn attribute(&mut self) -> &'t [Token<'t>] {
        let is_inner = self.peek(1) == Some(Token::Sign('!'));
        let open = self.at + 1 + usize::from(is_inner);
        if self.tokens.get(open) != Some(&Token::Sign('[')) {
            self.at += 1;
            return &[];
        }
        let close = self.closing(open);
        let start = self.at + 1;
        self.at = close + 1;
        // For `#[…]` the bracket is left out. For `#![…]` the mark stays, to show that it is an inner attribute.
        if is_inner { &self.tokens[start..close] } else { &self.tokens[open + 1..close] }
    }

    /// Skips the item that an attribute applies to.
    fn skip_item(&mut self, end: usize) {
        while self.peek(0) == Some(Token::Sign('#')) {
            self.attribute();
        }
        let is_item = matches!(self.peek(0), Some(Token::Word(word)) if ITEM.contains(&word));
        if self.peek(0) == Some(Token::Word("pub")) {
            self.at = if self.peek(1) == Some(Token::Sign('(')) {
                self.closing(self.at + 1) + 1
            } else {
                self.at + 1
            };
        }
        let is_use = self.peek(0) == Some(Token::Word("use"));
        while self.at < end {
            match self.tokens[self.at] {
                Token::Sign(';') => break,
                Token::Sign(',') if !is_item => break,
                // This bracket closes what is around the item.
                Token::Sign(')' | ']' | '}') => return,
                Token::Sign('{') if !is_use => {
                    self.at = self.closing(self.at);
                    break;
                }
                Token::Sign('(' | '[' | '{') => self.at = self.closing(self.at) + 1,
                _ => self.at += 1,
            }
        }
        self.at += 1;
    }

    /// The place where the bracket that opens here is closed.
    fn closing(&self, open: usize) -> usize {
        let mut depth = 0usize;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
                _ => continue,
            }
            if depth == 0 {
                return at;
            }
        }
        self.tokens.len()
    }
}

/// `#[cfg(test)]`, and whatever else asks for tests: `all(test, unix)`.
fn is_for_tests(attribute: &[Token<'_>]) -> bool {
    let names = |word| attribute.contains(&Token::Word(word));
    let head = attribute.iter().find(|token| matches!(token, Token::Word(_)));
    head == Some(&Token::Word("cfg")) && names("test") && !names("not")
}
