//! The contract.

use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;

use billing_model::{Day, Decimal, LentEntry, Timestamp};

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
use crate::position::{Position, WalkPage};
use crate::sums::{Charges, Rollup};

/// Takes an entry that is lent for the call, and its place. An error ends the call that lends, with that error.
pub type LendEntry<'a> = dyn FnMut(Position, LentEntry<'_>) -> Result<(), Error> + 'a;

/// Takes an entry that was taken out and is lent for the call. An error ends the call that lends, with that error.
pub type LendRemoved<'a> = dyn FnMut(Removed, LentEntry<'_>) -> Result<(), Error> + 'a;

/// Takes a block that is lent for the call. A break ends the call that lends, which is no error.
pub type LendBlock<'a> = dyn FnMut(&Block) -> ControlFlow<()> + 'a;

/// Takes a sum that is lent for the call. A break ends the call that lends, which is no error.
pub type LendRollup<'a> = dyn FnMut(Rollup<'_>) -> ControlFlow<()> + 'a;

/// Takes charges that are lent for the call. A break ends the call that lends, which is no error.
pub type LendCharges<'a> = dyn FnMut(Charges<'_>) -> ControlFlow<()> + 'a;

/// A ledger that is open: what every engine keeps.
///
/// It may be used from any number of threads. Calls wait; wait for them on a thread that may. What is read in one call is of one
/// moment. What takes what is lent must not call the ledger. A call that writes has stored all of it durably when it returns, or nothing, but for
/// [`ErrorKind::OutcomeNotKnown`]. `billing_testkit::ledger_suite!` holds an engine to it by one call.
///
/// # Errors
/// Of every call: the engine's own, in its words, by [`ErrorKind`]; and [`ErrorKind::UnknownAccount`] for an account that is not
/// there, where nothing else is said.
pub trait Ledger: Send + Sync + fmt::Debug {
    /// How many may read at once, so that one more only waits.
    fn concurrent_reads(&self) -> usize;

    /// What the keys and signatures of this ledger are derived from.
    fn key_material(&self) -> &KeyMaterial;

    /// Who has the key with this digest, if it is there and was not revoked; and the digest as it is kept. Every call asks
    /// anew, so a key that is revoked opens nothing from then on.
    fn principal(&self, digest: &KeyDigest) -> Result<Option<(Principal, KeyDigest)>, Error>;

