//! Puts entries into the tables: rows, sums, counts, blocks.

use std::borrow::Cow;
use std::mem;

use billing_engine::{Blocks, Deltas, Draft, Share, Summand};
use billing_ledger::{AccountId, Error, ErrorKind, PackedEntries, Position};
use billing_model::UsageEntry;
use futures::future::try_join;

use crate::blocks::BlockRows;
use crate::entry_copy::EntryCopy;
use crate::failure::Failure;
use crate::row::{COPY, count, signed};
use crate::session::Session;
use crate::strings::Strings;
use crate::sums::{SumRows, Tables};

/// Entries that come into one account, or go out of it. They do not count before their sums are stored.
pub(crate) struct Intake {
    account: AccountId,
    strings: Strings,
    deltas: Deltas,
    blocks: Blocks,
    /// Blocks that are complete.
    rows: BlockRows,
    next_sequence: u64,
    entries: u64,
}

impl Intake {
    /// An intake whose entries get numbers from `next_sequence` on.
    pub(crate) fn new(account: AccountId, next_sequence: u64) -> Self {
        let (strings, deltas, blocks) = (Strings::default(), Deltas::default(), Blocks::default());
        Self { account, strings, deltas, blocks, rows: BlockRows::default(), next_sequence, entries: 0 }
    }

    pub(crate) fn account(&self) -> AccountId {
        self.account
    }

    /// How many entries came in.
    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// The number that the next entry gets.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Takes the next number for something that is no entry, before any entry gets one.
    pub(crate) fn take_sequence(&mut self) -> u64 {
        self.next_sequence += 1;
        self.next_sequence - 1
    }

    /// Gives an entry its place, and adds it to sums, counts and blocks.
    pub(crate) fn take(&mut self, entry: &UsageEntry) -> Result<Position, Error> {
        let timestamp_ns = entry.timestamp.unix_ns().ok_or_else(|| Error::timestamp(entry.timestamp))?;
        let position = Position { timestamp_ns, sequence: self.next_sequence };
        self.next_sequence += 1;
        self.entries += 1;
        let summand = self.summand(entry, timestamp_ns);
        self.deltas.add(&summand);
        self.blocks.add(&Share::of(entry, position, summand.currency));
        Ok(position)
    }

    /// Adds an entry that stands there already to sums and counts.
    pub(crate) fn add(&mut self, entry: &UsageEntry, timestamp_ns: i64) {
        let summand = self.summand(entry, timestamp_ns);
        self.deltas.add(&summand);
    }

    /// Takes an entry out of sums and counts.
    pub(crate) fn subtract(&mut self, entry: &UsageEntry, timestamp_ns: i64) {
        let summand = self.summand(entry, timestamp_ns);
        self.deltas.subtract(&summand);
    }

    /// What an entry adds to a block.
    pub(crate) fn share(&mut self, entry: &UsageEntry, position: Position) -> Share {
        Share::of(entry, position, self.strings.number(entry.currency.as_str()))
    }

    /// Takes a block that is complete.
    pub(crate) fn close_block(&mut self, draft: &Draft) {
        self.rows.push(self.account, draft, &self.strings);
    }

    fn summand(&mut self, entry: &UsageEntry, timestamp_ns: i64) -> Summand {
        let strings = &mut self.strings;
        Summand {
            timestamp_ns,
            sku: strings.number(&entry.sku),
            currency: strings.number(entry.currency.as_str()),
            api_key: strings.number_if_any(entry.api_key_id.as_deref()),
            amount: entry.amount,
            units: entry.units,
        }
    }

    /// True when so much is gathered that it is time to store it.
    pub(crate) fn is_full(&self) -> bool {
        self.deltas.is_full() || self.blocks.is_full() || self.strings.is_full()
    }

    /// Hands over what was gathered of sums and counts, and the blocks that are complete.
    fn drain(&mut self, sums: &mut SumRows, is_last: bool) {
        sums.take(self.account, &mut self.deltas, &self.strings);
        // Without their texts no block can go on.
        let is_end = is_last || self.strings.is_full();
        let drafts = if is_end { self.blocks.take_all() } else { self.blocks.take_full() };
        for draft in &drafts {
            self.rows.push(self.account, draft, &self.strings);
        }
        if is_end {
            self.strings.clear();
        }
    }

    /// Keeps what was gathered in the tables of an import that has not ended.
    pub(crate) async fn gather(&mut self, session: Session<'_>, is_last: bool) -> Result<(), Failure> {
        let mut sums = SumRows::default();
        self.drain(&mut sums, is_last);
        let blocks = mem::take(&mut self.rows);
        try_join(sums.store(session, Tables::Gathered), blocks.gather(session)).await.map(drop)
    }

    /// Stores packed entries.
    pub(crate) async fn store_packed(
        &mut self,
        copy: &mut EntryCopy<'_>,
        session: Session<'_>,
        entries: &PackedEntries,
    ) -> Result<(), Failure> {
        let (mut rows, mut left) = (entries.rows(), entries.len());
        while let Some(entry) = rows.next() {
            self.store(copy, session, entry).await?;
            left = left.wrapping_sub(1);
        }
        match left {
            0 => Ok(()),
            _ => Err(Failure::Kind(ErrorKind::Aborted, "packed entries end early".to_owned())),
        }
    }

    /// Stores an entry, and what was gathered when that is much: memory does not grow with entries.
    pub(crate) async fn store(
        &mut self,
        copy: &mut EntryCopy<'_>,
        session: Session<'_>,
        entry: &UsageEntry,
    ) -> Result<(), Failure> {
        let position = self.take(entry)?;
        copy.write(self.account, position, entry).await?;
        if self.is_full() {
            copy.end().await?;
            self.store_sums(session).await?;
        }
        Ok(())
    }

    /// Stores what was gathered of sums and counts.
    pub(crate) async fn store_sums(&mut self, session: Session<'_>) -> Result<(), Failure> {
        let mut sums = SumRows::default();
        self.drain(&mut sums, false);
        sums.store(session, Tables::Ledger).await
    }
}

/// A copy into the ledger's entries.
pub(crate) fn copy(session: Session<'_>) -> EntryCopy<'_> {
    EntryCopy::new(session, Cow::Borrowed(COPY))
}

/// Ends intakes, whose accounts are locked: stores what was gathered, and then the blocks. The commit comes next.
pub(crate) async fn close(session: Session<'_>, intakes: &mut [Intake]) -> Result<(), Failure> {
    let (mut sums, mut blocks) = (SumRows::default(), BlockRows::default());
    let (mut accounts, mut next) = (Vec::new(), Vec::new());
    for intake in intakes {
        intake.drain(&mut sums, true);
        blocks.append(&mut intake.rows);
        accounts.push(intake.account.0);
        next.push(signed(intake.next_sequence));
    }
    let numbers = async {
        let sql = "UPDATE accounts SET next_sequence = ($2::bigint[])[array_position($1::bigint[], id)]
             WHERE id = ANY ($1::bigint[])";
        session.execute(sql, &[&accounts, &next]).await
    };
    try_join(sums.store(session, Tables::Ledger), numbers).await?;
    blocks.store(session).await
}

/// Locks an account, so that nobody else puts entries into it or takes any out until the transaction ends: the number that its next
/// entry gets; `None` when there is no such account.
pub(crate) async fn lock(session: Session<'_>, account: AccountId) -> Result<Option<u64>, Failure> {
    let sql = "SELECT next_sequence FROM accounts WHERE id = $1 FOR NO KEY UPDATE";
    let row = session.row_if_any(sql, &[&account.0]).await?;
    row.map(|row| count(&row, 0)).transpose()
}
