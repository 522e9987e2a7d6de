//! An answer that is read, and kept as it came.

use billing_model::{DecodeError, whole_characters};

use crate::error::{Error, ErrorKind};
use crate::reply::Failure;
use crate::retry::Class;

/// What a service answers: read, and as it sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<T> {
    /// What it says.
    pub value: T,
    /// The body, byte for byte: fields that are not in `value`, their order, and numbers as they were written. Only what it
    /// was compressed by is taken off, and a byte order mark.
    pub text: String,
}

impl<T> Answer<T> {
    /// Reads a complete body of JSON. Half a character in it is read as U+FFFD, as in a page.
    pub(crate) fn from_json(
        body: Vec<u8>,
        read: impl Fn(&str) -> Result<T, DecodeError>,
    ) -> Result<Self, Failure> {
        let text = String::from_utf8(body).map_err(|cause| match cause.utf8_error().error_len() {
            // Cut within its last character.
            None => interrupted(cause.utf8_error()),
            Some(_) => malformed(cause.utf8_error()),
        })?;
        let value = read(&text).or_else(|error| match whole_characters(&text) {
            Some(mended) if !error.is_cut_off() => read(&mended),
            _ => Err(error),
        });
        match value {
            Ok(value) => Ok(Self { value, text }),
            Err(cause) if cause.is_cut_off() => Err(interrupted(cause)),
            Err(cause) => Err(malformed(cause)),
        }
    }
}

fn interrupted(cause: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::new(Class::Transient, Error::of(ErrorKind::Interrupted).because(cause))
}

fn malformed(cause: impl std::error::Error + Send + Sync + 'static) -> Failure {
    let error = Error::of(ErrorKind::Malformed).with_message("the answer cannot be read");
    Failure::new(Class::Fatal, error.because(cause))
}
