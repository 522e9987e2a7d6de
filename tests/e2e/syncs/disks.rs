//! Disks that cannot be written, or are full.

use std::process::Command;

use super::{many, some};
use crate::billing::{Run, finish};
use crate::kills::unshare;
use crate::source::Source;

/// Runs a sync whose ledger lies on a disk that nobody else sees, after `before` was done to it. What is left is copied back.
fn on_disk(source: &Source, size: &str, before: &str) -> Option<Run> {
    let (unshare, flags) = unshare()?;
    let script = format!(
        r#"mount -t tmpfs -o size={size} none "$DISK" || exit 70
        [ -e "$COPY" ] && {{ cp "$COPY" "$DISK/copy.db" && chmod 600 "$DISK/copy.db" || exit 71; }}
        {before}
        "$@" --ledger "$DISK/copy.db"
        code=$?
        rm -f "$DISK/filler"
        [ ! -e "$DISK/copy.db" ] || cp "$DISK"/* "$LEFT" || exit 72
        exit $code"#
    );
    let sync = crate::billing::command(&["sync", "--base-url", &source.base_url()]);
    let mut command = Command::new(unshare);
    command.args(flags).args(["/bin/sh", "-c", &script, "sh"]).arg(sync.get_program()).args(sync.get_args());
    for name in ["disk", "left"] {
        let _ = std::fs::create_dir(source.place.path(name));
    }
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", "/dev/null");
    command.env("DISK", source.place.path("disk")).env("LEFT", source.place.path("left"));
    command.env("COPY", source.path()).env("BILLING_API_KEY", crate::source::KEY);
    Some(finish(command, b""))
}

#[test]
fn a_ledger_that_cannot_be_written_is_said() {
    let source = Source::of(some());
    source.sync(&[]).done();
    let Some(run) = on_disk(&source, "8m", r#"mount -o remount,ro "$DISK""#) else { return };
    run.failed(1, "copy.db");
    source.is_in_line();
}

#[test]
fn a_full_disk_is_said_and_what_is_stored_is_whole() {
    let source = Source::of(many());
    let Some(run) = on_disk(&source, "800k", "") else { return };
    run.failed(1, "is full");
    // With room it goes on there.
    if std::path::Path::new(&source.place.path("left/copy.db")).exists() {
        for (from, to) in [("left/copy.db", "copy.db"), ("left/copy.db-wal", "copy.db-wal")] {
            let _ = std::fs::rename(source.place.path(from), source.place.path(to));
        }
    }
    source.sync(&[]).done();
    source.is_in_line();
}
