//! Entries that arrive while a walk is under way.
//!
//! Between the program and the server stands a service that passes requests on; just before the n-th it imports
//! entries into the ledger, from another process. So the overlap is the same in every run.

use billing_model::{Timestamp, UsageEntry, WholeSet};
use billing_testkit::{Book, Reply, entry_at};

use crate::billing::{self, Run};
use crate::ledger::{Ledger, noted, record};
use crate::place::Place;
use crate::scripted::{Scripted, forward};

/// Entries at an instant; three at each, so that pages of ten end amid equal timestamps.
const AT_ONCE: i64 = 3;

fn second(s: i64) -> Timestamp {
    Timestamp::from_unix_ns((1_780_000_000 + s) * 1_000_000_000)
}

/// 300 entries in 100 seconds, the three of every other second equal to the last byte.
fn before() -> Vec<UsageEntry> {
    let amount = |i: i64| if (i / AT_ONCE) % 2 == 0 { "-0.1".to_owned() } else { format!("-0.{i:03}") };
    (0..100 * AT_ONCE).map(|i| entry_at(second(i / AT_ONCE), &amount(i))).collect()
}

/// The entries that arrive: at each of these seconds, one like those that are there, and a different one.
fn arrival(seconds: &[i64]) -> Vec<UsageEntry> {
    let rows = |s: &i64| [entry_at(second(*s), "-0.1"), entry_at(second(*s), "-7")];
    seconds.iter().flat_map(rows).collect()
}

struct Walked {
    run: Run,
    /// The content of the file, when there is one.
    file: Option<Vec<UsageEntry>>,
    after: Vec<UsageEntry>,
    /// Whether all that was to arrive did.
    all_arrived: bool,
}

/// Exports in pages of ten while entries arrive before the n-th request.
fn walk(endpoint: &str, arrivals: &[(usize, Vec<UsageEntry>)], to_file: bool) -> Walked {
    walk_by(endpoint, arrivals, to_file, "4")
}

fn walk_by(
    endpoint: &str,
    arrivals: &[(usize, Vec<UsageEntry>)],
    to_file: bool,
    concurrency: &str,
) -> Walked {
    let before = before();
    let ledger = Ledger::of(&before);
    let server = ledger.serve();
    let script = {
        let (key, base_url, path) = (server.key.clone(), server.base_url.clone(), ledger.path());
        let (arrivals, mut requests) = (arrivals.to_vec(), 0);
        move |request: &billing_testkit::Request| {
            requests += 1;
            for (_, rows) in arrivals.iter().filter(|(at, _)| *at == requests) {
                record(&path, rows);
            }
            let mut request = request.clone();
            request.headers.insert("authorization".to_owned(), format!("Bearer {key}"));
            forward(&base_url, &request)
        }
    };
    let between = Scripted::start(script);
    let place = Place::new();
    let path = place.path("usage.ndjson");
    let mut args = vec!["--endpoint", endpoint, "--page-size", "10", "--format", "ndjson"];
    args.extend(["--concurrency", concurrency]);
    if to_file {
        args.extend(["-o", path.as_str()]);
    }
    let run = between.export(&args);
    let arrived: Vec<_> = arrivals.iter().filter(|(at, _)| *at <= between.requests().len()).collect();
    let all_arrived = arrived.len() == arrivals.len();
    let rows = arrived.into_iter().flat_map(|(_, rows)| rows.clone());
    let after = before.into_iter().chain(rows).collect();
    let file = (place.names() == ["usage.ndjson"]).then(|| billing::entries(&place.read("usage.ndjson")));
    assert!(file.is_some() || place.names().is_empty(), "nothing is left beside it: {:?}", place.names());
    Walked { run, file, after, all_arrived }
}

#[track_caller]
fn same(found: &[UsageEntry], expect: &[UsageEntry]) {
    let whole_set = |entries: &[UsageEntry]| entries.iter().collect::<WholeSet>();
    assert_eq!(whole_set(found), whole_set(expect));
    assert!(found.is_sorted_by_key(|entry| entry.timestamp));
}

/// Behind the walk, where it is, just ahead and at the end of the window, several times.
fn everywhere() -> Vec<(usize, Vec<UsageEntry>)> {
    vec![(2, arrival(&[0, 3, 4, 50, 99])), (9, arrival(&[0, 1, 26, 99])), (20, arrival(&[40, 59, 98]))]
}

