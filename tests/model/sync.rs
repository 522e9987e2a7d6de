//! A synced account has what its source has, whatever happens to the source, the service, the process and the file.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use billing_http::{ApiKey, Border, Client, Endpoint, ErrorKind, RetryPolicy};
use billing_ledger::Coverage;
use billing_model::{TimeWindow, Timestamp, UsageEntry};
use billing_sync::{Cause, Error, Event, SyncJob, Synced, Tally, VerifyJob};
use billing_testkit::Upstream;
use futures::future::{Future, poll_fn};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::fault::{Script, undisturbed};
use crate::sync::copy::Copy;
use crate::sync::lots::{Lots, Steps, is_in, is_of, is_settled, provisional_from};
use crate::sync::source::{Source, serve};
use crate::sync::story::{Ending, Run, Step, Story, Tampering, any_story};

mod copy;
mod lots;
mod source;
mod story;

/// How long entries may arrive as a matter of course, and how much is walked again, as nothing else is said.
const SETTLE_NS: i64 = 15 * 60 * 1_000_000_000;
const OVERLAP_NS: i64 = 24 * 60 * 60 * 1_000_000_000;

/// As many stories as are told in some 20 seconds, or in `PROPTEST_CASES`.
fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(cases.unwrap_or(100))
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_copy_has_what_its_source_has(story in any_story()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(&story).await;
            for step in &story.steps {
                world.step(step).await;
                world.copy.assert_sound();
            }
            // At the end all of it is walked, and then nothing differs.
            world.sync(&Run::all()).await;
            assert_eq!(world.sync(&Run::all()).await.unwrap(), Steps::default());
            world.verify().await;
            world.copy.finish_walks().await;
            world.copy.assert_sound();
        });
    }
}

impl Run {
    /// A run over everything, with which nothing interferes.
    fn all() -> Self {
        Self {
            is_full: true,
            is_rehearsal: false,
            since: None,
            until: None,
            ending: Ending::Complete,
            faults: Vec::new(),
            meanwhile: None,
            is_reluctant: false,
        }
    }

    fn excuses(&self, error: &billing_http::Error) -> bool {
        Script { faults: self.faults.clone(), ..undisturbed() }.excuses(error)
    }
}

/// A source and its copy.
struct World<'a> {
    story: &'a Story,
    source: Arc<Mutex<Source>>,
    upstream: Upstream,
    client: Client,
    copy: Copy,
}

/// What a run has told.
#[derive(Default)]
struct Told {
    events: usize,
    walked: Vec<TimeWindow>,
    done: Tally,
}

impl Told {
    fn note(&mut self, event: &Event<'_>) {
        self.events += 1;
        match event {
            Event::Walking { window } => self.walked.push(*window),
            Event::InLine(window) => {
                self.done.windows += 1;
                self.done.walked += window.found;
                self.done.added += window.missing;
                self.done.late += window.late;
                self.done.changed += window.changed;
                self.done.vanished += window.vanished;
            }
            Event::WaitingForAnalytics { .. } => panic!("the days of a source that has not changed differ"),
            _ => {}
        }
    }
}

/// What there was before a run.
struct Before {
    entries: Vec<UsageEntry>,
    records: Vec<Coverage>,
    removed: Lots,
    had_source: bool,
}

fn client(upstream: &Upstream) -> Client {
    Client::builder(upstream.base_url(), ApiKey::new("key").unwrap())
        .retry(RetryPolicy { tries_before_narrowing: 2, ..RetryPolicy::default() })
        .sleep(|_| Box::pin(std::future::ready(())))
        .build()
        .unwrap()
}

impl<'a> World<'a> {
    async fn new(story: &'a Story) -> Self {
        let (upstream, source) = serve(story.page_size).await;
        let client = client(&upstream);
        Self { story, source, upstream, client, copy: Copy::new(story.is_in_memory) }
    }

