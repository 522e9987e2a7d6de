//! Walks, runs that write them, and directories for the files.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use billing_csv::Columns;
use billing_format::Format;
use billing_model::{Mark, Sink, Summary, Timestamp, UsageEntry};
use billing_sink::{Begun, Error, FileSink, Finished, Opened, Plain, ResumableFile};
use billing_testkit::entry_at;
use flate2::read::MultiGzDecoder;
use tempfile::TempDir;

pub(crate) const CSV: Form = Form { format: Format::Csv(Columns::All), is_gzip: false };
pub(crate) const JSON: Form = Form { format: Format::Json, is_gzip: false };
pub(crate) const NDJSON: Form = Form { format: Format::Ndjson, is_gzip: false };
pub(crate) const JSON_GZ: Form = Form { is_gzip: true, ..JSON };
/// NDJSON has no header, so there is nothing to compress before the first entry.
pub(crate) const NDJSON_GZ: Form = Form { is_gzip: true, ..NDJSON };

pub(crate) const FORMS: [Form; 5] = [CSV, JSON, NDJSON, JSON_GZ, NDJSON_GZ];

/// The form of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) format: Format,
    pub(crate) is_gzip: bool,
}

impl Form {
    /// The content of a file of this form, decompressed. A gzip file has to be whole.
    pub(crate) fn content(self, file: &[u8]) -> Vec<u8> {
        if !self.is_gzip {
            return file.to_vec();
        }
        let mut content = Vec::new();
        MultiGzDecoder::new(file).read_to_end(&mut content).unwrap();
        content
    }
}

/// The instant of a mark. In these tests it is the number of entries before it.
pub(crate) fn instant(entries: usize) -> Timestamp {
    Timestamp::from_unix_ns(i64::try_from(entries).unwrap())
}

pub(crate) fn started() -> Timestamp {
    "2026-07-01T08:00:00Z".parse().unwrap()
}

pub(crate) fn arguments(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn asked() -> BTreeMap<String, String> {
    arguments(&[("currency", "USD"), ("since", "2026-06-01")])
}

pub(crate) fn settled() -> BTreeMap<String, String> {
    arguments(&[("until", "2026-07-01T08:00:00.000Z")])
}

/// Entries, and the ends of the stretches in which they come.
#[derive(Clone, Debug)]
pub(crate) struct Walk {
    pub(crate) entries: Vec<UsageEntry>,
    /// The end of each stretch, as a number of entries, ascending. True where the walk is complete.
    pub(crate) ends: Vec<(usize, bool)>,
}

impl Walk {
    /// A walk of plain entries, complete after each.
    pub(crate) fn plain(entries: usize) -> Self {
        let entry = |at: usize| entry_at(instant(at), &format!("-{at}.5"));
        Self {
            entries: (0..entries).map(entry).collect(),
            ends: (1..=entries).map(|end| (end, true)).collect(),
        }
    }

    pub(crate) fn summary(&self, entries: usize) -> Summary {
        let mut summary = Summary::default();
        summary.extend(&self.entries[..entries]);
        summary
    }

    /// The content of the file after an undisturbed run.
    pub(crate) fn file(&self, form: Form) -> Vec<u8> {
        let mut sink = FileSink::new(form.format, Plain(Vec::new()));
        sink.write(&self.entries).unwrap();
        sink.finish().unwrap()
    }
}

/// A run over the rest of a walk, one step after the other.
pub(crate) struct Run<'a> {
    walk: &'a Walk,
    /// The entries that were written before this run, and those that are written now.
    from: usize,
    at: usize,
    /// `None` when an earlier run has written everything.
    sink: Option<FileSink<ResumableFile>>,
}

impl<'a> Run<'a> {
    /// Begins or continues, and checks that what is recorded of earlier runs is true.
    pub(crate) fn start(
        path: &Path,
        form: Form,
        walk: &'a Walk,
        every: Duration,
    ) -> Result<(Self, Option<Finished>), Error> {
        let opened = ResumableFile::open(path, &asked(), false)?;
        let from = opened.begun().map_or(0, |begun| check_begun(begun, walk));
        let file = match opened {
            Opened::New(file) => file.begin(settled(), started())?,
            Opened::Begun(file) => file.go_on()?,
            Opened::Written(file) => {
                return Ok((Self { walk, from, at: from, sink: None }, Some(file.commit()?)));
            }
        };
        let file = file.checkpoint_every(every);
        let file = if form.is_gzip { file.gzip() } else { file };
        let sink = FileSink::new(form.format, file);
        Ok((Self { walk, from, at: from, sink: Some(sink) }, None))
    }

    /// The number of entries that this run found.
    pub(crate) fn from(&self) -> usize {
        self.from
    }

    /// Writes the next stretch. Returns false when there is none.
    pub(crate) fn write(&mut self) -> Result<bool, Error> {
        let (Some(sink), Some((end, _))) = (&mut self.sink, next(self.walk, self.at)) else {
            return Ok(false);
        };
        sink.write(&self.walk.entries[self.at..end])?;
        self.at = end;
        Ok(true)
    }

