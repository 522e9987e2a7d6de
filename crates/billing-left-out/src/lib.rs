//! For tests only: says at the end of a test run what was left out.
//!
//! A test that needs something that the machine does not have is left out with `billing_testkit::leave_out` or `need`.
//! libtest has no such outcome and counts the test as passed, so the run has to say it at its end. `cargo test` runs
//! documentation tests last, package by package, and their output is captured. The output of a macro that runs while
//! rustdoc reads the source is not. So [`say!`] stands in the package `billing-tests`, the last one by name.

mod list;
mod place;

use std::fs;

use proc_macro::TokenStream;

/// Prints the list of this run to stderr, if there is anything on it. The macro expands to nothing.
///
/// ```text
/// left out: kills::every_call::killed_at_every_fsync
/// left out: kills::every_call::killed_at_every_write
/// left out: 2 tests: strace is not on the PATH; install it, as with `apt-get install strace`
/// ```
#[proc_macro]
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
pub fn say(_: TokenStream) -> TokenStream {
    let place = place::of_this_run();
    if let Ok(notes) = fs::read_to_string(&place) {
        eprint!("{}", list::list(&notes));
        // The list is said once. If the removal fails, nothing is wrong: the next run has a file of its own.
        let _ = fs::remove_file(place);
    }
    TokenStream::new()
}
