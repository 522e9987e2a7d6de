//! What `today` and `statusline` ask of a ledger alike: which accounts, their DIEM, and when they were brought in line.

use std::time::{Duration, Instant};

use billing_ledger::{AccountId, Error, Ledger};
use billing_model::{Day, Timestamp};
use billing_report::{Diem, LastSync};

use crate::accounts::named;
use crate::exit::Failure;
use crate::ledger_place::LedgerPlace;

/// How often entries are read beside the DIEM of the day, at the most.
const MOST_READS: u32 = 10;

/// They are not read again after so long: somebody waits for them.
const LONG: Duration = Duration::from_secs(1);

/// Accounts of a ledger.
pub(crate) struct ChosenAccounts {
    pub(crate) ids: Vec<AccountId>,
    pub(crate) names: Vec<String>,
}

impl ChosenAccounts {
    /// The accounts of these names, or all where none is named.
    pub(crate) fn of(ledger: &dyn Ledger, place: &LedgerPlace, names: &[String]) -> Result<Self, Failure> {
        let (ids, names) = named(ledger, place, names)?.into_iter().unzip();
        Ok(Self { ids, names })
    }

    /// What `read` reads, with the DIEM of the UTC day that it is. Where the DIEM has moved meanwhile both are read again, so that the
    /// two say the same; where it moves each time, or after a second, the last of both.
    pub(crate) fn with_diem<T>(
        &self,
        ledger: &dyn Ledger,
        now: Timestamp,
        mut read: impl FnMut() -> Result<T, Error>,
    ) -> Result<(T, Diem), Error> {
        let (start, mut before) = (Instant::now(), self.diem(ledger, now)?);
        for _ in 1..MOST_READS {
            let read = read()?;
            let after = self.diem(ledger, now)?;
            if before == after || start.elapsed() > LONG {
                return Ok((read, after));
            }
            before = after;
        }
        Ok((read()?, self.diem(ledger, now)?))
    }

    /// The DIEM of the UTC day that it is.
    fn diem(&self, ledger: &dyn Ledger, now: Timestamp) -> Result<Diem, Error> {
        let mut diem = Diem::default();
        if let Some(day) = Day::of(now) {
            for id in &self.ids {
                let funds = ledger.funds(*id, day)?;
                diem.add(funds.diem_allocation, &funds.diem_of_day);
            }
        }
        Ok(diem)
    }

    /// When the synced accounts were last brought in line. Ask before the entries are read: a sync that ends in between would be told
    /// of figures that lack what it brought.
    pub(crate) fn synced(&self, ledger: &dyn Ledger) -> Result<LastSync, Error> {
        self.ids.iter().try_fold(LastSync::None, |last, id| {
            Ok(ledger.source(*id)?.map_or(last, |source| last.and(source.synced_at)))
        })
    }
}

#[cfg(test)]
mod tests {
    use billing_ledger::Change;
    use billing_model::{Currency, UsageEntry};
    use billing_testkit::{MemoryLedger, entry_at};

    use super::*;

    #[test]
    fn what_is_read_is_of_the_moment_of_the_diem() {
        let ledger = MemoryLedger::new().unwrap();
        let id = ledger.create_account("default").unwrap();
        let now: Timestamp = "2026-06-15T12:00:00Z".parse().unwrap();
        let accounts = ChosenAccounts { ids: vec![id], names: Vec::new() };
        for busy in [0, 1, 3, 40] {
            let before = accounts.diem(&ledger, now).unwrap().used;
            let mut reads = 0;
            let (last, diem) = accounts
                .with_diem(&ledger, now, || {
                    reads += 1;
                    let used = accounts.diem(&ledger, now)?.used;
                    // So often, something is charged between the reading and the DIEM.
                    if reads <= busy {
                        let entry = UsageEntry { currency: Currency::Diem, ..entry_at(now, "-1") };
                        let add = vec![entry].into();
                        ledger.change(&Change { add, ..Change::of(id, now) })?;
                    }
                    Ok(used)
                })
                .unwrap();
            assert_eq!(reads, MOST_READS.min(busy + 1));
            assert_eq!(last == diem.used, busy < MOST_READS, "{busy}");
            assert!(diem.used > before || busy == 0);
        }
    }
}
