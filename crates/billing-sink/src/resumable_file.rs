//! A file that is whole under its name, or not there; and that a killed run leaves so that the next one goes on with it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use billing_model::{Summary, Timestamp};

use crate::checkpoint::Checkpoint;
use crate::error::{Error, ErrorKind};
use crate::finished::Finished;
use crate::opened::Opened;
use crate::part::Part;
use crate::record::{Header, Record};
use crate::sink::Mark;
use crate::tally::Tally;
use crate::target::Target;

/// How long a run may be set back by a kill. What it costs is two calls of `fdatasync`, some milliseconds on most disks.
const INTERVAL: Duration = Duration::from_secs(1);

/// A file that gets its name only when it is complete, and that the next run goes on with when a run was killed.
///
/// It is an [`AtomicFile`](crate::AtomicFile), with all that is said there, that keeps what was written. Beside
/// `<name>.part` stands `<name>.checkpoint`, a text that says with which arguments the file was begun and, at every
/// [mark](crate::Sink::mark), how many bytes are durable, their SHA-256, and what the entries in them come to. A
/// [`FileSink`](crate::FileSink) over it and [`drain`](crate::drain) are all it takes.
///
/// * Killed at any moment, power loss included, the same call goes on from the last durable mark and ends with the same
///   bytes as an undisturbed run, provided that the entries from that mark on are the same. A mark is made durable when a
///   second has passed since the last one ([`checkpoint_every`](ResumableFile::checkpoint_every)).
/// * Dropped without `commit`, it makes the newest mark durable and stays, to be gone on with. Without any mark there is
///   nothing to go on with, and nothing stays.
/// * [`open`](ResumableFile::open) compares the arguments: what decides the bytes of the file belongs into them, the
///   format too. A partial file or a checkpoint that was altered is an error, never a part of the file.
/// * What is written straight through (`/dev/null`, a pipe) has no checkpoint, and marks do nothing.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// use billing_model::{Stretch, Timestamp, UsageEntry};
/// use billing_sink::{FileSink, Format, Opened, ResumableFile, drain};
/// use futures::stream;
/// use std::collections::BTreeMap;
/// use std::io;
///
/// /// The first `days` of June, one credit a day, and after them a service that fails, or nothing.
/// fn walk(from: Option<Timestamp>, days: u32, fails: bool) -> impl Iterator<Item = io::Result<Stretch>> {
///     let day = |day: u32| format!("2026-06-{day:02}T00:00:00Z").parse::<Timestamp>().ok();
///     let entry = move |at: u32| {
///         UsageEntry::from_json(&format!(r#"{{"timestamp":"2026-06-{at:02}T12:00:00Z","sku":"credit-purchase",
///             "pricePerUnitUsd":1,"units":25,"amount":25,"currency":"USD","notes":""}}"#)).ok()
///     };
///     let stretch = move |at: u32| Stretch { entries: entry(at).into_iter().collect(), complete_until: day(at + 1) };
///     let stretches = (1..=days).filter(move |at| day(*at) >= from).map(move |at| Ok(stretch(at)));
///     stretches.chain(fails.then(|| Err(io::ErrorKind::ConnectionReset.into())))
/// }
///
/// # let directory = tempfile::tempdir()?;
/// let path = directory.path().join("june.csv");
/// let csv = Format::Csv(billing_csv::Columns::Documented);
/// let asked = BTreeMap::from([("since".to_owned(), "2026-06-01".to_owned())]);
/// let now: Timestamp = "2026-07-01T08:00:00Z".parse()?;
///
/// // A run that breaks off after two days. It would be the same if it were killed.
/// let Opened::New(file) = ResumableFile::open(&path, &asked, false)? else { panic!("there is nothing yet") };
/// let settled = BTreeMap::from([("until".to_owned(), now.to_string())]);
/// let sink = FileSink::new(csv, file.begin(settled, now)?);
/// assert!(drain(stream::iter(walk(None, 2, true)), sink).await.is_err());
/// assert!(!path.exists(), "not before it is whole");
///
/// // The next run goes on where that one was.
/// let Opened::Begun(file) = ResumableFile::open(&path, &asked, false)? else { panic!("it was begun") };
/// assert_eq!(file.begun().settled["until"], "2026-07-01T08:00:00.000Z");
/// let from = file.begun().complete_until;
/// assert_eq!(from, Some("2026-06-03T00:00:00Z".parse()?));
/// let sink = FileSink::new(csv, file.go_on()?);
/// let drained = drain(stream::iter(walk(from, 3, false)), sink).await?;
/// let finished = drained.output;
/// assert_eq!((drained.summary.entries, finished.summary.entries), (1, 3));
/// // Here is the time to write about it.
/// finished.close()?;
/// assert_eq!(std::fs::read_to_string(&path)?.lines().count(), 1 + 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ResumableFile {
    /// As the caller named it, for messages.
    path: PathBuf,
    /// `None` for what is written straight through. Before `file`, so that what is removed is removed under the lock.
    kept: Option<Kept>,
    file: File,
    /// Of everything in the file.
    tally: Tally,
    /// What earlier runs wrote.
    before: Summary,
    /// That, and what this one wrote up to the newest mark.
    summary: Summary,
    /// The newest mark, of this run or of an earlier one.
    complete_until: Option<Timestamp>,
    /// How many entries there were when this run took the file over, when there was anything.
    entries_held: Option<u64>,
    /// True when a call failed that changes the files: they are unknown from then on, and nothing more is recorded.
    is_unknown: bool,
}

