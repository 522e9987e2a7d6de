//! `billing export`: a window of the ledger, from a service to a file or stdout.

use std::sync::Arc;

use anyhow::anyhow;
use billing_http::{ApiKey, Client, ErrorKind, Wire};
use billing_model::{Page, Summary, Timestamp};
use billing_sink::{DrainError, Drained, FileSink, Target, drain};
use chrono::Utc;
use futures::{Stream, TryStreamExt};

use crate::args::{self, Service};
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::output::Output;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::{key_source, runtime, terminal, text};

/// Walks of one window, when entries keep arriving behind them.
const MAX_WALKS: u32 = 3;

pub(crate) fn run(service: &Service, args: &args::Export) -> Result<(), Failure> {
    let now = Utc::now();
    let plan = Plan::new(args, now)?;
    // Before the key is read: a base URL to which no key may go is wrong with any key.
    Client::builder(&service.base_url, ApiKey::new("none")?).build()?;
    let key = key_source::read(service.api_key_file.as_deref())?;
    // Before anything is fetched: a wrong path costs no hours.
    let output = Output::open(plan.output.as_deref())?;
    let takes_back = output.takes_back();
    let progress = Arc::new(Progress::new(plan.window, plan.quiet));
    if plan.window.until() > Some(Timestamp::from(now)) {
        progress.say("note: the window ends in the future; what is still to come is not in the export");
    }
    let observer = Arc::clone(&progress);
    let client = Client::builder(&service.base_url, key)
        .wire(match plan.wire {
            args::Wire::Json => Wire::Json,
            args::Wire::Csv => Wire::Csv(|body| billing_csv::decode(body).map_err(Into::into)),
        })
        .observer(move |event| observer.observe(event))
        .build()?;
    let runtime = runtime(1)?;
    let result = runtime.block_on(async {
        let interrupted = interrupt::watch(!takes_back)?;
        tokio::select! {
            result = export(&plan, output, &client, &progress) => result,
            _ = interrupted => Err(Failure::new(Exit::Interrupted, anyhow!("interrupted"))
                .hint("nothing was written; a file that was there before is as it was")),
        }
    });
    let (elapsed, entries) = (progress.elapsed(), progress.entries());
    drop((client, progress));
    let exported = result.map_err(|failure| match takes_back || entries == 0 {
        true => failure,
        false => failure.hint("what was written so far is incomplete: do not use it"),
    })?;
    if !plan.quiet {
        terminal::note(&said_of(&plan, &exported, elapsed));
    }
    Ok(())
}

/// What an export came to.
struct Exported {
    summary: Summary,
    /// True when an entry came with an `apiKeyId`.
    any_key_id: bool,
}

fn said_of(plan: &Plan, exported: &Exported, elapsed: std::time::Duration) -> String {
    let summary = &exported.summary;
    let to = plan.output.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default();
    let mut said = format!("{to}{}\nwindow {}\n", text::pace(summary, elapsed), plan.window);
    said.push_str(&text::amounts(summary));
    let lost_key_ids = matches!(plan.wire, args::Wire::Csv) && plan.keeps_api_key_id && !exported.any_key_id;
    if lost_key_ids && summary.entries > 0 {
        said.push_str(
            "warning: no entry came with an apiKeyId. The text/csv of a service may lack it: use --wire json\n",
        );
    }
    said.trim_end().to_owned()
}

/// Exports the window into the output, or into new ones of the same name when the window has to be read again.
async fn export(
    plan: &Plan,
    mut output: Output,
    client: &Client,
    progress: &Progress,
) -> Result<Exported, Failure> {
    let mut walks = 1;
    loop {
        let takes_back = output.takes_back();
        let mut any_key_id = false;
        let pages = noting_keys(plan.walk.clone().pages(client), &mut any_key_id);
        match drain(pages, FileSink::new(plan.format, output)).await {
            Ok(Drained { summary, .. }) => return Ok(Exported { summary, any_key_id }),
            // What went to a file can be taken back; what went through a pipe cannot.
            Err(DrainError::Pages(error))
                if error.kind() == ErrorKind::Moved && takes_back && walks < MAX_WALKS =>
            {
                walks += 1;
                progress.restart();
                output = Output::open(plan.output.as_deref())?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn noting_keys<E>(
    pages: impl Stream<Item = Result<Page, E>>,
    any_key_id: &mut bool,
) -> impl Stream<Item = Result<Page, E>> {
    pages.inspect_ok(|page| *any_key_id |= page.entries.iter().any(|entry| entry.api_key_id.is_some()))
}
