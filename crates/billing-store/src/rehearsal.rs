//! An import that is only tried.

use std::path::{Path, PathBuf};

use billing_model::{Sink, UsageEntry};

use crate::account_name;
use crate::error::Error;
use crate::imported_file;

/// A [`Sink`] that refuses what an [`Import`](crate::Import) would refuse, and stores nothing: it needs no ledger.
#[derive(Debug)]
pub struct Rehearsal {
    path: PathBuf,
    entries: u64,
}

impl Rehearsal {
    /// Of an import into the account with this name, in the ledger that is at a path or would be made there.
    ///
    /// # Errors
    /// [`InvalidName`](crate::ErrorKind::InvalidName) for the name of an account that is not there, or when what is at the
    /// path cannot be read.
    pub fn new(path: &Path, account: &str) -> Result<Self, Error> {
        if let Err(error) = account_name::check(path, account)
            && !imported_file::has_account(path, account)?
        {
            return Err(error);
        }
        Ok(Self { path: path.to_owned(), entries: 0 })
    }
}

impl Sink for Rehearsal {
    /// How many entries would be stored.
    type Output = u64;
    type Error = Error;

    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        check_timestamps(&self.path, entries)?;
        self.entries += entries.len() as u64;
        Ok(())
    }

    fn finish(self) -> Result<u64, Error> {
        Ok(self.entries)
    }
}

/// Refuses entries that a ledger cannot hold.
pub(crate) fn check_timestamps(path: &Path, entries: &[UsageEntry]) -> Result<(), Error> {
    match entries.iter().find(|entry| entry.timestamp.unix_ns().is_none()) {
        Some(beyond) => Err(Error::timestamp(path, beyond.timestamp)),
        None => Ok(()),
    }
}
