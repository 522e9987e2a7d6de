//! A file whose run is killed: the next run finds what is on the disk at that moment.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use billing_export::{ExportFile, Found, Place};
use billing_model::Mark;
use billing_sink::{Error, FileSink, Finished, ResumableFile, Target};
use tempfile::TempDir;

/// The file of an export.
pub(crate) const FILE: &str = "ledger";
const PART: &str = "ledger.part";
const CHECKPOINT: &str = "ledger.checkpoint";

/// A directory for an export: in memory where there is such a place. What a power loss takes is decided here, so waiting
/// for a disk would show nothing.
pub(crate) fn new_directory() -> io::Result<TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

/// When a run is killed, and what is left of its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kill {
    /// In the middle of the n-th write, before or after the n-th mark, before or after the end, all counted together.
    pub(crate) moment: usize,
    pub(crate) tail: Tail,
}

/// What becomes of the bytes that nobody made durable.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tail {
    /// They are there: the program was killed.
    Kept,
    /// So many 255ths are there: the power was lost.
    Cut(u8),
    /// There are zeros instead.
    Zeros,
}

/// The place of an export whose file is killed at a moment.
pub(crate) struct MortalPlace {
    pub(crate) file: ExportFile,
    pub(crate) life: Life,
}

impl Place for MortalPlace {
    type Sink = FileSink<Mortal>;

    fn open(&self, asked: &BTreeMap<String, String>, restart: bool) -> Result<Found<Self::Sink>, Error> {
        let life = self.life.clone();
        self.file.open_within(asked, restart, |file| Mortal::new(file, life))
    }
}

/// What a run and its files have of its death.
#[derive(Clone)]
pub(crate) struct Life(Arc<Mutex<Death>>);

impl Life {
    /// A life in a directory.
    pub(crate) fn new(directory: &Path, kill: Option<Kill>) -> Self {
        let directory = directory.to_owned();
        let death = Death { directory, kill, moments: 0, recorded: 0, durable: 0, grave: None };
        Self(Arc::new(Mutex::new(death)))
    }

    fn death(&self) -> MutexGuard<'_, Death> {
        self.0.lock().unwrap()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.death().grave.is_some()
    }

    /// The directory as it was when it was killed; `None` when it was not.
    pub(crate) fn left(&self) -> Option<TempDir> {
        self.death().grave.take()
    }
}

/// A [`ResumableFile`] that is killed at a moment. It does not notice that itself. The test sees it by its [`Life`].
pub(crate) struct Mortal {
    file: ResumableFile,
    life: Life,
}

struct Death {
    directory: PathBuf,
    kill: Option<Kill>,
    /// Moments so far.
    moments: usize,
    /// The length of the checkpoint, which tells when it got a record.
    recorded: u64,
    /// Bytes of the partial file that a power loss leaves alone.
    durable: u64,
    grave: Option<TempDir>,
}

impl Mortal {
    /// A file that was begun, or is gone on with.
    fn new(file: ResumableFile, life: Life) -> Self {
        let mut death = life.death();
        (death.recorded, death.durable) = (0, 0);
        death.note_durable();
        drop(death);
        Self { file, life }
    }
}

impl Death {
    /// A record is not written before the bytes that it speaks of are durable.
    fn note_durable(&mut self) {
        let recorded = length(&self.directory.join(CHECKPOINT));
        if recorded != self.recorded {
            self.recorded = recorded;
            self.durable = length(&self.directory.join(PART));
        }
    }

    fn moment(&mut self) {
        self.moments += 1;
        if let Some(Kill { moment, tail }) = self.kill
            && moment == self.moments
        {
            self.grave = Some(self.buried(tail).unwrap());
        }
    }

    /// A copy of the directory as it is.
    fn buried(&self, tail: Tail) -> io::Result<TempDir> {
        let copy = new_directory()?;
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            fs::copy(entry.path(), copy.path().join(entry.file_name()))?;
        }
        if let Ok(part) = OpenOptions::new().write(true).open(copy.path().join(PART)) {
            let unsure = part.metadata()?.len() - self.durable;
            lose(&part, self.durable, unsure, tail)?;
        }
        Ok(copy)
    }
}

fn lose(part: &File, durable: u64, unsure: u64, tail: Tail) -> io::Result<()> {
    match tail {
        Tail::Kept => Ok(()),
        Tail::Cut(parts) => part.set_len(durable + unsure * u64::from(parts) / 255),
        Tail::Zeros => part.set_len(durable).and_then(|()| part.set_len(durable + unsure)),
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

impl Write for Mortal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (half, rest) = bytes.split_at(bytes.len() / 2);
        self.file.write_all(half)?;
        self.life.death().moment();
        self.file.write_all(rest)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Target for Mortal {
    type Done = Finished;

    fn mark(&mut self, mark: &Mark<'_>) -> Result<(), Error> {
        self.life.death().moment();
        self.file.mark(mark)?;
        self.life.death().note_durable();
        self.life.death().moment();
        Ok(())
    }

    fn entries_held(&self) -> Option<u64> {
        self.file.entries_held()
    }

    fn commit(self) -> Result<Finished, Error> {
        self.life.death().moment();
        let finished = self.file.commit()?;
        self.life.death().moment();
        Ok(finished)
    }

    fn takes_back(&self) -> bool {
        self.file.takes_back()
    }

    fn path(&self) -> Option<&Path> {
        self.file.path()
    }
}