/// What makes a file one that can be gone on with.
#[derive(Debug)]
struct Kept {
    part: Part,
    checkpoint: Checkpoint,
    interval: Duration,
    recorded_at: Instant,
    /// True when the checkpoint holds a record, of this run or of an earlier one.
    has_record: bool,
    /// The newest mark, while it is not durable.
    noted: Option<Record>,
}

impl Kept {
    fn new(part: Part, checkpoint: Checkpoint) -> Self {
        Self {
            part,
            checkpoint,
            interval: INTERVAL,
            recorded_at: Instant::now(),
            has_record: false,
            noted: None,
        }
    }
}

impl ResumableFile {
    /// Looks what there is at `path`, and finds out now whether the file can be written. Nothing is changed yet.
    ///
    /// `asked` are the arguments of the run, each by its name. They are kept in the checkpoint and have to be the same
    /// when a run goes on, so they must hold no secret. With `restart` whatever earlier runs left is thrown away when the
    /// file is begun.
    ///
    /// # Errors
    /// Those of [`AtomicFile::create`](crate::AtomicFile::create). When there is something to go on with, and `restart`
    /// does not throw it away: [`OtherArguments`](ErrorKind::OtherArguments),
    /// [`CheckpointDamaged`](ErrorKind::CheckpointDamaged), [`NewerCheckpoint`](ErrorKind::NewerCheckpoint).
    pub fn open(
        path: impl AsRef<Path>,
        asked: &BTreeMap<String, String>,
        restart: bool,
    ) -> Result<Opened, Error> {
        Opened::find(path.as_ref(), asked, restart)
    }

    /// How much time has to pass after a mark was made durable before another one is: a second, if nothing is said.
    /// [`Duration::ZERO`] makes every mark durable.
    #[must_use]
    pub fn checkpoint_every(mut self, interval: Duration) -> Self {
        if let Some(kept) = &mut self.kept {
            kept.interval = interval;
        }
        self
    }

    /// Writes what exists and is not a file.
    pub(crate) fn straight_through(path: PathBuf, file: File) -> Self {
        Self::new(path, None, file)
    }

    /// Begins the file. All that stands in the two files goes.
    pub(crate) fn begin(
        path: PathBuf,
        part: Part,
        checkpoint: Checkpoint,
        file: File,
        header: &Header,
    ) -> Result<Self, Error> {
        let mut this = Self::new(path, Some(Kept::new(part, checkpoint)), file);
        let Some(kept) = &mut this.kept else { return Ok(this) };
        let failed = |cause| Error::io(ErrorKind::Create, Some(&this.path), cause);
        // First the records and then the bytes that they speak of: killed in between, there is nothing to go on with. In
        // the other order there would be records of bytes that are gone.
        kept.checkpoint.empty()?;
        this.file.set_len(0).and_then(|()| this.file.rewind()).map_err(failed)?;
        // Killed in it, there is nothing to go on with. Killed after it, what was settled is kept, and there is no entry
        // that could be lost: the file begins with the first one.
        kept.checkpoint.append(header)?;
        // Before the first record, so that no power loss can leave a record whose partial file has no name.
        kept.part.sync_directory().map_err(failed)?;
        Ok(this)
    }

    /// Goes on with a file whose first bytes are those of the last record, or that has no record.
    pub(crate) fn go_on(
        path: PathBuf,
        part: Part,
        checkpoint: Checkpoint,
        file: File,
        held: Option<(Tally, Record)>,
    ) -> Result<Self, Error> {
        let mut this = Self::new(path, Some(Kept::new(part, checkpoint)), file);
        let Some(kept) = &mut this.kept else { return Ok(this) };
        if let Some((tally, record)) = held {
            kept.has_record = true;
            // Only a format that has no start has written nothing yet: it begins by writing nothing once more.
            this.entries_held = (tally.bytes > 0).then_some(record.summary.entries);
            this.tally = tally;
            this.before = record.summary.clone();
            this.summary = record.summary;
            this.complete_until = record.complete_until;
        }
        // What follows the last record is not known to be whole: it is cut off and written again. Killed before, between
        // or after these, the next run finds the same record, and its bytes.
        kept.checkpoint.cut()?;
        let cut = this.file.set_len(this.tally.bytes);
        cut.and_then(|()| this.file.seek(SeekFrom::Start(this.tally.bytes)))
            .map_err(|cause| Error::io(ErrorKind::Write, Some(&this.path), cause))?;
        // The partial file may be a new one when there was nothing in it: as above, its name comes before its records.
        let named = kept.part.sync_directory();
        named.map_err(|cause| Error::io(ErrorKind::Create, Some(&this.path), cause))?;
        Ok(this)
    }

