//! The calls of a run, read from the log of strace.

use std::process::Command;

use crate::billing::finish;
use crate::place::Place;

use super::strace::{Strace, filter, inject};

/// A call that changes the content of the disk, or what of it is durable. Files are file descriptors.
#[derive(Debug)]
pub(crate) enum Call {
    Open { path: String, creates: bool, file: u32 },
    Seek { file: u32, to: usize },
    Write { file: u32, bytes: Vec<u8> },
    Truncate { file: u32, to: usize },
    Sync { file: u32, is_data: bool },
    Rename { from: String, to: String },
    Unlink { path: String },
}

/// What is looked at.
const CHANGES: [&str; 8] =
    ["openat", "lseek", "write", "ftruncate", "fdatasync", "fsync", "rename", "unlink"];

/// Runs a command to its end, well, or kills it at a call that is given with its number; the calls on these paths in order.
pub(crate) fn calls_of(
    strace: &Strace,
    command: &Command,
    paths: &[String],
    kill: Option<(&str, usize)>,
) -> Vec<Call> {
    let logs = Place::new();
    let mut args = filter(&CHANGES, paths);
    if let Some((call, nth)) = kill {
        args.extend(inject(call, "signal=KILL", &nth.to_string()));
    }
    // A file for each thread, because calls of two threads in one would be torn apart; and all text as bytes.
    args.extend(["-ff", "-xx", "-s", "1000000", "-o"].map(str::to_owned));
    args.push(logs.path("log"));
    let run = finish(strace.around(command, &args), b"");
    assert_eq!(run.code, if kill.is_some() { None } else { Some(0) }, "{}", run.stderr);
    let texts = logs.names().into_iter().map(|name| String::from_utf8(logs.read(&name)).unwrap());
    let texts: Vec<_> = texts.filter(|text| text.lines().any(|line| !is_no_call(line))).collect();
    let short: Vec<_> = texts.iter().map(|text| text.chars().take(500).collect::<String>()).collect();
    assert_eq!(texts.len(), 1, "one thread writes, or the order of the calls is not known: {short:?}");
    texts[0].lines().filter_map(call).collect()
}

/// Reads a line such as `write(4, "\x61\x62", 2) = 2`; nothing for a call that failed or did not come to its end.
fn call(line: &str) -> Option<Call> {
    if is_no_call(line) {
        return None;
    }
    let (line, result) = line.rsplit_once(" = ").unwrap_or_else(|| panic!("a line without a result: {line}"));
    if result.starts_with(['-', '?']) {
        return None;
    }
    let (name, args) = line.split_once('(').unwrap();
    let args: Vec<_> = args.trim_end().trim_end_matches(')').split(", ").collect();
    let file = |arg: &str| arg.parse().unwrap();
    let mut texts = args.iter().filter(|arg| arg.starts_with('"')).map(|arg| text(arg));
    let mut text = || texts.next().unwrap();
    let result: usize = result.parse().unwrap();
    Some(match name {
        "openat" => Call::Open {
            path: text(),
            creates: args[2].contains("O_CREAT"),
            file: u32::try_from(result).unwrap(),
        },
        "lseek" => Call::Seek { file: file(args[0]), to: result },
        "write" => {
            let bytes = bytes(args[1]);
            assert_eq!(bytes.len(), result, "all of it was written, and is in the log");
            Call::Write { file: file(args[0]), bytes }
        }
        "ftruncate" => Call::Truncate { file: file(args[0]), to: args[1].parse().unwrap() },
        "fdatasync" | "fsync" => Call::Sync { file: file(args[0]), is_data: name == "fdatasync" },
        "rename" | "renameat" | "renameat2" => Call::Rename { from: text(), to: text() },
        "unlink" | "unlinkat" => Call::Unlink { path: text() },
        _ => panic!("{line}"),
    })
}

/// True for a line that says how a thread ended, what signal it got, or that it was let go before its call was read.
fn is_no_call(line: &str) -> bool {
    line.starts_with("+++ ") || line.starts_with("--- ") || line.starts_with("???(")
}

/// The bytes of `"\x61\x62"`.
fn bytes(arg: &str) -> Vec<u8> {
    let digits = arg.trim_matches('"').split("\\x").skip(1);
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn text(arg: &str) -> String {
    String::from_utf8(bytes(arg)).unwrap()
}
