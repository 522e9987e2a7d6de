//! One round of `billing sync`: the ledger and the account, found or made; the run; and what is taken away again when nothing came
//! of it.

use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::anyhow;
use billing_ledger::{AccountId, Error, ErrorKind, Ledger, check_account_name};
use billing_sqlite::SqliteLedger;
use billing_sync::{Cause, SyncJob, Synced};
use tokio::runtime::Runtime;

use crate::clock::now;
use crate::exit::Failure;
use crate::interrupt::Interrupted;
use crate::keeping::{Asked, Telling, holder, of_ledger};
use crate::ledgers::{LookUp, OpenLedger};
use crate::progress::Shown;
use crate::scratch::Scratch;
use crate::{accounts, args, ledgers, text};

/// A sync that was asked for.
pub(crate) struct Round<'a> {
    pub(crate) args: &'a args::Sync,
    pub(crate) asked: Asked<'a>,
}

/// The ledger and the account, open.
pub(crate) struct Opened {
    ledger: OpenLedger,
    account: AccountId,
    /// True for an account that was made for this round.
    is_new: bool,
    /// Where the ledger of a rehearsal is that has no other.
    _scratch: Option<Scratch>,
}

/// A round that came to its end.
pub(crate) struct Done {
    pub(crate) synced: Synced,
    pub(crate) elapsed: Duration,
    /// True when the account was not there before.
    pub(crate) made_account: bool,
    /// Warnings that were kept for the summary.
    pub(crate) warnings: Vec<String>,
}

impl<'a> Round<'a> {
    /// Checks the flags, and reads the key. Nothing is made.
    pub(crate) fn new(args: &'a args::Sync) -> Result<Self, Failure> {
        let (since, until) = (args.since.as_deref(), args.until.as_deref());
        Ok(Self { args, asked: Asked::new(&args.walking, &args.ledger, since, until)? })
    }

    /// Brings the account in line once. The ledger stays open for the next round in `opened`, unless it failed.
    pub(crate) fn run(
        &self,
        opened: &mut Option<Opened>,
        runtime: &Runtime,
        interrupted: &mut Interrupted,
    ) -> Result<Done, Failure> {
        let mut at = match opened.take() {
            Some(at) => at,
            None => self.open()?,
        };
        // A ledger that is taken forward has a moving line of its own, so this one comes behind it.
        let telling = Telling::new(self.shown());
        let (sync, progress) = (self.sync(&at), telling.progress());
        let observe = |event: &billing_sync::Event<'_>| telling.tell(event);
        let keeps = !self.args.dry_run;
        let ended = self
            .asked
            .run(runtime, interrupted, &telling, keeps, async |client| sync.run(client, now, observe).await);
        progress.end();
        let is_stored = ended.is_ok() || telling.done().windows > 0;
        let made_account = std::mem::take(&mut at.is_new);
        let is_held =
            ended.as_ref().err().and_then(Failure::of).is_some_and(|cause| matches!(cause, Cause::Held(_)));
        if is_held {
            // Somebody else is about to store something.
        } else if !is_stored {
            at.take_away(made_account);
        } else if ended.as_ref().err().is_none_or(|failure| failure.of::<Error>().is_none()) {
            *opened = Some(at);
        }
        let (elapsed, warnings) = (progress.elapsed(), progress.kept());
        ended.map(|synced| Done { synced, elapsed, made_account, warnings })
    }

    fn shown(&self) -> Shown {
        match (self.args.quiet, self.args.json) {
            (true, _) => Shown::Quiet,
            (false, true) => Shown::Kept,
            // A log has a line for each round, and not one for each ten seconds of it.
            (false, false) if self.args.every.is_some() && !io::stderr().is_terminal() => Shown::Events,
            (false, false) => Shown::All,
        }
    }

    fn sync(&self, at: &Opened) -> SyncJob {
        let (args, walking) = (self.args, &self.args.walking);
        SyncJob::of(at.ledger.shared(), at.account)
            .since(self.asked.since())
            .until(self.asked.until())
            .settle(args.settle)
            .overlap(args.overlap)
            .full(args.full)
            .accept_vanished(args.accept_vanished)
            .dry_run(args.dry_run)
            .holder(holder())
            .endpoint(walking.endpoint.into())
            .page_size(walking.page_size)
            .concurrency(walking.concurrency)
    }

    fn open(&self) -> Result<Opened, Failure> {
        if self.args.dry_run {
            return self.open_for_rehearsal();
        }
        let place = self.args.ledger.place_to_make()?;
        let ledger = ledgers::open_or_create(&place).map_err(of_ledger)?;
        let (account, is_new) = accounts::find_or_create(&*ledger, &self.args.account)
            .inspect_err(|_| ledger.remove_if_unused())?;
        Ok(Opened { ledger, account, is_new, _scratch: None })
    }

    /// A rehearsal of a first sync has a ledger of its own, which is gone behind it.
    fn open_for_rehearsal(&self) -> Result<Opened, Failure> {
        let name = &self.args.account;
        if LookUp::of(&self.asked.place, name).and_then(|found| found.is_there()).map_err(of_ledger)? {
            let ledger = ledgers::open(&self.asked.place).map_err(of_ledger)?;
            if let Some(account) = ledger.account(name)? {
                check_is_free(&*ledger, account, name)?;
                return Ok(Opened { ledger, account, is_new: false, _scratch: None });
            }
        }
        check_account_name(name).map_err(accounts::refused)?;
        let scratch = Scratch::new().map_err(|error| {
            let what = "a directory for the ledger of the dry run cannot be made";
            Failure::failed(anyhow!(error).context(what)).hint("TMPDIR says where it is to be")
        })?;
        let ledger = OpenLedger::File(SqliteLedger::open_or_create(&scratch.path().join("ledger.db"))?);
        let account = ledger.create_account(name)?;
        Ok(Opened { ledger, account, is_new: false, _scratch: Some(scratch) })
    }
}

/// Refuses what a sync would refuse: an account with entries from elsewhere.
fn check_is_free(ledger: &dyn Ledger, account: AccountId, name: &str) -> Result<(), Failure> {
    if ledger.source(account)?.is_some() {
        return Ok(());
    }
    let entries = ledger.accounts()?.into_iter().find(|other| other.id == account).map(|found| found.entries);
    match entries {
        Some(1..) => {
            let entries = text::entries(entries.unwrap_or_default());
            let message = format!("account `{name}` is no copy of a service, and has {entries}");
            Err(of_ledger(Error::new(ErrorKind::AccountInUse, message).into()))
        }
        _ => Ok(()),
    }
}

impl Opened {
    /// Takes away what was made for a round of which nothing was stored. What somebody else has used meanwhile stays, and if this
    /// fails, an empty account or ledger does.
    fn take_away(self, made_account: bool) {
        if made_account {
            let _ = self.ledger.remove_account(self.account);
        }
        self.ledger.remove_if_unused();
    }
}
