//! Reads a `Cargo.toml` line by line: which keys are in which table. `cargo metadata` resolves inherited values, so
//! only the file itself shows whether a value was inherited.

/// A `key = value` line. `lints.workspace = true` in the table `""` has the key `lints` and the rest
/// `.workspace = true`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) table: &'a str,
    pub(crate) key: &'a str,
    pub(crate) rest: &'a str,
}

/// The lines of a manifest that give a value. Only the first line of a longer value counts, because no rule is about
/// the items of a list.
pub(crate) fn lines(manifest: &str) -> Vec<Line<'_>> {
    let mut table = "";
    let mut lines = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') && line.contains(']') {
            table = line.trim_start_matches('[').split(']').next().unwrap_or_default().trim();
        } else if !line.starts_with('#') && line.contains('=') {
            let end = line.find([' ', '.', '=']).unwrap_or(line.len());
            let (key, rest) = line.split_at(end);
            lines.push(Line { table, key: key.trim_matches('"'), rest: rest.trim() });
        }
    }
    lines
}

/// What `[workspace.dependencies]` of the root manifest offers to the members.
pub(crate) fn offered(root: &str) -> Vec<&str> {
    let offered = lines(root).into_iter().filter(|line| line.table == "workspace.dependencies");
    offered.map(|line| line.key).collect()
}

/// What a member's manifest takes from `[workspace.dependencies]`, in any of the ways to write that.
pub(crate) fn taken(member: &str) -> Vec<&str> {
    let taken = lines(member).into_iter().filter_map(|line| {
        let Line { table, key, rest } = line;
        if table.ends_with("dependencies") && says_workspace(rest) {
            return Some(key);
        }
        let (_, name) = table.rsplit_once("dependencies.")?;
        (key == "workspace" && says_true(rest)).then_some(name)
    });
    taken.collect()
}

/// True when a member takes the lints of the workspace.
pub(crate) fn takes_lints(member: &str) -> bool {
    lines(member).iter().any(|line| match line.table {
        "" => line.key == "lints" && says_workspace(line.rest),
        "lints" => line.key == "workspace" && says_true(line.rest),
        _ => false,
    })
}

/// `.workspace = true` and `= { workspace = true, … }`.
fn says_workspace(rest: &str) -> bool {
    rest.split_once("workspace").is_some_and(|(before, after)| {
        matches!(before.trim_start_matches(['=', ' ']), "." | "{" | "{ ") && says_true(after)
    })
}

fn says_true(rest: &str) -> bool {
    rest.trim_start_matches([' ', '=']).starts_with("true")
}
