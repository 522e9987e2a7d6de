//! Batches of entries that come with an idempotency key: each is stored once, however often it is sent.

use billing_model::Timestamp;

use crate::account::AccountId;
use crate::packed::PackedEntries;

/// Entries that belong together, and the key by which a repetition is recognised.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whose entries they are.
    pub account: AccountId,
    /// The sender's name of the batch. It is unique in its account, for ever.
    pub idempotency_key: String,
    /// A digest of what was sent. The same key with another digest is another batch, and is refused.
    pub digest: [u8; 32],
    /// When it came, for the record.
    pub received_at: Timestamp,
    /// The entries, in the order in which they are stored.
    pub entries: PackedEntries,
}

/// What came of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It is stored: so many entries.
    Stored(u64),
    /// It was stored before, so many entries, and was not stored again.
    Repeated(u64),
    /// Another batch was stored under its key before. This one is not.
    Conflict,
    /// The account is kept in step with a service, so it takes no batches. This one is not stored.
    Synced,
    /// Somebody else writes to the account. This one is not stored; see [`Ledger::store_free_batches`](crate::Ledger::store_free_batches).
    Busy,
}
