//! The contract.

use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use billing_model::{Day, Decimal, LentEntry, TimeWindow, Timestamp};

use crate::account::{Account, AccountId, Funds};
use crate::batch::{Batch, Receipt};
use crate::block::Block;
use crate::change::{Change, Removed};
use crate::error::{Error, ErrorKind};
use crate::filter::{NumberedQuery, WalkQuery};
use crate::import::{Import, ImportedFile};
use crate::key::{Key, NewKey, Principal};
use crate::key_kind::KeyKind;
use crate::key_material::{KeyDigest, KeyMaterial, Secret, random_id};
use crate::pool::Pool;
use crate::position::{Position, WalkPage};
use crate::source::{Coverage, Source, Turn};
use crate::sums::{Charges, Rollup};

/// Takes an entry that is lent for the call, and its place. An error ends the call that lends, with that error.
pub type LendEntry<'a> = dyn FnMut(Position, LentEntry<'_>) -> Result<(), Error> + 'a;

/// Takes an entry that was taken out and is lent for the call. An error ends the call that lends, with that error.
pub type LendRemoved<'a> = dyn FnMut(Removed, LentEntry<'_>) -> Result<(), Error> + 'a;

/// Takes a block that is lent for the call. A break ends the call that lends, which is no error.
pub type LendBlock<'a> = dyn FnMut(&Block) -> ControlFlow<()> + 'a;

/// Takes a record of what was walked that is lent for the call. A break ends the call that lends, which is no error.
pub type LendCoverage<'a> = dyn FnMut(&Coverage) -> ControlFlow<()> + 'a;

/// Takes a sum that is lent for the call. A break ends the call that lends, which is no error.
pub type LendRollup<'a> = dyn FnMut(Rollup<'_>) -> ControlFlow<()> + 'a;

/// Takes charges that are lent for the call. A break ends the call that lends, which is no error.
pub type LendCharges<'a> = dyn FnMut(Charges<'_>) -> ControlFlow<()> + 'a;

/// A ledger that is open: what every engine keeps.
///
/// It may be used from any number of threads. Calls block, so make them on a thread that may block. What one call reads
/// is of one moment. A function that something is lent to must not call the ledger. A call that writes has stored all
/// of it durably when it returns, or nothing, but for [`ErrorKind::OutcomeNotKnown`]. `billing_testkit::ledger_suite!`
/// tests an engine for all of this.
///
/// # Errors
/// Every call may fail with the engine's own errors, in its words, each with its [`ErrorKind`]; and with
/// [`ErrorKind::UnknownAccount`] for an account that is not there, unless the call says otherwise.
pub trait Ledger: Send + Sync + fmt::Debug {
    /// How many calls can read at the same time. One more has to wait.
    fn concurrent_reads(&self) -> usize;

    /// The connections of an engine that has a pool of them.
    fn pool(&self) -> Option<Pool> {
        None
    }

    /// What the keys and signatures of this ledger are derived from.
    fn key_material(&self) -> &KeyMaterial;

    /// Whose key has this digest, if it is there and was not revoked; and the digest as it is kept. Nothing is
    /// remembered between calls, so a revoked key opens nothing from then on.
    fn principal(&self, digest: &KeyDigest) -> Result<Option<(Principal, KeyDigest)>, Error>;

