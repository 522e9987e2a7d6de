//! The copy as a job: passes until the source is still, and then the comparison.

use std::thread;

use billing_ledger::{CopyFrom, CopyInto, Outline};

use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::log;
use crate::lot::Lot;
use crate::pass::{Pass, Passed};
use crate::proof::Proof;
use crate::rest;
use crate::state::{Stage, State};

/// A pass with more entries than this took some time, in which more may have come: another one follows.
const WORTH_ANOTHER: u64 = 20_000;

/// How many passes follow one another at most, and how often what stands beside the entries is copied again.
const MOST_PASSES: u32 = 10;

/// What came of a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// `None` when the copy has ended: the target is a ledger like the source. Otherwise it is unfinished, and this says why.
    pub unfinished: Option<Unfinished>,
    /// Accounts of the source.
    pub accounts: u64,
    /// Blocks of the source.
    pub blocks: u64,
    /// Entries that this run copied.
    pub new_entries: u64,
    /// Entries that were taken out and that this run copied.
    pub new_removed_entries: u64,
    /// Entries that were read back and compared.
    pub compared_entries: u64,
    /// Receipts and files that were compared.
    pub receipts: u64,
    /// See `receipts`.
    pub files: u64,
    /// Keys of the source.
    pub keys: u64,
}

/// Why a copy has not ended, though nothing failed. All that was there when it began is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unfinished {
    /// Somebody has the source open, and may write to it. Whoever is not seen may too: see `CopyFrom::is_in_use`.
    InUse,
    /// Somebody wrote to the source while it was compared.
    Changed,
}

/// Copies a ledger into another one, or goes on with that.
///
/// While somebody has the source open, all that is there is copied and the target stays unfinished. Once nobody has, what came since is
/// copied, and everything is compared: each block of the source with the same made anew from the target's entries as they are read back,
/// and all that stands beside them. Only then is the target a ledger.
///
/// A copy that an earlier run ended without hearing so is compared once more, and not touched.
///
/// It may be killed at any moment: the next run goes on where this one was. It reads and writes on threads of its own, and its memory
/// does not grow with the ledger.
///
/// # Errors
/// See [`ErrorKind`](crate::ErrorKind). The target stays unfinished.
pub fn copy(from: &dyn CopyFrom, into: Box<dyn CopyInto>, observe: &dyn Fn(&Event)) -> Result<Copied, Error> {
    let mut copied = Copied::default();
    let job = Job { from, into: &*into, observe };
    copied.unfinished = job.run(&mut copied)?;
    if copied.unfinished.is_none() {
        into.finish().map_err(Error::target)?;
    }
    Ok(copied)
}

/// The receipts and the files of a ledger.
type Lots = (Lot, Lot);

struct Job<'a> {
    from: &'a dyn CopyFrom,
    into: &'a dyn CopyInto,
    observe: &'a dyn Fn(&Event),
}

