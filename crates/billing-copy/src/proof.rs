//! Reads the copy back, makes its blocks anew from what was read, and compares them. Counts and sums are made of the same entries.

use billing_ledger::{AccountId, CopyFrom, CopyInto, Sequences, Taken};

use crate::error::Error;
use crate::event::Event;
use crate::made::Portion;
use crate::pages::{self, Page};
use crate::piped::piped;

/// Blocks that are made anew at a time, which bounds the memory. An account with more of them is read in portions.
const MOST_BLOCKS: u32 = 1 << 16;

/// Entries that were taken out and are read at a time.
const MOST_TAKEN: u32 = 5_000;

/// A copy that is read back.
pub(crate) struct Proof<'a> {
    into: &'a dyn CopyInto,
    ours: &'a dyn CopyFrom,
    observe: &'a dyn Fn(&Event),
    /// How many entries there should be.
    of: u64,
    /// How many were compared.
    entries: u64,
}

impl<'a> Proof<'a> {
    /// Reads back and compares all of it, and makes counts and sums, but for a copy that has ended. `of` is how many entries there should be.
    pub(crate) fn run(into: &'a dyn CopyInto, observe: &'a dyn Fn(&Event), of: u64) -> Result<u64, Error> {
        let mut proof = Self { into, ours: into.so_far(), observe, of, entries: 0 };
        if !into.has_ended() {
            into.begin_sums().map_err(Error::target)?;
        }
        for account in proof.ours.outline().map_err(Error::target)?.accounts {
            proof.prove(account.id)?;
        }
        Ok(proof.entries)
    }

    fn prove(&mut self, account: AccountId) -> Result<(), Error> {
        let (mut from, mut seen, mut taken) = (0, 0, 0);
        loop {
            let blocks = self.ours.blocks_of(account, from, MOST_BLOCKS).map_err(Error::target)?;
            let Some(mut portion) = Portion::of(blocks) else { break };
            seen += self.read_entries(account, &mut portion)?;
            taken = self.read_taken(account, &mut portion)?;
            portion.check()?;
            from = portion.last.saturating_add(1);
        }
        // Entries that are in no block were not read.
        let kept = self.ours.count_to_copy(account).map_err(Error::target)?;
        if kept != (seen, taken) {
            let message = format!(
                "account {} of the copy has {} entries and {} that were taken out, of which {seen} and {taken} are in blocks",
                account.0, kept.0, kept.1
            );
            return Err(Error::differs(message));
        }
        Ok(())
    }

    /// Adds the entries to their blocks, and to counts and sums. Returns how many there were.
    fn read_entries(&mut self, account: AccountId, portion: &mut Portion) -> Result<u64, Error> {
        let Self { into, ours, observe, of, .. } = *self;
        let extent = std::mem::take(&mut portion.extent);
        let (before, mut seen) = (self.entries, 0);
        // One thread reads, one makes blocks, and this one keeps sums.
        piped(
            |hand| {
                piped(
                    |hand| {
                        pages::read(ours, account, &extent, None, None, hand).map(drop).map_err(Error::target)
                    },
                    |page: Page| {
                        let mut rows = page.entries.rows();
                        for sequence in &page.sequences {
                            if let Some(entry) = rows.next() {
                                portion.add(*sequence, entry)?;
                            }
                        }
                        // Where nobody takes it, keeping sums has failed, and says so.
                        let _ = hand(page.entries);
                        Ok(())
                    },
                )
            },
            |entries| {
                seen += entries.len();
                if !into.has_ended() {
                    into.add_sums(account, &entries).map_err(Error::target)?;
                }
                observe(&Event::Compared { entries: before + seen, of });
                Ok(())
            },
        )?;
        portion.extent = extent;
        self.entries = before + seen;
        Ok(seen)
    }

    /// Adds the entries that were taken out to their blocks. Returns how many the account has.
    fn read_taken(&self, account: AccountId, portion: &mut Portion) -> Result<u64, Error> {
        let (mut after, mut taken) = (None, 0);
        loop {
            let all = Sequences { first: 0, last: i64::MAX.unsigned_abs() };
            let lent =
                self.ours.taken_to_copy(account, all, after, MOST_TAKEN, &mut |place: Taken, entry| {
                    taken += 1;
                    portion.add_taken(place, &entry.to_entry()?);
                    Ok(())
                });
            after = lent.map_err(Error::target)?;
            if after.is_none() {
                return Ok(taken);
            }
        }
    }
}
