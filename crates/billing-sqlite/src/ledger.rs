//! The ledger as a whole: opening it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use billing_ledger::{AccountId, Error, ErrorKind, KeyMaterial};

use crate::connections::Connections;
use crate::error::failure;
use crate::file::LedgerFile;
use crate::migration::Migration;

/// A ledger that is open. Clones share it.
///
/// It stands for the file that was opened, and not for a file that gets the name later. When the file or its log is
/// replaced, overwritten or removed, every call from then on fails with [`ErrorKind::Replaced`].
#[derive(Clone)]
pub struct SqliteLedger(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) connections: Connections,
    pub(crate) key_material: KeyMaterial,
}

impl SqliteLedger {
    /// Opens a ledger that is there.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when nothing is, [`ErrorKind::NotALedger`] when something else is,
    /// [`ErrorKind::NewerVersion`] when this version of the crate is too old for it, [`ErrorKind::ForeignLog`] when the
    /// file was put where another ledger had been, or the same one at another time. None of these touches the file.
    /// [`ErrorKind::CannotOpen`] when the file may not be read, or when no file can be made beside it, which reading
    /// needs too. A file that is only not writable is opened and can be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with_progress(path, |_| ())
    }

    /// Opens a ledger that is there. A ledger of an older version is taken forward first, as a whole or not at all. It
    /// may have many entries, so `progress` is told how far it is. Programs of the older version that have it open
    /// cannot use it any more.
    ///
    /// # Errors
    /// As [`SqliteLedger::open`].
    pub fn open_with_progress(path: &Path, mut progress: impl FnMut(&Migration)) -> Result<Self, Error> {
        Ok(Self::from_connections(Connections::open(LedgerFile::new(path)?, false, &mut progress)?))
    }

    /// Opens a ledger, or makes a new one when there is nothing or an empty file. A new ledger is readable by its owner
    /// only.
    ///
    /// A new ledger is made as a whole or not at all: after a kill at any moment, just call this again.
    ///
    /// # Errors
    /// As [`SqliteLedger::open`], but never [`ErrorKind::NotFound`]; [`ErrorKind::CannotOpen`] when the directory is missing
    /// or not writable.
    pub fn open_or_create(path: &Path) -> Result<Self, Error> {
        Self::open_or_create_with_progress(path, |_| ())
    }

    /// The same, with the progress of taking an older ledger forward, as in [`SqliteLedger::open_with_progress`].
    ///
    /// # Errors
    /// As [`SqliteLedger::open_or_create`].
    pub fn open_or_create_with_progress(
        path: &Path,
        mut progress: impl FnMut(&Migration),
    ) -> Result<Self, Error> {
        Ok(Self::from_connections(Connections::open(LedgerFile::new(path)?, true, &mut progress)?))
    }

    /// Opens a ledger of this version to read it, as quickly as it can be: for a line in a prompt. Nothing of the ledger is
    /// written, and nobody is waited for. A call that writes fails with [`ErrorKind::Unsupported`]. The file may be another user's, or
    /// one that may not be written to. Where it has no log, none is made, and every call answers with the state at opening.
    ///
    /// # Errors
    /// As [`SqliteLedger::open`]; [`ErrorKind::OlderVersion`] for a ledger of an older version, which is not taken forward;
    /// [`ErrorKind::Busy`] in the moment in which another program closes the ledger, and from any call once another program has changed
    /// a file that had no log: open it again. [`ErrorKind::CannotOpen`] for another user's ledger with a log whose index is missing.
    pub fn open_to_read(path: &Path) -> Result<Self, Error> {
        Ok(Self::from_connections(Connections::open_to_read(path)?))
    }

    /// True when a ledger is there that this user can only read: it is another user's, or it or its directory may not be written to.
    /// [`SqliteLedger::open`] would refuse it, or make files beside it that are in its owner's way.
    pub fn is_to_be_read_alone(path: &Path) -> bool {
        LedgerFile::new(path).is_ok_and(|file| file.is_to_be_read_alone())
    }

    pub(crate) fn from_connections(connections: Connections) -> Self {
        let key_material = KeyMaterial::of(connections.secret());
        Self(Arc::new(Inner { connections, key_material }))
    }

    pub(crate) fn unknown_account(&self, account: AccountId) -> Error {
        failure(ErrorKind::UnknownAccount, self.0.connections.path(), account.0.to_string())
    }
}

impl fmt::Debug for SqliteLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteLedger").field(&self.0.connections.path()).finish()
    }
}
