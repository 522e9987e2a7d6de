//! Entries on their way from one ledger to the other, a page at a time.

use std::ops::ControlFlow;

use billing_ledger::{AccountId, CopyFrom, EntriesToCopy, Error, PackedEntries, Position};

use crate::extent::Extent;
use crate::piped::Hand;

/// Entries of a page, at most, and about the bytes of their texts. It is what one transaction stores.
const MOST_ENTRIES: u32 = 50_000;
const MOST_BYTES: usize = 8 << 20;

/// Entries that were read together.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) account: AccountId,
    /// The sequence of each entry.
    pub(crate) sequences: Vec<u64>,
    pub(crate) entries: PackedEntries,
    /// Every entry of the blocks up to this place has been read.
    pub(crate) until: Position,
}

/// Reads the entries of blocks of an account, behind a place. Those that were taken out by removals from `removed_since` on come too.
pub(crate) fn read(
    ledger: &dyn CopyFrom,
    account: AccountId,
    extent: &Extent,
    after: Option<Position>,
    removed_since: Option<u64>,
    hand: &mut Hand<'_, Page>,
) -> Result<ControlFlow<()>, Error> {
    let Some(sequences) = extent.sequences() else { return Ok(ControlFlow::Continue(())) };
    for span_ns in extent.spans_ns() {
        let mut after = after.filter(|after| after.timestamp_ns >= span_ns.0);
        if after.is_some_and(|after| after.timestamp_ns > span_ns.1) {
            continue;
        }
        loop {
            let which =
                EntriesToCopy { account, span_ns, sequences, after, removed_since, limit: MOST_ENTRIES };
            let (page, next) = read_page(ledger, &which, extent)?;
            if !page.sequences.is_empty() && hand(page).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            after = next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Reads a page. Returns where the next one goes on.
fn read_page(
    ledger: &dyn CopyFrom,
    which: &EntriesToCopy,
    extent: &Extent,
) -> Result<(Page, Option<Position>), Error> {
    let (mut sequences, mut entries, mut bytes) = (Vec::new(), PackedEntries::default(), 0);
    let next = ledger.entries_to_copy(which, &mut |position, entry| {
        if extent.has(position.sequence) {
            bytes += entry.text_bytes();
            sequences.push(position.sequence);
            entries.push(&entry.to_entry()?);
        }
        Ok(if bytes < MOST_BYTES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    let end = Position { timestamp_ns: which.span_ns.1, sequence: u64::MAX };
    Ok((Page { account: which.account, sequences, entries, until: next.unwrap_or(end) }, next))
}
