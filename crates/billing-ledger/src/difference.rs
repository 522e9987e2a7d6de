//! What can differ, in words and in names.

use std::fmt;

/// A value that a ledger keeps and that does not agree with its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about.
    pub kind: DifferenceKind,
    /// The name of the account, or its number where there is no such account; `None` for what belongs to none.
    pub account: Option<String>,
    /// Which one of the kind: a day, a product, an entry.
    pub place: String,
    /// Which value of it, mostly a column.
    pub field: &'static str,
    /// What the ledger keeps; `None` for nothing.
    pub held: Option<String>,
    /// What it should be; `None` for nothing.
    pub expected: Option<String>,
}

/// The kinds of [`Difference`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// The file: it is damaged, in the engine's words.
    Integrity,
    /// An account: it is missing, or its number or its allocation is impossible.
    Account,
    /// The sequence numbers of an account: one is missing, there twice, or higher than any that was given out.
    Sequence,
    /// An entry: a value that cannot be read or is in another form, or a text that is not there.
    Entry,
    /// An entry that was taken out: a value that cannot be read, a text that is not there, or no removal that belongs
    /// to it.
    Removed,
    /// How many entries there are in a span of time.
    Count,
    /// A sum of a day, product, currency and API key.
    Rollup,
    /// A sum of a currency over all time.
    Balance,
    /// A block: it does not agree with its entries, or entries are in no block or in several.
    Block,
    /// The source of a synced account: it is of no account, its texts cannot be read, or something came from elsewhere.
    Source,
    /// A record of what was walked of a synced account: it does not agree with its entries, it overlaps another one, the account
    /// is no synced one; or an entry of such an account is in no record.
    Coverage,
    /// A receipt of a batch.
    Receipt,
    /// A file that was imported: it has entries that are not its own, or a digest that is none.
    File,
    /// An API key.
    Key,
    /// A text that entries share.
    Text,
}

impl DifferenceKind {
    /// The kind as it is written, `integrity`, `account`, `sequence` and so on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Integrity => "integrity",
            Self::Account => "account",
            Self::Sequence => "sequence",
            Self::Entry => "entry",
            Self::Removed => "removed",
            Self::Count => "count",
            Self::Rollup => "rollup",
            Self::Balance => "balance",
            Self::Block => "block",
            Self::Source => "source",
            Self::Coverage => "coverage",
            Self::Receipt => "receipt",
            Self::File => "file",
            Self::Key => "key",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Difference {
    /// One line: `rollup, account `default`, 2026-06-14, …, charges: `amount` is -0.03 and should be -0.02`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, account, place, field, held, expected } = self;
        write!(f, "{kind}")?;
        if let Some(account) = account {
            write!(f, ", account `{account}`")?;
        }
        write!(f, ", {place}: `{field}` is ")?;
        match (held, expected) {
            (Some(held), Some(expected)) => write!(f, "{held} and should be {expected}"),
            (Some(held), None) => write!(f, "{held} and should not be there"),
            (None, Some(expected)) => write!(f, "missing and should be {expected}"),
            (None, None) => write!(f, "missing"),
        }
    }
}
