//! Tests that a machine cannot run: they are left out, and the run says so.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::panic::Location;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;

#[path = "../../billing-left-out/src/place.rs"]
mod place;

/// The path of a program that the calling test needs. `None` when it is missing: then the test returns, and the end of
/// the run lists it as left out, with `how` to install the program.
///
/// ```
/// # fn test() {
/// let Some(strace) = billing_testkit::need("strace", "install it, as with `apt-get install strace`") else { return };
/// assert!(strace.is_absolute());
/// # }
/// ```
///
/// # Panics
/// When it is missing and `CI` or `BILLING_TEST_ALL` is in the environment, where no test may be left out.
#[track_caller]
pub fn need(program: &str, how: &str) -> Option<PathBuf> {
    need_at(program, &[], how)
}

/// The same for a program that some systems keep beside the PATH, in one of these directories.
///
/// # Panics
/// As [`need`].
#[track_caller]
pub fn need_at(program: &str, directories: &[PathBuf], how: &str) -> Option<PathBuf> {
    let beside = || directories.iter().map(|directory| directory.join(program)).find(|path| path.is_file());
    let found = beside().or_else(|| find(program, &env::var_os("PATH").unwrap_or_default()));
    if found.is_none() {
        let why = format!("{program} is not on the PATH; {how}");
        if let Some(name) =
            ["CI", "BILLING_TEST_ALL"].into_iter().find(|name| is_set(env::var_os(name).as_deref()))
        {
            panic!("{why} ({name} is set, and so nothing is left out for want of a program)");
        }
        leave_out(&why);
    }
    found
}

/// Notes that the calling test is left out because the machine does not permit what it does. For what could be
/// installed, use [`need`].
#[track_caller]
pub fn leave_out(why: &str) {
    let test = match thread::current().name() {
        // libtest names the thread after the test, unless there is only one thread.
        Some(name) if name != "main" => name.to_owned(),
        _ => Location::caller().to_string(),
    };
    // A test that asks again, such as for each call that it kills at, says it once.
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let line = format!("{test}\t{why}\n");
    if !SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(line.clone()) {
        return;
    }
    // Past `eprintln!`, which libtest catches. What is said here is seen in any run; the list only in whole ones.
    let _ = io::stderr().write_all(format!("left out: {test}: {why}\n").as_bytes());
    // When nothing can be noted, such as in a checkout that may not be written to, this line is all there is.
    let _ = note(&line);
}

fn note(line: &str) -> io::Result<()> {
    let place = place::of_this_run();
    place.parent().map_or(Ok(()), fs::create_dir_all)?;
    // One write in append mode, so that lines of test programs that run side by side do not mix.
    OpenOptions::new().append(true).create(true).open(place)?.write_all(line.as_bytes())
}

fn find(program: &str, path: &OsStr) -> Option<PathBuf> {
    env::split_paths(path).map(|directory| directory.join(program)).find(|path| path.is_file())
}

/// `CI=false` and an empty value count as not set.
fn is_set(value: Option<&OsStr>) -> bool {
    value.is_some_and(|value| !["", "0", "false"].iter().any(|no| value.eq_ignore_ascii_case(no)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_where_a_shell_would_find_it() {
        let here = env::current_exe().unwrap();
        let (directory, name) = (here.parent().unwrap(), here.file_name().unwrap().to_str().unwrap());
        let path = env::join_paths(["/nowhere".as_ref(), directory]).unwrap();
        assert_eq!(find(name, &path), Some(here.clone()));
        assert_eq!((find("none-of-this-name", &path), find(name, "".as_ref())), (None, None));
    }

    #[test]
    fn nothing_is_left_out_where_the_environment_says_so() {
        for (value, expect) in [
            (None, false),
            (Some(""), false),
            (Some("false"), false),
            (Some("FALSE"), false),
            (Some("0"), false),
        ] {
            assert_eq!(is_set(value.map(OsStr::new)), expect, "{value:?}");
        }
        assert!(["true", "1", "yes"].iter().all(|value| is_set(Some(value.as_ref()))));
    }
}