    /// Marks the end of the last stretch if the walk is complete there. Returns true if it is.
    pub(crate) fn mark(&mut self) -> Result<bool, Error> {
        let complete = self.walk.ends.contains(&(self.at, true)) || self.at == self.walk.entries.len();
        if let (Some(sink), true) = (&mut self.sink, complete) {
            let mut written = Summary::default();
            written.extend(&self.walk.entries[self.from..self.at]);
            sink.mark(&Mark { complete_until: instant(self.at), written: &written })?;
        }
        Ok(complete)
    }

    pub(crate) fn finish(self) -> Result<Finished, Error> {
        self.sink.expect("there is something to finish").finish()
    }

    /// Does everything that is left.
    pub(crate) fn complete(path: &Path, form: Form, walk: &'a Walk) -> Result<(), Error> {
        let (mut run, finished) = Self::start(path, form, walk, Duration::ZERO)?;
        let finished = match finished {
            Some(finished) => finished,
            None => {
                while run.write()? {
                    run.mark()?;
                }
                run.mark()?;
                run.finish()?
            }
        };
        check_finished(&finished, &fs::read(path).unwrap(), form, walk);
        finished.close()
    }
}

/// The first end of a stretch after `at`.
fn next(walk: &Walk, at: usize) -> Option<(usize, bool)> {
    walk.ends.iter().copied().find(|(end, _)| *end > at)
}

/// Checks what is recorded of earlier runs, and returns their number of entries.
pub(crate) fn check_begun(begun: &Begun, walk: &Walk) -> usize {
    let entries = usize::try_from(begun.complete_until.map_or(0, |at| at.unix_ns().unwrap())).unwrap();
    assert_eq!((&begun.settled, begun.started), (&settled(), started()));
    assert_eq!(begun.summary, walk.summary(entries));
    entries
}

/// Checks that the reported facts about a file are true, and that its bytes are those of the walk.
pub(crate) fn check_finished(finished: &Finished, file: &[u8], form: Form, walk: &Walk) {
    use sha2::{Digest, Sha256};
    assert_eq!(form.content(file), walk.file(form));
    assert_eq!(finished.bytes, file.len() as u64);
    assert_eq!(finished.summary, walk.summary(walk.entries.len()));
    let sha256: [u8; 32] = Sha256::digest(file).into();
    assert_eq!(finished.sha256, sha256);
    assert_eq!(finished.sha256_hex(), sha256.map(|byte| format!("{byte:02x}")).concat());
}

/// The three files of a run; `None` for one that is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) part: Option<Vec<u8>>,
    pub(crate) checkpoint: Option<Vec<u8>>,
    pub(crate) target: Option<Vec<u8>>,
}

/// A directory for the files of runs.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        // In memory, where there is such a directory: thousands of small runs would each wait for the disk some ten
        // times. The tests themselves make up what a disk may lose.
        let memory = Path::new("/dev/shm");
        Self(tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap())
    }

    pub(crate) fn with(files: &Files) -> Self {
        let place = Self::new();
        place.put(files);
        place
    }

    pub(crate) fn directory(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("usage")
    }

    pub(crate) fn part(&self) -> PathBuf {
        self.0.path().join("usage.part")
    }

    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.0.path().join("usage.checkpoint")
    }

    pub(crate) fn files(&self) -> Files {
        let read = |path: PathBuf| fs::read(path).ok();
        Files { part: read(self.part()), checkpoint: read(self.checkpoint()), target: read(self.path()) }
    }

    pub(crate) fn put(&self, files: &Files) {
        let Files { part, checkpoint, target } = files;
        let all = [(self.part(), part), (self.checkpoint(), checkpoint), (self.path(), target)];
        for (path, bytes) in all {
            match bytes {
                Some(bytes) => fs::write(path, bytes).unwrap(),
                None if path.exists() => fs::remove_file(path).unwrap(),
                None => {}
            }
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs to the end, and checks the file.
    pub(crate) fn check_completes(&self, form: Form, walk: &Walk) {
        Run::complete(&self.path(), form, walk).unwrap();
        self.check_complete(form, walk);
    }

    pub(crate) fn check_complete(&self, form: Form, walk: &Walk) {
        let file = fs::read(self.path()).unwrap();
        assert_eq!(form.content(&file), walk.file(form), "what an undisturbed run writes");
        assert_eq!(self.names(), ["usage"], "and nothing else");
    }
}

/// The files of a run that broke off after `entries` entries, all of which are durable.
pub(crate) fn broken_off(form: Form, walk: &Walk, entries: usize) -> Files {
    let place = Place::new();
    let (mut run, _) = Run::start(&place.path(), form, walk, Duration::ZERO).unwrap();
    while run.at < entries {
        run.write().unwrap();
        run.mark().unwrap();
    }
    place.files()
}

/// The files of a run that was killed between the last record and the rename.
pub(crate) fn not_yet_renamed(form: Form, walk: &Walk) -> Files {
    let place = Place::new();
    let (mut run, _) = Run::start(&place.path(), form, walk, Duration::ZERO).unwrap();
    while run.write().unwrap() {
        run.mark().unwrap();
    }
    // The file is not closed, so the checkpoint stays.
    let finished = run.finish().unwrap();
    let files = place.files();
    check_finished(&finished, files.target.as_ref().unwrap(), form, walk);
    Files { part: files.target, checkpoint: files.checkpoint, target: None }
}
