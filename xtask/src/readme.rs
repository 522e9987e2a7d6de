//! What README.md tells people to run. The gate runs the same, so that the README cannot go stale.

/// The command that the README gives for running all tests: the first line of a fenced block that starts with
/// `cargo test`, without the comment behind it. `None` when there is none.
pub fn test_command(readme: &str) -> Option<&str> {
    let mut fenced = false;
    for line in readme.lines().map(str::trim) {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            let command = line.split_once(" #").map_or(line, |(command, _comment)| command).trim();
            let typed = command.strip_prefix("$ ").unwrap_or(command);
            if typed == "cargo test" || typed.starts_with("cargo test ") {
                return Some(typed);
            }
        }
    }
    None
}
