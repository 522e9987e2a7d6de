//! Files that were imported before, and files of one call with the same entries: they are refused before anything is
//! stored.

use std::thread;

use billing_model::{Timestamp, UsageEntry};
use billing_sample::History;

use crate::billing::{Run, entries, ndjson, run, run_reading};
use crate::check;
use crate::imports::gzip;
use crate::ledger::{Ledger, noted};
use crate::place::Place;

/// So many entries of the first days of May, a few minutes apart.
fn may() -> Vec<UsageEntry> {
    (0..900)
        .map(|n| {
            let at = Timestamp::from_unix_ns(1_777_593_600_000_000_000 + n * 300_000_000_000);
            UsageEntry { timestamp: at, ..noted("2026-05-01T00:00:00Z", &format!("entry {}", n / 2)) }
        })
        .collect()
}

fn held(ledger: &Ledger) -> Vec<UsageEntry> {
    ledger.serve().export(&["--format", "ndjson"]).done().entries()
}

fn import(ledger: &Ledger, args: &[&str]) -> Run {
    run(&[&["import", "--ledger", &ledger.path()], args].concat())
}

#[track_caller]
fn refused(run: &Run, said: &str) {
    run.failed(1, said);
    assert!(run.stderr.contains("\nhint: nothing was imported; "), "{}", run.stderr);
    assert!(run.stderr.contains("--again"), "{}", run.stderr);
}

#[test]
fn the_content_of_a_file_is_imported_once_whatever_it_is_called_and_however_it_is_compressed() {
    let (place, ledger) = (Place::new(), Ledger::of(&[]));
    let entries = may();
    let bytes = ndjson(&entries[..3]);
    let file = place.write("may.ndjson", &bytes);
    import(&ledger, &[&file]).done();
    let before = "was imported into account `default` before: on 20";
    let named = format!("as `{file}`, 3 entries");
    let (copy, packed) = (place.write("copy.dat", &bytes), place.write("may.ndjson.gz", gzip(&bytes)));
    for same in [&file, &copy, &packed] {
        let run = import(&ledger, &[same]);
        refused(&run, &format!("`{same}` {before}"));
        assert!(run.stderr.contains(&named), "{}", run.stderr);
    }
    for stdin in [bytes.clone(), gzip(&bytes)] {
        let run = run_reading(&["import", "-", "--ledger", &ledger.path()], &stdin);
        refused(&run, &format!("`-` {before}"));
    }
    // No half of several files.
    let other = place.write("other.ndjson", ndjson(&entries[3..5]));
    refused(&import(&ledger, &[&other, &packed]), &format!("`{packed}` {before}"));
    assert!(held(&ledger) == entries[..3]);
    import(&ledger, &[&other]).done();
    // stdin is kept as well.
    run_reading(&["import", "-", "--ledger", &ledger.path()], &ndjson(&entries[5..6])).done();
    let stdin = place.write("stdin.ndjson", ndjson(&entries[5..6]));
    refused(&import(&ledger, &[&stdin]), "as `-`, 1 entry");

    let again = import(&ledger, &["--again", &packed]).done();
    assert!(again.stderr.starts_with(&format!("warning: `{packed}` {before}")), "{}", again.stderr);
    import(&ledger, &["--account", "theirs", &file]).done();
    assert_eq!(held(&ledger).len(), 9);
    check::is_clean(&ledger.path());
}

#[test]
fn many_entries_are_refused_alike_and_leave_nothing() {
    let (place, ledger) = (Place::new(), Ledger::of(&[]));
    let many: Vec<_> = History::new(1, 25_000).collect();
    let file = place.write("many.ndjson", ndjson(&many));
    import(&ledger, &[&file]).done();
    refused(&import(&ledger, &[&file]), "25000 entries");
    // The content of stdin is known only when it was read, and is removed again.
    let run = run_reading(&["import", "-", "--ledger", &ledger.path()], &ndjson(&many));
    refused(&run, "`-` was imported into account `default` before: ");
    assert!(held(&ledger) == many);
    let checked = run_check(&ledger);
    assert!(checked.contains(" 25,000 entries in ") && checked.contains(", 1 file, "), "{checked}");
    assert!(!checked.contains("has not ended"), "{checked}");
}

fn run_check(ledger: &Ledger) -> String {
    run(&["check", "--ledger", &ledger.path()]).done().stderr
}

