//! Ten thousand requests that are wrong in every part of them: each is answered with the right status and as JSON, and
//! nothing else comes of them.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use fastrand::Rng;

use crate::conversation::Request;
use crate::host::{HISTORY, Host, USAGE};
use crate::ledger::{Ledger, noted};

mod generator;

use generator::{Keys, Malformed, generate};

const REQUESTS: usize = 10_000;
const THREADS: usize = 4;

/// Requests after which the server has what it keeps: threads, connections to the ledger, the allocator's arenas.
const WARM_UP: usize = 1_000;

/// What it may have more of after the others, in KiB. A request that left only its own bytes behind would come to more.
#[cfg(target_os = "linux")]
const GROWTH_KIB: u64 = 24 << 10;

/// In the notes of the account that no request has a key to.
const THEIRS: &str = "nobody-else-may-see-this";

/// No test waits for it; it ends one whose server does not answer.
const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn ten_thousand_malformed_requests_are_answered_and_leave_nothing() {
    let ledger =
        Ledger::of(&(0..40).map(|n| noted(&format!("2026-05-01T00:00:{n:02}Z"), "ours")).collect::<Vec<_>>());
    let theirs = ledger.path() + ".ndjson";
    let entries: Vec<_> = (0..40).map(|n| noted(&format!("2026-05-01T00:00:{n:02}Z"), THEIRS)).collect();
    fs::write(&theirs, crate::billing::ndjson(&entries)).unwrap();
    crate::billing::run(&["import", &theirs, "--ledger", &ledger.path(), "--account", "theirs"]).done();
    let their_key = ledger.key("theirs", "admin");
    let (admin, ingest) = (ledger.key("default", "admin"), ledger.key("default", "ingest"));
    let inference = ledger.key("default", "inference");
    let host = Host::start(&ledger.path(), &["--failed-request-limit", "0", "--body-limit", "1"]);
    let cursor = |key: &str| {
        let page = host.ask(
            &Request::get(&format!("{HISTORY}?pageSize=10"))
                .header("authorization", &format!("Bearer {key}")),
        );
        let text = page.text().to_owned();
        text.rsplit_once("\"nextCursor\":\"").unwrap().1.trim_end_matches("\"}").to_owned()
    };
    let keys =
        Keys { our_cursor: cursor(&admin), their_cursor: cursor(&their_key), admin, ingest, inference };
    let before = state(&host, &keys, &their_key);

    send(&host, &keys, WARM_UP, 0);
    #[cfg(target_os = "linux")]
    let warm = resident_kib(host.id());
    send(&host, &keys, REQUESTS - WARM_UP, 1_000);
    #[cfg(target_os = "linux")]
    {
        let grown = resident_kib(host.id()).saturating_sub(warm);
        assert!(grown < GROWTH_KIB, "{grown} KiB more than after the first {WARM_UP}");
    }
    assert_eq!(state(&host, &keys, &their_key), before, "the ledger has changed");
    let said = host.stop();
    for word in ["panicked", "ERROR", keys.admin.as_str(), keys.ingest.as_str()] {
        assert!(!said.contains(word), "{word} is in the log");
    }
}

/// What the two accounts have: the total of one page says whether anything was added.
fn state(host: &Host, keys: &Keys, their_key: &str) -> [String; 2] {
    [keys.admin.as_str(), their_key].map(|key| {
        let page = host.ask(
            &Request::get(&format!("{USAGE}?limit=500")).header("authorization", &format!("Bearer {key}")),
        );
        assert_eq!(page.status, 200);
        page.text().to_owned()
    })
}

fn send(host: &Host, keys: &Keys, count: usize, first_seed: u64) {
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for n in 0..count / THREADS {
                    let seed = first_seed + (n * THREADS + thread) as u64;
                    let malformed = generate(&mut Rng::with_seed(seed), keys);
                    let answer = exchange(host.address(), &malformed.bytes);
                    if let Err(what) = check(&malformed, &answer) {
                        let shown = &malformed.bytes[..malformed.bytes.len().min(600)];
                        panic!(
                            "{what}\nkind {}, seed {seed}\n{}\n\n{}",
                            malformed.kind,
                            shown.escape_ascii(),
                            answer[..answer.len().min(600)].escape_ascii()
                        );
                    }
                }
            });
        }
    });
}

/// Sends bytes, says that there are no more, and reads what comes.
fn exchange(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(LIMIT)).unwrap();
    // A server that has heard enough need not listen to the rest.
    if connection.write_all(bytes).is_ok() {
        let _ = connection.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        match connection.read(&mut piece) {
            Ok(0) => return answer,
            Ok(read) => answer.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset && !answer.is_empty() => {
                return answer;
            }
            Err(error) => panic!("no answer: {error}: {}", bytes[..bytes.len().min(300)].escape_ascii()),
        }
    }
}

/// Every answer on the connection is an error as it should be, the first with a status that is right.
fn check(malformed: &Malformed, answer: &[u8]) -> Result<(), String> {
    if answer.windows(THEIRS.len()).any(|window| window == THEIRS.as_bytes()) {
        return Err("another account's entry".to_owned());
    }
    let text = std::str::from_utf8(answer).map_err(|_| "not text".to_owned())?;
    let mut rest = text.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(text);
    let mut answers = 0;
    while !rest.is_empty() {
        let (head, after) = rest.split_once("\r\n\r\n").ok_or("no head")?;
        let status: u16 = head.get(9..12).and_then(|code| code.parse().ok()).ok_or("no status")?;
        let head = head.to_ascii_lowercase();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        if answers == 0 && !malformed.right.contains(&status) {
            return Err(format!("status {status}, right are {:?}", malformed.right));
        }
        if !(400..500).contains(&status) {
            return Err(format!("status {status}"));
        }
        if field("content-type") != Some("application/json") {
            return Err("it is not JSON".to_owned());
        }
        if status == 405 && field("allow").is_none() {
            return Err("405 without Allow".to_owned());
        }
        let length: usize =
            field("content-length").and_then(|length| length.parse().ok()).ok_or("no length")?;
        let is_head = malformed.kind == "HEAD";
        let (body, next) =
            if is_head { ("", after) } else { after.split_at_checked(length).ok_or("cut off")? };
        let error: Result<Error, _> = serde_json::from_str(body);
        if !is_head && error.is_ok_and(|error| error.error.is_empty()) {
            return Err("an error without words".to_owned());
        }
        if !is_head && serde_json::from_str::<Error>(body).is_err() {
            return Err("no error in it".to_owned());
        }
        rest = next;
        answers += 1;
    }
    if answers == 0 { Err("no answer".to_owned()) } else { Ok(()) }
}

#[derive(serde::Deserialize)]
struct Error {
    error: String,
}

/// What the process has in memory.
#[cfg(target_os = "linux")]
fn resident_kib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
