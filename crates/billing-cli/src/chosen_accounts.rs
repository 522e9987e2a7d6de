//! What `today` and `statusline` ask of a ledger alike: which accounts, their DIEM, and when they were brought in line.

use std::path::Path;

use billing_ledger::{AccountId, Error, Ledger};
use billing_model::{Day, Timestamp};
use billing_report::{Diem, LastSync};

use crate::accounts::named;
use crate::exit::Failure;

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

    /// The DIEM of the UTC day that it is.
    pub(crate) fn diem(&self, ledger: &dyn Ledger, now: Timestamp) -> Result<Diem, Error> {
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
