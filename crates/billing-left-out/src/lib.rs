//! For tests only: says at the end of a test run what was left out.
//!
//! A test that needs what a machine has not is left out with `billing_testkit::leave_out` or `need`, and libtest knows no such test:
//! it counts it among those that passed. So the run has to say it at its end. The last that `cargo test` does are
//! documentation tests, package by package, and what those print is caught. What is not caught is what a macro prints
//! while rustdoc reads the source. So [`say!`] stands in the package `billing-tests`, the last one by name.

mod list;
mod place;

use std::fs;

use proc_macro::TokenStream;

/// Prints the list of this run to stderr, if there is anything on it. It stands for no code.
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
        // Said once. Nothing hangs on it: the next run has a file of its own.
        let _ = fs::remove_file(place);
    }
    TokenStream::new()
}
