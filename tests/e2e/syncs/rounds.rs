//! `billing sync --every`: round after round, over outages and under a ledger that is exchanged.

use billing_testkit::Reply;

use super::some;
use crate::billing::{finish, run};
use crate::ledger::noted;
use crate::process::Process;
use crate::source::Source;

/// The next line of a round, without its time.
fn line(process: &mut Process) -> String {
    let line = process.said_line();
    let (word, rest) = line.split_once(' ').unwrap();
    match word {
        "error:" => format!("error: {}", rest.split_once(' ').unwrap().1),
        _ => rest.to_owned(),
    }
}

/// The first line of a round that says this. There may be others before it, because rounds are on their own.
fn line_with(process: &mut Process, said: &str) -> String {
    for _ in 0..100 {
        let line = line(process);
        if line.contains(said) {
            return line;
        }
    }
    panic!("{said} was not said");
}

#[test]
fn rounds_go_on_over_an_outage() {
    let source = Source::of(some());
    let mut process = Process::start(source.command("sync", &["--every", "1s"]));
    assert!(line(&mut process).starts_with("4 entries added, held up to "));
    source.change(|entries| entries.push(noted("2025-05-04T00:00:00Z", "new")));
    line_with(&mut process, "1 entry added, 1 of them late, held up to ");
    // An answer after which a client does not try again.
    source.state().good = Some(0);
    source.state().afterwards = Some(Reply::error(501, "Out for lunch"));
    let failed = line_with(&mut process, "Out for lunch");
    assert!(failed.starts_with("error: GET ") && failed.contains("; again in "), "{failed}");
    source.state().afterwards = None;
    source.change(|entries| drop(entries.remove(0)));
    line_with(&mut process, "1 vanished, held up to ");
    process.signal("TERM");
    let (code, printed, said) = process.end();
    assert_eq!((code, printed.as_str()), (Some(143), ""), "{said}");
    assert!(
        said.ends_with("error: terminated\nhint: what was stored before is kept; run it again to go on\n"),
        "{said}"
    );
    source.is_in_line();
}

#[test]
fn an_outage_at_the_start_is_waited_out() {
    let source = Source::of(some());
    source.state().next = vec![Reply::error(501, "Not yet"); 2];
    let mut process = Process::start(source.command("sync", &["--every", "1s"]));
    line_with(&mut process, "Not yet");
    line_with(&mut process, "4 entries added");
    process.signal("INT");
    assert_eq!(process.end().0, Some(130));
    source.is_in_line();
}

#[test]
fn what_only_a_person_can_mend_ends_the_rounds() {
    let source = Source::of(some());
    let process = Process::start(source.command_with("a-key-of-nobody", "sync", &["--every", "1s"]));
    let (code, _, said) = process.end();
    assert_eq!(code, Some(4), "{said}");

    let mut process = Process::start(source.command("sync", &["--every", "1s"]));
    line_with(&mut process, "4 entries added");
    source.state().good = Some(0);
    source.state().afterwards = Some(Reply::error(401, "Your key was revoked"));
    let (code, _, said) = process.end();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("Your key was revoked"), "{said}");

    source.place.write("notes.db", b"no ledger");
    let mut command = crate::billing::command(&["sync", "--every", "1s", "--base-url", &source.base_url()]);
    command.env("BILLING_API_KEY", crate::source::KEY).args(["--ledger", &source.place.path("notes.db")]);
    finish(command, b"").failed(1, "notes.db`");
}

/// A program reads a line for each round.
#[test]
fn rounds_in_json_are_lines() {
    let source = Source::of(some());
    let mut process = Process::start(source.command("sync", &["--every", "1s", "--json"]));
    assert!(process.line().contains(r#""added":4,"#));
    assert!(process.line().contains(r#""added":0,"#));
    process.signal("INT");
    assert_eq!(process.end().0, Some(130));
}

#[test]
fn quiet_rounds_say_only_what_fails() {
    let source = Source::of(some());
    source.state().next = vec![Reply::error(501, "Not yet")];
    let mut process = Process::start(source.command("sync", &["--every", "1s", "--quiet"]));
    line_with(&mut process, "Not yet");
    // The round after the next one has begun, so the one before has said nothing.
    let begun = std::time::Instant::now();
    while source.requests() < 3 {
        assert!(begun.elapsed().as_secs() < 60, "no round follows");
        std::thread::yield_now();
    }
    process.signal("INT");
    let (_, _, said) = process.end();
    assert!(said.starts_with("error: interrupted\n"), "{said}");
}

/// Who restores a backup stops the rounds first, or they go on with what is there then.
#[test]
fn a_ledger_that_is_exchanged_is_opened_anew() {
    let source = Source::of(some());
    let mut process = Process::start(source.command("sync", &["--every", "1s"]));
    line_with(&mut process, "4 entries added");
    let backup = source.place.path("backup.db");
    run(&["backup", "--ledger", &source.path(), "--to", &backup]).done();
    source.change(|entries| entries.push(noted("2025-05-04T00:00:00Z", "new")));
    line_with(&mut process, "1 entry added");
    std::fs::rename(&backup, source.path()).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(source.path() + suffix);
    }
    line_with(&mut process, "again in");
    line_with(&mut process, "1 entry added");
    process.signal("INT");
    assert_eq!(process.end().0, Some(130));
    source.is_in_line();
}
