//! The proof: what is held is compared with what the source has, and mended where that is wanted.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use billing_http::{Border, Client, Endpoint, Traffic};
use billing_ledger::{AccountId, Change, Coverage, Ledger, Source, TakenTurn};
use billing_model::Timestamp;

use crate::days::{self, DayCharges, Days};
use crate::different::Different;
use crate::error::{Cause, Error};
use crate::event::Event;
use crate::held::{self, Content, Held};
use crate::key;
use crate::line::{Line, Mode};
use crate::records::{self, Records};
use crate::run::{Asking, Run, blocking};
use crate::span::{Span, joined};
use crate::sync;
use crate::tally::Tally;
use crate::turn;
use crate::window_difference::WindowDifference;

/// Proves that an account holds what its source has: it walks what is held again and compares it, entry by entry, with the ledger
/// itself. Where the service sums up days, these sums are compared too.
///
/// What is provisional is left out. With [`repair`](Self::repair), the windows that differ are replaced, and what the ledger keeps
/// beside the entries is made anew for all that was compared.
///
/// ```
/// use billing_http::{ApiKey, Client};
/// use billing_ledger::Ledger;
/// use billing_model::Timestamp;
/// use billing_sync::{SyncJob, VerifyJob};
/// use std::sync::Arc;
/// # use billing_testkit::{Book, MemoryLedger, Upstream, entry_at};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut book = Book::new(vec![entry_at("2026-06-14T19:52:45.087Z".parse()?, "-0.1")]);
/// # let upstream = Upstream::start(move |request| book.answer(request)).await;
/// # let base_url = upstream.base_url();
/// # let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new()?);
/// # let account = ledger.create_account("venice")?;
/// let client = Client::builder(base_url, ApiKey::new("admin-key")?).build()?;
/// let now = || Timestamp::from(chrono::Utc::now());
/// SyncJob::of(Arc::clone(&ledger), account).run(&client, now, |_| ()).await?;
/// let verified = VerifyJob::of(ledger, account).run(&client, now, |_| ()).await?;
/// assert!(verified.is_proven());
/// assert_eq!(verified.done.walked, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct VerifyJob {
    ledger: Arc<dyn Ledger>,
    account: AccountId,
    since: Option<Border>,
    until: Option<Border>,
    repairs: bool,
    accepts_vanished: bool,
    holder: String,
    asking: Asking,
}

/// What a proof came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What was compared, and what differed.
    pub done: Tally,
    /// The windows that differed, the first [`Verified::LISTED`].
    pub different: Vec<WindowDifference>,
    /// How many windows differed.
    pub different_windows: u64,
    /// What a repair stored, if one was asked for. Nothing of what was compared differs any more then.
    pub repaired: Option<Tally>,
    /// The days that were compared with the service's usage analytics.
    pub days: Days,
    /// What was sent.
    pub traffic: Traffic,
}

impl Verified {
    /// Windows that are listed.
    pub const LISTED: usize = Different::LISTED;

    /// True when something was compared, and nothing differs, or nothing any more.
    pub fn is_proven(&self) -> bool {
        let agree = self.different_windows == 0 || self.repaired.is_some();
        self.done.windows > 0 && agree && self.days.different.is_empty()
    }
}

impl VerifyJob {
    /// A proof of all that an account holds, unless said otherwise.
    pub fn of(ledger: Arc<dyn Ledger>, account: AccountId) -> Self {
        let holder = turn::NOBODY.to_owned();
        let (since, until, repairs, accepts_vanished) = (None, None, false, false);
        let asking = Asking::default();
        Self { ledger, account, since, until, repairs, accepts_vanished, holder, asking }
    }

    /// Only what is held from here on.
    #[must_use]
    pub fn since(mut self, since: impl Into<Option<Border>>) -> Self {
        self.since = since.into();
        self
    }

    /// Only what is held before.
    #[must_use]
    pub fn until(mut self, until: impl Into<Option<Border>>) -> Self {
        self.until = until.into();
        self
    }

    /// Replaces the windows that differ.
    #[must_use]
    pub fn repair(mut self, repairs: bool) -> Self {
        self.repairs = repairs;
        self
    }

    /// Lets a repair take entries out that the source does not have, however many they are; see
    /// [`SyncJob::accept_vanished`](crate::SyncJob::accept_vanished).
    #[must_use]
    pub fn accept_vanished(mut self, accepts: bool) -> Self {
        self.accepts_vanished = accepts;
        self
    }

    /// Who this is, for another one that has to wait. Only a repair keeps others waiting.
    #[must_use]
    pub fn holder(mut self, holder: impl Into<String>) -> Self {
        self.holder = holder.into();
        self
    }

