//! `billing render`: a saved report in another form.

use std::io::Read;
use std::path::Path;

use anyhow::anyhow;
use billing_format::Content;
use billing_report::Report;

use crate::args;
use crate::exit::Failure;
use crate::input::{self, Input};
use crate::report::Output;
use crate::terminal;

/// The most bytes of a report, without its compression: that of some 100,000 rows has as many. All of it is in memory.
const MOST_BYTES: u64 = 64 << 20;

/// The hint for a file that is no report.
const SAVE: &str = "billing report --format json -o report.json saves one";

/// What is said of a page that has no charts, because nothing was saved to draw them from.
const NO_CHARTS: &str = "note: the report was saved without --charts, so the page has none";

pub(crate) fn run(args: &args::Render) -> Result<(), Failure> {
    let output = Output::new(&args.output)?;
    let report = read(&args.file)?;
    if output.has_charts() && report.charts.is_none() {
        terminal::note(NO_CHARTS);
    }
    output.show(&report)
}

fn read(path: &Path) -> Result<Report, Failure> {
    let failed = |error: anyhow::Error| {
        let failure = Failure::failed(error.context(input::quoted(path)));
        match input::is_ledger(path) {
            true => {
                failure.hint(format!("a report of a ledger is billing report --ledger {}", path.display()))
            }
            false => failure.hint(SAVE),
        }
    };
    let content = Content::open(Input::open(path)?).map_err(|error| failed(error.into()))?;
    let mut text = String::new();
    content.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(|error| failed(error.into()))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(failed(anyhow!("is longer than 64 MiB, and a report is read up to that")));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Report::from_json(text).map_err(|error| failed(error.into()))
}
