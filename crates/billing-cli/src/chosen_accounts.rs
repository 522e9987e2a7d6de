//! What `today` and `statusline` ask of a ledger alike: which accounts, their DIEM, and when they were brought in line.

use std::path::Path;

use billing_ledger::{AccountId, Error, Ledger};
use billing_model::{Day, Timestamp};
use billing_report::{Diem, LastSync};

use crate::accounts::named;
use crate::exit::Failure;

/// How often entries are read beside the DIEM of the day.
const MOST_READS: u32 = 10;

/// Accounts of a ledger.
pub(crate) struct ChosenAccounts {
    pub(crate) ids: Vec<AccountId>,
    pub(crate) names: Vec<String>,
}

impl ChosenAccounts {
    /// The accounts of these names, or all where none is named.
    pub(crate) fn of(ledger: &dyn Ledger, path: &Path, names: &[String]) -> Result<Self, Failure> {
        let (ids, names) = named(ledger, path, names)?.into_iter().unzip();
        Ok(Self { ids, names })
    }

    /// What `read` reads, with the DIEM of the UTC day that it is. Where the DIEM has moved meanwhile both are read again, so that the
    /// two say the same; where it moves each time, the last of both.
    pub(crate) fn with_diem<T>(
        &self,
        ledger: &dyn Ledger,
        now: Timestamp,
        mut read: impl FnMut() -> Result<T, Error>,
    ) -> Result<(T, Diem), Error> {
        let mut before = self.diem(ledger, now)?;
        for _ in 1..MOST_READS {
            let read = read()?;
            let after = self.diem(ledger, now)?;
            if before == after {
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
