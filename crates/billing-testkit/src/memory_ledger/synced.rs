//! Accounts of a ledger in memory that are copies of a service: what was walked, and whose turn it is.

use std::ops::Bound;

use billing_ledger::{AccountId, Coverage, Error, ErrorKind, Source, TakenTurn, Turn};
use billing_model::Timestamp;

use super::account::Kept;
use super::{MemoryLedger, State, in_range};

/// Where a record that begins before every entry begins.
const OPEN_NS: i64 = i64::MIN;

/// The borders of a record.
struct Span {
    since_ns: i64,
    until_ns: i64,
}

impl Kept {
    pub(super) fn set_source(&mut self, source: &Source) -> Result<(), Error> {
        source.synced_at.map_or(Ok(()), in_range)?;
        if self.source.is_none() && !self.is_empty() {
            let message = format!("the account `{}` has entries, batches or files", self.name);
            return Err(Error::new(ErrorKind::AccountInUse, message));
        }
        self.source = Some(source.clone());
        Ok(())
    }

    /// Refuses entries from elsewhere for a copy of a service.
    pub(super) fn refuse_synced(&self) -> Result<(), Error> {
        match self.source {
            None => Ok(()),
            Some(_) => {
                Err(Error::new(ErrorKind::SyncedAccount, "the account is kept in step with a service"))
            }
        }
    }

    /// Refuses records of what was walked that cannot be.
    pub(super) fn check_cover(&self, records: &[Coverage]) -> Result<(), Error> {
        let refuse = |why: &str| Err(Error::new(ErrorKind::InvalidCoverage, why));
        let spans = records.iter().map(Span::of).collect::<Result<Vec<_>, _>>()?;
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return Ok(()) };
        if self.source.is_none() {
            return refuse("the account is kept in step with no service");
        }
        if spans.iter().any(|span| span.since_ns >= span.until_ns) {
            return refuse("a record has no time");
        }
        if spans.windows(2).any(|pair| pair[0].until_ns != pair[1].since_ns) {
            return refuse("a record does not begin where the one before it ends");
        }
        for border in [first.since_ns, last.until_ns] {
            let before = self.coverage.range(..border).next_back();
            if before.is_some_and(|(_, record)| record.until > Timestamp::from_unix_ns(border)) {
                return refuse("it would cut another record in two");
            }
        }
        Ok(())
    }

    /// Puts in records that were checked, in the place of those that begin in their time.
    pub(super) fn cover(&mut self, records: &[Coverage]) -> Result<(), Error> {
        let spans = records.iter().map(Span::of).collect::<Result<Vec<_>, _>>()?;
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return Ok(()) };
        let begins_within = (Bound::Included(first.since_ns), Bound::Excluded(last.until_ns));
        let old: Vec<i64> = self.coverage.range(begins_within).map(|(since_ns, _)| *since_ns).collect();
        old.iter().for_each(|since_ns| drop(self.coverage.remove(since_ns)));
        for (span, record) in spans.iter().zip(records) {
            let mut record = record.clone();
            record.sums.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            self.coverage.insert(span.since_ns, record);
        }
        Ok(())
    }
}

impl Span {
    fn of(record: &Coverage) -> Result<Self, Error> {
        let ns = |at: Timestamp| at.unix_ns().ok_or_else(|| Error::timestamp(at));
        ns(record.as_of)?;
        Ok(Self { since_ns: record.since.map_or(Ok(OPEN_NS), ns)?, until_ns: ns(record.until)? })
    }
}

impl State {
    /// Who has the turn, if somebody has it. Otherwise it is this holder's.
    fn begin_turn(&mut self, account: AccountId, holder: &str) -> Option<String> {
        if let Some(holder) = self.turns.get(&account) {
            return Some(holder.clone());
        }
        self.turns.insert(account, holder.to_owned());
        None
    }
}

/// A turn that ends when this is dropped.
struct Held {
    ledger: MemoryLedger,
    account: AccountId,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.state().turns.remove(&self.account);
    }
}

pub(super) fn take_turn(ledger: &MemoryLedger, account: AccountId, holder: &str) -> Result<Turn, Error> {
    let mut state = ledger.state();
    state.account(account)?;
    Ok(match state.begin_turn(account, holder) {
        Some(holder) => Turn::HeldBy(holder),
        None => Turn::Taken(TakenTurn::new(Held { ledger: ledger.clone(), account })),
    })
}
