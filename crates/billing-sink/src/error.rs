//! What can go wrong on the way into a sink.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Output that could not be created, written or completed.
///
/// # What to do
/// An existing file is as it was before; only when the disk fails at the very last step of a
/// [`Commit`](ErrorKind::Commit) the new one, whole, may be in its place. [`Busy`](ErrorKind::Busy): another run writes
/// the same file; wait for it, or choose another name. [`PartInTheWay`](ErrorKind::PartInTheWay) and
/// [`CheckpointInTheWay`](ErrorKind::CheckpointInTheWay): look what it is that the error names, and remove it.
/// [`Write`](ErrorKind::Write) and [`Commit`](ErrorKind::Commit): look at the cause; a full disk is the usual one.
/// [`is_broken_pipe`](Error::is_broken_pipe): the reader of a pipe has gone, which is no fault.
/// [`is_restartable`](Error::is_restartable): what an earlier run left cannot be gone on with; go on as that run was
/// begun, or throw it away by opening with `restart`.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    path: Option<PathBuf>,
    /// What the message says beyond the kind.
    detail: Option<Box<str>>,
    cause: Option<io::Error>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Another run is writing the same file.
    Busy,
    /// The path is a directory.
    Directory,
    /// The directory that the file should be in does not exist.
    NoDirectory,
    /// The directory can be written but not read, and so not be synchronised: the new name could not be made durable.
    UnreadableDirectory,
    /// The file exists and is read-only.
    ReadOnly,
    /// A link, a directory, a pipe or the like is where the partial file belongs. The error names that place.
    PartInTheWay,
    /// Something that is no checkpoint of this program is where the checkpoint belongs. The error names that place.
    CheckpointInTheWay,
    /// An earlier run began the file with other arguments. The message says which differ, and how.
    OtherArguments,
    /// The partial file, which the error names, is not what its checkpoint says: somebody altered or removed it.
    PartDamaged,
    /// The checkpoint, which the error names, is not what was written: somebody altered it, or the disk did.
    CheckpointDamaged,
    /// The checkpoint, which the error names, was written by a newer version of this program.
    NewerCheckpoint,
    /// The file could not be created; the cause says why.
    Create,
    /// What an earlier run left could not be read; the cause says why.
    Read,
    /// Writing failed; the cause says why.
    Write,
    /// The output could not be made durable or put in its place; the cause says why.
    Commit,
    /// The file is complete, but its checkpoint, which the error names, could not be removed; the cause says why.
    Remove,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, path: &Path) -> Self {
        Self { kind, path: Some(path.to_owned()), detail: None, cause: None }
    }

    pub(crate) fn detailed(kind: ErrorKind, path: &Path, detail: String) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(kind, path) }
    }

    pub(crate) fn io(kind: ErrorKind, path: Option<&Path>, cause: io::Error) -> Self {
        Self { kind, path: path.map(Path::to_owned), detail: None, cause: Some(cause) }
    }

    /// What failed.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The file, as it was named, or what is in its way; `None` for a stream.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// True when another run is writing the same file.
    pub fn is_busy(&self) -> bool {
        self.kind == ErrorKind::Busy
    }

    /// True when the only fault is what an earlier run left, so that opening with `restart` helps.
    pub fn is_restartable(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::OtherArguments
                | ErrorKind::PartDamaged
                | ErrorKind::CheckpointDamaged
                | ErrorKind::NewerCheckpoint
        )
    }

    /// True when the output is a pipe whose reader has gone.
    pub fn is_broken_pipe(&self) -> bool {
        self.is_caused_by(io::ErrorKind::BrokenPipe)
    }

    /// True when there is no room left on the device.
    pub fn is_storage_full(&self) -> bool {
        self.is_caused_by(io::ErrorKind::StorageFull)
    }

    pub(crate) fn is_caused_by(&self, kind: io::ErrorKind) -> bool {
        self.cause.as_ref().is_some_and(|cause| cause.kind() == kind)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "`{}` ", path.display())?,
            None => f.write_str("the output ")?,
        }
        f.write_str(match self.kind {
            ErrorKind::Busy => "is being written by another run",
            ErrorKind::Directory => "is a directory",
            ErrorKind::NoDirectory => "is in a directory that does not exist",
            ErrorKind::UnreadableDirectory => {
                "is in a directory that cannot be read, which it takes to make its name durable"
            }
            ErrorKind::ReadOnly => "exists and is read-only",
            ErrorKind::PartInTheWay => "is in the place of the partial file and is not a file of its own",
            ErrorKind::CheckpointInTheWay => "is in the place of the checkpoint and is not one",
            ErrorKind::OtherArguments => "was begun with other arguments",
            ErrorKind::PartDamaged => "is not what its checkpoint says",
            ErrorKind::CheckpointDamaged => "is damaged",
            ErrorKind::NewerCheckpoint => "was written by a newer version of this program",
            ErrorKind::Create => "cannot be created",
            ErrorKind::Read => "cannot be read",
            ErrorKind::Write => "cannot be written",
            ErrorKind::Commit => "cannot be completed",
            ErrorKind::Remove => "cannot be removed",
        })?;
        self.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

/// Why a [`drain`](crate::drain) stopped, and on which side. The sink was dropped unfinished: nothing counts yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrainError<E, S> {
    /// The pages broke off: look at where they come from.
    #[error(transparent)]
    Pages(E),
    /// The sink failed: look at where the entries go.
    #[error(transparent)]
    Sink(S),
}

impl<E, S> DrainError<E, S> {
    /// True when the pages broke off.
    pub fn is_pages(&self) -> bool {
        matches!(self, Self::Pages(_))
    }

    /// True when the sink failed.
    pub fn is_sink(&self) -> bool {
        matches!(self, Self::Sink(_))
    }
}