/// Each part of the window shows the ledger of the moment at which the walk came to it. So every entry that was there
/// before the walk comes once, and one that arrived meanwhile at most once.
#[test]
fn by_cursor_nothing_that_was_there_is_lost_or_doubled() {
    for to_file in [true, false] {
        let walked = walk("usage-history", &everywhere(), to_file);
        assert!(walked.all_arrived);
        let run = walked.run.done();
        let found = walked.file.unwrap_or_else(|| run.entries());
        assert!(found.is_sorted_by_key(|entry| entry.timestamp));
        let mut new = walked.after;
        for entry in &found {
            let at = new.iter().position(|other| other == entry);
            new.swap_remove(at.expect("nothing comes twice"));
        }
        // What is not in the file are arrivals, or equal to one.
        let arrived: Vec<_> = everywhere().into_iter().flat_map(|(_, rows)| rows).collect();
        assert!(new.len() < arrived.len() && new.iter().all(|entry| arrived.contains(entry)), "{new:?}");
    }
}

/// A page number counts from the start of the window, so entries that arrive behind the walk shift the pages. The file
/// is then begun anew, until it is the window.
#[test]
fn by_number_a_file_is_the_window_after_the_last_arrival() {
    let walked = walk("usage", &everywhere(), true);
    assert!(walked.all_arrived);
    let run = walked.run.done();
    assert!(
        run.stderr.contains("note: entries arrived behind the walk; reading the window again"),
        "{}",
        run.stderr
    );
    same(&walked.file.unwrap(), &walked.after);
}

/// Entries that arrive ahead are read when the walk comes to them, and nothing has to be read again.
#[test]
fn by_number_what_arrives_ahead_is_in_the_same_walk() {
    let ahead = vec![(4, arrival(&[60, 61, 99])), (10, arrival(&[90]))];
    for to_file in [true, false] {
        let walked = walk_by("usage", &ahead, to_file, "1");
        assert!(walked.all_arrived);
        let run = walked.run.done();
        assert!(!run.stderr.contains("again"), "{}", run.stderr);
        same(&walked.file.unwrap_or_else(|| run.entries()), &walked.after);
    }
}

/// Output to stdout cannot be taken back, so the run says that it is not the whole window.
#[test]
fn by_number_a_stream_that_missed_entries_says_so() {
    let walked = walk("usage", &everywhere(), false);
    assert_eq!(walked.run.code, Some(6), "{}", walked.run.stderr);
    assert!(walked.run.stderr.contains("some came or went behind the walk"), "{}", walked.run.stderr);
    let found = walked.run.entries();
    let mut rest = walked.after;
    for entry in &found {
        let at = rest.iter().position(|other| other == entry);
        rest.swap_remove(at.expect("nothing comes twice, also in what is not whole"));
    }
}

/// Entries that never stop arriving behind the walk end it, and leave no file.
#[test]
fn by_number_a_ledger_that_never_rests_gives_no_file() {
    let restless: Vec<_> = (3..400).step_by(30).map(|request| (request, arrival(&[0]))).collect();
    let walked = walk("usage", &restless, true);
    walked.run.failed(6, "entries arrived meanwhile");
    assert!(walked.file.is_none());
}

/// Named after what broke: the cursor is lost, and a copy that lags behind answers from then on. It lacks entries of
/// the first page, and has fewer each time. The window that was read again replaced the file, with exit code 0.
#[test]
fn a_window_that_is_read_again_is_not_believed_with_less_in_it() {
    let all: Vec<_> = (0..30).map(|n| noted(&format!("2026-05-01T00:00:{n:02}Z"), "")).collect();
    let (mut whole, mut old, mut requests) = (Book::new(all.clone()), Book::new(all[..5].to_vec()), 0);
    let service = Scripted::start(move |request| {
        requests += 1;
        match request.query.contains("cursor=") {
            true => Reply::error(400, "Invalid or expired cursor; restart from the first page"),
            false if requests == 1 => whole.answer(request),
            false => old.answer(request),
        }
    });
    let place = Place::new();
    let file = place.write("may.csv", "the file of before\n");
    let run = service.export(&["--page-size", "10", "--concurrency", "1", "-o", &file]);
    run.failed(6, "error: entries that were there before are gone");
    assert_eq!(place.read("may.csv"), b"the file of before\n");
}
