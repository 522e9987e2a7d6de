//! Kills the program at a chosen call, or lets the call fail, with strace.

use std::path::PathBuf;
use std::process::Command;

/// The calls that change files, or on which the right to change them depends.
pub(crate) const CALLS: [&str; 9] =
    ["write", "fdatasync", "fsync", "rename", "ftruncate", "openat", "unlink", "flock", "fchmod"];

/// Where it is. The environment of what is run is empty, so it is not looked for there.
pub(crate) struct Strace(PathBuf);

impl Strace {
    /// `None` on a machine without it: the test is left out.
    #[track_caller]
    pub(crate) fn find() -> Option<Self> {
        billing_testkit::need("strace", "install it, as with `apt-get install strace`").map(Self)
    }

    /// The command, run under strace with these arguments of its own. Quietly: on stderr stands what the program says.
    pub(crate) fn around(&self, command: &Command, args: &[String]) -> Command {
        let mut strace = Command::new(&self.0);
        strace.args(["-f", "-qq"]).args(args).arg("--").arg(command.get_program()).args(command.get_args());
        strace.env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                strace.env(name, value);
            }
        }
        strace
    }
}

/// The arguments that do something at the `when` of a call: `signal=KILL` before it takes place, `error=EIO` in its place.
/// Only calls on these paths count; all calls when there are none.
pub(crate) fn injection(call: &str, what: &str, when: &str, paths: &[String]) -> Vec<String> {
    let mut args = filter(&[call], paths);
    args.extend(inject(call, what, when));
    args
}

/// The same, of a call that is looked at anyway.
pub(crate) fn inject(call: &str, what: &str, when: &str) -> [String; 2] {
    ["-e".to_owned(), format!("inject={}:{what}:when={when}", family(call))]
}

/// The arguments that look at these calls on these paths only.
pub(crate) fn filter(calls: &[&str], paths: &[String]) -> Vec<String> {
    let calls: Vec<_> = calls.iter().map(|call| family(call)).collect();
    let paths = paths.iter().flat_map(|path| ["-P".to_owned(), path.clone()]);
    ["-e".to_owned(), format!("trace={}", calls.join(","))].into_iter().chain(paths).collect()
}

/// A call by all names that it has: newer processors have only the newer ones.
fn family(call: &str) -> &str {
    match call {
        "rename" => "?rename,?renameat,?renameat2",
        "unlink" => "?unlink,?unlinkat",
        call => call,
    }
}
