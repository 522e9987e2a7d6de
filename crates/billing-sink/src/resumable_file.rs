//! A file that is whole under its name, or not there. When a run is killed, the next one goes on with it.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use billing_model::{Mark, Summary, Timestamp};

use crate::checkpoint::Checkpoint;
use crate::error::{Error, ErrorKind};
use crate::finished::Finished;
use crate::members::Members;
use crate::part::Part;
use crate::record::{Header, Record};
use crate::tally::{TalliedFile, Tally};
use crate::target::Target;

/// The time between two durable marks: a kill sets a run back by no more. Each durable mark costs two calls of
/// `fdatasync`, some milliseconds on most disks.
const INTERVAL: Duration = Duration::from_secs(1);

/// A file that gets its name only when it is complete, and that the next run goes on with when a run was killed.
///
/// It is an [`AtomicFile`](crate::AtomicFile), with all that is said there, that keeps what was written. Beside
/// `<name>.part` stands `<name>.checkpoint`, a text that says with which arguments the file was begun and, at every
/// [mark](billing_model::Sink::mark), how many bytes are durable, their SHA-256, and what the entries in them come to. A
/// [`FileSink`](crate::FileSink) over it and [`drain`](crate::drain) are all it takes.
///
/// * Killed at any moment, power loss included, the same call goes on from the last durable mark and ends with the same
///   bytes as an undisturbed run, provided that the entries from that mark on are the same. A mark is made durable when a
///   second has passed since the last one ([`checkpoint_every`](ResumableFile::checkpoint_every)).
/// * Dropped without `commit`, it makes the newest mark durable and stays, to be gone on with. Without any mark there is
///   nothing to go on with, and nothing stays.
/// * [`open`](ResumableFile::open) compares the arguments: what decides the bytes of the file belongs into them, the
///   format too. A partial file or a checkpoint that was altered is an error, never a part of the file.
/// * With [`gzip`](ResumableFile::gzip) it is compressed, and all of this is true of what is in it: the bytes of the file
///   depend on where marks were made durable.
/// * What is written straight through (`/dev/null`, a pipe) has no checkpoint, and marks do nothing.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// use billing_format::Format;
/// use billing_model::{Stretch, Timestamp, UsageEntry};
/// use billing_sink::{FileSink, Opened, ResumableFile, drain};
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
    /// `None` for what is written straight through. It stands before the file, so that what is removed is removed
    /// before its lock is released.
    kept: Option<Kept>,
    /// The file, and the tally of everything in it.
    out: TalliedFile,
    /// `None` when rows are written as they are.
    members: Option<Members>,
    /// What the entries of earlier runs come to.
    before: Summary,
    /// The same with the entries that this run wrote up to the newest mark.
    summary: Summary,
    /// The newest mark, of this run or of an earlier one.
    complete_until: Option<Timestamp>,
    /// How many entries the file had when this run took it over; `None` when it was empty.
    entries_held: Option<u64>,
    /// True when a call that changes the files has failed. Their state is unknown from then on, and nothing more is
    /// recorded.
    is_unknown: bool,
}

/// What it takes to go on with a file.
#[derive(Debug)]
struct Kept {
    part: Part,
    checkpoint: Checkpoint,
    interval: Duration,
    recorded_at: Instant,
    /// True when the checkpoint holds a record, of this run or of an earlier one.
    has_record: bool,
    /// The newest mark, while it is not durable.
    noted: Option<Noted>,
}

/// A mark that is not durable yet.
#[derive(Debug)]
enum Noted {
    /// All rows before the mark are in the file, and nothing else is: these are its bytes.
    Written(Record),
    /// The open member has all rows before the mark and none behind it. If it is ended now, it ends at the mark.
    InMember,
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
    /// How much time passes between two marks that are made durable: a second, unless this is called.
    /// [`Duration::ZERO`] makes every mark durable.
    #[must_use]
    pub fn checkpoint_every(mut self, interval: Duration) -> Self {
        if let Some(kept) = &mut self.kept {
            kept.interval = interval;
        }
        self
    }

    /// Compresses what is written, from the first byte on. Call it also when you go on with such a file; so it belongs
    /// into the arguments of the run.
    ///
    /// The file is gzip in members, one for each mark that was made durable, and one at least. Programs that read gzip
    /// read them all as one: gunzip, Python's `gzip`, [`read_entries`](billing_format::read_entries). A run without a
    /// break and one that was gone on with write files that are equal when decompressed, but not byte by byte.
    /// [`Finished`] tells of the file as it lies there.
    ///
    /// ```
    /// use billing_format::Format;
    /// use billing_model::Sink;
    /// use billing_sink::{FileSink, Opened, ResumableFile};
    /// use std::collections::BTreeMap;
    ///
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("june.json.gz");
    /// let asked = BTreeMap::from([("compression".to_owned(), "gzip".to_owned())]);
    /// let Opened::New(file) = ResumableFile::open(&path, &asked, false)? else { panic!("there is nothing yet") };
    /// let file = file.begin(BTreeMap::new(), "2026-07-01T08:00:00Z".parse()?)?.gzip();
    /// FileSink::new(Format::Json, file).finish()?.close()?;
    /// assert_eq!(std::fs::read(&path)?[..3], [0x1f, 0x8b, 8]); // RFC 1952, 2.3.1
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn gzip(mut self) -> Self {
        self.members = Some(Members::default());
        self
    }