    /// Keeps a new key, and gives the name of its account.
    ///
    /// # Errors
    /// [`ErrorKind::TimestampOutOfRange`].
    fn add_key(&self, key: &NewKey<'_>) -> Result<String, Error>;

    /// All keys of all accounts, the oldest first.
    fn keys(&self) -> Result<Vec<Key>, Error>;

    /// Revokes a key: it opens nothing from now on. `at` is for the record. False when there is no such key, or it was
    /// revoked before.
    fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, Error>;

    /// Records when keys were last let in. A use that is older than the one on record changes nothing.
    ///
    /// A server gathers uses and records them now and then: writing at each request would cost more than the request.
    fn record_key_uses(&self, uses: &[(&str, Timestamp)]) -> Result<(), Error>;

    /// The descriptions of the account's keys, by id, also of revoked keys. Keys without a description are left out.
    /// For an account that is not there the map is empty.
    fn key_descriptions(&self, account: AccountId) -> Result<HashMap<String, String>, Error>;

    /// The account of this name, if there is one.
    fn account(&self, name: &str) -> Result<Option<AccountId>, Error>;

    /// Makes an account, or finds the one that has this name. An existing account is found even if its name is against
    /// today's rules.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] for a new name against [`check_account_name`](crate::check_account_name).
    fn create_account(&self, name: &str) -> Result<AccountId, Error>;

    /// All accounts, by the bytes of their names.
    fn accounts(&self) -> Result<Vec<Account>, Error>;

    /// Sets the DIEM that an account may spend each UTC day, or that it has none.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidAllocation`] for an allocation below zero.
    fn set_diem_allocation(&self, account: AccountId, allocation: Option<Decimal>) -> Result<(), Error>;

    /// Removes an account that has nothing. Its allocation, its source and its revoked keys go with it. No later account gets its
    /// number.
    ///
    /// # Errors
    /// [`ErrorKind::AccountInUse`] for one with entries, entries that were taken out, batches, imported files, an import under way, or a
    /// key that is not revoked: the message says which, and nothing was changed.
    fn remove_account(&self, account: AccountId) -> Result<(), Error>;

    /// What an account has, with the DIEM of one day.
    fn funds(&self, account: AccountId, day: Day) -> Result<Funds, Error>;

    /// Lends the entries of a page by its number; none beyond the last page. Returns how many entries the filter lets
    /// through on all pages. That total and the entries are of one moment.
    ///
    /// When entries come into the account's past meanwhile, or go out of it, later pages shift. The walk of
    /// [`Ledger::page_by_position`] does not.
    fn page_by_number(&self, query: &NumberedQuery<'_>, lend: &mut LendEntry<'_>) -> Result<u64, Error>;

    /// Lends the entries of the page of a walk that starts after a position, or of the first page; the oldest first.
    ///
    /// The first page takes no snapshot and gives one; with it, the pages that follow see the ledger as the first saw
    /// it, whatever was stored in between, also within the window. An entry that is [amended](crate::Amendment)
    /// meanwhile is lent as it is by then.
    ///
    /// # Errors
    /// [`ErrorKind::WalkOutdated`] when, since the first page, an entry was taken out that the walk had not reached
    /// yet. Entries that the walk has seen already may be taken out.
    fn page_by_position(&self, query: &WalkQuery<'_>, lend: &mut LendEntry<'_>) -> Result<WalkPage, Error>;

    /// Lends the account's sums of all days, or of the days from the first to the last given, both included; by day,
    /// then by product, currency and API key, charges before credits: texts by their bytes, currencies as
    /// [`Currency`](billing_model::Currency) orders them, no key before any. An account that is not there has no sums.
    fn rollups(
        &self,
        account: AccountId,
        days: Option<(Day, Day)>,
        lend: &mut LendRollup<'_>,
    ) -> Result<(), Error>;

    /// Lends the account's charges from one day to another, both included, by day. Credits are left out. An account
    /// that is not there has none.
    fn charges(&self, account: AccountId, days: (Day, Day), lend: &mut LendCharges<'_>) -> Result<(), Error>;

    /// Stores batches, of any accounts, in one transaction: when it returns, all of them are durable, whole and once.
    ///
    /// Which batches were stored is written in the transaction that stores them. So at no moment is a batch there
    /// without its key, or the key without the batch: a sender who did not hear of the outcome just sends the batch
    /// again. Receipts are kept as long as the ledger. Making all of them durable costs as much as for one batch.
    ///
    /// # Errors
    /// [`ErrorKind::TimestampOutOfRange`], [`ErrorKind::Busy`] when another writer does not end in time. Then none of them is
    /// stored.
    fn store_batches(&self, batches: &[Batch]) -> Result<Vec<Receipt>, Error>;

    /// The same for whoever has other things to store meanwhile: where accounts are locked apart, batches for those to which others write
    /// are not stored, and their receipt is [`Receipt::Busy`]. If no account is free, it waits so long for one.
    ///
    /// # Errors
    /// As [`store_batches`](Self::store_batches).
    fn store_free_batches(&self, batches: &[Batch], wait: Duration) -> Result<Vec<Receipt>, Error> {
        let _ = wait;
        self.store_batches(batches)
    }

    /// How many entries the batch with this key and this digest has, if it is stored. In an account that is not there,
    /// nothing is. A caller that would refuse the batch now asks first: a stored batch is not refused when it is sent
    /// again.
    fn find_batch(
        &self,
        account: AccountId,
        idempotency_key: &str,
        digest: &[u8; 32],
    ) -> Result<Option<u64>, Error>;

    /// Takes entries out of an account, amends others and puts others in, in one transaction: when it returns, all of it is
    /// durable, and nobody ever sees a part of it.
    ///
    /// What is taken out is no longer in any page, sum or fund. It is kept apart, with the time. An empty change does
    /// nothing.
    ///
    /// A synced account is changed by who has its [turn](Ledger::take_turn), with [`Change::seen`].
    ///
    /// # Errors
    /// [`ErrorKind::UnknownEntry`] for an entry that is not there, [`ErrorKind::Outdated`], [`ErrorKind::InvalidCoverage`],
    /// [`ErrorKind::TimestampOutOfRange`], [`ErrorKind::Busy`] when another writer does not end in time. Then nothing of it is
    /// stored.
    fn change(&self, change: &Change) -> Result<(), Error>;

    /// Makes a change in a window whose entries cannot be trusted, and makes everything anew that is kept of this window beside the
    /// entries: counts, sums, blocks. All of it is one transaction.
    ///
    /// It is for a ledger that somebody or something else has written to. The sums of the UTC days that the window touches are
    /// made anew whole. A block that is made anew may have other digests and, where entries of it are lost, fewer entries; what
    /// is left of it behind a gap is a block of its own, behind all others. When all entries of a block are lost, the last block
    /// gets its number. So who reads [blocks](Ledger::blocks) begins anew after a repair.
    ///
    /// Sequence numbers are made right in the whole account. Where entries get others, a walk that began before is refused with
    /// [`ErrorKind::WalkOutdated`].
    ///
    /// It passes over all entries of the account while nobody else can write, so repair a long window rather than many.
    ///
    /// # Errors
    /// As [`Ledger::change`].
    fn repair(&self, change: &Change, window: TimeWindow) -> Result<(), Error>;

    /// The service that an account is kept in step with, if it is.
    fn source(&self, account: AccountId) -> Result<Option<Source>, Error>;

    /// Makes an account a copy of a service, or replaces what is kept of this service. From then on batches and imports into it are
    /// refused.
    ///
    /// # Errors
    /// [`ErrorKind::AccountInUse`] for an account that is no copy yet and has entries, entries that were taken out, batches,
    /// imported files or an import under way: the message says which, and nothing was changed.
    fn set_source(&self, account: AccountId, source: &Source) -> Result<(), Error>;

    /// Lends the records of what was walked of a synced account, in the order of time. They are of one moment.
    fn coverage(&self, account: AccountId, lend: &mut LendCoverage<'_>) -> Result<(), Error>;

    /// Takes the right to bring an account in line, or says who has it: what that one gave as `holder`, one short line. It
    /// never waits.
    fn take_turn(&self, account: AccountId, holder: &str) -> Result<Turn, Error>;

    /// Lends the entries of an account that were taken out, in the order of their removal. A change takes them out in
    /// lots of 20,000; within a lot they come by their positions.
    fn removed(&self, account: AccountId, lend: &mut LendRemoved<'_>) -> Result<(), Error>;

    /// Lends the blocks with a greater number than this one, in order. They are of one moment, and have everything that
    /// was recorded by then, except the entries of an import that has not ended.
    fn blocks(&self, after: u64, lend: &mut LendBlock<'_>) -> Result<(), Error>;

    /// Lends the entries of a block by their positions, as they are now, also those that were taken out since. A block
    /// that is not there has none.
    fn block_entries(&self, number: u64, lend: &mut LendEntry<'_>) -> Result<(), Error>;

    /// Begins an import.
    ///
    /// # Errors
    /// [`ErrorKind::SyncedAccount`], also from [`Import::finish`] where the account became one meanwhile.
    fn import(&self, account: AccountId) -> Result<Box<dyn Import>, Error>;

    /// The file with this SHA-256, if it was imported into an account. A file without entries is never noted, because
    /// nothing of it can be there twice. An account that is not there has no files.
    fn imported_file(&self, account: AccountId, sha256: &[u8; 32]) -> Result<Option<ImportedFile>, Error>;

    /// True when files were imported into an account. Otherwise it is not worth the time to compute a digest.
    fn has_imported_files(&self, account: AccountId) -> Result<bool, Error>;

    /// Removes the entries that a killed import has left, where an engine has such. Returns how many they were.
    fn remove_unfinished_import(&self) -> Result<u64, Error> {
        Ok(0)
    }

    /// Tries whether the ledger can be written and has room for so many bytes more. No entry changes.
    ///
    /// # Errors
    /// The reason why not, as from any call that writes: [`ErrorKind::Full`], [`ErrorKind::CannotOpen`],
    /// [`ErrorKind::Io`], [`ErrorKind::Busy`].
    fn try_writing(&self, room: usize) -> Result<(), Error>;

    /// Makes a key for an account. The second value is the key itself, which is kept nowhere: show it now.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] for a description with control characters, [`ErrorKind::TimestampOutOfRange`],
    /// [`ErrorKind::NoRandomness`].
    fn create_key(
        &self,
        account: AccountId,
        kind: KeyKind,
        description: &str,
        created_at: Timestamp,
    ) -> Result<(Key, Secret), Error> {
        if description.contains(char::is_control) {
            let description = description.escape_debug();
            let message = format!("`{description}` is no description for a key: it has control characters");
            return Err(Error::new(ErrorKind::InvalidName, message));
        }
        let (id, secret) = (random_id()?, Secret::random(kind)?);
        let (digest, last_six) = (self.key_material().digest(secret.expose()), secret.last_six());
        let new = NewKey { account, id: &id, kind, description, digest, last_six, created_at };
        let name = self.add_key(&new)?;
        let (description, last_six) = (description.to_owned(), last_six.to_owned());
        let (revoked_at, last_used_at) = (None, None);
        let key =
            Key { id, account: name, kind, description, last_six, created_at, revoked_at, last_used_at };
        Ok((key, secret))
    }

    /// Who has this key, if it is one of this ledger and was not revoked.
    fn authenticate(&self, presented: &str) -> Result<Option<Principal>, Error> {
        let digest = self.key_material().digest(presented);
        let found = self.principal(&digest)?;
        // The digest that the index found is compared once more, in constant time. The time of the index lookup may
        // tell something about a digest, but without the ledger's secret a digest is of no use.
        Ok(found.filter(|(_, kept)| *kept == digest).map(|(principal, _)| principal))
    }
}
