//! `billing export`: a window of the ledger, from a service to a file or stdout.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use billing_csv::Columns;
use billing_http::{ApiKey, Client, ErrorKind, Walk};
use billing_model::{Currency, Fault, Page, QueryError, Summary, TimeWindow, Timestamp};
use billing_sink::{DrainError, Drained, FileSink, Format, drain};
use chrono::{DateTime, Utc};
use futures::{Stream, TryStreamExt};

use crate::args::{self, Endpoint, ExportFormat, Service};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::progress::Progress;
use crate::{instant, key_source, runtime, terminal, text};

/// Walks of one window, when entries keep arriving behind them.
const MAX_WALKS: u32 = 3;

/// What will be done: everything that can be wrong with the flags has been found.
struct Plan {
    walk: Walk,
    window: TimeWindow,
    wire: args::Wire,
    format: Format,
    output: Option<PathBuf>,
    quiet: bool,
    /// True when the output has a place for `apiKeyId`.
    keeps_api_key_id: bool,
}

impl Plan {
    fn new(args: &args::Export, now: DateTime<Utc>) -> Result<Self, Failure> {
        let window = window(args, now)?;
        let endpoint = match args.endpoint {
            Endpoint::Auto => billing_http::Endpoint::Auto,
            Endpoint::Usage => billing_http::Endpoint::Usage,
            Endpoint::UsageHistory => billing_http::Endpoint::UsageHistory,
        };
        let walk = Walk::over(window)
            .endpoint(endpoint)
            .currency(args.currency.as_deref().map(|name| Currency::from(name.to_uppercase().as_str())))
            .page_size(args.page_size)
            .build()
            .map_err(|refused| refusal(&refused))?;
        let format = args.format.unwrap_or_else(|| format_of(args.output.as_deref()));
        Ok(Self {
            walk,
            window,
            wire: args.wire,
            format: match (format, args.with_api_key_id) {
                (ExportFormat::Csv, false) => Format::Csv(Columns::Documented),
                (ExportFormat::Csv, true) => Format::Csv(Columns::WithApiKeyId),
                (ExportFormat::Json, _) => Format::Json,
                (ExportFormat::Ndjson, _) => Format::Ndjson,
            },
            output: args.output.clone().filter(|path| path != Path::new("-")),
            quiet: args.quiet,
            keeps_api_key_id: args.with_api_key_id || format != ExportFormat::Csv,
        })
    }
}

/// The faults of a query, under the names of the flags that they came from.
fn refusal(refused: &QueryError) -> Failure {
    let fault = |fault: &Fault| match fault.field {
        Some("limit" | "pageSize") => format!("--page-size: {}", fault.message),
        Some(field) => format!("--{field}: {}", fault.message),
        None => fault.message.clone(),
    };
    Failure::usage(anyhow!(refused.faults().iter().map(fault).collect::<Vec<_>>().join("; ")))
}

fn window(args: &args::Export, now: DateTime<Utc>) -> Result<TimeWindow, Failure> {
    let time = |flag: &str, text: &Option<String>| {
        let read = |text: &String| {
            instant::parse(text, now).map_err(|error| Failure::usage(anyhow!("{flag}: {error}")))
        };
        text.as_ref().map(read).transpose()
    };
    let since = time("--since", &args.since)?;
    // The end is fixed before the first request: a window without one has no last entry while entries arrive.
    let until = time("--until", &args.until)?.unwrap_or_else(|| Timestamp::from(now));
    TimeWindow::new(since, Some(until)).map_err(|_| {
        let since = since.map(|since| since.to_string()).unwrap_or_default();
        Failure::usage(anyhow!("the window is empty: --since {since} is not before --until {until}"))
    })
}

/// The format that the name of a file asks for.
fn format_of(output: Option<&Path>) -> ExportFormat {
    match output.and_then(Path::extension).and_then(|extension| extension.to_str()) {
        Some("ndjson" | "jsonl") => ExportFormat::Ndjson,
        Some("json") => ExportFormat::Json,
        _ => ExportFormat::Csv,
    }
}

pub(crate) fn run(service: &Service, args: &args::Export) -> Result<(), Failure> {
    let plan = Plan::new(args, Utc::now())?;
    // Before the key is read: a base URL to which no key may go is wrong with any key.
    Client::builder(&service.base_url, ApiKey::new("none")?).build()?;
    let key = key_source::read(service.api_key_file.as_deref())?;
    let progress = Arc::new(Progress::new(plan.window, plan.quiet));
    let observer = Arc::clone(&progress);
    let client = Client::builder(&service.base_url, key)
        .wire(match plan.wire {
            args::Wire::Json => billing_http::Wire::Json,
            args::Wire::Csv => billing_http::Wire::Csv(|body| billing_csv::decode(body).map_err(Into::into)),
        })
        .observer(move |event| observer.observe(event))
        .build()?;
    let runtime = runtime(1)?;
    let interrupted = runtime.spawn(async {
        let _ = tokio::signal::ctrl_c().await;
        // A second Ctrl-C ends a run that waits where it cannot be interrupted, such as a full pipe.
        tokio::spawn(async {
            let _ = tokio::signal::ctrl_c().await;
            std::process::exit(Exit::Interrupted as i32);
        });
    });
    let result = runtime.block_on(async {
        tokio::select! {
            result = export(&plan, &client, &progress) => result,
            _ = interrupted => Err(Failure::new(Exit::Interrupted, anyhow!("interrupted"))
                .hint("nothing was written; a file that was there before is as it was")),
        }
    });
    let elapsed = progress.elapsed();
    drop((client, progress));
    let (summary, any_key_id) = result?;
    if !plan.quiet {
        let to = plan.output.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default();
        terminal::note(
            format!("{to}{}\n{}", text::pace(&summary, elapsed), text::amounts(&summary)).trim_end(),
        );
        if matches!(plan.wire, args::Wire::Csv) && plan.keeps_api_key_id && !any_key_id && summary.entries > 0
        {
            terminal::note(
                "note: no entry came with an apiKeyId; the service's text/csv may lack it: --wire json has it",
            );
        }
    }
    Ok(())
}

/// Exports the window; also tells whether any entry came with an `apiKeyId`.
async fn export(plan: &Plan, client: &Client, progress: &Progress) -> Result<(Summary, bool), Failure> {
    let mut walks = 1;
    loop {
        // Opened before anything is fetched, so that a wrong path costs no hours.
        let sink = FileSink::new(plan.format, Output::open(plan.output.as_deref())?);
        let mut any_key_id = false;
        match drain(noting_keys(plan.walk.clone().pages(client), &mut any_key_id), sink).await {
            Ok(Drained { summary, .. }) => return Ok((summary, any_key_id)),
            // What went to a file can be taken back; what went to stdout cannot.
            Err(DrainError::Pages(error))
                if error.kind() == ErrorKind::Moved && plan.output.is_some() && walks < MAX_WALKS =>
            {
                walks += 1;
                progress.restart();
            }
            Err(DrainError::Pages(error)) => return Err(error.into()),
            Err(DrainError::Sink(error)) => return Err(error.into()),
        }
    }
}

fn noting_keys<E>(
    pages: impl Stream<Item = Result<Page, E>>,
    any_key_id: &mut bool,
) -> impl Stream<Item = Result<Page, E>> {
    pages.inspect_ok(|page| *any_key_id |= page.entries.iter().any(|entry| entry.api_key_id.is_some()))
}
