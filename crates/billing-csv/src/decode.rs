//! Entries from a body that is there as a whole.

use billing_model::{BadRows, UsageEntry};

use crate::error::Error;
use crate::reader::Reader;

/// Reads a whole body.
///
/// ```
/// let entries = billing_csv::decode(b"timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n")?;
/// assert!(entries.is_empty());
/// # Ok::<(), billing_csv::Error>(())
/// ```
///
/// # Errors
/// The [`Error`] of the body; a body without a header is one. Of several bad records the first twenty are named.
pub fn decode(body: &[u8]) -> Result<Vec<UsageEntry>, Error> {
    let (mut entries, mut first, mut bad) = (Vec::new(), None, BadRows::default());
    for entry in Reader::new(body).going_on() {
        match entry {
            Ok(entry) if first.is_none() => entries.push(entry),
            Ok(_) => {}
            Err(error) => {
                bad.add(|| error.line_of_text());
                first.get_or_insert(error);
            }
        }
    }
    first.map_or(Ok(entries), |error| Err(error.of_several(bad)))
}
