//! `billing export`: a window of the ledger, from a service to a file or stdout. billing-export does the job; this file
//! has the words for it.

use std::cell::Cell;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use billing_export::{Cause, Event, Exported, Manifest, ManifestError, Notes};
use billing_http::{Client, ErrorKind, Wire};
use billing_model::{TimeWindow, Timestamp, UsageEntry};
use billing_sink::{Begun, Finished};

use crate::args;
use crate::clock::now;
use crate::exit::Failure;
use crate::interrupt::{self, INCOMPLETE, Interrupted};
use crate::output;
use crate::plan::Plan;
use crate::progress::{Progress, Shown};
use crate::runtime::runtime;
use crate::summary::{Summarized, is_a_day_before};
use crate::text;
use crate::upstream::Upstream;

/// The hint for an export that left nothing.
pub(crate) const NOTHING_WRITTEN: &str = "nothing was written; a file that was there before is as it was";

/// The hint for a failure after the file was renamed.
const IN_PLACE: &str = "the file itself is complete and in its place; the same command does the rest";

const WRITTEN_BY: &str = concat!("billing ", env!("CARGO_PKG_VERSION"));

pub(crate) fn run(args: &args::Export) -> Result<(), Failure> {
    let plan = Plan::new(args)?;
    refuse_terminal(args)?;
    let upstream = Upstream::new(&args.walking)?;
    let export = plan.export(&args.walking.service.base_url, &upstream.key.key)?;
    // The place is opened before anything is fetched, so that a wrong path is found at once.
    let job = if plan.restart { export.open_anew(plan.place()?)? } else { export.open(plan.place()?)? };
    if let Some(path) = plan.output.as_deref().filter(|_| plan.manifest) {
        check_place_of_manifest(path, job.takes_back())?;
    }
    let progress = Arc::new(Progress::new(shown(&plan), plan.verbose));
    if let Some(note) = &plan.note {
        progress.say(&format!("note: {note}"));
    }
    let notes = Notes::default();
    let client = client(&upstream, &plan, &progress, &notes)?;
    let runtime = runtime(std::thread::available_parallelism().map_or(1, |cores| cores.get().min(4)))?;
    let came = Came::default();
    let result = runtime.block_on(async {
        let interrupted = interrupt::watch(plan.output.is_none())?;
        let takes_back = job.takes_back();
        let job = job.stopped_by(&interrupted.stop).noted_in(&notes);
        let observe = |event: &Event<'_>| {
            came.note(event);
            say(event, &plan, &progress, &interrupted);
        };
        let exported = job.run(&client, now, observe).await;
        let exported = exported.map_err(|error| failure(error, &plan, takes_back, &interrupted))?;
        close(exported, &plan, &progress)
    });
    let (elapsed, warnings) = (progress.elapsed(), progress.kept());
    progress.end();
    // Tasks that still fetch pages are not needed any more.
    runtime.shutdown_background();
    let exported = result.map_err(|failure| upstream.explained(failure))?;
    let is_empty = exported.added.entries == 0;
    let has_key_ids = came.any_key_id.get() || is_empty;
    let has_other_fields = came.any_other_fields.get() || is_empty;
    let provisional_from = None;
    Summarized { plan: &plan, exported: &exported, has_key_ids, has_other_fields, provisional_from, elapsed }
        .print(warnings)
}

/// Refuses to print all entries to a terminal unless that was asked for.
pub(crate) fn refuse_terminal(args: &args::Export) -> Result<(), Failure> {
    match args.output.is_none() && std::io::stdout().is_terminal() {
        true => Err(Failure::usage(anyhow!("stdout is a terminal, and all entries would be printed to it"))
            .hint("-o usage.csv writes them to a file")
            .hint("-o - prints them here")),
        false => Ok(()),
    }
}

/// How much progress is shown. When entries go to a terminal, or to a program that may write to it, a moving line would
/// tear them apart.
pub(crate) fn shown(plan: &Plan) -> Shown {
    let is_apart = plan.output.is_some() || output::is_stdout_a_file();
    match (plan.quiet, plan.json, is_apart) {
        (true, _, _) => Shown::Quiet,
        (_, true, _) => Shown::Kept,
        (_, _, true) => Shown::All,
        (_, _, false) => Shown::Events,
    }
}

fn client(
    upstream: &Upstream<'_>,
    plan: &Plan,
    progress: &Arc<Progress>,
    notes: &Notes,
) -> Result<Client, Failure> {
    let wire = match plan.wire {
        args::Wire::Json => Wire::Json,
        args::Wire::Csv => Wire::Csv(|body| billing_csv::decode(body).map_err(Into::into)),
    };
    let (progress, notes) = (Arc::clone(progress), notes.clone());
    upstream.client(wire, move |event| {
        notes.observe(event);
        progress.observe(event);
    })
}

/// Checks that a manifest can be written.
pub(crate) fn check_place_of_manifest(path: &Path, takes_back: bool) -> Result<(), Failure> {
    if !takes_back {
        return Err(Failure::usage(anyhow!("a manifest stands beside a file, and this output is none")));
    }
    Manifest::check_place(path).map_err(|error| match error {
        ManifestError::Place(error) => error.into(),
        error => Failure::failed(error),
    })
}

/// What the summary needs to know about the entries that came.
#[derive(Default)]
struct Came {
    any_key_id: Cell<bool>,
    any_other_fields: Cell<bool>,
}

