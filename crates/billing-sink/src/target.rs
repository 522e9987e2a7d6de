//! What bytes are written to, and how they become final.

use std::io::{self, Write};
use std::path::Path;

use billing_model::Mark;

use crate::error::{Error, ErrorKind};

/// An output whose bytes become final at once, or as final as they can be.
pub trait Target: Write {
    /// What is given back.
    type Done;

    /// Makes everything that was written durable and visible. Dropped instead, the target takes it back, if it can.
    ///
    /// # Errors
    /// When that could not be done.
    fn commit(self) -> Result<Self::Done, Error>;

    /// Is told that everything before an instant has been written, with all its bytes. See
    /// [`Sink::mark`](billing_model::Sink::mark).
    ///
    /// # Errors
    /// When that could not be made durable.
    fn mark(&mut self, mark: &Mark<'_>) -> Result<(), Error> {
        let _ = mark;
        Ok(())
    }

    /// How many entries the target holds from an earlier run, which it goes on with; `None` when it is empty, so that
    /// the format has to begin it.
    fn entries_held(&self) -> Option<u64> {
        None
    }

    /// True when what was written vanishes if the target is dropped without `commit`, or can be gone on with later.
    /// False when it has gone out, or may have. Write the same again from the start only where this is true.
    ///
    /// ```
    /// use billing_sink::{AtomicFile, Plain, Target};
    ///
    /// let directory = tempfile::tempdir()?;
    /// assert!(AtomicFile::create(directory.path().join("usage.csv"))?.takes_back());
    /// assert!(!Plain(std::io::stdout()).takes_back());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn takes_back(&self) -> bool {
        false
    }

    /// The file, for messages; `None` when there is none.
    fn path(&self) -> Option<&Path> {
        None
    }
}

/// A stream as it is: standard output, a socket, a `Vec`. What went through it cannot be taken back.
#[derive(Clone, Debug, Default)]
pub struct Plain<W>(pub W);

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> Target for Plain<W> {
    type Done = W;

    fn commit(mut self) -> Result<W, Error> {
        self.0.flush().map_err(|cause| Error::io(ErrorKind::Write, None, cause))?;
        Ok(self.0)
    }
}
