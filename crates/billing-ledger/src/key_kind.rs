//! What keys are good for.

use std::fmt;

/// What a key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// Reads the account's billing.
    Admin,
    /// For inference only: it may not read billing.
    Inference,
    /// Records usage, and reads none.
    Ingest,
}

impl KeyKind {
    /// The kind as it is written, `admin`, `inference` or `ingest`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Inference => "inference",
            Self::Ingest => "ingest",
        }
    }

    /// Reads a kind. Any other text is read as the kind that opens nothing.
    pub fn from_text(text: &str) -> Self {
        match text {
            "admin" => Self::Admin,
            "ingest" => Self::Ingest,
            _ => Self::Inference,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