    async fn step(&mut self, step: &Step) {
        match step {
            Step::Time(seconds) => self.source.lock().unwrap().pass(*seconds),
            Step::Change(change) => self.source.lock().unwrap().change(change),
            Step::Sync(run) => drop(self.sync(run).await),
            Step::Verify => self.verify().await,
            Step::Repair(tamperings) => self.repair(tamperings).await,
            Step::Open => self.copy.open_walk().await,
            Step::GoOn(walk, pages) => self.copy.go_on_for(walk, *pages).await,
        }
    }

    fn endpoint(&self) -> Endpoint {
        if self.story.by_number { Endpoint::Usage } else { Endpoint::UsageHistory }
    }

    /// Syncs, and asserts what must hold then. Returns what changed when it came to its end undisturbed.
    async fn sync(&mut self, run: &Run) -> Option<Steps> {
        let before = self.before();
        let now = {
            let mut source = self.source.lock().unwrap();
            source.begin(run);
            source.now()
        };
        let killed_at =
            if let Ending::Killed(change, moment) = run.ending { Some((change, moment)) } else { None };
        self.copy.arm(killed_at);
        let ago = |seconds: i64| Border::Ago(Duration::from_secs(u64::try_from(seconds).unwrap()));
        let sync = SyncJob::of(Arc::clone(&self.copy.ledger), self.copy.account)
            .page_size(self.story.page_size)
            .concurrency(self.story.walkers)
            .endpoint(self.endpoint())
            .since(run.since.map(ago))
            .until(run.until.map(ago))
            .full(run.is_full)
            .dry_run(run.is_rehearsal);
        let told = Mutex::new(Told::default());
        let dropped_at = if let Ending::Dropped(events) = run.ending { events } else { usize::MAX };
        let running = sync.run(&self.client, || now, |event| told.lock().unwrap().note(event));
        let ended = unless(|| told.lock().unwrap().events >= dropped_at, running).await;
        self.copy.settle();
        let states: Vec<_> = self.source.lock().unwrap().end().iter().map(Lots::of).collect();
        let told = told.into_inner().unwrap();
        let synced = match ended {
            Some(Ok(synced)) => Some(synced),
            Some(Err(error)) => {
                self.assert_excused(run, &before, &told, &states, &error);
                None
            }
            None => None,
        };
        if synced.is_none() {
            // Another process.
            self.client = client(&self.upstream);
        }
        if run.is_rehearsal {
            assert_eq!(self.copy.entries(), before.entries);
            assert_eq!(self.copy.records(), before.records);
            assert_eq!(self.copy.ledger.source(self.copy.account).unwrap().is_some(), before.had_source);
        }
        let changed = self.assert_in_line(run, &before, &told, &states, synced.is_some());
        let synced = synced?;
        assert_eq!(synced.done, told.done);
        self.assert_walked(run, now, &before, &told, &states);
        if !run.is_rehearsal {
            self.assert_records(run, now, &synced);
        }
        let [source] = states.as_slice() else { return None };
        assert_told(&before, &told, source, changed);
        Some(changed)
    }

    fn before(&self) -> Before {
        let account = self.copy.account;
        Before {
            entries: self.copy.entries(),
            records: self.copy.records(),
            removed: Lots::of(&self.copy.removed()),
            had_source: self.copy.ledger.source(account).unwrap().is_some(),
        }
    }

    /// A run may only fail for a reason.
    fn assert_excused(&self, run: &Run, before: &Before, told: &Told, states: &[Lots], error: &Error) {
        match error.cause() {
            Cause::Ledger(error) => {
                assert!(matches!(run.ending, Ending::Killed(..)), "{error}");
                assert_eq!(error.to_string(), "killed");
            }
            // By page number, what moves is walked again a few times; and a source that shrinks, in any way.
            Cause::Service(error) if error.kind() == ErrorKind::Moved && states.len() > 1 => {}
            Cause::Service(error) if run.is_reluctant && !run.excuses(error) => {
                // A service that hangs on empty windows hangs on one that has become empty.
                let last = before.records.last().and_then(|record| record.since);
                let begun = TimeWindow::new(last, None).unwrap();
                let is_empty = |window: &TimeWindow| {
                    states.iter().any(|lots| Lots::all([lots]).iter().all(|(_, at)| !is_in(window, *at)))
                };
                let mut asked = told.walked.iter().chain([&begun]);
                assert!(asked.any(is_empty) || run.since.is_some(), "{error:?}: {:?}", told.walked);
            }
            Cause::Service(error) => assert!(run.excuses(error), "{error:?}"),
            other => panic!("{other:?}"),
        }
    }

