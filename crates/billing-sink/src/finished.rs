//! A file that is in its place.

use billing_model::Summary;

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::tally::Sha256Sum;

/// A [`ResumableFile`](crate::ResumableFile) that is complete and has its name. Its checkpoint is still there.
///
/// If there is more to write about it, such as a manifest, write it now and then call [`close`](Finished::close). If
/// the run is killed before that, the next run with the same arguments finds the file
/// [`Written`](crate::Opened::Written), and can do the rest. As long as this lives, other runs on the same file are
/// refused.
#[derive(Debug)]
#[must_use = "a checkpoint that is not closed makes the next run believe that there is something left to do"]
pub struct Finished {
    /// The length of the file.
    pub bytes: u64,
    /// The SHA-256 of the file.
    pub sha256: [u8; 32],
    /// What the entries in it come to, including those of earlier runs. It is taken from the marks.
    /// [`drain`](crate::drain) marks everything; without it, mark once more before the end.
    pub summary: Summary,
    /// `None` for what was written straight through.
    pub(crate) checkpoint: Option<Checkpoint>,
}

impl Finished {
    /// The SHA-256 of the file, as 64 hexadecimal digits.
    pub fn sha256_hex(&self) -> String {
        Sha256Sum(self.sha256).to_string()
    }

    /// Removes the checkpoint. After that only the file is left.
    ///
    /// # Errors
    /// When it could not be removed. The file is complete all the same.
    pub fn close(self) -> Result<(), Error> {
        // If the run is killed before the removal is durable, the next run finds the file written and closes it again.
        self.checkpoint.map_or(Ok(()), Checkpoint::remove)
    }
}
