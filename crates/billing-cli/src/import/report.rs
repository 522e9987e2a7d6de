//! The result of an import, for people and for programs.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use billing_export::{AmountsByCurrency, amounts_text};
use billing_format::Unknown;
use billing_ledger::ImportedFile;
use billing_model::{Summary, Timestamp};
use billing_sqlite::Overlap;
use serde::Serialize;

use crate::args;
use crate::exit::Failure;
use crate::ledger_place::LedgerPlace;
use crate::{terminal, text};

use super::equal;

/// What an import read, and what is told about it.
pub(crate) struct Report {
    dry_run: bool,
    pub(crate) summary: Summary,
    pub(crate) files: Vec<FileReport>,
    /// Overlaps that are more than one shared border.
    pub(crate) overlaps: Vec<Overlap>,
    /// Names that are no field's.
    pub(crate) unknown: Vec<Unknown>,
    /// True in a dry run when an import would have failed.
    pub(crate) is_refused: bool,
    warnings: Vec<String>,
    notes: Vec<String>,
}

/// The report of one file.
pub(crate) struct FileReport {
    name: String,
    entries: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    sha256: [u8; 32],
    imported_before: Option<ImportedFile>,
}

impl Report {
    pub(crate) fn new(dry_run: bool) -> Self {
        let summary = Summary::default();
        let (warnings, notes) = (Vec::new(), Vec::new());
        let (files, overlaps, unknown) = (Vec::new(), Vec::new(), Vec::new());
        Self { dry_run, summary, files, overlaps, unknown, is_refused: false, warnings, notes }
    }

    /// Adds a warning, and writes it to stderr at once because a later step may fail.
    pub(crate) fn warn(&mut self, warning: String) {
        terminal::note(&format!("warning: {warning}"));
        self.warnings.push(warning);
    }

    /// Adds a note, and writes it to stderr at once.
    pub(crate) fn note(&mut self, note: String) {
        terminal::note(&format!("note: {note}"));
        self.notes.push(note);
    }

    pub(crate) fn name(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |file| &file.name)
    }

    /// The name of a file with the same content, if it has entries.
    pub(crate) fn same_content(&self, sha256: &[u8; 32]) -> Option<String> {
        let same = self.files.iter().find(|file| file.entries > 0 && file.sha256 == *sha256);
        same.map(|file| file.name.clone())
    }

    /// What two files have in common, in words.
    pub(crate) fn told(&self, overlap: &Overlap) -> String {
        let Overlap { files, entries, first, last, .. } = overlap;
        let (one, other) = (self.name(files.0), self.name(files.1));
        let stretch = match first == last {
            true => format!("at {first}"),
            false => format!("from {first} to {last}"),
        };
        format!("`{one}` and `{other}` both have {} {stretch}", equal(*entries))
    }

    /// Counts, window and sums, in the words of `export`.
    pub(crate) fn said(&self, account: &str, elapsed: Duration) -> String {
        let done = match self.dry_run {
            true => "nothing was recorded, this was a dry run for",
            false => "imported into",
        };
        let pace = text::pace(&self.summary, self.summary.entries, elapsed);
        let said = format!("{done} account `{account}`: {pace}\n{}", text::amounts(&self.summary));
        said.trim_end().to_owned()
    }

    pub(crate) fn json(&self, args: &args::Import, place: &LedgerPlace) -> Result<String, Failure> {
        let Summary { entries, first, last, .. } = &self.summary;
        let json = Json {
            ledger: place.to_string(),
            account: &args.account,
            dry_run: self.dry_run,
            entries: *entries,
            first: first.map(|at| at.to_string()),
            last: last.map(|at| at.to_string()),
            amounts: amounts_text(&self.summary),
            files: self.files.iter().map(JsonFile::of).collect(),
            overlaps: self.overlaps.iter().map(|overlap| JsonOverlap::of(overlap, self)).collect(),
            unknown: self.unknown.iter().map(JsonUnknown::of).collect(),
            warnings: &self.warnings,
            notes: &self.notes,
        };
        let text =
            serde_json::to_string_pretty(&json).context("the report is no JSON").map_err(Failure::failed)?;
        Ok(text + "\n")
    }
}

impl FileReport {
    pub(crate) fn new(
        path: &Path,
        read: &Summary,
        sha256: [u8; 32],
        imported_before: Option<ImportedFile>,
    ) -> Self {
        let Summary { entries, first, last, .. } = *read;
        Self { name: path.display().to_string(), entries, first, last, sha256, imported_before }
    }
}

/// The output of `--json`. Sums are texts, because readers of JSON turn numbers into binary floating point.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    ledger: String,
    account: &'a str,
    dry_run: bool,
    entries: u64,
    first: Option<String>,
    last: Option<String>,
    amounts: AmountsByCurrency,
    files: Vec<JsonFile<'a>>,
    overlaps: Vec<JsonOverlap<'a>>,
    unknown: Vec<JsonUnknown<'a>>,
    /// The warnings and notes that were written to stderr.
    warnings: &'a [String],
    notes: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonFile<'a> {
    file: &'a str,
    sha256: String,
    entries: u64,
    first: Option<String>,
    last: Option<String>,
    imported_before: Option<JsonBefore<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonBefore<'a> {
    imported_at: String,
    file: &'a str,
    entries: u64,
}

#[derive(Serialize)]
struct JsonOverlap<'a> {
    files: [&'a str; 2],
    entries: u64,
    first: String,
    last: String,
}

#[derive(Serialize)]
struct JsonUnknown<'a> {
    name: &'a str,
    /// Whether the ledger has recorded the file with its entries.
    kept: bool,
    files: u64,
    entries: u64,
}

impl<'a> JsonUnknown<'a> {
    fn of(unknown: &'a Unknown) -> Self {
        let Unknown { name, is_kept, files, entries } = unknown;
        Self { name, kept: *is_kept, files: *files, entries: *entries }
    }
}

impl<'a> JsonFile<'a> {
    fn of(report: &'a FileReport) -> Self {
        let FileReport { name, entries, first, last, sha256, imported_before } = report;
        Self {
            file: name,
            sha256: sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            entries: *entries,
            first: first.map(|at| at.to_string()),
            last: last.map(|at| at.to_string()),
            imported_before: imported_before.as_ref().map(JsonBefore::of),
        }
    }
}

impl<'a> JsonBefore<'a> {
    fn of(before: &'a ImportedFile) -> Self {
        let ImportedFile { name, imported_at, entries } = before;
        Self { imported_at: imported_at.to_string(), file: name, entries: *entries }
    }
}

impl<'a> JsonOverlap<'a> {
    fn of(overlap: &Overlap, report: &'a Report) -> Self {
        let Overlap { files, entries, first, last, .. } = overlap;
        let files = [report.name(files.0), report.name(files.1)];
        Self { files, entries: *entries, first: first.to_string(), last: last.to_string() }
    }
}
