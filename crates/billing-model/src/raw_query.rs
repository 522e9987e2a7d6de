//! A raw query string, read one parameter at a time.

use std::borrow::Cow;

use crate::error::ValueError;
use crate::fault::{FaultCode, Faults};
use crate::timestamp::Timestamp;

/// The parameters of a query string that were not read yet, and the faults found so far.
pub(crate) struct RawQuery<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub(crate) faults: Faults,
}

impl<'a> RawQuery<'a> {
    pub(crate) fn new(raw: &'a str) -> Self {
        Self { pairs: form_urlencoded::parse(raw.as_bytes()).collect(), faults: Faults::default() }
    }

    /// Takes a parameter out. Given twice, it is a fault.
    pub(crate) fn take(&mut self, field: &'static str) -> Option<Cow<'a, str>> {
        let mut taken = self.pairs.extract_if(.., |(name, _)| name == field).map(|(_, value)| value);
        let first = taken.next();
        let repeated = taken.count() > 0;
        if repeated {
            self.faults.push(Some(field), FaultCode::InvalidType, "is given more than once".to_owned());
        }
        first
    }

    /// Takes a parameter that reads itself from text.
    pub(crate) fn take_value<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&str) -> Result<T, ValueError>,
    ) -> Option<T> {
        let text = self.take(field)?;
        read(&text)
            .map_err(|error| self.faults.push(Some(field), FaultCode::InvalidString, error.to_string()))
            .ok()
    }

    pub(crate) fn take_timestamp(&mut self, field: &'static str) -> Option<Timestamp> {
        self.take_value(field, str::parse)
    }

    /// Takes a whole number of at most 32 bits; no range here is wider.
    pub(crate) fn take_number(&mut self, field: &'static str) -> Option<u32> {
        let text = self.take(field)?;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            let message = format!("`{text}` is not a whole number");
            self.faults.push(Some(field), FaultCode::InvalidType, message);
            return None;
        }
        text.parse()
            .map_err(|_| {
                self.faults.push(
                    Some(field),
                    FaultCode::TooBig,
                    format!("`{text}` is out of range: it is too large"),
                )
            })
            .ok()
    }

    /// The names that nothing has read, each once.
    pub(crate) fn left(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.pairs.iter().map(|(name, _)| name.as_ref()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Notes the parameters that nothing has read, for an endpoint that refuses what it does not know.
    pub(crate) fn refuse_left(&mut self) {
        let unknown = self.left().iter().map(|name| format!("'{name}'")).collect::<Vec<_>>();
        if !unknown.is_empty() {
            let message = format!("unrecognized parameter(s): {}", unknown.join(", "));
            self.faults.push(None, FaultCode::UnrecognizedKeys, message);
        }
    }
}