impl Came {
    fn note(&self, event: &Event<'_>) {
        let any = |what: &Cell<bool>, entries: &[UsageEntry], has: fn(&UsageEntry) -> bool| {
            what.set(what.get() || entries.iter().any(has));
        };
        match event {
            // Each walk begins anew.
            Event::Begun { .. } => {
                self.any_key_id.set(false);
                self.any_other_fields.set(false);
            }
            Event::Came { entries, .. } => {
                any(&self.any_key_id, entries, |entry| entry.api_key_id.is_some());
                any(&self.any_other_fields, entries, |entry| entry.other_fields.is_some());
            }
            _ => {}
        }
    }
}

/// Tells the user what happens.
fn say(event: &Event<'_>, plan: &Plan, progress: &Progress, interrupted: &Interrupted) {
    match event {
        Event::Settled { window, service_time } => say_of_clocks(*window, *service_time, progress),
        Event::Begun { window, left } => {
            progress.begin(*window, left.map(|left| &left.summary));
            if let Some(left) = left {
                say_going_on(*window, left, plan, progress);
            }
        }
        Event::Again { .. } => {
            progress.say("note: entries arrived behind the walk; reading the window again");
        }
        Event::Stopping => {
            let cause = interrupted.cause();
            progress.say(&format!("{cause}: finishing the page at hand (once more to stop at once)"));
        }
        _ => {}
    }
}

fn say_of_clocks(window: TimeWindow, service_time: Option<Timestamp>, progress: &Progress) {
    match service_time {
        Some(time) if is_a_day_before(time, now()) || is_a_day_before(now(), time) => {
            progress.warn(&format!("the service's clock says {time}, and this machine's {}", now()));
        }
        None if window.until() > Some(now()) => {
            progress.say("note: the window ends in the future; what is still to come is not in the export");
        }
        _ => {}
    }
}

fn say_going_on(window: TimeWindow, left: &Begun, plan: &Plan, progress: &Progress) {
    let Some(until) = left.complete_until else { return };
    let going_on = format!("going on with the export begun {}, window {window}", left.started);
    match plan.times.need_clock() {
        // The window depends on the present, so it is another one now than when the export began. This is told even with
        // `--quiet`.
        true => progress.warn(&going_on),
        false => progress.say(&format!("note: {going_on}")),
    }
    let entries = text::entries(left.summary.entries);
    progress.say(&format!("{entries} up to {until} are there; --restart begins anew"));
}

/// Writes the manifest if there is to be one, and then removes everything but the file. When the program is killed before
/// the end, the next run finds the file written and does this again.
pub(crate) fn close(
    mut exported: Exported<Option<Finished>>,
    plan: &Plan,
    progress: &Progress,
) -> Result<Exported<Option<Finished>>, Failure> {
    if exported.was_written {
        progress.begin(exported.window, Some(&exported.summary));
        progress.say("note: it was written before; only the last step was left");
    }
    let Some((finished, path)) = exported.output.take().zip(plan.output.as_deref()) else {
        return Ok(exported);
    };
    if plan.manifest {
        let manifest = Manifest::new(path, &exported, &finished, WRITTEN_BY);
        manifest.write(path).map_err(|error| Failure::failed(error).hint(IN_PLACE))?;
    }
    finished.close().map_err(|error| Failure::from(error).hint(IN_PLACE))?;
    let manifest = Manifest::path_of(path);
    if !plan.manifest && manifest.exists() {
        progress.say(&format!("note: {} is of an earlier file; --manifest renews it", manifest.display()));
    }
    Ok(exported)
}

/// The failure for an export that did not come to its end.
fn failure(
    error: billing_export::Error<billing_sink::Error>,
    plan: &Plan,
    takes_back: bool,
    interrupted: &Interrupted,
) -> Failure {
    // A file that could not be gone on with may fail for ever.
    let kept = error.kept().filter(|_| error.is_kept_known());
    let (added, is_stopped) = (error.added(), error.is_stopped());
    let (is_settled, is_first) = (error.is_settled(), added == 0 && !error.is_resumed());
    let failure = match error.into_cause() {
        Cause::Stopped => interrupted.cause().into(),
        Cause::Query(refused) => Failure::usage(refused),
        // When nothing has come yet, the request itself may be wrong.
        Cause::Service(error) if is_first => refused(error, plan),
        Cause::Service(error) => error.into(),
        Cause::Sink(error) => error.into(),
        cause @ Cause::Settled(_) => Failure::failed(cause).hint("begin anew with --restart"),
        cause => Failure::failed(cause),
    };
    match kept {
        Some(kept) => failure.hint(format!(
            "{} up to {} are kept: run the same command again to go on (--restart begins anew)",
            text::entries(kept.entries),
            kept.complete_until
        )),
        None if is_stopped && (takes_back || !is_settled) => failure.hint(NOTHING_WRITTEN),
        None if !takes_back && added > 0 => failure.hint(INCOMPLETE),
        None => failure,
    }
}

/// The failure for an export of which nothing came. When a request with a currency was refused, the currency may be the
/// reason, because only the service knows which ones there are.
fn refused(error: billing_http::Error, plan: &Plan) -> Failure {
    let is_refused = error.kind() == ErrorKind::Rejected && matches!(error.status(), Some(400 | 422));
    let Some(currency) = plan.currency.as_ref().filter(|_| is_refused) else { return error.into() };
    let says_so = error.brief().to_lowercase().contains("currency");
    let hint = match says_so {
        true => format!("the service does not take --currency {currency}; without it all entries come"),
        false => format!("the service may not take --currency {currency}; without it all entries come"),
    };
    Failure::usage(error).hint(hint)
}
