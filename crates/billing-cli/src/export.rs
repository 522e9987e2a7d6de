//! `billing export`: a window of the ledger, from a service to a file or stdout.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::anyhow;
use billing_http::{ApiKey, Begun, Client, ErrorKind, Event, RetryPolicy, Walk, Wire};
use billing_model::{Stretch, TimeWindow, Timestamp};
use billing_sink::{DrainError, FileSink, Finished, Opened, ResumableFile, Target, drain};
use futures::future::ready;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use crate::args::{self, Service};
use crate::base_url::with_path;
use crate::clock::now;
use crate::exit::{Failure, INCOMPLETE};
use crate::interrupt::{self, Interrupted, Stopped};
use crate::manifest::{self, Manifest, Walked};
use crate::mended::Mended;
use crate::output::{self, Output};
use crate::plan::Plan;
use crate::progress::{Progress, Shown};
use crate::runtime::runtime;
use crate::summary::{Exported, Summarized, is_a_day_before};
use crate::{key_source, terminal, text};

/// Walks of one window, when entries keep arriving behind them.
const MAX_WALKS: u32 = 3;

/// What is said where nothing is kept.
const NOTHING_WRITTEN: &str = "nothing was written; a file that was there before is as it was";

/// What is said when the file has its name, and something beside it failed.
const IN_PLACE: &str = "the file itself is complete and in its place; the same command does the rest";

pub(crate) fn run(args: &args::Export) -> Result<(), Failure> {
    let service = &args.service;
    let mut plan = Plan::new(args)?;
    if args.output.is_none() && std::io::stdout().is_terminal() {
        return Err(Failure::usage(anyhow!("stdout is a terminal, and all entries would be printed to it"))
            .hint("-o usage.csv writes them to a file")
            .hint("-o - prints them here"));
    }
    // Before the key is read: a base URL to which no key may go is wrong with any key.
    plan.network.of(Client::builder(&service.base_url, ApiKey::new("none")?)).build()?;
    let key = key_source::read(service.api_key_file.as_deref())?;
    let which_key = key.described();
    // With another key it may be another account.
    plan.asked.insert("fingerprint of the API key".to_owned(), key.key.fingerprint());
    // Before anything is fetched: a wrong path costs no hours.
    let place = Place::open(&plan, plan.restart)?;
    if plan.manifest
        && let Some(path) = &plan.output
    {
        manifest::check_place(path)?;
    }
    let progress = Arc::new(Progress::new(shown(&plan), plan.verbose));
    if let Some(note) = &plan.note {
        progress.say(&format!("note: {note}"));
    }
    let walked = Arc::new(Mutex::new(Walked::default()));
    let mended = Arc::new(Mended::default());
    let client = client(service, key.key, &plan, &progress, (&walked, &mended))?;
    let runtime = runtime(std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4)))?;
    let base_url = &service.base_url;
    let export = Export { plan: &plan, base_url, client: &client, progress: &progress, mended: &mended };
    let result = runtime.block_on(async {
        let interrupted = interrupt::watch(plan.output.is_none())?;
        export.run(place, interrupted, &walked).await
    });
    let (elapsed, warnings, traffic) = (progress.elapsed(), progress.kept(), client.traffic());
    progress.end();
    // Tasks that still fetch are of no more use.
    runtime.shutdown_background();
    let exported = result.map_err(|failure| match failure.of_service() {
        Some(ErrorKind::Unauthorized) => failure.hint_first(which_key),
        Some(ErrorKind::NotFound | ErrorKind::NotTheApi) => match with_path(base_url) {
            Some(url) => failure.hint_first(format!("the API may be at --base-url {url}")),
            None => failure,
        },
        _ => failure,
    })?;
    let summary = Summarized { plan: &plan, exported: &exported, elapsed };
    match (plan.json, plan.quiet) {
        (true, _) => terminal::note(&summary.json(base_url, traffic, warnings)?),
        (false, true) => {}
        (false, false) => summary.lines().iter().for_each(|line| terminal::note(line)),
    }
    Ok(())
}

/// Entries on a terminal, or on their way to another program there, must not be torn by a line that moves.
fn shown(plan: &Plan) -> Shown {
    let is_apart = plan.output.is_some() || output::is_stdout_a_file();
    match (plan.quiet, plan.json, is_apart) {
        (true, _, _) => Shown::Quiet,
        (_, true, _) => Shown::Kept,
        (_, _, true) => Shown::All,
        (_, _, false) => Shown::Events,
    }
}

