//! API keys: 256 random bits each, of which the ledger keeps a digest and the last six characters.

use std::collections::HashMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use billing_model::Timestamp;
use hmac::Mac;
use rusqlite::{OptionalExtension, Row};

use crate::account_id::AccountId;
use crate::digest::{derive, keyed};
use crate::error::{Error, ErrorKind};
use crate::ledger::Ledger;

/// What a key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Reads the account's billing.
    Admin,
    /// May only infer: billing is refused to it.
    Inference,
    /// Records usage, and reads none.
    Ingest,
}

impl KeyKind {
    /// The kind as it is written, `admin`, `inference` or `ingest`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Inference => "inference",
            Self::Ingest => "ingest",
        }
    }

    fn from_text(text: &str) -> Self {
        match text {
            "admin" => Self::Admin,
            "ingest" => Self::Ingest,
            // The table admits no fourth one, and this one opens nothing.
            _ => Self::Inference,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the ledger knows of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Names the key; no secret.
    pub id: String,
    /// The name of the account that it opens.
    pub account: String,
    /// What it is good for.
    pub kind: KeyKind,
    /// What it is called; may be empty.
    pub description: String,
    /// The last six characters, to tell keys apart by.
    pub last_six: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is good for nothing.
    pub revoked_at: Option<Timestamp>,
    /// When it was last let in, as far as that was recorded: see [`Ledger::record_key_uses`].
    pub last_used_at: Option<Timestamp>,
}

/// The key itself, for its owner. It is shown only by [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The key as it is presented, `billing-admin-…`.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A new key. It says what it is, so that whoever finds one in a file knows what to revoke.
    fn random(kind: KeyKind) -> Result<Self, getrandom::Error> {
        let mut bits = [0; 32];
        getrandom::fill(&mut bits)?;
        Ok(Self(format!("billing-{kind}-{}", URL_SAFE_NO_PAD.encode(bits))))
    }

    fn last_six(&self) -> &str {
        &self.0[self.0.len() - 6..]
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Who presented a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The account that the key opens.
    pub account: AccountId,
    /// What it is good for.
    pub kind: KeyKind,
    /// The key's id.
    pub key_id: String,
}

impl Ledger {
    /// Makes a key for an account. The second value is the key itself: it is nowhere else, so show it now.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAccount`], [`ErrorKind::InvalidName`] for a description with control characters, [`ErrorKind::TimestampOutOfRange`], [`ErrorKind::NoRandomness`], or when the
    /// ledger cannot be written.
    pub fn create_key(
        &self,
        account: AccountId,
        kind: KeyKind,
        description: &str,
        created_at: Timestamp,
    ) -> Result<(Key, Secret), Error> {
        let connections = &self.0.connections;
        if description.contains(char::is_control) {
            let description = description.escape_debug();
            let detail = format!("`{description}` is no description for a key: it has control characters");
            return Err(Error::new(ErrorKind::InvalidName, connections.path(), detail));
        }
        let no_randomness =
            |cause| Error::new(ErrorKind::NoRandomness, connections.path(), "").caused_by(cause);
        let created_ns = self.unix_ns(created_at)?;
        let secret = Secret::random(kind).map_err(no_randomness)?;
        let id = format!("{:016x}", getrandom::u64().map_err(no_randomness)?);
        let name: Option<String> = connections.write(|connection| {
            let name = connection
                .query_row("SELECT name FROM accounts WHERE id = ?1", [account.0], |row| row.get(0))
                .optional()?;
            if name.is_some() {
                connection.execute(
                    "INSERT INTO keys (id, account, kind, description, digest, last_six, created_ns)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    (
                        &id,
                        account.0,
                        kind.as_str(),
                        description,
                        self.digest(&secret.0),
                        secret.last_six(),
                        created_ns,
                    ),
                )?;
            }
            Ok(name)
        })?;
        let name = name.ok_or_else(|| self.unknown_account(account))?;
        let (description, last_six) = (description.to_owned(), secret.last_six().to_owned());
        let (revoked_at, last_used_at) = (None, None);
        let key =
            Key { id, account: name, kind, description, last_six, created_at, revoked_at, last_used_at };
        Ok((key, secret))
    }

    /// All keys of all accounts, the oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn keys(&self) -> Result<Vec<Key>, Error> {
        self.0.connections.read(|connection| {
            let sql = "SELECT keys.id, accounts.name, kind, description, last_six, created_ns, revoked_ns, last_used_ns
                       FROM keys JOIN accounts ON accounts.id = keys.account ORDER BY created_ns, keys.id";
            connection.prepare(sql)?.query_map([], key_from_row)?.collect()
        })
    }

    /// Makes a key good for nothing from now on. `at` is for the record. False when there is no such key, or it was
    /// revoked before.
    ///
    /// # Errors
    /// [`ErrorKind::TimestampOutOfRange`], or when the ledger cannot be written.
    pub fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, Error> {
        let at_ns = self.unix_ns(at)?;
        self.0.connections.write(|connection| {
            let sql = "UPDATE keys SET revoked_ns = ?2 WHERE id = ?1 AND revoked_ns IS NULL";
            connection.execute(sql, (id, at_ns)).map(|revoked| revoked == 1)
        })
    }

    /// Who has this key, if it is one of this ledger and was not revoked. Every call asks the file, so a key that is
    /// revoked opens nothing from then on.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn authenticate(&self, presented: &str) -> Result<Option<Principal>, Error> {
        // A key has 256 random bits, so a fast digest is enough; it is keyed, so it tells nothing outside this ledger.
        let mac = keyed(&self.0.digest_key).chain_update(presented);
        let digest: [u8; 32] = mac.clone().finalize().into_bytes().into();
        let found = self.0.connections.read_first(|connection| {
            connection
                .prepare_cached(
                    "SELECT account, kind, id, digest FROM keys WHERE digest = ?1 AND revoked_ns IS NULL",
                )?
                .query_row([digest], |row| {
                    let kind = KeyKind::from_text(row.get_ref(1)?.as_str()?);
                    let principal = Principal { account: AccountId(row.get(0)?), kind, key_id: row.get(2)? };
                    Ok((principal, row.get::<_, [u8; 32]>(3)?))
                })
                .optional()
        })?;
        // What the index found is compared once more, in a time that does not tell where a difference is. The index itself
        // may tell something of a digest, which without the ledger's secret is of no use to anybody.
        Ok(found.filter(|(_, stored)| mac.verify_slice(stored).is_ok()).map(|(principal, _)| principal))
    }

    /// Records when keys were last let in. A use that is older than the one on record changes nothing.
    ///
    /// A server gathers uses and records them now and then: writing at each request would cost more than the request.
    ///
    /// # Errors
    /// [`ErrorKind::TimestampOutOfRange`], or when the ledger cannot be written.
    pub fn record_key_uses<'a>(
        &self,
        uses: impl IntoIterator<Item = (&'a str, Timestamp)>,
    ) -> Result<(), Error> {
        let uses = uses.into_iter().map(|(id, at)| Ok((id, self.unix_ns(at)?)));
        let uses = uses.collect::<Result<Vec<_>, Error>>()?;
        self.0.connections.write(|connection| {
            let mut update = connection.prepare_cached(
                "UPDATE keys SET last_used_ns = ?2 WHERE id = ?1 AND COALESCE(last_used_ns, ?2) <= ?2",
            )?;
            uses.iter().try_for_each(|(id, at_ns)| update.execute((id, at_ns)).map(drop))
        })
    }

    /// What the account's keys are called, by id: those that have a description, revoked ones too.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn key_descriptions(&self, account: AccountId) -> Result<HashMap<String, String>, Error> {
        self.0.connections.read(|connection| {
            let sql = "SELECT id, description FROM keys WHERE account = ?1 AND description <> ''";
            connection
                .prepare_cached(sql)?
                .query_map([account.0], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    fn digest(&self, key: &str) -> [u8; 32] {
        derive(&self.0.digest_key, key.as_bytes())
    }

    fn unix_ns(&self, at: Timestamp) -> Result<i64, Error> {
        at.unix_ns().ok_or_else(|| Error::timestamp(self.0.connections.path(), at))
    }
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
