//! The list as people read it.

use std::collections::{BTreeMap, BTreeSet};

/// The list made of lines `test\twhy`: for each reason its tests, and at the end the reasons with the number of tests,
/// so that the reasons are seen last.
pub(crate) fn list(notes: &str) -> String {
    let mut by_reason = BTreeMap::<&str, BTreeSet<&str>>::new();
    for (test, why) in notes.lines().filter_map(|line| line.split_once('\t')) {
        by_reason.entry(why).or_default().insert(test);
    }
    let mut list = String::new();
    for tests in by_reason.values() {
        tests.iter().for_each(|test| list.push_str(&format!("left out: {test}\n")));
    }
    for (why, tests) in &by_reason {
        let plural = if tests.len() == 1 { "" } else { "s" };
        list.push_str(&format!("left out: {} test{plural}: {why}\n", tests.len()));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_come_last_and_tests_once() {
        assert_eq!(list(""), "");
        let notes = "b::two\tno strace\na::one\tno strace\nb::two\tno strace\nc\tno mount\nnonsense\n";
        assert_eq!(
            list(notes),
            "left out: c\nleft out: a::one\nleft out: b::two\nleft out: 1 test: no mount\nleft out: 2 tests: no strace\n"
        );
    }
}
