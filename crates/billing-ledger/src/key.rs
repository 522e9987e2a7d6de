//! What a ledger knows of the keys that open it.

use billing_model::Timestamp;

use crate::account::AccountId;
use crate::key_kind::KeyKind;
use crate::key_material::KeyDigest;

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
    /// From when on it opens nothing; `None` when it was not revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last let in, as far as that was recorded: see
    /// [`Ledger::record_key_uses`](crate::Ledger::record_key_uses).
    pub last_used_at: Option<Timestamp>,
}

/// A key that an engine is to keep. It is made by [`Ledger::create_key`](crate::Ledger::create_key), which knows the secret.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    /// The account that it opens.
    pub account: AccountId,
    /// Names the key.
    pub id: &'a str,
    /// What it is good for.
    pub kind: KeyKind,
    /// What it is called; may be empty.
    pub description: &'a str,
    /// The digest by which an engine recognises it.
    pub digest: KeyDigest,
    /// The last six characters.
    pub last_six: &'a str,
    /// When it was made.
    pub created_at: Timestamp,
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