    /// Keeps a new key, and gives the name of its account.
    ///
    /// # Errors
    /// [`ErrorKind::TimestampOutOfRange`].
    fn add_key(&self, key: &NewKey<'_>) -> Result<String, Error>;

    /// All keys of all accounts, the oldest first.
    fn keys(&self) -> Result<Vec<Key>, Error>;

    /// Makes a key good for nothing from now on. `at` is for the record. False when there is no such key, or it was
    /// revoked before.
    fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, Error>;

    /// Records when keys were last let in. A use that is older than the one on record changes nothing.
    ///
    /// A server gathers uses and records them now and then: writing at each request would cost more than the request.
    fn record_key_uses(&self, uses: &[(&str, Timestamp)]) -> Result<(), Error>;

    /// What the account's keys are called, by id: those that have a description, revoked ones too. Of an account that is not there
    /// are none.
    fn key_descriptions(&self, account: AccountId) -> Result<HashMap<String, String>, Error>;

    /// The account of this name, if there is one.
    fn account(&self, name: &str) -> Result<Option<AccountId>, Error>;

    /// Makes an account, or finds the one that has this name already, whatever it is called.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidName`] for a new name against [`check_account_name`](crate::check_account_name).
    fn create_account(&self, name: &str) -> Result<AccountId, Error>;

    /// All accounts, by the bytes of their names.
    fn accounts(&self) -> Result<Vec<Account>, Error>;

    /// Sets the DIEM that an account may spend each UTC day, or that it has none.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidAllocation`] for less than nothing.
    fn set_diem_allocation(&self, account: AccountId, allocation: Option<Decimal>) -> Result<(), Error>;

    /// Removes an account that has nothing. Its allocation and its revoked keys, which open nothing and were charged for
    /// nothing, go with it. No later account gets its number.
    ///
    /// # Errors
    /// [`ErrorKind::AccountInUse`] for one with entries, entries that were taken out, batches, imported files, an import under way, or a
    /// key that is not revoked: the message says which, and nothing was changed.
    fn remove_account(&self, account: AccountId) -> Result<(), Error>;

    /// What an account has, with the DIEM of one day.
    fn funds(&self, account: AccountId, day: Day) -> Result<Funds, Error>;

    /// Lends the entries of a page by its number; none beyond the last. Gives how many entries the filter lets through, on all
    /// pages. Total and entries are of one moment.
    ///
    /// Pages of an account into whose past entries come meanwhile, or out of it, shift; [`Ledger::page_by_position`] has a walk
    /// that does not.
    fn page_by_number(&self, query: &NumberedQuery<'_>, lend: &mut LendEntry<'_>) -> Result<u64, Error>;

    /// Lends the entries of the page of a walk that starts after a position, or of the first page; the oldest first.
    ///
    /// The first page takes no snapshot and gives one; with it, the pages that follow see the ledger as the first saw
    /// it, whatever was stored in between, also within the window. Of an entry that is [amended](crate::Amendment) meanwhile it sees
    /// what it has by then.
    ///
    /// # Errors
    /// [`ErrorKind::WalkOutdated`] when an entry was taken out since the first page that the walk had not reached yet. What was
    /// taken out behind it does not matter to it: it has seen that.
    fn page_by_position(&self, query: &WalkQuery<'_>, lend: &mut LendEntry<'_>) -> Result<WalkPage, Error>;

    /// Lends the account's sums of all days, or of the days from the first to the last given, both included; by day, then by
    /// product, currency and API key, charges before credits: texts by their bytes, currencies as [`Currency`](billing_model::Currency) orders them, no key
    /// before any. Sums of an account that is not there are none.
    fn rollups(
        &self,
        account: AccountId,
        days: Option<(Day, Day)>,
        lend: &mut LendRollup<'_>,
    ) -> Result<(), Error>;

    /// Lends the account's charges from one day to another, both included, by day; what was not spent but credited is left
    /// out. Of an account that is not there are none.
    fn charges(&self, account: AccountId, days: (Day, Day), lend: &mut LendCharges<'_>) -> Result<(), Error>;

    /// Stores batches, of any accounts, in one transaction: when it returns, all of them are durable, whole and once.
    ///
    /// Which batches were stored is written in the transaction that stores them. So there is no moment at which a batch is
    /// there and its key is not, or the other way round: whoever did not hear of the outcome sends the batch again.
    /// Receipts are kept as long as the ledger. The cost of being durable is that of one batch, however many there are.
    ///
    /// # Errors
    /// [`ErrorKind::TimestampOutOfRange`], [`ErrorKind::Busy`] when another writer does not end in time. Then none of them is
    /// stored.
    fn store_batches(&self, batches: &[Batch]) -> Result<Vec<Receipt>, Error>;

    /// How many entries the batch with this key and this digest has, when it is stored; in an account that is not there nothing is.
    /// For whoever would refuse it now:
    /// what is stored is not refused when it is sent again.
    fn find_batch(
        &self,
        account: AccountId,
        idempotency_key: &str,
        digest: &[u8; 32],
    ) -> Result<Option<u64>, Error>;

    /// Takes entries out of an account, amends others and puts others in, in one transaction: when it returns, all of it is
    /// durable, and nobody ever sees a part of it.
    ///
    /// What is taken out is in no page, sum and fund any more. It is kept apart, with the time. A change of nothing changes nothing.
    ///
    /// It has no key by which a repetition is known, and says nothing of what others put in since the window was read: let one writer at a
    /// time bring an account in line.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownEntry`] for an entry that is not there, [`ErrorKind::TimestampOutOfRange`], [`ErrorKind::Busy`] when
    /// another writer does not end in time. Then nothing of it is stored.
    fn change(&self, change: &Change) -> Result<(), Error>;

    /// Lends the entries of an account that were taken out, in the order of their removal; of each 20,000 of one change by their
    /// positions.
    fn removed(&self, account: AccountId, lend: &mut LendRemoved<'_>) -> Result<(), Error>;

    /// Lends the blocks with a number greater than this one, in their order. They are of one moment, and what was recorded at that
    /// moment is in them, but for the entries of an import that has not ended.
    fn blocks(&self, after: u64, lend: &mut LendBlock<'_>) -> Result<(), Error>;

    /// Lends the entries of a block, by their positions: also those that were taken out since, and all as they are by now. Of a
    /// block that is not there are none.
    fn block_entries(&self, number: u64, lend: &mut LendEntry<'_>) -> Result<(), Error>;

    /// Begins an import.
    fn import(&self, account: AccountId) -> Result<Box<dyn Import>, Error>;

    /// The file with this SHA-256, if it was imported into an account. A file without entries never was: nothing of it can
    /// be there twice. Into an account that is not there nothing was.
    fn imported_file(&self, account: AccountId, sha256: &[u8; 32]) -> Result<Option<ImportedFile>, Error>;

    /// True when files were imported into an account, so that it is worth the time to find out a digest.
    fn has_imported_files(&self, account: AccountId) -> Result<bool, Error>;

    /// Removes what an import has left that was killed, where an engine has such a thing: how many entries.
    fn remove_unfinished_import(&self) -> Result<u64, Error> {
        Ok(0)
    }

    /// Tries whether the ledger can be written and has room for so many bytes more. No entry changes.
    ///
    /// # Errors
    /// Why not, as for any call that writes: [`ErrorKind::Full`], [`ErrorKind::CannotOpen`], [`ErrorKind::Io`],
    /// [`ErrorKind::Busy`].
    fn try_writing(&self, room: usize) -> Result<(), Error>;

    /// Makes a key for an account. The second value is the key itself: it is nowhere else, so show it now.
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
        // What the index found is compared once more, in a time that does not tell where a difference is. The index itself
        // may tell something of a digest, which without the ledger's secret is of no use to anybody.
        Ok(found.filter(|(_, kept)| *kept == digest).map(|(principal, _)| principal))
    }
}
