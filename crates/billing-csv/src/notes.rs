//! What a file has beside its entries.

use std::collections::{BTreeMap, BTreeSet};

/// What a reader passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Columns that the format does not know and that look like known ones which the file lacks: the name in the header,
    /// and the column that is likely meant.
    pub misnamed: BTreeMap<String, &'static str>,
    /// Other columns that the format does not know, by their names in the header. Of very many, some.
    pub unknown: BTreeSet<String>,
    /// Records whose fields are all blank.
    pub blank_rows: u64,
    /// Headers after the first.
    pub repeated_headers: u64,
}
