//! A report of exported files. They are read in a stream, so their length does not matter.

use std::path::{Path, PathBuf};

use billing_format::{Content, InputFormat, Notices, ReadError, read_entries_noting};
use billing_ledger::Error;
use billing_model::{Sink, Timestamp, UsageEntry};
use billing_report::{Dimension, Meta, Question, Report, ReportBuilder, Source};
use billing_sqlite::{Overlap, Overlaps};

use super::finality::Finality;
use crate::exit::Failure;
use crate::input::{Input, is_ledger, quoted, shown};
use crate::text;

/// The most pairs of files that are named as having the same entries.
const NAMED_PAIRS: usize = 5;

/// Makes the report of files.
pub(super) fn report(
    files: &[PathBuf],
    question: Question,
    now: Timestamp,
    meta: Meta,
) -> Result<Report, Failure> {
    // All are opened first, so that a mistyped name is said before a long one is read.
    let inputs = files.iter().map(|path| Input::open(path)).collect::<Result<Vec<_>, _>>()?;
    let mut finality = Finality::new(question.window, now);
    finality.add_own();
    let needs_keys = question.by.dimensions().any(|by| by == Dimension::Key) || question.filter.key.is_some();
    let mut builder = ReportBuilder::new(question);
    let mut without_keys = Vec::new();
    let mut notices = Notices::default();
    let mut overlaps = if files.len() > 1 { Some(Overlaps::new()?) } else { None };
    for (file, (path, input)) in files.iter().zip(inputs).enumerate() {
        notices.begin(shown(path));
        let mut sink =
            Adding { builder: &mut builder, overlaps: overlaps.as_mut(), file, entries: 0, has_keys: false };
        read(path, input, &mut sink, &mut notices)?;
        if needs_keys && sink.entries > 0 && !sink.has_keys {
            without_keys.push(format!(
                "No entry of {} names an API key; a CSV has them in the column apiKeyId, which billing export \
                 --with-api-key-id writes.",
                quoted(path)
            ));
        }
    }
    let warnings = notices.list().into_iter().filter(|notice| notice.kind.is_warning());
    let mut notes: Vec<String> = warnings.map(|notice| format!("{notice}.")).collect();
    notes.extend(without_keys);
    if let Some(overlaps) = overlaps {
        notes.extend(doubled(&overlaps.find()?, files));
    }
    let source = Source { files: files.iter().map(|path| shown(path)).collect(), ..Source::default() };
    let mut meta = finality.tell(Meta { source, ..meta });
    meta.notes.extend(notes);
    Ok(builder.finish(meta))
}

fn read(path: &Path, input: Input, sink: &mut Adding<'_>, notices: &mut Notices) -> Result<(), Failure> {
    let unreadable = |error: anyhow::Error| {
        let failure = Failure::failed(error).context(quoted(path));
        match is_ledger(path) {
            true => failure.hint(format!("a ledger is named with --ledger {}", path.display())),
            false => failure.hint("nothing was reported; mend the file, or leave it out"),
        }
    };
    let mut content = Content::open(input).map_err(|error| unreadable(error.into()))?;
    match read_entries_noting(&mut content, InputFormat::Auto, sink, notices) {
        Ok(_) => content.finish().map(drop).map_err(|error| unreadable(error.into())),
        Err(ReadError::Input(error)) => Err(unreadable(error.into())),
        Err(ReadError::Sink(error)) => Err(error.into()),
    }
}

/// Says which files have the same entries. A report of them is no error: who gives a file twice may mean it.
fn doubled(overlaps: &[Overlap], files: &[PathBuf]) -> Vec<String> {
    let name = |file: usize| files.get(file).map(|path| shown(path)).unwrap_or_default();
    let told = overlaps.iter().take(NAMED_PAIRS).map(|Overlap { files, entries, first, last, is_border }| {
        let (one, other, equal) = (name(files.0), name(files.1), text::entries(*entries));
        match is_border {
            true => format!(
                "`{one}` and `{other}` meet at {first}, and both have {equal} there: right where a batch was cut in \
                 two, and counted twice where both windows hold that instant."
            ),
            false => format!(
                "`{one}` and `{other}` both have {equal} from {first} to {last}, which are counted twice; leave out \
                 what is there twice."
            ),
        }
    });
    let mut told: Vec<String> = told.collect();
    if overlaps.len() > NAMED_PAIRS {
        told.push(format!("{} more pairs of files have the same entries.", overlaps.len() - NAMED_PAIRS));
    }
    told
}

/// A sink that adds entries to a report, and compares them with those of other files.
struct Adding<'a> {
    builder: &'a mut ReportBuilder,
    overlaps: Option<&'a mut Overlaps>,
    file: usize,
    entries: usize,
    has_keys: bool,
}

impl Sink for Adding<'_> {
    type Output = ();
    type Error = Error;

    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        if let Some(overlaps) = &mut self.overlaps {
            overlaps.add(self.file, entries)?;
        }
        self.entries += entries.len();
        self.has_keys = self.has_keys || entries.iter().any(|entry| entry.api_key_id.is_some());
        entries.iter().for_each(|entry| self.builder.add_entry(entry));
        Ok(())
    }

    fn finish(self) -> Result<(), Error> {
        Ok(())
    }
}
