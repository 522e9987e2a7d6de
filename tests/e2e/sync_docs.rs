//! The command lines in docs/sync.md are ones that the program takes; and how this is found out of any document.

use crate::billing::run;

const DOCS: &str = include_str!("../../docs/sync.md");

/// The arguments of every call of the program in a document.
pub(crate) fn calls(document: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for line in document.lines().map(str::trim) {
        let of_unit =
            line.strip_prefix("ExecStart=").and_then(|path| Some(path.split_once("/bin/billing ")?.1));
        if let Some(rest) = of_unit.or_else(|| line.strip_prefix("billing ")) {
            let words = rest.split_whitespace().take_while(|word| !["#", "|", ">", "<"].contains(word));
            calls.push(words.map(|word| word.replace("%h", "/home/me")).collect());
        }
    }
    // A launchd agent has a word in each line.
    for array in document.split("<array>").skip(1).filter_map(|rest| rest.split("</array>").next()) {
        let words =
            array.lines().filter_map(|line| line.trim().strip_prefix("<string>")?.strip_suffix("</string>"));
        calls.push(words.skip(1).map(str::to_owned).collect());
    }
    calls
}

#[test]
fn what_the_document_says_can_be_typed() {
    let calls = calls(DOCS);
    let synced = calls.iter().filter(|call| call[0] == "sync").count();
    assert!(synced >= 5 && calls.len() > synced, "{calls:?}");
    calls.iter().for_each(|call| is_taken(call));
}

/// Asserts that the program reads these arguments to their end.
#[track_caller]
pub(crate) fn is_taken(call: &[String]) {
    // The help is shown only when everything before it can be read.
    let mut words: Vec<&str> = call.iter().map(String::as_str).collect();
    words.push("--no-such-flag");
    let refused = run(&words);
    assert!(refused.stderr.contains("'--no-such-flag'"), "{call:?}: {}", refused.stderr);
}