fn client(
    service: &Service,
    key: ApiKey,
    plan: &Plan,
    progress: &Arc<Progress>,
    (walked, mended): (&Arc<Mutex<Walked>>, &Arc<Mended>),
) -> Result<Client, Failure> {
    let default = RetryPolicy::default();
    let policy = RetryPolicy {
        max_wait: plan.max_wait,
        // Patience for one long wait is patience for another.
        budget: default.budget.max(plan.max_wait.saturating_mul(2)),
        ..default
    };
    let (progress, walked, mended) = (Arc::clone(progress), Arc::clone(walked), Arc::clone(mended));
    let client = plan
        .network
        .of(Client::builder(&service.base_url, key))
        .wire(match plan.wire {
            args::Wire::Json => Wire::Json,
            args::Wire::Csv => Wire::Csv(|body| billing_csv::decode(body).map_err(Into::into)),
        })
        .retry(policy)
        .observer(move |event| {
            if let Event::Complete { endpoint, total } = event {
                let end = Walked { endpoint: Some(*endpoint), service_total: *total };
                *walked.lock().unwrap_or_else(PoisonError::into_inner) = end;
            }
            if let Event::Mended { entries } = event {
                mended.came(entries);
            }
            progress.observe(event);
        })
        .build()?;
    Ok(client)
}

/// Where the export goes, as it was found.
enum Place {
    Stdout,
    File(Box<Opened>),
}

impl Place {
    fn open(plan: &Plan, restart: bool) -> Result<Self, Failure> {
        match &plan.output {
            Some(path) => Ok(Self::File(Box::new(ResumableFile::open(path, &plan.asked, restart)?))),
            None => Ok(Self::Stdout),
        }
    }

    fn begun(&self) -> Option<&billing_sink::Begun> {
        match self {
            Self::Stdout => None,
            Self::File(opened) => opened.begun(),
        }
    }
}

/// The way from a service into an output.
struct Export<'a> {
    plan: &'a Plan,
    base_url: &'a str,
    client: &'a Client,
    progress: &'a Progress,
    mended: &'a Mended,
}

