//! A batch of entries to be recorded, and the key that it is known by.

use std::fmt;

use billing_model::UsageEntry;
use bytes::Bytes;

use crate::error::{Error, ErrorKind};

/// The key by which a server knows a batch: as long as its ledger exists, the batch is stored once under it, however often it
/// is sent.
///
/// Two batches with the same key are a mistake that a server refuses ([`ErrorKind::IdempotencyConflict`]), so make it of
/// something that stays with the batch: a random number that is kept beside it, or its place in a queue.
///
/// ```
/// use billing_http::IdempotencyKey;
/// assert_eq!(IdempotencyKey::new("gateway-1:2026-06-14:17")?.as_str(), "gateway-1:2026-06-14:17");
/// assert!(IdempotencyKey::new("a b").is_err());
/// # Ok::<(), billing_http::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    text: String,
}

impl IdempotencyKey {
    /// Characters of a key, at most.
    pub const MAX_LEN: usize = 255;

    /// A key from its text.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidIdempotencyKey`] when it is not 1 to 255 visible ASCII characters.
    pub fn new(text: impl Into<String>) -> Result<Self, Error> {
        let text = text.into();
        let is_key =
            (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_key { Ok(Self { text }) } else { Err(Error::of(ErrorKind::InvalidIdempotencyKey)) }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The form of a batch that is text already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchFormat {
    /// An array of entries, `application/json`.
    Json,
    /// An entry on each line, `application/x-ndjson`.
    Ndjson,
    /// `text/csv`, with one header.
    Csv,
}

impl BatchFormat {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv",
        }
    }
}

/// Entries that a server is to record, all of them or none: the body that is sent, made once, so that it is the same to the
/// byte each time. A server takes 16 MiB unless it is told otherwise, which are some 50,000 entries.
///
/// ```
/// use billing_http::{Batch, IdempotencyKey};
/// # let entry = billing_testkit::entry_at("2026-06-14T19:52:45.087Z".parse()?, "-0.1");
/// let batch = Batch::new(IdempotencyKey::new("batch-1")?, &[entry]);
/// assert_eq!(batch.entries(), Some(1));
/// assert_eq!(batch.body().iter().filter(|byte| **byte == b'\n').count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Cheap to clone: clones share the body.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    key: IdempotencyKey,
    format: BatchFormat,
    body: Bytes,
    entries: Option<u64>,
}

impl Batch {
    /// A batch of these entries, as NDJSON: the row of an entry in an error is its place, from 1.
    ///
    /// The same entries give the same body with the same version of this crate. A batch that outlives the program is better
    /// kept as its [body](Batch::body): under its key another body is another batch.
    pub fn new<'a>(key: IdempotencyKey, entries: impl IntoIterator<Item = &'a UsageEntry>) -> Self {
        let (mut body, mut count) = (Vec::new(), 0);
        for entry in entries {
            entry.write_json(&mut body);
            body.push(b'\n');
            count += 1;
        }
        Self { key, format: BatchFormat::Ndjson, body: body.into(), entries: Some(count) }
    }

    /// A batch that is text already. The server says what is wrong with it.
    pub fn of_text(key: IdempotencyKey, format: BatchFormat, body: impl Into<Bytes>) -> Self {
        Self { key, format, body: body.into(), entries: None }
    }

    /// The key that it is known by.
    pub fn key(&self) -> &IdempotencyKey {
        &self.key
    }

    /// The form of its body.
    pub fn format(&self) -> BatchFormat {
        self.format
    }

    /// What is sent.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// How many entries it was made of; `None` when it was text.
    pub fn entries(&self) -> Option<u64> {
        self.entries
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A body of megabytes helps nobody.
        let Self { key, format, body, entries } = self;
        let mut shown = f.debug_struct("Batch");
        shown
            .field("key", key)
            .field("format", format)
            .field("bytes", &body.len())
            .field("entries", entries)
            .finish()
    }
}
