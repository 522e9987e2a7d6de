//! The sync: it brings an account in line with its source.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use billing_http::{Begun, Border, Client, Endpoint, ErrorKind, Times, Traffic};
use billing_ledger::{AccountId, Coverage, Ledger, Source, TakenTurn};
use billing_model::{TimeWindow, Timestamp};

use crate::days::DayCharges;
use crate::error::{Cause, Error};
use crate::event::Event;
use crate::key;
use crate::line::{Line, Mode};
use crate::plan::{self, Asked};
use crate::records::Records;
use crate::run::{Asking, Run, blocking};
use crate::span::Span;
use crate::tally::Tally;
use crate::turn;

/// The most that the clocks of a service and of this machine may differ by.
const MAX_CLOCK_DIFFERENCE_NS: u64 = 24 * 60 * 60 * 1_000_000_000;

/// How far the clock of a service may be behind what it said before.
const SKEW: Duration = Duration::from_secs(10 * 60);

/// Entries that a source may lose without a question.
const MUCH: u64 = 1_000;

/// Brings an account of a ledger in line with what a service says, and keeps it so: every entry once, as many equal ones as there
/// are. What the service does not have any more is taken out and kept apart.
///
/// Each window is compared entry by entry and stored in one short transaction, together with the record that it was walked. So a
/// run may be dropped or killed at any moment: what was stored counts, and the next run goes on behind it. A run of an account
/// that is in line reads the last day again, and stores nothing of it.
///
/// Entries come late: normally within a second, and sometimes hours later. What is younger than [`settle`](Self::settle) is
/// provisional, and the last [`overlap`](Self::overlap) of what is held is walked again each time. What comes later still is found
/// by a run that is [`full`](Self::full).
#[derive(Clone, Debug)]
pub struct SyncJob {
    ledger: Arc<dyn Ledger>,
    account: AccountId,
    since: Option<Border>,
    until: Option<Border>,
    settle: Duration,
    overlap: Duration,
    is_full: bool,
    is_rehearsal: bool,
    accepts_vanished: bool,
    holder: String,
    asking: Asking,
}

/// What a sync came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// What was compared and stored, or would be.
    pub done: Tally,
    /// What is held now, in as few windows as it is. In a dry run: before.
    pub held: Vec<TimeWindow>,
    /// Entries from here on may still arrive as a matter of course. `None` when nothing is held.
    pub provisional_from: Option<Timestamp>,
    /// The present by the service's clock; `None` when there was nothing to ask for.
    pub as_of: Option<Timestamp>,
    /// What was sent.
    pub traffic: Traffic,
}

impl SyncJob {
    /// How long entries may still arrive as a matter of course, unless said otherwise.
    pub const SETTLE: Duration = Source::SETTLE;

    /// How much of what is held is walked again, unless said otherwise.
    pub const OVERLAP: Duration = Duration::from_secs(24 * 60 * 60);

    /// A sync of an account, all of it up to now unless said otherwise. The account is a copy of the service already, or has
    /// nothing.
    pub fn of(ledger: Arc<dyn Ledger>, account: AccountId) -> Self {
        Self {
            ledger,
            account,
            since: None,
            until: None,
            settle: Self::SETTLE,
            overlap: Self::OVERLAP,
            is_full: false,
            is_rehearsal: false,
            accepts_vanished: false,
            holder: turn::NOBODY.to_owned(),
            asking: Asking::default(),
        }
    }

    /// Where the history begins. Without it, it begins where what is held does and, at first, with the first entry there is.
    #[must_use]
    pub fn since(mut self, since: impl Into<Option<Border>>) -> Self {
        self.since = since.into();
        self
    }

    /// Where the history ends for now. It is never later than the present.
    #[must_use]
    pub fn until(mut self, until: impl Into<Option<Border>>) -> Self {
        self.until = until.into();
        self
    }

    /// How long before the present entries may still arrive as a matter of course: 15 minutes unless said otherwise.
    #[must_use]
    pub fn settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    /// How much of what is held is walked again, counted back from its end: a day unless said otherwise.
    #[must_use]
    pub fn overlap(mut self, overlap: Duration) -> Self {
        self.overlap = overlap;
        self
    }