    /// Writes what exists and is not a file.
    pub(crate) fn straight_through(path: PathBuf, file: File) -> Self {
        Self::new(path, None, file)
    }

    /// Begins the file. The content of both files is removed.
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
        // The records are removed first, then the bytes. After a kill in between there is nothing to go on with. In the
        // other order there would be records of bytes that are gone.
        kept.checkpoint.empty()?;
        this.out.file.set_len(0).and_then(|()| this.out.file.rewind()).map_err(failed)?;
        // After a kill within this call there is nothing to go on with. After a kill behind it, `settled` is kept, and
        // no entry can be lost, because the file begins with the first one.
        kept.checkpoint.append(header)?;
        // This comes before the first record, so that a power loss cannot leave a record whose partial file has no
        // name.
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
            // Without bytes, the format has no start to write, and may begin once more.
            this.entries_held = (tally.bytes > 0).then_some(record.summary.entries);
            this.out.tally = tally;
            this.before = record.summary.clone();
            this.summary = record.summary;
            this.complete_until = record.complete_until;
        }
        // Bytes behind the last record may not be whole, so they are cut off and written again. After a kill before,
        // between or behind these calls, the next run finds the same record and its bytes. With gzip, these bytes end
        // with a member, so a new one begins there.
        kept.checkpoint.cut()?;
        let TalliedFile { file, tally } = &mut this.out;
        let cut = file.set_len(tally.bytes);
        cut.and_then(|()| file.seek(SeekFrom::Start(tally.bytes)))
            .map_err(|cause| Error::io(ErrorKind::Write, Some(&this.path), cause))?;
        // If there was nothing in it, the partial file may be new. As above, its name has to be durable before its
        // records.
        let named = kept.part.sync_directory();
        named.map_err(|cause| Error::io(ErrorKind::Create, Some(&this.path), cause))?;
        Ok(this)
    }

    fn new(path: PathBuf, kept: Option<Kept>, file: File) -> Self {
        Self {
            path,
            kept,
            out: TalliedFile::new(file),
            members: None,
            before: Summary::default(),
            summary: Summary::default(),
            complete_until: None,
            entries_held: None,
            is_unknown: false,
        }
    }

    /// The record of the newest mark. It is right when all bytes before the mark, and no others, have been written.
    fn record(&self, finished: bool) -> Record {
        Record {
            finished,
            complete_until: self.complete_until,
            bytes: self.out.tally.bytes,
            sha256: self.out.tally.sha256(),
            summary: self.summary.clone(),
        }
    }

    /// Makes the newest mark durable, if it is not yet.
    fn record_noted(&mut self) -> Result<(), Error> {
        let failed = |path: &Path, cause| Error::io(ErrorKind::Write, Some(path), cause);
        if self.is_unknown || self.kept.as_ref().is_none_or(|kept| kept.noted.is_none()) {
            return Ok(());
        }
        // The state is unknown until every call has succeeded. A second fsync after a failed one can succeed without
        // having written anything.
        self.is_unknown = true;
        self.end_member_at_mark().map_err(|cause| failed(&self.path, cause))?;
        let Some(kept) = &mut self.kept else { return Ok(()) };
        let Some(Noted::Written(record)) = kept.noted.take() else { return Ok(()) };
        // After a kill before this returns, the checkpoint still ends with the record before, whose bytes are durable.
        self.out.file.sync_data().map_err(|cause| failed(&self.path, cause))?;
        // The record comes only now, so that no record ever speaks of bytes that a power loss can take. After a kill
        // within this call the line is torn and does not count. After a kill behind it, it counts, and its bytes are
        // there.
        kept.checkpoint.append(&record)?;
        self.is_unknown = false;
        kept.has_record = true;
        kept.recorded_at = Instant::now();
        Ok(())
    }

    /// Takes rows that are to be compressed.
    fn pack(&mut self, rows: &[u8]) -> io::Result<()> {
        let Some(members) = &mut self.members else { return Ok(()) };
        if is_in_member(&self.kept) {
            // These rows are behind the mark, so they are held back. After a kill they are gone with the process. The
            // open member is gone too, or half of it is in the file and the next run cuts it off. That run fetches the
            // rows of both again.
            if members.hold(rows) {
                return Ok(());
            }
            // There are too many rows to hold back. The member ends at the mark. From here on the mark is in the file
            // with rows behind it, as without compression.
            self.end_member_at_mark()?;
        }
        let Some(members) = &mut self.members else { return Ok(()) };
        members.release()?;
        members.write_all(rows)?;
        self.out.write_all(&members.ready())
    }

    /// Ends the member if the newest mark is at its end.
    fn end_member_at_mark(&mut self) -> io::Result<()> {
        let Some(members) = self.members.as_mut().filter(|_| is_in_member(&self.kept)) else { return Ok(()) };
        // After a kill within this call, half a member is behind the last record. The next run cuts it off and fetches
        // its rows again. After a kill behind it the member is whole, but as long as no record counts it, the same
        // happens.
        self.out.write_all(&members.end()?)?;
        let record = self.record(false);
        if let Some(kept) = &mut self.kept {
            kept.noted = Some(Noted::Written(record));
        }
        Ok(())
    }

    /// Ends the last member, with the rows that were held back.
    fn end_last_member(&mut self) -> io::Result<()> {
        let Some(members) = &mut self.members else { return Ok(()) };
        members.release()?;
        if self.out.tally.bytes == 0 {
            // An empty file is no gzip file, but a member without a row is one.
            members.begun();
        }
        // After a kill within this call, the bytes are behind the last record, and the next run cuts them off.
        self.out.write_all(&members.end()?)
    }

    /// Makes the file complete and gives it its name.
    fn put_in_place(&mut self) -> Result<(), Error> {
        // A partial file in an unknown state must not become the file.
        if self.is_unknown {
            return Err(Error::new(ErrorKind::Commit, &self.path));
        }
        // If a call below fails, the files stay as they are, and no mark is recorded any more.
        self.is_unknown = true;
        self.end_last_member().map_err(|cause| Error::io(ErrorKind::Write, Some(&self.path), cause))?;
        let record = self.record(true);
        let failed = |cause| Error::io(ErrorKind::Commit, Some(&self.path), cause);
        let Some(kept) = &mut self.kept else { return Ok(()) };
        // After a kill up to here, the next run goes on from the last durable mark and cuts off what follows it.
        kept.part.complete(&self.out.file).map_err(failed)?;
        // All bytes are durable. A kill within this call leaves everything as before. After a kill behind it, the next
        // run knows that the partial file is complete, and only has to give it its name.
        kept.checkpoint.append(&record)?;
        kept.has_record = true;
        // After a kill behind this, the next run finds the bytes of the last record under the name of the file. After a
        // power loss that undid the rename, it finds them under the name of the partial file.
        kept.part.put_in_place(&self.out.file, Some(record.bytes)).map_err(failed)
    }
}

