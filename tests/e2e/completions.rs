//! Completion scripts: they name every command and flag, and shells accept them.

use std::io;

use crate::billing::{self, commands, finish, flags, run};

const SHELLS: [&str; 4] = ["bash", "zsh", "fish", "powershell"];

fn script(shell: &str) -> String {
    let run = run(&["completions", shell]).done();
    assert_eq!(run.stderr, "");
    run.text().to_owned()
}

#[test]
fn every_shell_hears_of_every_command_and_flag() {
    let commands = commands();
    assert!(commands.iter().any(|command| command == &["keys", "create"]), "{commands:?}");
    for shell in SHELLS {
        let script = script(shell);
        // fish has long flags without their dashes.
        let words: Vec<_> = script.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).collect();
        for command in &commands {
            for word in command {
                // Within bash's names of cases too: `billing__subcmd__keys__subcmd__create`.
                assert!(words.contains(&word.as_str()), "{shell} does not know of {command:?}");
            }
            for flag in flags(command) {
                let name = flag.trim_start_matches("--");
                assert!(
                    words.contains(&name) || words.contains(&flag.as_str()),
                    "{shell}: {command:?} {flag}"
                );
            }
        }
    }
}

#[test]
fn help_fits_a_terminal_and_has_an_example_for_each_shell() {
    for flag in ["-h", "--help"] {
        let help = run(&["completions", flag]).done();
        assert!(help.text().lines().all(|line| line.chars().count() <= 80), "{}", help.text());
        for shell in SHELLS {
            assert!(help.text().contains(&format!("\n  billing completions {shell} >")), "{}", help.text());
        }
    }
}

#[test]
fn another_shell_is_wrong_usage() {
    run(&["completions", "cmd"]).failed(2, "possible values: bash, zsh, fish, powershell");
    run(&["completions"]).failed(2, "<SHELL>");
}

/// As with `billing completions bash | head -1`, at its worst: the reader has gone before anything was written.
#[test]
fn a_reader_that_leaves_is_no_error() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let mut command = billing::command(&["completions", "bash"]);
    let output = command.stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

/// A word that begins with nothing else than it is offered; so are values, and files for files.
#[cfg(target_os = "linux")]
#[test]
fn bash_completes_commands_flags_values_and_files() {
    let Some(bash) = billing_testkit::need("bash", "install it, as with `apt-get install bash`") else {
        return;
    };
    let place = crate::place::Place::new();
    let script = place.write("billing.bash", script("bash"));
    place.write("june.csv", "");
    place.write("june 2.csv", "");
    for (typed, expect) in [
        (&["comp"][..], &["completions"][..]),
        (&["keys", "re"], &["revoke"]),
        (&["accounts", "set", "--diem"], &["--diem-allocation"]),
        (&["export", "--format", ""], &["csv", "json", "ndjson"]),
        (&["export", "--since", "2026"], &["2026"]),
        (&["export", "-o", "june"], &["june 2.csv", "june.csv"]),
        (&["serve", "--log-level", "w"], &["warn"]),
        (&["completions", "p"], &["powershell"]),
        // Without words of ours, bash offers files, as it was told to.
        (&["import", "june"], &[]),
    ] {
        let mut command = std::process::Command::new(&bash);
        // What bash does when a tab is typed. `compopt` can only be used then, and says so.
        command.current_dir(place.path("")).args(["--norc", "-c"]).arg(
            r#"source "$0" && COMP_WORDS=(billing "$@") COMP_CWORD=$#
            _billing billing "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
            printf '%s\n' "${COMPREPLY[@]}"; complete -p billing"#,
        );
        let run = finish_with(command, &script, typed);
        let (offered, registered) = run.text().trim_end().rsplit_once('\n').unwrap_or_default();
        let mut offered: Vec<_> = offered.lines().filter(|line| !line.is_empty()).collect();
        offered.sort_unstable();
        assert_eq!(offered, expect, "{typed:?}");
        assert!(
            registered.contains("-o default") && registered.ends_with("-F _billing billing"),
            "{registered}"
        );
    }
}

#[cfg(target_os = "linux")]
fn finish_with(mut command: std::process::Command, script: &str, typed: &[&str]) -> billing::Run {
    command.arg(script).args(typed);
    finish(command, b"").done()
}

/// The shell reads the whole script, and runs nothing of it.
#[cfg(target_os = "linux")]
#[track_caller]
fn check_syntax(shell: &str, how: &str) {
    let Some(program) = billing_testkit::need(shell, how) else { return };
    let place = crate::place::Place::new();
    let script = place.write("script", script(shell));
    let mut command = std::process::Command::new(program);
    command.env("HOME", place.path("")).args(["-n", &script]);
    let run = finish(command, b"").done();
    assert_eq!((run.text(), run.stderr.as_str()), ("", ""));
}

#[cfg(target_os = "linux")]
#[test]
fn bash_takes_the_script() {
    check_syntax("bash", "install it, as with `apt-get install bash`");
}

#[cfg(target_os = "linux")]
#[test]
fn zsh_takes_the_script() {
    check_syntax("zsh", "install it, as with `apt-get install zsh`");
}

#[cfg(target_os = "linux")]
#[test]
fn fish_takes_the_script() {
    check_syntax("fish", "install it, as with `apt-get install fish`");
}
