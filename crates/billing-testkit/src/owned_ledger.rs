//! Pages and sums of a ledger as values of one's own: a test keeps what a ledger only lends.

use std::ops::ControlFlow;

use billing_ledger::{
    AccountId, Block, Coverage, Error, Filter, Ledger, NumberedQuery, Position, Removed, Snapshot, WalkPage,
    WalkQuery,
};
use billing_model::{Currency, Day, SortOrder, Total, UsageEntry};

/// A page by its number, with the number of entries on all pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedPage {
    /// The entries, in the order asked for. None beyond the last page.
    pub entries: Vec<UsageEntry>,
    /// How many entries the filter lets through, on all pages.
    pub total: u64,
}

/// A page of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionedPage {
    /// The entries, the oldest first.
    pub entries: Vec<UsageEntry>,
    /// What the walk sees.
    pub snapshot: Snapshot,
    /// Where the next page starts; `None` at the end of the walk.
    pub next: Option<Position>,
}

/// A sum of a day, product, currency and API key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnedRollup {
    /// The day, in UTC.
    pub day: Day,
    /// The product.
    pub sku: String,
    /// What `amount` counts.
    pub currency: Currency,
    /// The API key that was charged.
    pub api_key_id: Option<String>,
    /// True for what is above zero.
    pub is_credit: bool,
    /// How many entries.
    pub entries: u64,
    /// The sum of their amounts.
    pub amount: Total,
    /// The sum of their units.
    pub units: Total,
}

/// A block, and its entries by their places.
pub type OwnedBlock = (Block, Vec<(Position, UsageEntry)>);

/// The calls of [`Ledger`], with the same arguments, that return values instead of lending them.
pub trait OwnedLedger: Ledger {
    /// [`Ledger::page_by_number`].
    ///
    /// # Errors
    /// As there.
    fn numbered_page(
        &self,
        account: AccountId,
        filter: &Filter,
        order: SortOrder,
        limit: u32,
        page: u32,
    ) -> Result<NumberedPage, Error> {
        let mut entries = Vec::new();
        let query = NumberedQuery { account, filter, order, limit, page };
        let total = self.page_by_number(&query, &mut |_, entry| {
            entries.push(entry.to_entry()?);
            Ok(())
        })?;
        Ok(NumberedPage { entries, total })
    }

    /// [`Ledger::page_by_position`].
    ///
    /// # Errors
    /// As there.
    fn positioned_page(
        &self,
        account: AccountId,
        filter: &Filter,
        snapshot: Option<Snapshot>,
        after: Option<Position>,
        limit: u32,
    ) -> Result<PositionedPage, Error> {
        let mut entries = Vec::new();
        let query = WalkQuery { account, filter, snapshot, after, limit };
        let WalkPage { snapshot, next } = self.page_by_position(&query, &mut |_, entry| {
            entries.push(entry.to_entry()?);
            Ok(())
        })?;
        Ok(PositionedPage { entries, snapshot, next })
    }

    /// All entries of an account by their places, the oldest first.
    ///
    /// # Errors
    /// As of [`Ledger::page_by_position`].
    fn placed_entries(&self, account: AccountId) -> Result<Vec<(Position, UsageEntry)>, Error> {
        let mut entries = Vec::new();
        let filter = Filter::default();
        let query = WalkQuery { account, filter: &filter, snapshot: None, after: None, limit: u32::MAX };
        self.page_by_position(&query, &mut |position, entry| {
            entries.push((position, entry.to_entry()?));
            Ok(())
        })?;
        Ok(entries)
    }

    /// [`Ledger::removed`].
    ///
    /// # Errors
    /// As there.
    fn removed_entries(&self, account: AccountId) -> Result<Vec<(Removed, UsageEntry)>, Error> {
        let mut entries = Vec::new();
        self.removed(account, &mut |removed, entry| {
            entries.push((removed, entry.to_entry()?));
            Ok(())
        })?;
        Ok(entries)
    }

    /// [`Ledger::blocks`], each with its entries by [`Ledger::block_entries`].
    ///
    /// # Errors
    /// As there.
    fn owned_blocks(&self, after: u64) -> Result<Vec<OwnedBlock>, Error> {
        let mut blocks = Vec::new();
        self.blocks(after, &mut |block| {
            blocks.push((block.clone(), Vec::new()));
            ControlFlow::Continue(())
        })?;
        for (block, entries) in &mut blocks {
            self.block_entries(block.number, &mut |position, entry| {
                entries.push((position, entry.to_entry()?));
                Ok(())
            })?;
        }
        Ok(blocks)
    }

    /// [`Ledger::coverage`].
    ///
    /// # Errors
    /// As there.
    fn owned_coverage(&self, account: AccountId) -> Result<Vec<Coverage>, Error> {
        let mut records = Vec::new();
        self.coverage(account, &mut |record| {
            records.push(record.clone());
            ControlFlow::Continue(())
        })?;
        Ok(records)
    }

    /// [`Ledger::rollups`].
    ///
    /// # Errors
    /// As there.
    fn owned_rollups(&self, account: AccountId, days: Option<(Day, Day)>) -> Result<Vec<OwnedRollup>, Error> {
        let mut rollups = Vec::new();
        self.rollups(account, days, &mut |rollup| {
            rollups.push(OwnedRollup {
                day: rollup.day,
                sku: rollup.sku.to_owned(),
                currency: rollup.currency.clone(),
                api_key_id: rollup.api_key_id.map(str::to_owned),
                is_credit: rollup.is_credit,
                entries: rollup.entries,
                amount: rollup.amount.clone(),
                units: rollup.units.clone(),
            });
            ControlFlow::Continue(())
        })?;
        Ok(rollups)
    }
}

impl<L: Ledger + ?Sized> OwnedLedger for L {}