/// True when the newest mark is at the end of the open member.
fn is_in_member(kept: &Option<Kept>) -> bool {
    kept.as_ref().is_some_and(|kept| matches!(kept.noted, Some(Noted::InMember)))
}

impl Write for ResumableFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // These rows are behind the last durable mark. After a kill, the next run cuts them off and writes them again.
        let written = match self.members {
            None => self.out.write(bytes),
            Some(_) => self.pack(bytes).map(|()| bytes.len()),
        };
        written.inspect_err(|cause| self.is_unknown |= cause.kind() != io::ErrorKind::Interrupted)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Target for ResumableFile {
    type Done = Finished;

    fn mark(&mut self, mark: &Mark<'_>) -> Result<(), Error> {
        if let Some(members) = &mut self.members {
            // The rows that were held back behind the mark before are in front of this one, so they may enter the
            // member.
            let packed = members.release().and_then(|()| self.out.write_all(&members.ready()));
            packed.map_err(|cause| {
                self.is_unknown = true;
                Error::io(ErrorKind::Write, Some(&self.path), cause)
            })?;
        }
        self.summary.clone_from(&self.before);
        self.summary.merge(mark.written);
        self.complete_until = Some(mark.complete_until);
        let noted = match self.members {
            None => Noted::Written(self.record(false)),
            Some(_) => Noted::InMember,
        };
        let Some(kept) = &mut self.kept else { return Ok(()) };
        kept.noted = Some(noted);
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
            bytes: self.out.tally.bytes,
            sha256: self.out.tally.sha256().0,
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
        // An error could be told to nobody. The next run writes again what is not recorded.
        let _ = self.record_noted();
        let Some(mut kept) = self.kept.take() else { return };
        kept.part.set_stays(kept.has_record);
        if !kept.has_record {
            // This happens under the lock of the partial file, which is removed next. After a kill in between, there is
            // a partial file without a checkpoint. Then there is nothing to go on with, and the next run empties it.
            let _ = kept.checkpoint.remove();
        }
    }
}
