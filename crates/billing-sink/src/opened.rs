//! What earlier runs left of a file, and what can be done about it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use billing_model::{Summary, Timestamp};

use crate::checkpoint::{Checkpoint, Story};
use crate::destination::Destination;
use crate::error::{Error, ErrorKind};
use crate::finished::Finished;
use crate::part::Part;
use crate::record::{Header, Record};
use crate::resumable_file::ResumableFile;
use crate::tally::Tally;

/// What [`ResumableFile::open`] found. Dropped, it leaves what there is to go on with as it was.
#[derive(Debug)]
pub enum Opened {
    /// Nothing to go on with: [`begin`](NewFile::begin) the file.
    New(NewFile),
    /// A run with the same arguments did not come to its end: [`go_on`](BegunFile::go_on) with it.
    Begun(BegunFile),
    /// A run with the same arguments wrote all of the file, but was killed before it was through:
    /// [`commit`](WrittenFile::commit) it, without writing anything.
    Written(WrittenFile),
}

/// A file that was begun, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// What the first run settled for all that go on with it.
    pub settled: BTreeMap<String, String>,
    /// When the first run began.
    pub started: Timestamp,
    /// Everything before this instant is in the file. `None` when the file starts anew, from the first entry.
    pub complete_until: Option<Timestamp>,
    /// What the entries in the file come to.
    pub summary: Summary,
}

/// A file that is to be begun. See [`Opened::New`].
#[derive(Debug)]
pub struct NewFile {
    asked: BTreeMap<String, String>,
    found: Found,
}

/// A file that can be gone on with. See [`Opened::Begun`].
#[derive(Debug)]
pub struct BegunFile {
    begun: Begun,
    last: Option<Record>,
    place: Held,
}

/// A file that is written already. See [`Opened::Written`].
#[derive(Debug)]
pub struct WrittenFile {
    begun: Begun,
    record: Record,
    /// True when the file has its name already.
    is_in_place: bool,
    place: Held,
}

#[derive(Debug)]
enum Found {
    Through { path: PathBuf, file: File },
    Place { place: Held<Option<Checkpoint>> },
}

/// The partial file and the checkpoint of a place, locked by this run.
#[derive(Debug)]
struct Held<C = Checkpoint> {
    /// As the caller named it, for messages.
    path: PathBuf,
    /// It stands before `file`, so that the partial file is removed before its lock is released.
    part: Part,
    checkpoint: C,
    file: File,
}

impl ResumableFile {
    /// Looks at what is there at `path`, and finds out whether the file can be written. Nothing is changed yet.
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
}

impl Opened {
    fn find(path: &Path, asked: &BTreeMap<String, String>, restart: bool) -> Result<Self, Error> {
        let new = |found| Self::New(NewFile { asked: asked.clone(), found });
        let path = path.to_owned();
        let place = match Destination::find(&path)? {
            Destination::Through(file) => return Ok(new(Found::Through { path, file })),
            Destination::File(place) => place,
        };
        let (file, part) = Part::open(place, &path)?;
        let checkpoint = Checkpoint::open(part.target(), &path)?;
        let Some(mut checkpoint) = checkpoint else {
            return Ok(new(Found::Place { place: Held { path, part, checkpoint: None, file } }));
        };
        let story = if restart { None } else { checkpoint.read()? };
        let Some(Story { header, last }) = story else {
            return Ok(new(Found::Place { place: Held { path, part, checkpoint: Some(checkpoint), file } }));
        };
        if let Some(difference) = header.difference(asked) {
            return Err(Error::detailed(ErrorKind::OtherArguments, &path, difference));
        }
        let place = Held { path, part, checkpoint, file };
        let begun = Begun::new(header, last.as_ref());
        Ok(match last {
            Some(record) if record.finished => match place.finds(&record)? {
                Some(is_in_place) => Self::Written(WrittenFile { begun, record, is_in_place, place }),
                // Somebody took the finished file away, so it has to be written anew.
                None => {
                    let Held { path, part, checkpoint, file } = place;
                    let place = Held { path, part, checkpoint: Some(checkpoint), file };
                    new(Found::Place { place })
                }
            },
            last => Self::Begun(BegunFile { begun, last, place }),
        })
    }

    /// How far the file is, when an earlier run began it.
    pub fn begun(&self) -> Option<&Begun> {
        match self {
            Self::New(_) => None,
            Self::Begun(file) => Some(&file.begun),
            Self::Written(file) => Some(&file.begun),
        }
    }
}

impl Begun {
    fn new(header: Header, last: Option<&Record>) -> Self {
        Self {
            settled: header.settled,
            started: header.started,
            complete_until: last.and_then(|record| record.complete_until),
            summary: last.map(|record| record.summary.clone()).unwrap_or_default(),
        }
    }
}

