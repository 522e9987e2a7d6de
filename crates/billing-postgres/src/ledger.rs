//! The ledger as a whole: opening it.

use std::fmt;
use std::sync::Arc;

use billing_ledger::{Error, KeyMaterial};

use crate::connections::Connections;
use crate::greeting::Opening;
use crate::settings::Settings;
use crate::target::Target;

/// A ledger in a PostgreSQL database. Clones share its connections.
///
/// Any number of programs may have it open. It stands for the ledger that was opened: when another one is in its place, every call on a
/// new connection fails with [`ErrorKind::Replaced`](billing_ledger::ErrorKind::Replaced).
#[derive(Clone)]
pub struct PostgresLedger(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) connections: Connections,
    pub(crate) key_material: KeyMaterial,
}

impl PostgresLedger {
    /// Opens a ledger that is there. A schema of an older version is taken forward first, as a whole or not at all, if the settings let it.
    ///
    /// # Errors
    /// [`NotFound`](billing_ledger::ErrorKind::NotFound) when the database or its schema `billing` is not there,
    /// [`NotALedger`](billing_ledger::ErrorKind::NotALedger) when something else is in that schema,
    /// [`NewerVersion`](billing_ledger::ErrorKind::NewerVersion), [`OlderVersion`](billing_ledger::ErrorKind::OlderVersion),
    /// [`UnfinishedCopy`](billing_ledger::ErrorKind::UnfinishedCopy),
    /// [`Away`](billing_ledger::ErrorKind::Away) when the database does not answer, and
    /// [`CannotOpen`](billing_ledger::ErrorKind::CannotOpen) when it does not let us in.
    pub fn open(target: Target, settings: Settings) -> Result<Self, Error> {
        Self::open_as(Opening { may_create: false, may_be_unfinished: false }, target, settings)
    }

    /// The same, and makes a ledger where there is none: in a schema `billing` that is not there or is empty.
    ///
    /// # Errors
    /// As [`PostgresLedger::open`]; `NotFound` only for the database.
    pub fn open_or_create(target: Target, settings: Settings) -> Result<Self, Error> {
        Self::open_as(Opening { may_create: true, may_be_unfinished: false }, target, settings)
    }

    pub(crate) fn open_as(opening: Opening, target: Target, settings: Settings) -> Result<Self, Error> {
        let connections = Connections::open(target, settings, opening)?;
        let key_material = KeyMaterial::of(connections.secret());
        Ok(Self(Arc::new(Inner { connections, key_material })))
    }

    pub(crate) fn connections(&self) -> &Connections {
        &self.0.connections
    }
}

impl fmt::Debug for PostgresLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresLedger").field(self.connections().target()).finish()
    }
}
