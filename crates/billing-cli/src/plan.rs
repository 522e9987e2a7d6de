//! What an export will do: the flags, once everything that can be wrong with them has been found.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use billing_csv::Columns;
use billing_http::Walk;
use billing_model::{Currency, Fault, QueryError, TimeWindow, Timestamp};
use billing_sink::Format;
use chrono::{DateTime, Utc};

use crate::args::{self, Endpoint, ExportFormat};
use crate::exit::Failure;
use crate::instant;

/// What will be done.
pub(crate) struct Plan {
    pub(crate) walk: Walk,
    pub(crate) window: TimeWindow,
    pub(crate) wire: args::Wire,
    pub(crate) format: Format,
    /// `None` is stdout.
    pub(crate) output: Option<PathBuf>,
    pub(crate) quiet: bool,
    /// True when the output has a place for `apiKeyId`.
    pub(crate) keeps_api_key_id: bool,
}

impl Plan {
    pub(crate) fn new(args: &args::Export, now: DateTime<Utc>) -> Result<Self, Failure> {
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
        let format = args.format.map_or_else(|| format_of(args.output.as_deref()), Ok)?;
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
            output: file(args.output.as_deref()),
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
    // The end is fixed, to the millisecond that services know, before the first request: a window without one has no
    // last entry while entries arrive.
    let until = time("--until", &args.until)?.unwrap_or_else(|| Timestamp::from(now).floor_ms());
    TimeWindow::new(since, Some(until)).map_err(|_| {
        let since = since.map(|since| since.to_string()).unwrap_or_default();
        Failure::usage(anyhow!("the window is empty: --since {since} is not before --until {until}"))
    })
}

/// The format that the name of a file asks for; csv unless it asks for something.
fn format_of(output: Option<&Path>) -> Result<ExportFormat, Failure> {
    let extension = output.and_then(Path::extension).and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("ndjson" | "jsonl") => Ok(ExportFormat::Ndjson),
        Some("json") => Ok(ExportFormat::Json),
        // Plain text under such a name would be taken for something else.
        Some(other @ ("gz" | "zst" | "xz" | "bz2" | "zip" | "xlsx" | "xls" | "parquet")) => {
            Err(Failure::usage(anyhow!("an export cannot be written as .{other}"))
                .hint("name it .csv, .json or .ndjson, or say what it is with --format"))
        }
        _ => Ok(ExportFormat::Csv),
    }
}

/// stdout for no file, for `-`, and for its name, which would be opened anew and written from its start.
fn file(output: Option<&Path>) -> Option<PathBuf> {
    output.filter(|path| !["-", "/dev/stdout"].map(Path::new).contains(path)).map(Path::to_owned)
}
