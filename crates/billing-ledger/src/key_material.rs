//! Keys as secrets: how they are made, and the digests by which an engine knows them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::CtOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::{Error, ErrorKind};
use crate::key_kind::KeyKind;

/// The source of all secrets of a ledger: they are derived from its own random number, which its engine keeps.
#[derive(Clone)]
pub struct KeyMaterial {
    /// Digests of API keys are keyed by this.
    digest_key: [u8; 32],
    /// The key for signatures. It is another one than the key above, so that no use of one tells anything about the
    /// other.
    signing_key: [u8; 32],
}

/// The digest of a key, which an engine keeps and looks keys up by. Two digests are compared in constant time.
#[derive(Clone, Copy)]
pub struct KeyDigest(pub [u8; 32]);

/// The key itself, for its owner. It is shown only by [`Secret::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl KeyMaterial {
    /// A new random number for a new ledger.
    ///
    /// # Errors
    /// [`ErrorKind::NoRandomness`].
    pub fn random() -> Result<[u8; 32], Error> {
        let mut bits = [0; 32];
        fill(&mut bits)?;
        Ok(bits)
    }

    /// The material of a ledger that has this random number.
    pub fn of(secret: &[u8; 32]) -> Self {
        Self {
            digest_key: derive(secret, b"digests of API keys"),
            signing_key: derive(secret, b"signatures of others"),
        }
    }

    /// The digest of a key that somebody presents.
    pub fn digest(&self, key: &str) -> KeyDigest {
        // A key has 256 random bits, so a fast digest is enough; it is keyed, so it tells nothing outside this ledger.
        KeyDigest(derive(&self.digest_key, key.as_bytes()))
    }

    /// The key with which this ledger's servers sign what only they may issue, such as cursors. It is the same for
    /// everybody who opens the ledger.
    pub fn signing_key(&self) -> [u8; 32] {
        self.signing_key
    }
}

impl PartialEq for KeyDigest {
    fn eq(&self, other: &Self) -> bool {
        let output = |digest: &Self| CtOutput::<Hmac<Sha256>>::new(digest.0.into());
        output(self) == output(other)
    }
}

impl Eq for KeyDigest {}

impl Secret {
    /// The key as it is presented, `billing-admin-…`.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A new key. Its text says its kind, so that whoever finds it in a file knows what to revoke.
    pub(crate) fn random(kind: KeyKind) -> Result<Self, Error> {
        let mut bits = [0; 32];
        fill(&mut bits)?;
        Ok(Self(format!("billing-{kind}-{}", URL_SAFE_NO_PAD.encode(bits))))
    }

    pub(crate) fn last_six(&self) -> &str {
        &self.0[self.0.len() - 6..]
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial(…)")
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(…)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A name for a key; no secret.
pub(crate) fn random_id() -> Result<String, Error> {
    getrandom::u64().map(|id| format!("{id:016x}")).map_err(no_randomness)
}

fn fill(bits: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bits).map_err(no_randomness)
}

fn no_randomness(cause: getrandom::Error) -> Error {
    Error::new(ErrorKind::NoRandomness, "the system has no random numbers for a new key").caused_by(cause)
}

/// HMAC-SHA-256 of a label or of a key under a key.
fn derive(key: &[u8; 32], label: &[u8]) -> [u8; 32] {
    keyed(key).chain_update(label).finalize().into_bytes().into()
}

fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC fills a key up with zeros to a block anyway. A whole block cannot have a wrong length.
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    Hmac::new(&block.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_one_key_of_one_ledger() {
        let (one, other) = (KeyMaterial::of(&[1; 32]), KeyMaterial::of(&[2; 32]));
        let digest = one.digest("key");
        assert_eq!(one.digest("key"), digest);
        assert_ne!(one.digest("kez"), digest);
        assert_ne!(other.digest("key"), digest);
        assert_ne!(one.signing_key(), one.digest_key);
    }

    #[test]
    fn keys_are_random_and_not_shown() {
        let (one, other) = (Secret::random(KeyKind::Admin).unwrap(), Secret::random(KeyKind::Admin).unwrap());
        assert_ne!(one, other);
        assert!(one.expose().starts_with("billing-admin-"));
        assert_eq!(format!("{one:?} {:?}", KeyMaterial::of(&[1; 32])), "Secret(…) KeyMaterial(…)");
    }
}
