//! The other user, whom permissions bind.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::left_out::leave_out;

/// `nobody` and `nogroup`, or whoever has these numbers.
const NOBODY: u32 = 65534;

/// Runs a test of this program, `module::name`, again as a user whom permissions bind. A test that runs as root, whom
/// none bind, calls this. Where it cannot become another user, as in some containers, the calling test is left out.
///
/// # Panics
/// When the test fails, or there is none of that name.
#[track_caller]
pub fn run_as_nobody(test: &str) {
    // Other users may not be allowed into the program's directory; this path to it works for them too.
    let own = Path::new("/proc/self/exe");
    let program = if own.exists() { own.to_owned() } else { env::current_exe().expect("a test program") };
    let mut again = Command::new(program);
    again.args([test, "--exact"]).gid(NOBODY).uid(NOBODY);
    match again.output() {
        Err(error) => leave_out(&format!(
            "permissions do not bind this user, and it cannot become another one ({error}); run the tests as another user"
        )),
        Ok(output) => {
            let [out, err] =
                [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            assert!(out.contains("test result: ok. 1 passed"), "as nobody:\n{out}{err}");
        }
    }
}
