//! API keys, of which the ledger keeps a digest and the last six characters.

use std::collections::HashMap;

use billing_ledger::{AccountId, Error, Key, KeyDigest, KeyKind, NewKey, Principal};
use billing_model::Timestamp;
use rusqlite::{OptionalExtension, Row};

use crate::ledger::SqliteLedger;

impl SqliteLedger {
    pub(crate) fn add_key(&self, key: &NewKey<'_>) -> Result<String, Error> {
        let NewKey { account, id, kind, description, digest, last_six, created_at } = *key;
        let created_ns = unix_ns(created_at)?;
        let name: Option<String> = self.0.connections.write(|connection| {
            let name = connection
                .query_row("SELECT name FROM accounts WHERE id = ?1", [account.0], |row| row.get(0))
                .optional()?;
            if name.is_some() {
                connection.execute(
                    "INSERT INTO keys (id, account, kind, description, digest, last_six, created_ns)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    (id, account.0, kind.as_str(), description, digest.0, last_six, created_ns),
                )?;
            }
            Ok(name)
        })?;
        name.ok_or_else(|| self.unknown_account(account))
    }

    /// All keys of all accounts, the oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn keys(&self) -> Result<Vec<Key>, Error> {
        self.0.connections.read(|connection| {
            let sql = "SELECT keys.id, accounts.name, kind, description, last_six, created_ns, revoked_ns, last_used_ns
                       FROM keys JOIN accounts ON accounts.id = keys.account ORDER BY created_ns, keys.id";
            connection.prepare(sql)?.query_map([], key_from_row)?.collect()
        })
    }

    /// Revokes a key: it opens nothing from now on. `at` is for the record. False when there is no such key, or it was
    /// revoked before.
    ///
    /// # Errors
    /// [`ErrorKind::TimestampOutOfRange`], or when the ledger cannot be written.
    pub(crate) fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, Error> {
        let at_ns = unix_ns(at)?;
        self.0.connections.write(|connection| {
            let sql = "UPDATE keys SET revoked_ns = ?2 WHERE id = ?1 AND revoked_ns IS NULL";
            connection.execute(sql, (id, at_ns)).map(|revoked| revoked == 1)
        })
    }

    pub(crate) fn principal(&self, digest: &KeyDigest) -> Result<Option<(Principal, KeyDigest)>, Error> {
        self.0.connections.read_first(|connection| {
            connection
                .prepare_cached(
                    "SELECT account, kind, id, digest FROM keys WHERE digest = ?1 AND revoked_ns IS NULL",
                )?
                .query_row([digest.0], |row| {
                    let kind = KeyKind::from_text(row.get_ref(1)?.as_str()?);
                    let principal = Principal { account: AccountId(row.get(0)?), kind, key_id: row.get(2)? };
                    Ok((principal, KeyDigest(row.get(3)?)))
                })
                .optional()
        })
    }

    /// Records when keys were last let in. A use that is older than the one on record changes nothing.
    ///
    /// A server gathers uses and records them now and then: writing at each request would cost more than the request.
    ///
    /// # Errors
    /// [`ErrorKind::TimestampOutOfRange`], or when the ledger cannot be written.
    pub(crate) fn record_key_uses(&self, uses: &[(&str, Timestamp)]) -> Result<(), Error> {
        let uses = uses.iter().map(|(id, at)| Ok((*id, unix_ns(*at)?)));
        let uses = uses.collect::<Result<Vec<_>, Error>>()?;
        self.0.connections.write(|connection| {
            let mut update = connection.prepare_cached(
                "UPDATE keys SET last_used_ns = ?2 WHERE id = ?1 AND COALESCE(last_used_ns, ?2) <= ?2",
            )?;
            uses.iter().try_for_each(|(id, at_ns)| update.execute((id, at_ns)).map(drop))
        })
    }

    /// The descriptions of the account's keys, by id, also of revoked keys. Keys without a description are left out.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn key_descriptions(&self, account: AccountId) -> Result<HashMap<String, String>, Error> {
        self.0.connections.read(|connection| {
            let sql = "SELECT id, description FROM keys WHERE account = ?1 AND description <> ''";
            connection
                .prepare_cached(sql)?
                .query_map([account.0], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }
}

fn unix_ns(at: Timestamp) -> Result<i64, Error> {
    at.unix_ns().ok_or_else(|| Error::timestamp(at))
}

fn key_from_row(row: &Row<'_>) -> rusqlite::Result<Key> {
    Ok(Key {
        id: row.get(0)?,
        account: row.get(1)?,
        kind: KeyKind::from_text(row.get_ref(2)?.as_str()?),
        description: row.get(3)?,
        last_six: row.get(4)?,
        created_at: Timestamp::from_unix_ns(row.get(5)?),
        revoked_at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_unix_ns),
        last_used_at: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_unix_ns),
    })
}