#[test]
fn a_file_that_is_named_twice_is_refused_and_one_without_entries_is_not() {
    let (place, ledger) = (Place::new(), Ledger::of(&[]));
    let bytes = ndjson(&may()[..3]);
    let (file, copy) = (place.write("1.ndjson", &bytes), place.write("2.ndjson.gz", gzip(&bytes)));
    for args in [[&file, &file], [&file, &copy]] {
        let same = format!("`{}` has the same content as `{file}`, which comes before it", args[1]);
        refused(&import(&ledger, &args.map(String::as_str)), &same);
    }
    let run = run_reading(&["import", &file, "-", "--ledger", &ledger.path()], &bytes);
    refused(&run, &format!("`-` has the same content as `{file}`"));
    assert_eq!(held(&ledger), []);
    import(&ledger, &["--again", &file, &copy]).done();
    assert_eq!(held(&ledger).len(), 6);
    // An export of an empty window, every night.
    let empty = ["1", "2"].map(|name| place.write(name, ""));
    for _ in 0..2 {
        import(&ledger, &[&empty[0], &empty[1]]).done();
    }
}

#[test]
fn of_imports_of_one_file_at_once_exactly_one_wins() {
    let place = Place::new();
    for (round, size) in [20, 15_000, 20, 15_000].into_iter().enumerate() {
        let many: Vec<_> = History::new(1, size).collect();
        let file = place.write("many.ndjson", ndjson(&many));
        // There is no ledger before.
        let path = place.path(&format!("{round}.db"));
        let runs: Vec<_> = thread::scope(|scope| {
            let one = || run(&["import", &file, "--ledger", &path]);
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let said: Vec<_> = runs.iter().map(|run| (run.code, run.stderr.as_str())).collect();
        assert_eq!(runs.iter().filter(|run| run.code == Some(0)).count(), 1, "round {round}: {said:?}");
        assert_eq!(runs.iter().filter(|run| run.code == Some(1)).count(), 2, "round {round}: {said:?}");
        let checked = run(&["check", "--ledger", &path]).done().stderr;
        assert!(checked.contains(", 1 file, "), "{checked}");
    }
}

#[test]
fn exports_of_windows_that_overlap_are_refused_with_the_time_that_they_share() {
    let (place, ledger) = (Place::new(), Ledger::of(&[]));
    let may = may();
    let one = place.write("may-1-20.ndjson", ndjson(&may[..600]));
    let other = place.write("may-10-31.ndjson.gz", gzip(&ndjson(&may[288..])));
    let stretch = format!("from {} to {}", may[288].timestamp, may[599].timestamp);
    let told = format!("`{one}` and `{other}` both have 312 equal entries {stretch}");
    refused(&import(&ledger, &[&one, &other]), &told);
    assert_eq!(held(&ledger), []);
    // One by one nothing tells.
    let again = import(&ledger, &["--again", &one, &other]).done();
    assert!(again.stderr.contains(&format!("warning: {told}\n")), "{}", again.stderr);
    assert_eq!(held(&ledger).len(), 1212);
}

#[test]
fn windows_that_meet_are_imported_and_a_batch_that_was_cut_in_two_is_told() {
    let (place, ledger) = (Place::new(), Ledger::of(&[]));
    let may = may();
    let (one, other) =
        (place.write("1.ndjson", ndjson(&may[..500])), place.write("2.ndjson", ndjson(&may[500..])));
    let run = import(&ledger, &[&other, &one]).done();
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    assert!(held(&ledger) == may);

    // Four images of one instant, two in each file.
    let images = vec![noted("2026-06-01T00:00:00Z", "image"); 2];
    let before = [vec![noted("2026-05-31T00:00:00Z", "")], images.clone()].concat();
    let after = [images, vec![noted("2026-06-02T00:00:00Z", "")]].concat();
    let (one, other) = (place.write("3.ndjson", ndjson(&before)), place.write("4.ndjson", ndjson(&after)));
    let run = import(&ledger, &[&one, &other]).done();
    let told = format!(
        "warning: `{one}` and `{other}` meet at 2026-06-01T00:00:00.000Z, and both have 2 equal entries there: "
    );
    assert!(run.stderr.starts_with(&told), "{}", run.stderr);
    assert_eq!(held(&ledger).len(), 906);
}

#[test]
fn files_of_two_accounts_may_cover_the_same_time() {
    let (place, ledger) = (Place::new(), Ledger::of(&[]));
    let files = [1, 2].map(|seed| {
        let entries: Vec<_> = History::new(seed, 3_000).collect();
        place.write(&format!("{seed}.ndjson"), ndjson(&entries))
    });
    let run = import(&ledger, &[&files[0], &files[1]]).done();
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    assert_eq!(entries(&ledger.serve().export(&["--format", "ndjson"]).done().stdout).len(), 6_000);
}
