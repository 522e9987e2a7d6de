//! A small export that can be repeated, and what must hold whatever happens.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use billing_model::{Timestamp, UsageEntry};
use billing_sample::History;
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::billing::{Run, entries, export_command, finish};
use crate::ledger::{AFTER_REAL, Ledger, Server};
use crate::place::Place;

/// Files by name.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// What stood under the name before.
pub(crate) const OLD: &[u8] = b"what was there before, and has nothing to do with it\n";

/// The first of February 2026.
const START_NS: i64 = 1_769_904_000_000_000_000;

/// A small ledger that is served, and what is exported from it by a run that nothing disturbs: 200 entries in pages of
/// 20, in several windows, durable after each page.
pub(crate) struct SmallExport {
    server: Server,
    name: &'static str,
    /// Decompressed, where it is compressed.
    whole: Vec<u8>,
    manifest: Vec<String>,
}

/// A directory of its own to export to.
pub(crate) struct Stage<'a> {
    export: &'a SmallExport,
    pub(crate) place: Place,
    /// What is under the name before.
    old: Option<&'static [u8]>,
}

impl SmallExport {
    /// To a file of this name, which tells the format, and whether it is compressed.
    pub(crate) fn new(name: &'static str) -> Self {
        // At even distances: bursts would make dozens of windows of them.
        let at = |n: i64| Timestamp::from_unix_ns(START_NS + n * 18 * 3600 * 1_000_000_000);
        let all: Vec<UsageEntry> = History::new(1, 200)
            .zip(0..)
            .map(|(entry, n)| UsageEntry { timestamp: at(n), ..entry })
            .collect();
        let server = Ledger::of(&all).serve();
        let mut export = Self { server, name, whole: Vec::new(), manifest: Vec::new() };
        let stage = export.stage();
        finish(stage.command(), b"").done();
        let (whole, manifest) = (content(stage.place.read(name)), stage.manifest().unwrap());
        assert!(entries(&whole) == all, "the undisturbed run has exactly the ledger");
        (export.whole, export.manifest) = (whole, manifest);
        export
    }

    /// With an older file under the name.
    pub(crate) fn stage(&self) -> Stage<'_> {
        self.stage_of(&Files::from([(self.name.to_owned(), OLD.to_vec())]))
    }

    /// With these files in it.
    pub(crate) fn stage_of(&self, files: &Files) -> Stage<'_> {
        let place = Place::new();
        for (name, bytes) in files {
            place.write(name, bytes);
        }
        let has_old = files.get(self.name).is_some_and(|file| file == OLD);
        Stage { export: self, place, old: has_old.then_some(OLD) }
    }

    /// What is in the file that an undisturbed run writes.
    pub(crate) fn whole(&self) -> &[u8] {
        &self.whole
    }
}

impl Stage<'_> {
    /// The export, the same command every time.
    pub(crate) fn command(&self) -> Command {
        let Server { base_url, key, .. } = &self.export.server;
        let mut command = export_command(base_url, key, &["--until", AFTER_REAL, "--page-size", "20"]);
        command.args(["--checkpoint-every", "0", "--with-api-key-id", "--manifest"]);
        command.args(["-o", &self.place.path(self.export.name)]);
        command
    }

    /// The file, the two beside it while it grows, its manifest, and the directory they are in.
    pub(crate) fn paths(&self) -> Vec<String> {
        let name = self.export.name;
        let mut paths: Vec<_> = ["", ".part", ".checkpoint", ".manifest.json", ".manifest.json.part"]
            .map(|suffix| self.place.path(&format!("{name}{suffix}")))
            .into();
        paths.push(Path::new(&paths[0]).parent().unwrap().to_str().unwrap().to_owned());
        paths
    }

    /// Asserts what must hold at any moment: the old file or the whole new one is under the name, and the same for the
    /// manifest. Returns true when the new file is there.
    #[track_caller]
    pub(crate) fn is_sound(&self) -> bool {
        let file = fs::read(self.place.path(self.export.name)).ok();
        let is_new = file.clone().map(content).as_ref() == Some(&self.export.whole);
        assert!(is_new || file.as_deref() == self.old, "neither the old file nor the new: {file:?}");
        if let Some(manifest) = self.manifest() {
            assert_eq!(manifest, self.export.manifest);
            assert!(is_new, "a manifest of a file that is not there");
            self.is_checked(&file.unwrap());
        }
        is_new
    }

    /// Whoever has the file and the manifest can check one by the other, without decompressing anything.
    #[track_caller]
    fn is_checked(&self, file: &[u8]) {
        let sum: String = Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect();
        let says = format!("\"bytes\": {},\n  \"sha256\": \"{sum}\"", file.len());
        let manifest = self.place.read(&format!("{}.manifest.json", self.export.name));
        assert!(String::from_utf8(manifest).unwrap().contains(&says), "{says}");
    }

    /// What is true when a run has come to its end: the new file and its manifest, and nothing else.
    #[track_caller]
    pub(crate) fn is_done(&self) {
        assert!(self.is_sound(), "the old file");
        let name = self.export.name;
        assert_eq!(self.place.names(), [name.to_owned(), format!("{name}.manifest.json")]);
    }

    /// The same command again, undisturbed: it takes up what is durable, and ends as it would have at first.
    #[track_caller]
    pub(crate) fn comes_to_its_end(&self) -> Run {
        let has_record = self.records() > 0;
        let run = finish(self.command(), b"").done();
        let takes_up = ["note: going on with", "note: it was written before"];
        let taken_up = takes_up.iter().any(|note| run.stderr.contains(note));
        assert_eq!(taken_up, has_record, "{}", run.stderr);
        self.is_done();
        run
    }

    /// After how many pages it was made durable.
    pub(crate) fn records(&self) -> usize {
        records(&self.place, self.export.name)
    }

    /// All that is there.
    pub(crate) fn files(&self) -> Files {
        self.place.names().into_iter().map(|name| (name.clone(), self.place.read(&name))).collect()
    }

    /// The manifest as far as it does not tell of a run: window, sums.
    fn manifest(&self) -> Option<Vec<String>> {
        let text =
            fs::read_to_string(self.place.path(&format!("{}.manifest.json", self.export.name))).ok()?;
        assert!(text.starts_with("{\n") && text.ends_with("\n}\n"), "{text}");
        let of_a_run = [
            "bytes",
            "sha256",
            "endpoint",
            "serviceTotal",
            "started",
            "finished",
            "resumed",
            "requests",
            "retries",
            "writtenBy",
        ];
        let tells = |line: &&str| of_a_run.iter().all(|key| !line.starts_with(&format!("  \"{key}\"")));
        Some(text.lines().filter(tells).map(str::to_owned).collect())
    }
}

/// What is in a file, decompressed where it is compressed: its bytes depend on where a run went on.
fn content(file: Vec<u8>) -> Vec<u8> {
    if !file.starts_with(&[0x1f, 0x8b]) {
        return file;
    }
    let mut content = Vec::new();
    MultiGzDecoder::new(file.as_slice()).read_to_end(&mut content).unwrap();
    content
}

/// Whole records in the checkpoint of a file, as a kill or a power loss leaves it: lines, the first of which is none.
pub(crate) fn records(place: &Place, name: &str) -> usize {
    let checkpoint = fs::read(place.path(&format!("{name}.checkpoint"))).unwrap_or_default();
    checkpoint.iter().filter(|byte| **byte == b'\n').count().saturating_sub(1)
}
