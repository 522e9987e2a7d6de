//! What a copy of a ledger is made of, beside its entries.

use std::fmt;

use billing_model::Decimal;

use crate::account::AccountId;
use crate::block::Block;
use crate::key_kind::KeyKind;
use crate::key_material::KeyDigest;

/// The random number that a ledger's keys and signatures are derived from. A copy has the same one, so that the same keys open it and
/// the same cursors go on in it. Whoever knows it can forge cursors.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LedgerSecret(pub [u8; 32]);

impl fmt::Debug for LedgerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LedgerSecret(…)")
    }
}

/// How far a ledger is, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The number of the last block; 0 without any.
    pub last_block: u64,
    /// The highest number that any account ever had; 0 when there was none.
    pub last_account: i64,
    /// The accounts, by their numbers.
    pub accounts: Vec<CopiedAccount>,
}

/// An account without its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedAccount {
    /// Its number.
    pub id: AccountId,
    /// What it is called.
    pub name: String,
    /// The number that its next entry or removal gets. What an import that has not ended reserved is not counted.
    pub next_sequence: u64,
    /// The first number that the last repair gave in place of others: walks of earlier snapshots are outdated.
    pub renumbered_from: Option<u64>,
    /// The DIEM that it may spend each UTC day.
    pub diem_allocation: Option<Decimal>,
}

/// A key as an engine keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedKey {
    /// Names the key.
    pub id: String,
    /// The account that it opens.
    pub account: AccountId,
    /// What it is good for.
    pub kind: KeyKind,
    /// What it is called; may be empty.
    pub description: String,
    /// The digest by which it is recognised.
    pub digest: KeyDigest,
    /// The last six characters.
    pub last_six: String,
    /// When it was made, in nanoseconds since 1970.
    pub created_ns: i64,
    /// When it was revoked, in nanoseconds since 1970.
    pub revoked_ns: Option<i64>,
    /// When it was last let in, in nanoseconds since 1970.
    pub last_used_ns: Option<i64>,
}

/// The receipt of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedReceipt {
    /// The account of the batch.
    pub account: AccountId,
    /// The sender's name of the batch.
    pub idempotency_key: String,
    /// A digest of what was sent.
    pub digest: [u8; 32],
    /// How many entries it has.
    pub entries: u64,
    /// When it came, in nanoseconds since 1970.
    pub received_ns: i64,
}

/// A file that was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedFile {
    /// The account that it was imported into.
    pub account: AccountId,
    /// The SHA-256 of what is in it.
    pub sha256: [u8; 32],
    /// How many times the same content was imported before.
    pub copy: u64,
    /// What it was called.
    pub name: String,
    /// When it was imported, in nanoseconds since 1970.
    pub imported_ns: i64,
    /// How many entries it has.
    pub entries: u64,
    /// The sequence of the first of them.
    pub first_sequence: u64,
}

/// A block, and the time in which its entries lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedBlock {
    /// The block.
    pub block: Block,
    /// The instants of its earliest and of its latest entry, in nanoseconds since 1970.
    pub span_ns: (i64, i64),
}
