//! Blocks made anew from the entries of the copy, as they are read back.

use std::collections::BTreeMap;

use billing_ledger::{Block, CopiedBlock, Taken};
use billing_model::{Currency, EntryDigest, EntrySet, OtherFields, Total, UsageEntry, WholeDigest, WholeSet};

use crate::error::Error;
use crate::extent::Extent;
use crate::log::{differs, sum};

/// Blocks of one account that follow one another, and the same made anew.
pub(crate) struct Portion {
    blocks: Vec<Made>,
    /// Where their entries are.
    pub(crate) extent: Extent,
    /// The first sequence of the last of them.
    pub(crate) last: u64,
}

/// A block as it is kept, and the same made anew.
struct Made {
    kept: CopiedBlock,
    /// The sequence behind its last.
    end: u64,
    span_ns: (i64, i64),
    sums: BTreeMap<Currency, Total>,
    entry_set: EntrySet,
    whole_set: WholeSet,
}

/// What an entry adds to a block.
struct Share<'e> {
    entry: &'e UsageEntry,
    timestamp_ns: i64,
    digest: EntryDigest,
    whole: WholeDigest,
}

impl Portion {
    /// These blocks without entries. They are in the order of their first sequences; `None` without any.
    pub(crate) fn of(blocks: Vec<CopiedBlock>) -> Option<Self> {
        let mut extent = Extent::default();
        blocks.iter().for_each(|block| extent.add(block));
        let blocks: Vec<_> = blocks.into_iter().map(Made::of).collect();
        let last = blocks.last()?.kept.block.first_sequence;
        Some(Self { blocks, extent, last })
    }

    /// Adds an entry that is there.
    pub(crate) fn add(&mut self, sequence: u64, entry: &UsageEntry) -> Result<(), Error> {
        let share = Share::of(entry);
        match self.recorded(sequence) {
            Some(block) => block.add(&share),
            None => return Err(stray(sequence)),
        }
        Ok(())
    }

    /// Adds an entry that was taken out to the blocks of this portion that have it: the one that recorded it, and the removal.
    pub(crate) fn add_taken(&mut self, taken: Taken, entry: &UsageEntry) {
        let share = Share::of(entry);
        if let Some(block) = self.recorded(taken.position.sequence) {
            block.add(&share);
        }
        let removal = self.block_of(taken.removal).filter(|block| block.is_removal());
        if let Some(block) = removal {
            block.add(&share);
        }
    }

    /// Compares each block as it is kept with what was made of its entries.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.blocks.iter().try_for_each(Made::check)
    }

    fn recorded(&mut self, sequence: u64) -> Option<&mut Made> {
        self.block_of(sequence).filter(|block| !block.is_removal())
    }

    fn block_of(&mut self, sequence: u64) -> Option<&mut Made> {
        let behind = self.blocks.partition_point(|block| block.kept.block.first_sequence <= sequence);
        let block = self.blocks.get_mut(behind.checked_sub(1)?)?;
        (sequence < block.end).then_some(block)
    }
}

/// The error for an entry that is in no block.
fn stray(sequence: u64) -> Error {
    Error::differs(format!("the copy has an entry with the sequence {sequence} that is in no block"))
}

impl Made {
    fn of(kept: CopiedBlock) -> Self {
        let length = if kept.block.removed_at.is_some() { 1 } else { kept.block.entries() };
        Self {
            end: kept.block.first_sequence.saturating_add(length),
            kept,
            span_ns: (i64::MAX, i64::MIN),
            sums: BTreeMap::new(),
            entry_set: EntrySet::EMPTY,
            whole_set: WholeSet::EMPTY,
        }
    }

    fn is_removal(&self) -> bool {
        self.kept.block.removed_at.is_some()
    }

    fn add(&mut self, share: &Share<'_>) {
        let at_ns = share.timestamp_ns;
        self.span_ns = (self.span_ns.0.min(at_ns), self.span_ns.1.max(at_ns));
        match self.sums.get_mut(&share.entry.currency) {
            Some(sum) => sum.add(share.entry.amount),
            None => {
                self.sums.entry(share.entry.currency.clone()).or_default().add(share.entry.amount);
            }
        }
        self.entry_set.add(share.digest);
        self.whole_set.add(share.whole);
    }

    fn check(&self) -> Result<(), Error> {
        let Self { kept: CopiedBlock { block, span_ns }, .. } = self;
        let values = [
            ("its digests", block.entry_set.to_string(), self.entry_set.to_string()),
            ("the digests of all that they have", block.whole_set.to_string(), self.whole_set.to_string()),
            ("the time of its entries", format!("{span_ns:?} ns"), format!("{:?} ns", self.span_ns)),
        ];
        for (what, kept, made) in values {
            if kept != made {
                let how = format!("{what} should be {kept}, and its entries in the copy have {made}");
                return Err(differs(block, &how));
            }
        }
        self.check_sums(block)
    }

    fn check_sums(&self, block: &Block) -> Result<(), Error> {
        let kept: BTreeMap<_, _> = block.sums.iter().map(|(currency, total)| (currency, total)).collect();
        let currencies = kept.keys().copied().chain(self.sums.keys());
        for currency in currencies {
            let (kept, made) = (kept.get(currency).copied(), self.sums.get(currency));
            if kept != made {
                let (kept, made) = (sum(kept), sum(made));
                let how = format!(
                    "its sum in {currency} should be {kept}, and its entries in the copy have {made}"
                );
                return Err(differs(block, &how));
            }
        }
        Ok(())
    }
}

impl<'e> Share<'e> {
    fn of(entry: &'e UsageEntry) -> Self {
        let digest = EntryDigest::of(entry);
        let other_fields = entry.other_fields.as_ref().map(OtherFields::as_str);
        let whole = digest.whole(entry.api_key_id.as_deref(), other_fields);
        // A ledger holds no other instants.
        Self { entry, timestamp_ns: entry.timestamp.unix_ns().unwrap_or_default(), digest, whole }
    }
}
