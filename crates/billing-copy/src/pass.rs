//! A pass: copies the blocks behind one number up to another one, and all their entries.
//!
//! It is the ledger as of the last block of the pass. What others record or take out meanwhile is of the next one, wherever the pass is.

use std::collections::BTreeMap;

use billing_ledger::{AccountId, CopiedBlock, CopyFrom, CopyInto, Position, Taken};

use crate::error::Error;
use crate::event::Event;
use crate::extent::Extent;
use crate::pages::{self, Page};
use crate::piped::piped;
use crate::state::{Stage, State};

/// Blocks of one transaction.
pub(crate) const MOST_BLOCKS: u32 = 10_000;

/// Entries that were taken out and are stored in one transaction.
const MOST_TAKEN: u32 = 5_000;

/// What a pass has copied.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Passed {
    pub(crate) entries: u64,
    pub(crate) taken: u64,
}

/// A pass that has begun.
pub(crate) struct Pass<'a> {
    pub(crate) from: &'a dyn CopyFrom,
    pub(crate) into: &'a dyn CopyInto,
    pub(crate) observe: &'a dyn Fn(&Event),
    pub(crate) state: State,
}

impl Pass<'_> {
    /// Copies what is left of it.
    pub(crate) fn run(&self) -> Result<Passed, Error> {
        if self.state.stage == Stage::Blocks {
            self.copy_blocks()?;
        }
        let extents = self.extents()?;
        let mut passed = Passed::default();
        if !matches!(self.state.stage, Stage::Entries(..) | Stage::Done) {
            for (account, extent) in &extents {
                passed.taken += self.copy_taken(*account, extent)?;
            }
        }
        if self.state.stage != Stage::Done {
            passed.entries = self.copy_entries(&extents)?;
            let done = self.state.at(Stage::Done).to_string();
            self.into.put_blocks(&[], &done).map_err(Error::target)?;
        }
        Ok(passed)
    }

    fn copy_blocks(&self) -> Result<(), Error> {
        let Self { from, into, observe, state } = *self;
        let mut last = into.so_far().outline().map_err(Error::target)?.last_block;
        let begin = last;
        piped(
            |hand| {
                let mut after = begin;
                while after < state.until {
                    let mut blocks = from.blocks_to_copy(after, MOST_BLOCKS).map_err(Error::source)?;
                    blocks.retain(|block| block.block.number <= state.until);
                    let Some(end) = blocks.last() else { break };
                    after = end.block.number;
                    if hand(blocks).is_break() {
                        break;
                    }
                }
                Ok(())
            },
            |blocks| {
                for CopiedBlock { block, .. } in &blocks {
                    last += 1;
                    check_number(block.number, last)?;
                }
                into.put_blocks(&blocks, &state.to_string()).map_err(Error::target)?;
                observe(&Event::Blocks { blocks: last - begin });
                Ok(())
            },
        )?;
        check_number(state.until, last)
    }

    /// Where the entries of the pass are, by account.
    fn extents(&self) -> Result<BTreeMap<AccountId, Extent>, Error> {
        let State { from, until, .. } = self.state;
        let (mut extents, mut after) = (BTreeMap::<_, Extent>::new(), from);
        while after < until {
            let blocks = self.into.so_far().blocks_to_copy(after, MOST_BLOCKS).map_err(Error::target)?;
            let Some(last) = blocks.last() else { break };
            after = last.block.number;
            for block in &blocks {
                extents.entry(block.block.account).or_default().add(block);
            }
        }
        Ok(extents)
    }

    fn copy_taken(&self, account: AccountId, extent: &Extent) -> Result<u64, Error> {
        let Some(removals) = extent.removals() else { return Ok(0) };
        let begin = match self.state.stage {
            Stage::Taken(reached, _) if reached > account => return Ok(0),
            Stage::Taken(reached, taken) if reached == account => Some(taken),
            _ => None,
        };
        let mut copied = 0;
        piped(
            |hand| {
                let mut after = begin;
                loop {
                    let mut page = Vec::new();
                    after = self
                        .from
                        .taken_to_copy(account, removals, after, MOST_TAKEN, &mut |taken, entry| {
                            if extent.has_removal(taken.removal) {
                                page.push((taken, entry.to_entry()?));
                            }
                            Ok(())
                        })
                        .map_err(Error::source)?;
                    if (!page.is_empty() && hand(page).is_break()) || after.is_none() {
                        return Ok(());
                    }
                }
            },
            |page: Vec<(Taken, _)>| {
                let Some((last, _)) = page.last() else { return Ok(()) };
                let state = self.state.at(Stage::Taken(account, *last)).to_string();
                copied += page.len() as u64;
                self.into.put_taken(account, &page, &state).map_err(Error::target)
            },
        )?;
        Ok(copied)
    }

    fn copy_entries(&self, extents: &BTreeMap<AccountId, Extent>) -> Result<u64, Error> {
        let Self { from, into, observe, state } = *self;
        let (reached, after) = match state.stage {
            Stage::Entries(account, position) => (Some(account), Some(position)),
            _ => (None, None),
        };
        // Removals from these numbers on are of a later pass. The target has them as of the begin of this one.
        let outline = into.so_far().outline().map_err(Error::target)?;
        let of = extents.values().map(|extent| extent.entries).sum();
        let mut entries = 0;
        piped(
            |hand| {
                for account in &outline.accounts {
                    let Some(extent) = extents.get(&account.id) else { continue };
                    if reached.is_some_and(|reached| reached > account.id) {
                        continue;
                    }
                    let after = after.filter(|_| reached == Some(account.id));
                    let removed_since = Some(account.next_sequence);
                    let read = pages::read(from, account.id, extent, after, removed_since, hand);
                    if read.map_err(Error::source)?.is_break() {
                        break;
                    }
                }
                Ok(())
            },
            |Page { account, sequences, entries: page, until }| {
                entries += sequences.len() as u64;
                let until = Position { sequence: until.sequence.min(i64::MAX.unsigned_abs()), ..until };
                let state = state.at(Stage::Entries(account, until)).to_string();
                into.put_entries(account, &sequences, &page, &state).map_err(Error::target)?;
                observe(&Event::Entries { entries, of });
                Ok(())
            },
        )?;
        Ok(entries)
    }
}

/// Checks that blocks are numbered without gaps.
fn check_number(number: u64, expected: u64) -> Result<(), Error> {
    match number == expected {
        true => Ok(()),
        false => Err(Error::differs(format!(
            "block {expected} is missing in the ledger that is copied: `billing check` says more"
        ))),
    }
}