    fn new(path: PathBuf, kept: Option<Kept>, file: File) -> Self {
        Self {
            path,
            kept,
            file,
            tally: Tally::default(),
            before: Summary::default(),
            summary: Summary::default(),
            complete_until: None,
            entries_held: None,
            is_unknown: false,
        }
    }

    /// Makes the newest mark durable, if it is not yet.
    fn record_noted(&mut self) -> Result<(), Error> {
        let Some(kept) = &mut self.kept else { return Ok(()) };
        if self.is_unknown {
            return Ok(());
        }
        let Some(record) = kept.noted.take() else { return Ok(()) };
        // Unknown until every call has returned well: a second try after a failed fsync can succeed without having
        // written anything.
        self.is_unknown = true;
        // Killed before this returns, the checkpoint still ends with the record before, whose bytes are durable.
        self.file.sync_data().map_err(|cause| Error::io(ErrorKind::Write, Some(&self.path), cause))?;
        // Only now, so that no record ever speaks of bytes that a power loss can take. Killed in the middle of it, the
        // line is torn and does not count; killed after it, it counts, and its bytes are there.
        kept.checkpoint.append(&record)?;
        self.is_unknown = false;
        kept.has_record = true;
        kept.recorded_at = Instant::now();
        Ok(())
    }

    /// Makes the file complete and gives it its name.
    fn put_in_place(&mut self) -> Result<(), Error> {
        let failed = |cause| Error::io(ErrorKind::Commit, Some(&self.path), cause);
        let Some(kept) = &mut self.kept else { return Ok(()) };
        // What is unknown must not become the file.
        if self.is_unknown {
            return Err(Error::new(ErrorKind::Commit, &self.path));
        }
        // What fails below leaves the files as they are, and says so: no mark is recorded after it.
        self.is_unknown = true;
        let record = Record {
            finished: true,
            complete_until: self.complete_until,
            bytes: self.tally.bytes,
            sha256: self.tally.sha256(),
            summary: self.summary.clone(),
        };
        // Killed up to here, the next run goes on from the last durable mark and cuts off what follows it.
        kept.part.complete(&self.file).map_err(failed)?;
        // All bytes are durable. Killed in the middle of this, it is as before; killed after it, the next run knows that
        // the partial file is the file, and has to give it its name only.
        kept.checkpoint.append(&record)?;
        kept.has_record = true;
        // Killed after this, the next run finds the bytes of the last record under the name of the file. So does one
        // after a power loss that undid the rename, under the name of the partial file.
        kept.part.put_in_place(&self.file, Some(self.tally.bytes)).map_err(failed)
    }
}

impl Write for ResumableFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Rows behind the last durable mark. Killed here, they are cut off by the next run, which writes them again.
        match self.file.write(bytes) {
            Ok(count) => {
                self.tally.add(&bytes[..count]);
                Ok(count)
            }
            Err(cause) => {
                self.is_unknown |= cause.kind() != io::ErrorKind::Interrupted;
                Err(cause)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Target for ResumableFile {
    type Done = Finished;

    fn mark(&mut self, mark: &Mark<'_>) -> Result<(), Error> {
        self.summary.clone_from(&self.before);
        self.summary.merge(mark.written);
        self.complete_until = Some(mark.complete_until);
        let Some(kept) = &mut self.kept else { return Ok(()) };
        kept.noted = Some(Record {
            finished: false,
            complete_until: self.complete_until,
            bytes: self.tally.bytes,
            sha256: self.tally.sha256(),
            summary: self.summary.clone(),
        });
        if kept.recorded_at.elapsed() < kept.interval {
            return Ok(());
        }
        self.record_noted()
    }

    fn entries_held(&self) -> Option<u64> {
        self.entries_held
    }

    fn commit(mut self) -> Result<Finished, Error> {
        self.put_in_place()?;
        Ok(Finished {
            bytes: self.tally.bytes,
            sha256: self.tally.sha256().0,
            summary: std::mem::take(&mut self.summary),
            checkpoint: self.kept.take().map(|kept| kept.checkpoint),
        })
    }

    fn takes_back(&self) -> bool {
        self.kept.is_some()
    }

    fn path(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

impl Drop for ResumableFile {
    fn drop(&mut self) {
        // Nobody is left to hear of an error. What is not recorded is written again by the next run.
        let _ = self.record_noted();
        let Some(mut kept) = self.kept.take() else { return };
        kept.part.set_stays(kept.has_record);
        if !kept.has_record {
            // Under the lock of the partial file, which goes next. Killed in between, there is a partial file without a
            // checkpoint: nothing to go on with, and it is emptied by the next run.
            let _ = kept.checkpoint.remove();
        }
    }
}