impl NewFile {
    /// False when what is written goes straight through, to a pipe or a device, and cannot be taken back.
    pub fn takes_back(&self) -> bool {
        matches!(self.found, Found::Place { .. })
    }

    /// Begins the file. What earlier runs left beside it is thrown away.
    ///
    /// `settled` is what runs that go on with this one need to know of it, such as the end of a window that was open:
    /// they find it in [`Begun::settled`]. It must hold no secret. `started` is the present time, by the caller's clock.
    ///
    /// # Errors
    /// When the checkpoint cannot be created or written. Nothing stays then.
    pub fn begin(
        self,
        settled: BTreeMap<String, String>,
        started: Timestamp,
    ) -> Result<ResumableFile, Error> {
        let Held { path, part, checkpoint, file } = match self.found {
            Found::Through { path, file } => return Ok(ResumableFile::straight_through(path, file)),
            Found::Place { place } => place,
        };
        let checkpoint = match checkpoint {
            Some(checkpoint) => checkpoint,
            None => Checkpoint::create(part.target(), &path)?,
        };
        let header = Header::new(started, self.asked, settled);
        ResumableFile::begin(path, part, checkpoint, file, &header)
    }
}

impl BegunFile {
    /// How far the file is.
    pub fn begun(&self) -> &Begun {
        &self.begun
    }

    /// Goes on where the file is complete, after making sure that it is what its checkpoint says.
    ///
    /// # Errors
    /// [`ErrorKind::PartDamaged`] when it is not. Nothing is changed then: mend it, or `restart`.
    pub fn go_on(self) -> Result<ResumableFile, Error> {
        let Self { last, place: Held { path, part, checkpoint, file }, .. } = self;
        let Some(record) = last else { return ResumableFile::go_on(path, part, checkpoint, file, None) };
        let tally = Tally::of_start(&file, record.bytes);
        let tally = tally.map_err(|cause| Error::io(ErrorKind::Read, Some(part.path()), cause))?;
        let damaged = |detail| Error::detailed(ErrorKind::PartDamaged, part.path(), detail);
        if tally.bytes < record.bytes {
            let Record { bytes, .. } = record;
            return Err(damaged(format!("it has {} bytes, and {bytes} were written", tally.bytes)));
        }
        if tally.sha256() != record.sha256 {
            return Err(damaged(format!("its first {} bytes are not those that were written", record.bytes)));
        }
        ResumableFile::go_on(path, part, checkpoint, file, Some((tally, record)))
    }
}

impl WrittenFile {
    /// How the file was begun, and what is in it.
    pub fn begun(&self) -> &Begun {
        &self.begun
    }

    /// Gives the file its name, if it has not got it yet.
    ///
    /// # Errors
    /// When that could not be done. What there is stays as it is.
    pub fn commit(self) -> Result<Finished, Error> {
        let Self { record, is_in_place, place: Held { path, mut part, checkpoint, file }, .. } = self;
        let failed = |cause| Error::io(ErrorKind::Commit, Some(&path), cause);
        // The run before may have been killed before it made the last record durable. If it stayed so, a power loss
        // after the rename could leave an older record, of a partial file that is gone.
        checkpoint.sync()?;
        let done = match is_in_place {
            // That run may also have been killed between the rename and this.
            true => {
                part.set_stays(false);
                part.sync_directory()
            }
            false => file
                .set_len(record.bytes)
                .and_then(|()| part.complete(&file))
                .and_then(|()| part.put_in_place(&file, Some(record.bytes))),
        };
        done.map_err(failed)?;
        Ok(Finished {
            bytes: record.bytes,
            sha256: record.sha256.0,
            summary: record.summary,
            checkpoint: Some(checkpoint),
        })
    }
}

impl Held {
    /// Where the bytes of the final record are: `Some(true)` when they are the file, `Some(false)` when they are still
    /// the partial file, `None` when they are neither.
    fn finds(&self, record: &Record) -> Result<Option<bool>, Error> {
        let holds = |file: &File, path: &Path| {
            let tally = Tally::of_start(file, record.bytes);
            let tally = tally.map_err(|cause| Error::io(ErrorKind::Read, Some(path), cause))?;
            Ok::<_, Error>(tally.bytes == record.bytes && tally.sha256() == record.sha256)
        };
        let target = self.part.target();
        let unreadable = |cause| Error::io(ErrorKind::Read, Some(target), cause);
        let has_its_length = match fs::metadata(target) {
            Ok(there) => there.is_file() && there.len() == record.bytes,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => false,
            Err(cause) => return Err(unreadable(cause)),
        };
        if has_its_length && holds(&File::open(target).map_err(unreadable)?, target)? {
            return Ok(Some(true));
        }
        Ok(holds(&self.file, self.part.path())?.then_some(false))
    }
}