impl Export<'_> {
    async fn run(
        &self,
        mut place: Place,
        mut interrupted: Interrupted,
        walked: &Mutex<Walked>,
    ) -> Result<Exported, Failure> {
        let mut first = None;
        let window = match place.begun() {
            Some(begun) => settled_window(&begun.settled)?,
            None => {
                let begun = tokio::select! {
                    begun = self.begin_walk() => begun?,
                    cause = interrupted.happens() => {
                        return Err(Failure::from(cause).hint(NOTHING_WRITTEN));
                    }
                };
                first.insert(begun).window()
            }
        };
        let started = place.begun().map_or_else(now, |begun| begun.started);
        let mut walks = 1;
        // What an earlier walk had when entries moved behind it, and what it said then.
        let (mut most, mut moved) = (0, None);
        loop {
            let resumed =
                place.begun().and_then(|begun| Some((begun.complete_until?, begun.summary.entries)));
            self.progress.begin(window, place.begun().map(|begun| &begun.summary));
            let output = match self.begin(place, window, started)? {
                Ready::Output(output) => output,
                Ready::Written(finished) => {
                    self.progress.say("note: it was written before; only the last step was left");
                    let summary = finished.summary.clone();
                    let walked = Walked::default();
                    self.close(*finished, window, started, walked, true)?;
                    return Ok(Exported {
                        window,
                        summary,
                        added: 0,
                        walked,
                        is_resumed: true,
                        has_key_ids: true,
                        has_other_fields: true,
                        half_characters: 0,
                    });
                }
            };
            let takes_back = output.takes_back();
            let noted = Noted::default();
            let stretches = match first.take() {
                Some(begun) => begun.stretches().left_stream(),
                None => self.walk(window, resumed)?.stretches(self.client).right_stream(),
            };
            let stretches = noted.note(stretches).inspect_ok(|stretch| self.mended.count(stretch));
            let stretches = not_fewer(most, &noted, &mut moved, stretches);
            let stretches = interrupted.stop(stretches, |cause| {
                self.progress
                    .say(&format!("{cause}: finishing the page at hand (once more to stop at once)"));
            });
            let drained = drain(stretches, FileSink::new(self.plan.format, output)).await;
            match drained {
                Ok(drained) => {
                    let summary =
                        drained.output.as_ref().map_or(&drained.summary, |file| &file.summary).clone();
                    let is_empty = drained.summary.entries == 0;
                    let walked = *walked.lock().unwrap_or_else(PoisonError::into_inner);
                    let is_resumed = resumed.is_some();
                    if let Some(finished) = drained.output {
                        self.close(finished, window, started, walked, is_resumed)?;
                    }
                    return Ok(Exported {
                        window,
                        summary,
                        added: drained.summary.entries,
                        walked,
                        is_resumed,
                        has_key_ids: noted.any_key_id.get() || is_empty,
                        has_other_fields: noted.any_other_fields.get() || is_empty,
                        half_characters: self.mended.texts(),
                    });
                }
                // What went to a file can be taken back; what went through a pipe cannot.
                Err(DrainError::Pages(Stopped::Failed(error)))
                    if error.kind() == ErrorKind::Moved && takes_back && walks < MAX_WALKS =>
                {
                    walks += 1;
                    most = most.max(noted.entries.get() + resumed.map_or(0, |(_, entries)| entries));
                    moved = Some(error);
                    self.mended.clear();
                    self.progress.say("note: entries arrived behind the walk; reading the window again");
                    place = Place::open(self.plan, true)?;
                }
                Err(DrainError::Pages(Stopped::Failed(error)))
                    if error.kind() == ErrorKind::Moved && takes_back =>
                {
                    // What is there is not the ledger any more, so there is nothing to go on with.
                    drop(self.begin(Place::open(self.plan, true)?, window, started)?);
                    return Err(error.into());
                }
                Err(error) => {
                    let is_interrupted = matches!(&error, DrainError::Pages(Stopped::Interrupted(_)));
                    let failure = match error {
                        // Before anything came, it is the question that was refused.
                        DrainError::Pages(Stopped::Failed(error))
                            if noted.entries.get() == 0 && resumed.is_none() =>
                        {
                            self.refused(error)
                        }
                        error => error.into(),
                    };
                    // A pipe keeps nothing, and to open it again waits for another reader.
                    let kept = if takes_back { self.kept() } else { None };
                    return Err(match kept {
                        Some(kept) => failure.hint(kept),
                        None if takes_back && is_interrupted => failure.hint(NOTHING_WRITTEN),
                        None if !takes_back && noted.entries.get() > 0 => failure.hint(INCOMPLETE),
                        None => failure,
                    });
                }
            }
        }
    }

    /// What there is to go on with. It is looked up: a disk that fails keeps less than went by.
    fn kept(&self) -> Option<String> {
        let place = Place::open(self.plan, false).ok()?;
        let begun = place.begun()?;
        let (entries, until) = (text::entries(begun.summary.entries), begun.complete_until?);
        Some(format!(
            "{entries} up to {until} are kept: run the same command again to go on (--restart begins anew)"
        ))
    }

    /// Begins the walk of a file that is new, by its first page. The service's clock settles the window: a local clock that
    /// is wrong would make it another.
    async fn begin_walk(&self) -> Result<Begun, Failure> {
        let walk = self.plan.walk(self.plan.times.by_any_clock()).build().map_err(Failure::usage)?;
        let begun = walk.begin(self.client, now()).await.map_err(|error| self.refused(error))?;
        match begun.service_time() {
            Some(time) if is_a_day_before(time, now()) || is_a_day_before(now(), time) => {
                let text = format!("the service's clock says {time}, and this machine's {}", now());
                self.progress.warn(&text);
            }
            None if begun.window().until() > Some(now()) => self
                .progress
                .say("note: the window ends in the future; what is still to come is not in the export"),
            _ => {}
        }
        Ok(begun)
    }

    /// What it means that nothing came. A request with a currency that was refused may be refused for that: which ones
    /// there are, only the service knows.
    fn refused(&self, error: billing_http::Error) -> Failure {
        let is_refused = error.kind() == ErrorKind::Rejected && matches!(error.status(), Some(400 | 422));
        let Some(currency) = self.plan.currency.as_ref().filter(|_| is_refused) else { return error.into() };
        let says_so = error.brief().to_lowercase().contains("currency");
        let hint = match says_so {
            true => format!("the service does not take --currency {currency}; without it all entries come"),
            false => format!("the service may not take --currency {currency}; without it all entries come"),
        };
        Failure::usage(error).hint(hint)
    }

    /// The walk over a window, or what is left of it.
    fn walk(&self, window: TimeWindow, resumed: Option<(Timestamp, u64)>) -> Result<Walk, Failure> {
        let mut walk = self.plan.walk(window);
        if let Some((until, entries)) = resumed {
            walk = walk.resume(until, entries);
        }
        walk.build().map_err(Failure::usage)
    }

    /// Opens the output, where an earlier run left it.
    fn begin(&self, place: Place, window: TimeWindow, started: Timestamp) -> Result<Ready, Failure> {
        let opened = match place {
            Place::Stdout => return Ok(Ready::Output(Output::stdout()?)),
            Place::File(opened) => *opened,
        };
        let file = match opened {
            Opened::New(file) => file.begin(settled(window), started)?,
            Opened::Begun(file) => {
                let billing_sink::Begun { complete_until, summary, .. } = file.begun().clone();
                let file = file.go_on()?;
                if let Some(until) = complete_until {
                    let going_on = format!("going on with the export begun {started}, window {window}");
                    let entries = text::entries(summary.entries);
                    match self.plan.times.need_clock() {
                        // Who asks for the last week gets another one: that has to be said in any case.
                        true => self.progress.warn(&going_on),
                        false => self.progress.say(&format!("note: {going_on}")),
                    }
                    self.progress.say(&format!("{entries} up to {until} are there; --restart begins anew"));
                }
                file
            }
            Opened::Written(file) => return Ok(Ready::Written(Box::new(file.commit()?))),
        };
        let file = file.checkpoint_every(self.plan.checkpoint_every);
        let file = if self.plan.is_gzip { file.gzip() } else { file };
        if self.plan.manifest && !file.takes_back() {
            return Err(Failure::usage(anyhow!("a manifest stands beside a file, and this output is none")));
        }
        Ok(Ready::Output(Output::File(Box::new(file))))
    }

    /// Writes the manifest, if there is to be one, and then leaves nothing but the file. Killed before the end, the next
    /// run finds the file written and does this again.
    fn close(
        &self,
        finished: Finished,
        window: TimeWindow,
        started: Timestamp,
        walked: Walked,
        resumed: bool,
    ) -> Result<(), Failure> {
        if self.plan.manifest
            && let Some(path) = &self.plan.output
        {
            let traffic = self.client.traffic();
            let mut manifest =
                Manifest::new(path, &finished, window, self.base_url, (started, now()), traffic);
            manifest.endpoint = walked.endpoint.map(|endpoint| endpoint.to_string());
            manifest.currency = self.plan.currency.as_ref().map(ToString::to_string);
            manifest.service_total = walked.service_total;
            manifest.resumed = resumed;
            manifest.write(path).map_err(|failure| failure.hint(IN_PLACE))?;
        }
        finished.close().map_err(|error| Failure::from(error).hint(IN_PLACE))?;
        if !self.plan.manifest
            && let Some(manifest) = self.plan.output.as_deref().map(manifest::path_of)
            && manifest.exists()
        {
            self.progress
                .say(&format!("note: {} is of an earlier file; --manifest renews it", manifest.display()));
        }
        Ok(())
    }
}

