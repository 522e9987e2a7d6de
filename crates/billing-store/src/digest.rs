//! Keyed digests: of API keys, and of labels for keys that are derived from another one.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// HMAC-SHA-256 of a label or of a key under a key.
pub(crate) fn derive(key: &[u8; 32], label: &[u8]) -> [u8; 32] {
    keyed(key).chain_update(label).finalize().into_bytes().into()
}

/// An HMAC-SHA-256 that is still to be fed.
pub(crate) fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC itself fills a key up with zeros to a block; a whole block cannot have a wrong length.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::new(&block.into())
}
