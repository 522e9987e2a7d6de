//! The ledger as a whole: opening it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::account_id::AccountId;
use crate::connections::Connections;
use crate::digest::derive;
use crate::error::{Error, ErrorKind};

/// A ledger that is open. Clones share it.
///
/// It is the file that was opened, not whatever gets its name later: when that file or its log is replaced, overwritten or
/// removed, every call from then on fails with [`ErrorKind::Replaced`].
#[derive(Clone)]
pub struct Ledger(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) connections: Connections,
    /// Digests of API keys are keyed by this.
    pub(crate) digest_key: [u8; 32],
    /// What others sign with. Apart from the key above, so that no use of one tells anything of the other.
    signing_key: [u8; 32],
}

impl Ledger {
    /// Opens a ledger that is there.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when nothing is, [`ErrorKind::NotALedger`] when something else is,
    /// [`ErrorKind::NewerVersion`] when this version of the crate is too old for it, [`ErrorKind::ForeignLog`] when the
    /// file was put where another ledger had been, or the same one at another time. None of them touches the file. [`ErrorKind::CannotOpen`] when the
    /// file may not be read, or no file can be made beside it, which is needed also to read; a file that may only not be
    /// written to is opened, and can be read.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self::from_connections(Connections::open(path, false)?))
    }

    /// Opens a ledger, and makes a new one where nothing is or an empty file. A new one is readable by its owner only.
    ///
    /// It is made whole or not at all: after a kill at any moment the call can be made again.
    ///
    /// # Errors
    /// As [`Ledger::open`], but never [`ErrorKind::NotFound`]; [`ErrorKind::CannotOpen`] when the directory is missing
    /// or not writable.
    pub fn open_or_create(path: &Path) -> Result<Self, Error> {
        Ok(Self::from_connections(Connections::open(path, true)?))
    }

    fn from_connections(connections: Connections) -> Self {
        let secret = connections.secret();
        let digest_key = derive(secret, b"digests of API keys");
        let signing_key = derive(secret, b"signatures of others");
        Self(Arc::new(Inner { connections, digest_key, signing_key }))
    }

    /// A random number of this ledger's own, the same for everybody who opens it: a key to sign with what only this
    /// ledger's servers may issue, such as cursors.
    pub fn secret(&self) -> [u8; 32] {
        self.0.signing_key
    }

    pub(crate) fn unknown_account(&self, account: AccountId) -> Error {
        Error::new(ErrorKind::UnknownAccount, self.0.connections.path(), account.0.to_string())
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ledger").field(&self.0.connections.path()).finish()
    }
}
