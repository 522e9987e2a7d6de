//! A disk that gets full at any size of the output: a small file system for the test.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use billing_testkit::{leave_out, need};

use crate::billing::finish;
use crate::place::Place;

use super::small_export::{OLD, SmallExport};

/// What the disk grows by.
const PAGE_KIB: usize = 4;

/// Runs a command with its output on a disk of a given size, and again when the disk has room. What each run leaves is
/// copied to where the test can see it. The disk is gone with the shell.
const SCRIPT: &str = r#"
mount -t tmpfs -o "size=$SIZE" none "$DISK" && printf %s "$OLD" > "$DISK/$NAME" || exit 70
"$@"
code=$?
cp "$DISK"/* "$FIRST" && mount -t tmpfs -o "remount,size=4m" none "$DISK" || exit 71
said=$("$@" 2>&1) || { echo "the second run: $said" >&2; exit 72; }
cp "$DISK"/* "$SECOND" || exit 73
exit $code
"#;

/// The program that mounts where nobody else sees it, and how it is called here: as root, or as root of a namespace.
#[track_caller]
pub(crate) fn unshare() -> Option<(PathBuf, &'static [&'static str])> {
    let install = "install it, as with `apt-get install util-linux mount`";
    let unshare = need("unshare", install)?;
    need("mount", install)?;
    let place = Place::new();
    let flags = [&["-m"][..], &["-r", "-m"]].into_iter().find(|flags| {
        let mut command = Command::new(&unshare);
        command.args(*flags).args(["mount", "-t", "tmpfs", "none", &place.path("")]);
        command.output().is_ok_and(|output| output.status.success())
    });
    if flags.is_none() {
        // As in many containers. What a full disk does to calls is tested in `failing_calls` too.
        leave_out(
            "nothing can be mounted here; run it as root, or where users may have namespaces of their own",
        );
    }
    Some((unshare, flags?))
}

#[test]
fn a_full_disk_of_any_size_leaves_the_old_file_and_says_so() {
    let Some((unshare, flags)) = unshare() else { return };
    let export = SmallExport::new("usage.csv");
    let needed_kib = export.whole().len() / 1024;
    let mut full = 0;
    for size_kib in (2 * PAGE_KIB..).step_by(PAGE_KIB) {
        assert!(size_kib < 4096);
        let [disk, first, second] = [(); 3].map(|()| export.stage());
        let mut command = Command::new(&unshare);
        command.args(flags).args(["/bin/sh", "-c", SCRIPT, "sh"]);
        command.arg(disk.command().get_program()).args(disk.command().get_args());
        command.env_clear().env("PATH", env::var_os("PATH").unwrap());
        command.envs(disk.command().get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("NAME", "usage.csv").env("OLD", std::str::from_utf8(OLD).unwrap());
        command.env("SIZE", format!("{size_kib}k"));
        for (name, stage) in [("DISK", &disk), ("FIRST", &first), ("SECOND", &second)] {
            command.env(name, stage.place.path(""));
        }
        let run = finish(command, b"");

        let is_new = first.is_sound();
        if run.code == Some(0) {
            assert!(size_kib > needed_kib, "{size_kib} KiB");
            first.is_done();
        } else {
            run.failed(1, "/usage.csv");
            assert!(run.stderr.contains("No space left on device"), "{}", run.stderr);
            assert!(run.stderr.contains("hint: "), "{}", run.stderr);
            assert!(!is_new || !run.stderr.contains("as it was"), "{}", run.stderr);
            full += 1;
        }
        second.is_done();
        if run.code == Some(0) {
            break;
        }
    }
    assert!(full * PAGE_KIB > needed_kib / 2, "{full} sizes");
}