impl Job<'_> {
    fn run(&self, copied: &mut Copied) -> Result<Option<Unfinished>, Error> {
        let Self { from, into, observe } = *self;
        if into.has_ended() {
            return self.compare_again(copied);
        }
        let state = self.state()?;
        if state != State::BEGIN {
            let outline = into.so_far().outline().map_err(Error::target)?;
            observe(&Event::GoesOn { blocks: outline.last_block });
            // An older state of the source would end the pass without what it does not have.
            self.outline_behind(state.until)?;
        }
        if state.stage != Stage::Done {
            copied.count(self.pass(state)?);
        }
        for _ in 0..MOST_PASSES {
            let passed = self.new_pass()?;
            copied.count(passed);
            if passed.entries < WORTH_ANOTHER {
                break;
            }
        }
        rest::copy_receipts(from, into, observe, false)?;
        rest::copy_files(from, into)?;
        if from.is_in_use().map_err(Error::source)? {
            self.describe(copied)?;
            // More may have come to the source by now.
            copied.blocks = into.so_far().outline().map_err(Error::target)?.last_block;
            return Ok(Some(Unfinished::InUse));
        }
        self.end(copied)
    }

    fn state(&self) -> Result<State, Error> {
        self.into.state().map_err(Error::target)?.parse()
    }

    /// Copies what came since the last pass.
    fn new_pass(&self) -> Result<Passed, Error> {
        let State { until, .. } = self.state()?;
        let outline = self.outline_behind(until)?;
        log::take_over(self.from, self.into, until)?;
        let state = State { from: until, until: outline.last_block, stage: Stage::Blocks };
        self.into.put_accounts(&outline, &state.to_string()).map_err(Error::target)?;
        self.pass(state)
    }

    /// The source as it is now, which has the blocks up to this number.
    fn outline_behind(&self, until: u64) -> Result<Outline, Error> {
        let outline = self.from.outline().map_err(Error::source)?;
        match outline.last_block < until {
            true => Err(Error::changed(format_args!("block {until}"))),
            false => Ok(outline),
        }
    }

    fn pass(&self, state: State) -> Result<Passed, Error> {
        let Self { from, into, observe } = *self;
        Pass { from, into, observe, state }.run()
    }

    /// Copies what nobody changes any more, and compares everything.
    fn end(&self, copied: &mut Copied) -> Result<Option<Unfinished>, Error> {
        let Self { from, into, observe } = *self;
        // Whoever had it open until now may have written since the pass.
        copied.count(self.new_pass()?);
        rest::copy_receipts(from, into, observe, false)?;
        rest::copy_files(from, into)?;
        let outline = self.describe(copied)?;
        rest::copy_keys(from, into, &outline)?;
        self.compare(copied, &outline)
    }

    /// Compares a copy that has ended: nobody may have heard so.
    fn compare_again(&self, copied: &mut Copied) -> Result<Option<Unfinished>, Error> {
        let outline = self.describe(copied)?;
        if self.into.so_far().outline().map_err(Error::target)? != outline {
            return Err(Error::used("they have other accounts, or other blocks"));
        }
        if self.from.is_in_use().map_err(Error::source)? {
            return Ok(Some(Unfinished::InUse));
        }
        self.compare(copied, &outline).map_err(|error| match error.kind() {
            ErrorKind::Differs | ErrorKind::Changed => Error::used(error),
            _ => error,
        })
    }

    /// Compares everything, and looks whether somebody wrote to the source meanwhile.
    fn compare(&self, copied: &mut Copied, outline: &Outline) -> Result<Option<Unfinished>, Error> {
        let proven = self.prove(copied, outline);
        let may_be_of_others = match &proven {
            Ok(()) => true,
            // What somebody writes meanwhile may be found as a difference.
            Err(error) => matches!(error.kind(), ErrorKind::Differs | ErrorKind::Changed),
        };
        match may_be_of_others && !self.is_still(outline)? {
            true => Ok(Some(Unfinished::Changed)),
            false => proven.map(|()| None),
        }
    }

    /// Compares everything.
    fn prove(&self, copied: &mut Copied, outline: &Outline) -> Result<(), Error> {
        let Self { from, into, observe } = *self;
        let of = from.ledger().accounts().map_err(Error::source)?.iter().map(|account| account.entries).sum();
        copied.compared_entries = Proof::run(into, observe, of)?;
        let lots = self.check_lots()?;
        (copied.receipts, copied.files) = (lots.0.number, lots.1.number);
        let ours = into.so_far();
        log::check(from, ours, outline.last_block)?;
        if ours.outline().map_err(Error::target)? != *outline {
            return Err(Error::differs("the accounts of the copy are not those of the source".to_owned()));
        }
        let different = match rest::different_key(from, ours, outline)? {
            Some(what) => Some(what.to_owned()),
            None => rest::different_sums(from, ours, outline)?,
        };
        match different {
            Some(what) => Err(Error::differs(format!("{what} of the copy are not those of the source"))),
            None => Ok(()),
        }
    }

    /// True when nobody has the source open, and nothing has come since it was like this.
    fn is_still(&self, outline: &Outline) -> Result<bool, Error> {
        let now = self.from.outline().map_err(Error::source)?;
        Ok(now == *outline && !self.from.is_in_use().map_err(Error::source)?)
    }

    fn describe(&self, copied: &mut Copied) -> Result<Outline, Error> {
        let outline = self.from.outline().map_err(Error::source)?;
        copied.accounts = outline.accounts.len() as u64;
        copied.blocks = outline.last_block;
        copied.keys = self.from.keys_to_copy().map_err(Error::source)?.len() as u64;
        Ok(outline)
    }

    /// Compares receipts and files. Receipts that came with a clock that went back far are copied now.
    fn check_lots(&self) -> Result<Lots, Error> {
        let (theirs, ours) = self.lots()?;
        if theirs == ours {
            return Ok(ours);
        }
        if !self.into.has_ended() {
            rest::copy_receipts(self.from, self.into, self.observe, true)?;
        }
        let (theirs, ours) = self.lots()?;
        match theirs == ours {
            true => Ok(ours),
            false => Err(Error::differs(format!(
                "the source has {} receipts and {} files, and the copy {} and {}, which are not the same",
                theirs.0.number, theirs.1.number, ours.0.number, ours.1.number
            ))),
        }
    }

    /// The receipts and files of both, which are read side by side.
    fn lots(&self) -> Result<(Lots, Lots), Error> {
        let Self { from, into, .. } = *self;
        thread::scope(|scope| {
            let theirs = scope.spawn(|| rest::lots(from).map_err(Error::source));
            let ours = rest::lots(into.so_far()).map_err(Error::target);
            match theirs.join() {
                Ok(theirs) => Ok((theirs?, ours?)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

impl Copied {
    fn count(&mut self, passed: Passed) {
        self.new_entries += passed.entries;
        self.new_removed_entries += passed.taken;
    }
}