    /// Walks everything again that is held.
    #[must_use]
    pub fn full(mut self, is_full: bool) -> Self {
        self.is_full = is_full;
        self
    }

    /// Compares and stores nothing.
    #[must_use]
    pub fn dry_run(mut self, is_rehearsal: bool) -> Self {
        self.is_rehearsal = is_rehearsal;
        self
    }

    /// Takes entries out that the source does not have any more, however many they are. Otherwise a run that would take out more than
    /// a thousand, and more than a tenth of the account, takes out no more and ends with [`Cause::Vanished`].
    #[must_use]
    pub fn accept_vanished(mut self, accepts: bool) -> Self {
        self.accepts_vanished = accepts;
        self
    }

    /// Who this is, for another one that has to wait: a short line such as `process 4711`.
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

    /// Brings the account in line. `now` is the present by the local clock; what is settled is settled by the service's. A run
    /// that is dropped stores the window that it is about to store, and no other.
    ///
    /// # Errors
    /// [`Error`] with its [`Cause`]. The windows that were in line before stay so.
    ///
    /// # Panics
    /// Outside a tokio runtime with its timer.
    pub async fn run(
        &self,
        client: &Client,
        now: impl Fn() -> Timestamp,
        observe: impl Fn(&Event<'_>),
    ) -> Result<Synced, Error> {
        let mut done = Tally::default();
        let synced = self.bring(client, &now, &observe, &mut done).await;
        synced.map_err(|cause| Error::new(cause, done))
    }

    async fn bring(
        &self,
        client: &Client,
        now: &impl Fn() -> Timestamp,
        observe: &impl Fn(&Event<'_>),
        done: &mut Tally,
    ) -> Result<Synced, Cause> {
        let sent = client.traffic();
        let turn = self.turn().await?;
        let source = self.source(client).await?;
        let records = self.records().await?;
        let Some((begun, as_of)) = self.begin(client, &records, now()).await? else {
            return Ok(self.synced(&records, None, client, sent, Tally::default()));
        };
        let key = client.key_fingerprint();
        let has_new_key = source.as_ref().is_some_and(|source| source.key_fingerprint != key);
        if has_new_key {
            let final_before = records.provisional_from(self.settle);
            observe(&Event::ComparingKey);
            key::check(client, self.asking, &self.ledger, self.account, &records, final_before).await?;
        }
        let is_new = source.is_none();
        let mut source = Source {
            base_url: client.base_url().trim_end_matches('/').to_owned(),
            key_fingerprint: key,
            settle: self.settle,
            synced_at: source.as_ref().and_then(|source| source.synced_at),
        };
        if is_new || has_new_key {
            self.keep_source(&source).await?;
        }
        let held = records.iter().map(Coverage::entries).sum();
        let asked = self.asked(as_of);
        let spans = plan::spans(&records, &asked, as_of);
        let line = Line {
            ledger: Arc::clone(&self.ledger),
            account: self.account,
            mode: if self.is_rehearsal { Mode::Tell } else { Mode::Store },
            final_before: records.provisional_from(self.settle),
            records,
            settle: self.settle,
            as_of,
            at: now(),
            believed: HashSet::new(),
            lost: Vec::new(),
            doubted: Vec::new(),
            held_days: DayCharges::default(),
            found_days: DayCharges::default(),
            turn,
        };
        let mut run = Run::new(client, self.asking, line, observe);
        let walked = self.walk(&mut run, spans, begun, held).await;
        *done = run.done;
        walked?;
        source.synced_at = Some(as_of);
        self.keep_source(&source).await?;
        let records = run.line().await?.records;
        Ok(self.synced(&records, Some(as_of), client, sent, *done))
    }

    async fn walk<F: Fn(&Event<'_>)>(
        &self,
        run: &mut Run<'_, F>,
        spans: Vec<Span>,
        begun: Begun,
        held: u64,
    ) -> Result<(), Cause> {
        // The walk that has begun comes first: its first page would be out of date after the others.
        let window = begun.window();
        let (first, others): (Vec<_>, Vec<_>) = spans.into_iter().partition(|span| span.window() == window);
        if let Some(span) = first.first() {
            run.span(*span, Some(begun)).await?;
        }
        for span in others {
            run.span(span, None).await?;
        }
        run.losses(if self.accepts_vanished { u64::MAX } else { most_vanished(held) }, held).await
    }

    /// Takes the right to bring the account in line. A dry run needs none.
    async fn turn(&self) -> Result<Option<Arc<TakenTurn>>, Cause> {
        if self.is_rehearsal {
            return Ok(None);
        }
        turn::take(&self.ledger, self.account, &self.holder).await.map(Some)
    }

    /// The service that the account is a copy of, if it is one already.
    async fn source(&self, client: &Client) -> Result<Option<Source>, Cause> {
        let (ledger, account) = (Arc::clone(&self.ledger), self.account);
        let source = blocking(move || ledger.source(account)).await?;
        match source {
            Some(source) if !client.is_of(&source.base_url) => {
                Err(Cause::other_service(source.base_url, client))
            }
            source => Ok(source),
        }
    }

    async fn keep_source(&self, source: &Source) -> Result<(), Cause> {
        if self.is_rehearsal {
            return Ok(());
        }
        let (ledger, account, source) = (Arc::clone(&self.ledger), self.account, source.clone());
        Ok(blocking(move || ledger.set_source(account, &source)).await?)
    }

    async fn records(&self) -> Result<Records, Cause> {
        let (ledger, account) = (Arc::clone(&self.ledger), self.account);
        Ok(blocking(move || Records::load(&*ledger, account)).await?)
    }

    /// Begins the last walk, whose first answer tells the service's time. `None` when there is nothing to walk.
    async fn begin(
        &self,
        client: &Client,
        records: &Records,
        local: Timestamp,
    ) -> Result<Option<(Begun, Timestamp)>, Cause> {
        let Some(last) = plan::spans(records, &self.asked(local), local).pop() else { return Ok(None) };
        let times = Times { since: last.since.map(Border::At), until: Border::NOW };
        let begun = match self.asking.walk(times).build()?.begin(client, local).await {
            // What is held cannot lie in the future, unless a clock is wrong.
            Err(error) if error.kind() == ErrorKind::EmptyWindow && records.until().is_some() => {
                return match client.present() {
                    // All of it is held: the clock is behind by less than is worth a word.
                    Some(service) if records.until() <= Some(later(service, SKEW)) => Ok(None),
                    Some(service) => Err(Cause::Clock { service, local }),
                    None => Err(error.into()),
                };
            }
            begun => begun?,
        };
        if let Some(service) = begun.service_time()
            && differ(service, local)
        {
            return Err(Cause::Clock { service, local });
        }
        let as_of = begun.window().until().unwrap_or(local);
        Ok(Some((begun, as_of)))
    }

    fn asked(&self, now: Timestamp) -> Asked {
        Asked {
            // A ledger holds nothing that is earlier, so to begin there is to begin with everything.
            since: self.since.map(|since| since.at(now).max(Timestamp::from_unix_ns(i64::MIN))),
            until: self.until.map(|until| until.at(now)),
            settle: self.settle,
            overlap: self.overlap,
            full: self.is_full,
        }
    }

    fn synced(
        &self,
        records: &Records,
        as_of: Option<Timestamp>,
        client: &Client,
        sent: Traffic,
        done: Tally,
    ) -> Synced {
        let all = client.traffic();
        Synced {
            done,
            held: records.held().into_iter().map(Span::window).collect(),
            provisional_from: records.provisional_from(self.settle),
            as_of,
            traffic: Traffic { requests: all.requests - sent.requests, retries: all.retries - sent.retries },
        }
    }
}

/// The most entries that are taken out without a question.
pub(crate) fn most_vanished(held: u64) -> u64 {
    MUCH.max(held / 10)
}

fn later(at: Timestamp, span: Duration) -> Timestamp {
    let span_ns = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ns(at.unix_ns().unwrap_or(i64::MAX).saturating_add(span_ns))
}

/// True when two clocks are more than a day apart.
pub(crate) fn differ(one: Timestamp, other: Timestamp) -> bool {
    match (one.unix_ns(), other.unix_ns()) {
        (Some(one), Some(other)) => one.abs_diff(other) > MAX_CLOCK_DIFFERENCE_NS,
        _ => true,
    }
}