    /// In what was walked the copy is in line, as far as the run came; elsewhere it is as it was. Returns what changed.
    fn assert_in_line(
        &self,
        run: &Run,
        before: &Before,
        told: &Told,
        states: &[Lots],
        is_ended: bool,
    ) -> Steps {
        let (was, is) = (Lots::of(&before.entries), Lots::of(&self.copy.entries()));
        let removed = Lots::of(&self.copy.removed());
        let mut steps = Steps::default();
        for (digest, at) in Lots::all(states.iter().chain([&was, &is])) {
            let (old, new) = (was.alike(&digest), is.alike(&digest));
            if !told.walked.iter().any(|window| is_in(window, at)) {
                assert_eq!(new, old, "nobody asked for {at}");
                continue;
            }
            let taken_out = removed.count(&digest) - before.removed.count(&digest);
            let counts = || states.iter().map(|lots| lots.count(&digest));
            if let [source] = states {
                let source = source.alike(&digest);
                let expected = Steps::between(&old, &source);
                if run.is_rehearsal {
                    steps.add(expected);
                    continue;
                }
                assert!(new == source || (new == old && !is_ended), "at {at}: {old:?} {new:?} {source:?}");
                assert_eq!(taken_out, Steps::between(&old, &new).vanished, "at {at}");
                steps.add(expected);
            } else if !run.is_rehearsal {
                let (least, most) = (counts().min().unwrap(), counts().max().unwrap());
                let is_within = (least..=most).contains(&new.count);
                assert!(
                    is_within || (new.count == old.count && !is_ended),
                    "at {at}: {old:?} {new:?} {least}..{most}"
                );
                assert!(taken_out >= old.count.saturating_sub(new.count), "at {at}");
            }
        }
        steps
    }

    /// What was asked for was walked, but for what is held for good.
    fn assert_walked(&self, run: &Run, now: Timestamp, before: &Before, told: &Told, states: &[Lots]) {
        let ago = |seconds: i64| later(now, -seconds * 1_000_000_000);
        let since = run.since.map(ago).or_else(|| before.records.first().and_then(|record| record.since));
        let until = run.until.map_or(now, ago);
        let Some(asked) = TimeWindow::new(since, Some(until)).ok() else { return };
        let end = before.records.last().map_or(until, |record| record.until.min(until));
        let is_for_good = |record: &Coverage| {
            let is_final = record.until <= later(record.as_of, -SETTLE_NS);
            !run.is_full && is_final && record.until <= later(end, -OVERLAP_NS)
        };
        for (_, at) in Lots::all(states.iter().chain([&Lots::of(&before.entries)])) {
            let is_held = before.records.iter().any(|record| is_of(record, at) && is_for_good(record));
            let is_walked = told.walked.iter().any(|window| is_in(window, at));
            assert!(is_walked || is_held || !is_in(&asked, at), "{at} was not walked: {:?}", told.walked);
        }
    }

    /// What is said to be held is, up to the present.
    fn assert_records(&self, run: &Run, now: Timestamp, synced: &Synced) {
        let records = self.copy.records();
        assert_eq!(synced.provisional_from, provisional_from(&records, SETTLE_NS));
        for record in &records {
            let of_record =
                |window: &TimeWindow| window.since() <= record.since && window.until() >= Some(record.until);
            assert!(synced.held.iter().any(of_record), "{record:?} {:?}", synced.held);
        }
        if run.until.is_none() && synced.as_of.is_some() {
            assert_eq!(synced.as_of, Some(now));
            assert_eq!(records.last().map(|record| record.until), Some(now));
        }
        let source = self.copy.ledger.source(self.copy.account).unwrap();
        if let Some(as_of) = synced.as_of {
            assert_eq!(source.and_then(|source| source.synced_at), Some(as_of));
        }
    }

