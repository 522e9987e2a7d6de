//! The blocks of both ledgers, compared in their order.

use std::collections::BTreeMap;

use billing_ledger::{Amendment, Block, CopiedBlock, CopyFrom, CopyInto, Position};
use billing_model::{OtherFields, Total};

use crate::error::Error;

/// Blocks that are compared at a time.
const MOST_BLOCKS: u32 = 10_000;

/// The key and the other fields of an entry, which an amendment replaces.
type Amended = (Option<String>, Option<OtherFields>);

/// Takes over what was amended since the blocks were copied up to this number. Refuses a source in which these blocks are others.
pub(crate) fn take_over(from: &dyn CopyFrom, into: &dyn CopyInto, until: u64) -> Result<(), Error> {
    let ours = into.so_far();
    compare(from, ours, until, &mut |theirs, ours_block| {
        let Block { number, account, whole_set, .. } = theirs.block;
        let same_set = CopiedBlock {
            block: Block { whole_set, ..ours_block.block.clone() },
            span_ns: ours_block.span_ns,
        };
        if *theirs != same_set {
            return Err(Error::changed(format_args!("block {number}")));
        }
        let (theirs, kept) =
            (amended(from, number).map_err(Error::source)?, amended(ours, number).map_err(Error::target)?);
        let differ = theirs.into_iter().filter(|(position, fields)| kept.get(position) != Some(fields));
        let amendments: Vec<_> = differ
            .map(|(position, (api_key_id, other_fields))| Amendment { position, api_key_id, other_fields })
            .collect();
        into.put_amended(account, &amendments, number, whole_set).map_err(Error::target)
    })
}

/// Checks that both have the same blocks, to the last digit.
pub(crate) fn check(from: &dyn CopyFrom, ours: &dyn CopyFrom, until: u64) -> Result<(), Error> {
    compare(from, ours, until, &mut |theirs, ours| {
        Err(differs(&theirs.block, &format!("the source has {theirs:?}, and the copy {ours:?}")))
    })
}

/// The error for a block that is not as it should be.
pub(crate) fn differs(block: &Block, how: &str) -> Error {
    let what = if block.removed_at.is_some() { ", a removal" } else { "" };
    Error::differs(format!("block {}{what} of account {}: {how}", block.number, block.account.0))
}

/// Calls for each pair of blocks that differ.
fn compare(
    from: &dyn CopyFrom,
    ours: &dyn CopyFrom,
    until: u64,
    differ: &mut dyn FnMut(&CopiedBlock, &CopiedBlock) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut after = 0;
    while after < until {
        let limit = u32::try_from(until - after).map_or(MOST_BLOCKS, |left| left.min(MOST_BLOCKS));
        let theirs = from.blocks_to_copy(after, limit).map_err(Error::source)?;
        let kept = ours.blocks_to_copy(after, limit).map_err(Error::target)?;
        // Either may lend fewer than were asked for, but none at all when there are more.
        let mut pairs = theirs.iter().zip(&kept).peekable();
        if pairs.peek().is_none() {
            return Err(Error::changed(format_args!("the block behind block {after}")));
        }
        for (theirs, kept) in pairs {
            if theirs != kept {
                differ(theirs, kept)?;
            }
            after = kept.block.number;
        }
    }
    Ok(())
}

/// What of a block's entries can be amended.
fn amended(ledger: &dyn CopyFrom, number: u64) -> Result<BTreeMap<Position, Amended>, billing_ledger::Error> {
    let mut entries = BTreeMap::new();
    ledger.ledger().block_entries(number, &mut |position, entry| {
        let fields = (entry.api_key_id.map(str::to_owned), entry.other_fields.cloned());
        entries.insert(position, fields);
        Ok(())
    })?;
    Ok(entries)
}

/// A sum of one currency for a message.
pub(crate) fn sum(total: Option<&Total>) -> String {
    total.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
