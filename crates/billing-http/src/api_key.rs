//! The key, which is never shown.

use std::fmt;

use reqwest::header::HeaderValue;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind};

/// An API key. Its text goes into the `Authorization` header and nowhere else: not into `Debug`, errors or traces.
#[derive(Clone)]
pub struct ApiKey {
    header: HeaderValue,
}

impl ApiKey {
    /// A key from its text; white space around it is dropped, as it comes from files and variables.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidKey`] when the key is empty or holds a character that no key has.
    pub fn new(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Error::of(ErrorKind::InvalidKey).with_message("the API key is empty"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = "the API key holds a space or a character that no key has";
            return Err(Error::of(ErrorKind::InvalidKey).with_message(message));
        }
        let mut header = HeaderValue::try_from(format!("Bearer {text}")).map_err(|_| {
            Error::of(ErrorKind::InvalidKey).with_message("the API key does not fit a header")
        })?;
        header.set_sensitive(true);
        Ok(Self { header })
    }

    /// The text without the key, should a service repeat it.
    pub(crate) fn black_out(&self, text: &str) -> String {
        match self.header.to_str().ok().and_then(|header| header.strip_prefix("Bearer ")) {
            // In lower case too, as media types are shown.
            Some(key) => text.replace(key, "[key]").replace(&key.to_ascii_lowercase(), "[key]"),
            None => text.to_owned(),
        }
    }

    /// 16 hexadecimal digits by which a key is told from another, and from which it cannot be found: for files that must
    /// not be gone on with for another account.
    pub fn fingerprint(&self) -> String {
        let digest =
            Sha256::new().chain_update("billing key fingerprint\0").chain_update(self.header.as_bytes());
        digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown() {
        let key = ApiKey::new(" secret-key\n").unwrap();
        assert!(!format!("{key:?} {:?}", key.header()).contains("secret"));
        assert_eq!(key.header(), "Bearer secret-key");
        assert_eq!(key.black_out("no secret-key here"), "no [key] here");
        let print = key.fingerprint();
        assert!(print.len() == 16 && print != ApiKey::new("secret-kez").unwrap().fingerprint());
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_without_showing_it() {
        for text in ["", " \n", "a b", "a\nb", "schlüssel"] {
            let error = ApiKey::new(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidKey);
            assert!(!error.to_string().contains("schl"));
        }
    }
}