    /// Proves, and asserts that it tells what differs.
    async fn verify(&mut self) {
        let now = self.source.lock().unwrap().now();
        let told = Mutex::new(Told::default());
        let verified = self.proof().run(&self.client, || now, |event| told.lock().unwrap().note(event)).await;
        if self.copy.ledger.source(self.copy.account).unwrap().is_none() {
            assert!(matches!(verified.unwrap_err().into_cause(), Cause::NotSynced));
            return;
        }
        let verified = verified.unwrap();
        assert_eq!(verified.done, told.into_inner().unwrap().done);
        let (records, held) = (self.copy.records(), self.copy.entries());
        let source = Lots::of(&self.source.lock().unwrap().entries());
        let held = Lots::of(&held);
        let (mut steps, mut walked) = (Steps::default(), 0);
        for (digest, at) in Lots::all([&source, &held]) {
            if records.iter().any(|record| is_settled(record, at, SETTLE_NS)) {
                steps.add(Steps::between(&held.alike(&digest), &source.alike(&digest)));
                walked += source.count(&digest);
            }
        }
        let done = verified.done;
        assert_eq!(Steps { added: done.added, changed: done.changed, vanished: done.vanished }, steps);
        assert_eq!(done.walked, walked);
        assert_eq!(verified.different_windows > 0, steps != Steps::default());
        assert_eq!(verified.is_proven(), steps == Steps::default() && done.windows > 0, "{verified:?}");
    }

    fn proof(&self) -> VerifyJob {
        VerifyJob::of(Arc::clone(&self.copy.ledger), self.copy.account)
            .page_size(self.story.page_size)
            .concurrency(self.story.walkers)
            .endpoint(self.endpoint())
    }

    /// Somebody writes to the ledger, and a proof mends it.
    async fn repair(&mut self, tamperings: &[(Index, Tampering)]) {
        let records = self.copy.records();
        let is_proven = |at: Timestamp| records.iter().any(|record| is_settled(record, at, SETTLE_NS));
        self.copy.tamper(tamperings, is_proven);
        if self.copy.ledger.source(self.copy.account).unwrap().is_none() {
            return;
        }
        let now = self.source.lock().unwrap().now();
        let verified = self.proof().repair(true).run(&self.client, || now, |_| ()).await.unwrap();
        assert!(verified.is_proven() || verified.done.windows == 0, "{verified:?}");
        let (source, held) =
            (Lots::of(&self.source.lock().unwrap().entries()), Lots::of(&self.copy.entries()));
        for (digest, at) in Lots::all([&source, &held]) {
            if is_proven(at) {
                assert_eq!(held.alike(&digest), source.alike(&digest), "at {at}");
            }
        }
    }
}

/// The counts add up to what changed.
fn assert_told(before: &Before, told: &Told, source: &Lots, changed: Steps) {
    let Tally { walked, added, late, changed: amended, vanished, .. } = told.done;
    assert_eq!(Steps { added, changed: amended, vanished }, changed);
    let (was, mut came, mut were_final) = (Lots::of(&before.entries), 0, 0);
    let final_before = provisional_from(&before.records, SETTLE_NS);
    for (digest, at) in Lots::all([source]) {
        if told.walked.iter().any(|window| is_in(window, at)) {
            came += source.count(&digest);
            let is_final = final_before.is_some_and(|before| at < before);
            if is_final && before.records.iter().any(|record| is_of(record, at)) {
                were_final += source.count(&digest).saturating_sub(was.count(&digest));
            }
        }
    }
    assert_eq!((walked, late), (came, were_final));
}

fn later(at: Timestamp, ns: i64) -> Timestamp {
    Timestamp::from_unix_ns(at.unix_ns().unwrap().saturating_add(ns))
}

/// What comes of a future, unless it is over before. Then it is dropped.
async fn unless<T>(is_over: impl Fn() -> bool, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if is_over() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}