    /// The endpoint to use. See [`WalkBuilder::endpoint`](billing_http::WalkBuilder::endpoint).
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.asking.endpoint = endpoint;
        self
    }

    /// Entries on a page. See [`WalkBuilder::page_size`](billing_http::WalkBuilder::page_size).
    #[must_use]
    pub fn page_size(mut self, size: impl Into<Option<u32>>) -> Self {
        self.asking.page_size = size.into();
        self
    }

    /// Requests at the same time. See [`WalkBuilder::concurrency`](billing_http::WalkBuilder::concurrency).
    #[must_use]
    pub fn concurrency(mut self, walkers: impl Into<Option<u32>>) -> Self {
        self.asking.concurrency = walkers.into();
        self
    }

    /// Compares, and repairs where that is wanted. `now` is the present by the local clock.
    ///
    /// When usage analytics differ though all entries agree, it waits for ten minutes and a half, until the service's cache is over,
    /// and asks once more. A run that is dropped stores the window that it is about to store, and no other.
    ///
    /// # Errors
    /// [`Error`] with its [`Cause`]. That something differs is no error.
    ///
    /// # Panics
    /// Outside a tokio runtime with its timer.
    pub async fn run(
        &self,
        client: &Client,
        now: impl Fn() -> Timestamp,
        observe: impl Fn(&Event<'_>),
    ) -> Result<Verified, Error> {
        let mut done = Tally::default();
        let verified = self.compare(client, &now, &observe, &mut done).await;
        verified.map_err(|cause| Error::new(cause, done))
    }

    async fn compare(
        &self,
        client: &Client,
        now: &impl Fn() -> Timestamp,
        observe: &impl Fn(&Event<'_>),
        done: &mut Tally,
    ) -> Result<Verified, Cause> {
        let sent = client.traffic();
        let turn = self.turn().await?;
        let (source, records) = self.copy(client, observe).await?;
        let spans = self.spans(&records, source.settle, now());
        let line = |mode, as_of, believed| Line {
            believed,
            ..self.line(records.clone(), mode, source.settle, as_of, now(), turn.clone())
        };
        let mut run = Run::new(client, self.asking, line(Mode::Tell, now(), HashSet::new()), observe);
        let compared = Self::walk(&mut run, &spans).await;
        *done = run.done;
        compared?;
        // What is held of the past and the future is all of it, so what lies elsewhere is of nobody.
        let is_all = self.since.is_none() && self.until.is_none();
        let outside = if is_all { records.outside() } else { Vec::new() };
        for strays in self.strays(outside.clone()).await? {
            run.tell(&strays);
        }
        let Line { held_days, found_days, lost, .. } = run.line().await?;
        let (compared, different) = (run.done, run.different);
        let mut repaired = None;
        if self.repairs {
            let held = records.iter().map(Coverage::entries).sum();
            let vanished = lost.len() as u64;
            if vanished > sync::most_vanished(held) && !self.accepts_vanished {
                return Err(Cause::Vanished { vanished, held });
            }
            let is_walked = |span: &&Span| !outside.contains(span);
            let mut wrong: Vec<_> = different.spans.iter().filter(is_walked).copied().collect();
            wrong.sort_by_key(|span| span.since);
            // Where nothing was walked, the client may have heard the service's time long ago.
            let as_of = client.present().filter(|_| !wrong.is_empty()).unwrap_or_else(now);
            if sync::differ(as_of, now()) {
                return Err(Cause::Clock { service: as_of, local: now() });
            }
            let mut run =
                Run::new(client, self.asking, line(Mode::Repair, as_of, lost.into_iter().collect()), observe);
            let mended = Self::walk(&mut run, &joined(wrong)).await;
            *done = run.done;
            mended?;
            let anew = [spans.as_slice(), &outside].concat();
            let strays = self.make_anew(anew, outside, now(), turn.clone()).await?;
            strays.iter().for_each(|strays| run.tell(strays));
            *done = run.done;
            repaired = Some(run.done);
        }
        // The service may be asked again after its cache, and nobody has to wait for that.
        drop(turn);
        // After a repair the ledger has what was found.
        let charges = if repaired.is_some() { &found_days } else { &held_days };
        let agree = different.count() == 0 || repaired.is_some();
        let present = client.present().unwrap_or_else(now);
        let days = days::compare(client, &spans, charges, agree, present, observe).await?;
        let all = client.traffic();
        Ok(Verified {
            done: compared,
            different_windows: different.count(),
            different: different.windows,
            repaired,
            days,
            traffic: Traffic { requests: all.requests - sent.requests, retries: all.retries - sent.retries },
        })
    }

    /// What the account is a copy of, if the client asks there, and what of it was walked.
    async fn copy(&self, client: &Client, observe: &impl Fn(&Event<'_>)) -> Result<(Source, Records), Cause> {
        let (ledger, account) = (Arc::clone(&self.ledger), self.account);
        let (source, records) =
            blocking(move || (ledger.source(account), Records::load(&*ledger, account))).await;
        let (source, records) = (source?.ok_or(Cause::NotSynced)?, records?);
        if !client.is_of(&source.base_url) {
            return Err(Cause::other_service(source.base_url, client));
        }
        if source.key_fingerprint != client.key_fingerprint() {
            let final_before = records.provisional_from(source.settle);
            observe(&Event::ComparingKey);
            key::check(client, self.asking, &self.ledger, self.account, &records, final_before).await?;
        }
        Ok((source, records))
    }

    async fn walk<F: Fn(&Event<'_>)>(run: &mut Run<'_, F>, spans: &[Span]) -> Result<(), Cause> {
        for span in spans {
            run.span(*span, None).await?;
        }
        run.losses(u64::MAX, 0).await
    }

    /// The entries in spans that are not held.
    async fn strays(&self, spans: Vec<Span>) -> Result<Vec<WindowDifference>, Cause> {
        let (ledger, account) = (Arc::clone(&self.ledger), self.account);
        let strays = blocking(move || {
            let read = spans.into_iter().map(|span| Ok(strays(span, &held::read(&*ledger, account, span)?)));
            read.collect::<Result<Vec<_>, billing_ledger::Error>>()
        });
        Ok(strays.await?.into_iter().flatten().collect())
    }

    /// Makes all anew that is kept of the spans beside the entries, also where the entries agree: somebody may have changed a sum.
    /// Takes out what lies where nothing is held.
    async fn make_anew(
        &self,
        mut spans: Vec<Span>,
        outside: Vec<Span>,
        at: Timestamp,
        turn: Option<Arc<TakenTurn>>,
    ) -> Result<Vec<WindowDifference>, Cause> {
        let (ledger, account) = (Arc::clone(&self.ledger), self.account);
        spans.sort_by_key(|span| span.since);
        let made = blocking(move || {
            let mut all = Vec::new();
            for span in outside {
                let held = held::read(&*ledger, account, span)?;
                let Some(strays) = strays(span, &held) else { continue };
                let remove = held.entries.iter().map(|entry| entry.position).collect();
                let change = Change { remove, seen: Some(held.seen), ..Change::of(account, at) };
                ledger.repair(&change, span.window())?;
                all.push(strays);
            }
            for span in joined(spans) {
                ledger.repair(&Change::of(account, at), span.window())?;
                records_anew(&*ledger, account, span, at)?;
            }
            drop(turn);
            Ok::<_, billing_ledger::Error>(all)
        });
        Ok(made.await?)
    }

    /// What is compared: what is held and final.
    fn spans(&self, records: &Records, settle: Duration, now: Timestamp) -> Vec<Span> {
        let (since, until) = (self.since.map(|at| at.at(now)), self.until.map(|at| at.at(now)));
        let settled = records.settled(settle).into_iter();
        let wanted = |span: Span| {
            Span::new(span.since.max(since), until.map_or(span.until, |until| until.min(span.until)))
        };
        settled.filter_map(wanted).collect()
    }

    fn line(
        &self,
        records: Records,
        mode: Mode,
        settle: Duration,
        as_of: Timestamp,
        at: Timestamp,
        turn: Option<Arc<TakenTurn>>,
    ) -> Line {
        Line {
            ledger: Arc::clone(&self.ledger),
            account: self.account,
            mode,
            final_before: records.provisional_from(settle),
            records,
            settle,
            as_of,
            at,
            believed: HashSet::new(),
            lost: Vec::new(),
            doubted: Vec::new(),
            held_days: DayCharges::default(),
            found_days: DayCharges::default(),
            turn,
        }
    }

    /// Takes the right to change the account, where it may be changed.
    async fn turn(&self) -> Result<Option<Arc<TakenTurn>>, Cause> {
        if !self.repairs {
            return Ok(None);
        }
        turn::take(&self.ledger, self.account, &self.holder).await.map(Some)
    }
}

/// The entries of a span that is not held, which no source ever gave.
fn strays(span: Span, held: &Held) -> Option<WindowDifference> {
    let count = held.entries.len() as u64;
    let held_sums = held.content.sums.clone();
    let window = span.window();
    let strays = WindowDifference {
        window,
        held: count,
        held_sums,
        vanished: count,
        is_altered: true,
        ..Default::default()
    };
    (count > 0).then_some(strays)
}

/// Brings the records of a span in line with the entries that the ledger has.
fn records_anew(
    ledger: &dyn Ledger,
    account: AccountId,
    span: Span,
    at: Timestamp,
) -> Result<(), billing_ledger::Error> {
    for record in Records::load(ledger, account)?.touching(span) {
        let of = records::span(record);
        let Held { content, seen, .. } = held::read(ledger, account, of)?;
        if Content::of(std::slice::from_ref(record)) != content {
            let cover = vec![content.record(of, record.as_of)];
            ledger.change(&Change { seen: Some(seen), cover, ..Change::of(account, at) })?;
        }
    }
    Ok(())
}
