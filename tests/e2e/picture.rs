//! The picture in README.md shows what the program prints today: `cargo xtask picture` makes it anew.

use std::path::Path;
use std::process::Command;

use crate::billing::{Run, command};
use crate::place::Place;
use crate::process::Process;

const PICTURE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/billing-export.svg"));

/// As `cargo xtask picture` has it.
const SEED: &str = "15";

/// The rows of the terminal.
fn rows() -> Vec<String> {
    let texts = PICTURE.lines().filter(|line| line.starts_with("<text "));
    texts
        .map(|text| {
            let between = text.split('<').filter_map(|rest| Some(rest.split_once('>')?.1));
            between.collect::<String>().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        })
        .collect()
}

/// The line without the time and the pace of the run: `june.csv: 3,096 entries, 0.1 s, 29,313 entries/s`.
fn without_pace(line: &str) -> String {
    match line.split_once(" entries, ") {
        Some((entries, pace)) => {
            format!(
                "{entries} entries, {}",
                pace.replace(|c: char| c.is_ascii_digit() || c == ',' || c == '.', "")
            )
        }
        None => line.to_owned(),
    }
}

/// What is typed in the picture is typed here, and prints the same.
#[test]
fn the_picture_shows_what_is_printed_today() {
    let place = Place::new();
    let mut demo =
        Process::start(command(&["demo", "--serve", "--seed", SEED, "--dir", &place.path("demo")]));
    let mut lines = std::iter::repeat_with(|| demo.line()).take(100);
    let base_url = lines.find_map(|line| Some(line.strip_prefix("serving it at ")?.to_owned())).unwrap();
    assert!(lines.any(|line| line.starts_with("The server stays up")));
    let key = String::from_utf8(place.read("demo/api-key")).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_billing")).parent().unwrap().to_str().unwrap();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap());

    let mut printed = Vec::new();
    for typed in rows().iter().filter(|row| row.starts_with("$ ")) {
        let mut shell = Command::new("sh");
        shell.args(["-c", &typed[2..]]).current_dir(place.path("")).env_clear();
        shell.envs([
            ("PATH", path.as_str()),
            ("BILLING_BASE_URL", &base_url),
            ("BILLING_API_KEY", key.trim()),
        ]);
        let run = Run::from(shell.output().unwrap()).done();
        printed.push(typed.clone());
        printed
            .extend([run.stderr.as_str(), run.text()].iter().flat_map(|text| text.lines()).map(without_pace));
    }
    let shown: Vec<_> = rows().iter().map(|row| without_pace(row)).collect();
    assert!(printed.len() > 5);
    assert_eq!(shown, printed, "make the picture anew: cargo xtask picture");
}

#[test]
fn the_picture_is_well_formed() {
    let mut open = Vec::new();
    for markup in PICTURE.split('<').skip(1).filter(|markup| !markup.starts_with("!-- ")) {
        let tag = markup.split('>').next().unwrap();
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "inside {open:?}"),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split_whitespace().next().unwrap()),
        }
    }
    assert!(open.is_empty(), "{open:?} are never closed");
    assert!(
        PICTURE.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" ") && PICTURE.ends_with("</svg>\n")
    );
    let entities = PICTURE.split('&').skip(1).map(|rest| rest.split(';').next().unwrap());
    assert!(entities.into_iter().all(|name| ["amp", "lt", "gt"].contains(&name)));
}
