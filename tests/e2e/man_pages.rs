//! The man pages: one for each command, with what its help has, in a form that readers take.

use std::fs;

use crate::billing::{commands, flags, run};
use crate::place::Place;

/// The pages, by the words of their commands.
fn pages() -> Vec<(Vec<String>, String)> {
    let all = [vec![Vec::new()], commands()].concat();
    all.into_iter()
        .map(|words| {
            let page =
                ["billing".to_owned()].iter().chain(&words).cloned().collect::<Vec<_>>().join("-") + ".1";
            (words, page)
        })
        .collect()
}

#[test]
fn every_command_has_a_page_with_its_flags() {
    let place = Place::new();
    let dir = place.path("share/man/man1");
    let run = run(&["man", &dir]).done();
    let pages = pages();
    assert_eq!((run.text(), run.stderr.as_str()), ("", &*format!("{} man pages in {dir}\n", pages.len())));
    let names: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), pages.len(), "{names:?}");
    for (words, name) in &pages {
        let page = fs::read_to_string(format!("{dir}/{name}")).unwrap();
        let title = name.trim_end_matches(".1");
        assert!(
            page.contains(&format!(".TH {title} 1 \"\" \"billing {}\" billing\n", env!("CARGO_PKG_VERSION")))
        );
        for flag in flags(words) {
            assert!(page.contains(&flag.replace('-', "\\-")), "{name} does not have {flag}");
        }
        // Those with others below them have no examples of their own.
        assert!(
            page.contains(".SH EXAMPLES")
                || ["keys.1", "accounts.1", "billing-ledger.1", "billing.1"]
                    .iter()
                    .any(|end| name.ends_with(end))
        );
    }
}

#[test]
fn pages_are_replaced_and_nothing_else_is_touched() {
    let place = Place::new();
    place.write("billing.1", "old");
    place.write("notes", "mine");
    let dir = place.path("");
    run(&["man", &dir]).done();
    assert!(place.read("billing.1").starts_with(b".ie"));
    assert_eq!(place.read("notes"), b"mine");
    let before = place.read("billing-export.1");
    run(&["man", &dir]).done();
    assert_eq!(before, place.read("billing-export.1"));
}

#[test]
fn a_directory_that_cannot_be_made_is_said() {
    let place = Place::new();
    let file = place.write("file", "");
    run(&["man", &file]).failed(1, &format!("`{file}` cannot be made: "));
    fs::create_dir_all(place.path("pages/billing-export.1")).unwrap();
    run(&["man", &place.path("pages")]).failed(1, "`billing-export.1` cannot be written to");
    run(&["man"]).failed(2, "<DIR>");
}

#[test]
fn help_fits_a_terminal_and_has_examples() {
    for flag in ["-h", "--help"] {
        let help = run(&["man", flag]).done();
        assert!(help.text().lines().all(|line| line.chars().count() <= 80), "{}", help.text());
        assert!(help.text().contains("\n  billing man "), "{}", help.text());
    }
}

/// groff is what `man` reads pages with.
#[cfg(target_os = "linux")]
#[test]
fn groff_shows_the_pages_without_a_warning() {
    let Some(groff) = billing_testkit::need("groff", "install it, as with `apt-get install groff-base`")
    else {
        return;
    };
    let place = Place::new();
    run(&["man", &place.path("")]).done();
    for (words, name) in pages() {
        let mut command = std::process::Command::new(&groff);
        command.args(["-man", "-Tascii", "-ww", "-P-cbou", &place.path(&name)]);
        let shown = crate::billing::finish(command, b"").done();
        assert_eq!(shown.stderr, "", "{name}");
        let text = shown.text();
        assert!(text.contains(
            &["billing"].into_iter().chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
        ));
        assert!(text.contains(&format!("billing {}", env!("CARGO_PKG_VERSION"))), "{text}");
        if words == ["export"] {
            assert!(
                text.contains("\nEXAMPLES\n       billing export --month 2026-06 -o june.csv\n"),
                "{text}"
            );
        }
    }
}