/// An output that is ready, or that needs nothing more.
enum Ready {
    Output(Output),
    Written(Box<Finished>),
}

/// The stretches; where they end with fewer entries than an earlier walk had, with the error of that. The service may have
/// removed some meanwhile, or a copy that lags behind answers: what is there is not known to be the ledger.
fn not_fewer(
    most: u64,
    noted: &Noted,
    moved: &mut Option<billing_http::Error>,
    stretches: impl Stream<Item = Result<Stretch, billing_http::Error>>,
) -> impl Stream<Item = Result<Stretch, billing_http::Error>> {
    let end = stream::once(async move { moved.take_if(|_| noted.entries.get() < most).map(Err) });
    stretches.chain(end.filter_map(ready))
}

/// What went by, also while it does.
#[derive(Default)]
struct Noted {
    entries: Cell<u64>,
    any_key_id: Cell<bool>,
    any_other_fields: Cell<bool>,
}

impl Noted {
    fn note<E>(
        &self,
        stretches: impl Stream<Item = Result<Stretch, E>>,
    ) -> impl Stream<Item = Result<Stretch, E>> {
        stretches.inspect_ok(|stretch| {
            self.entries.set(self.entries.get() + stretch.entries.len() as u64);
            let any_key_id = stretch.entries.iter().any(|entry| entry.api_key_id.is_some());
            self.any_key_id.set(self.any_key_id.get() || any_key_id);
            let any_other_fields = stretch.entries.iter().any(|entry| entry.other_fields.is_some());
            self.any_other_fields.set(self.any_other_fields.get() || any_other_fields);
        })
    }
}

/// The window, for runs that go on with this one.
fn settled(window: TimeWindow) -> BTreeMap<String, String> {
    let ends = [("since", window.since()), ("until", window.until())];
    ends.into_iter().filter_map(|(name, at)| Some((name.to_owned(), at?.to_string()))).collect()
}

fn settled_window(settled: &BTreeMap<String, String>) -> Result<TimeWindow, Failure> {
    let time = |name| settled.get(name).map(|text| text.parse::<Timestamp>()).transpose();
    let window = time("since").and_then(|since| TimeWindow::new(since, time("until")?));
    window.map_err(|error| {
        Failure::failed(anyhow::Error::new(error).context("the checkpoint has no window"))
            .hint("begin anew with --restart")
    })
}
