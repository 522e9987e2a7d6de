//! API keys: 256 random bits each, of which the ledger keeps a digest and the last six characters.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use billing_model::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::{OptionalExtension, Row};
use sha2::Sha256;

use crate::error::{Error, ErrorKind};
use crate::ledger::{AccountId, Ledger};

/// What a key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Reads the account's billing.
    Admin,
    /// May only infer: billing is refused to it.
    Inference,
}

impl KeyKind {
    /// The kind as it is written, `admin` or `inference`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Inference => "inference",
        }
    }

    fn from_text(text: &str) -> Self {
        // The table admits no third one.
        if text == "admin" { Self::Admin } else { Self::Inference }
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
    /// The last six characters, to tell keys apart by.
    pub last_six: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is good for nothing.
    pub revoked_at: Option<Timestamp>,
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
    /// [`ErrorKind::UnknownAccount`], [`ErrorKind::TimestampOutOfRange`], [`ErrorKind::NoRandomness`], or when the
    /// ledger cannot be written.
    pub fn create_key(
        &self,
        account: AccountId,
        kind: KeyKind,
        created_at: Timestamp,
    ) -> Result<(Key, Secret), Error> {
        let connections = &self.0.connections;
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
                    "INSERT INTO keys (id, account, kind, digest, last_six, created_ns)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    (&id, account.0, kind.as_str(), self.digest(&secret.0), secret.last_six(), created_ns),
                )?;
            }
            Ok(name)
        })?;
        let name = name.ok_or_else(|| self.unknown_account(account))?;
        let last_six = secret.last_six().to_owned();
        Ok((Key { id, account: name, kind, last_six, created_at, revoked_at: None }, secret))
    }

    /// All keys of all accounts, the oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn keys(&self) -> Result<Vec<Key>, Error> {
        self.0.connections.read(|connection| {
            let sql = "SELECT keys.id, accounts.name, kind, last_six, created_ns, revoked_ns
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

    /// Who has this key, if it is one of this ledger and was not revoked.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn authenticate(&self, presented: &str) -> Result<Option<Principal>, Error> {
        // A key has 256 random bits, so a fast digest is enough; it is keyed, so it tells nothing outside this ledger.
        let digest = self.digest(presented);
        self.0.connections.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT account, kind, id FROM keys WHERE digest = ?1 AND revoked_ns IS NULL",
                )?
                .query_row([digest], |row| {
                    let kind = KeyKind::from_text(row.get_ref(1)?.as_str()?);
                    Ok(Principal { account: AccountId(row.get(0)?), kind, key_id: row.get(2)? })
                })
                .optional()
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
        last_six: row.get(3)?,
        created_at: Timestamp::from_unix_ns(row.get(4)?),
        revoked_at: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_unix_ns),
    })
}

/// HMAC-SHA-256 of a label or of a key under a key.
pub(crate) fn derive(key: &[u8; 32], label: &[u8]) -> [u8; 32] {
    // HMAC itself fills a key up with zeros to a block; a whole block cannot have a wrong length.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mac = Hmac::<Sha256>::new(&block.into());
    mac.chain_update(label).finalize().into_bytes().into()
}
