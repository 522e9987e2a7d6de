//! Which requests there were, each once.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::hashed::Hashed;

/// What a request is known by: 128 bits that stand for its id, so that a million ids take no more memory than their hashes.
pub(crate) type RequestHash = u128;

/// The hash of an id. Two of a million ids have the same one with odds of one in 10²⁶, and nobody who writes ids knows the keys,
/// which are drawn anew for each process.
pub(crate) fn hash_of(id: &str) -> RequestHash {
    static KEYS: LazyLock<(u64, u64)> =
        LazyLock::new(|| (RandomState::new().hash_one(0u8), RandomState::new().hash_one(1u8)));
    let mut hasher = SipHasher13::new_with_keys(KEYS.0, KEYS.1);
    hasher.write(id.as_bytes());
    hasher.finish128().as_u128()
}

/// A set of requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests {
    hashes: HashSet<RequestHash, Hashed>,
    /// The one that was added last: the entries of a request mostly follow one another.
    last: Option<RequestHash>,
}

impl Requests {
    pub(crate) fn add(&mut self, request: RequestHash) {
        if self.last != Some(request) {
            self.last = Some(request);
            self.hashes.insert(request);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.hashes.extend(&other.hashes);
    }

    pub(crate) fn count(&self) -> u64 {
        self.hashes.len().try_into().unwrap_or(u64::MAX)
    }
}
