//! The HTML page of a report, in a browser. `tests/browser/report_page.cjs` says what must hold there.

mod made;

use std::fs;
use std::path::Path;
use std::process::Command;

use billing_report::Report;
use billing_testkit::need;

use crate::place::Place;
use made::{hostile, of_real_entries};

const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Chromium opens the page wide and narrow, light and dark, with a script and without; sorts, filters, reads amounts; and is attacked.
/// Pictures are left in `target/report-page`.
#[test]
fn the_page_shows_the_report_and_nothing_else() {
    let tools = Path::new(TOP).join("target/tools/browser");
    let node = need("node", "install it, as with `apt-get install nodejs`, 20 or newer");
    let chromium = need("chromium", "install it, as with `apt-get install chromium`");
    let library = need(
        tools.join("node_modules/playwright-core/cli.js").to_str().unwrap(),
        "install it: `mkdir -p target/tools/browser && cp tests/browser/package*.json target/tools/browser && npm ci --prefix target/tools/browser`",
    );
    let (Some(node), Some(chromium), Some(_)) = (node, chromium, library) else { return };

    let place = Place::new();
    for (name, report) in [("report", of_real_entries()), ("hostile", hostile())] {
        // As `billing render` has it: the page is made of what was read.
        let json = report.to_json().unwrap();
        let page = Report::from_json(&json).unwrap().to_html();
        assert!(page.len() < 300_000, "{name}: {} bytes", page.len());
        place.write(&format!("{name}.json"), json);
        place.write(&format!("{name}.html"), page);
    }
    let shots = Path::new(TOP).join("target/report-page");
    fs::create_dir_all(&shots).unwrap();
    let run = Command::new(node)
        .arg(Path::new(TOP).join("tests/browser/report_page.cjs"))
        .args([chromium.as_os_str(), place.path("").as_ref(), shots.as_os_str()])
        .env("NODE_PATH", tools.join("node_modules"))
        .output()
        .unwrap();
    let said = [run.stdout, run.stderr].concat();
    assert!(run.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}
