//! The plan of an export: its flags, after they were checked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use billing_csv::Columns;
use billing_export::{Export, ExportFile};
use billing_format::Format;
use billing_http::{ApiKey, Walk};
use billing_model::{Currency, QueryError, TimeWindow, Timestamp, TypedTime, TypedWindow};
use chrono::{DateTime, Datelike, Days, Utc};
use clap::ValueEnum;

use crate::args::{self, ExportFormat};
use crate::exit::Failure;
use crate::output::Output;
use crate::typed;

/// What an export will do.
pub(crate) struct Plan {
    pub(crate) times: Times,
    /// A note about the window that was typed.
    pub(crate) note: Option<String>,
    endpoint: billing_http::Endpoint,
    pub(crate) currency: Option<Currency>,
    page_size: Option<u32>,
    concurrency: u32,
    pub(crate) wire: args::Wire,
    pub(crate) format: Format,
    /// The path of the file; `None` is stdout.
    pub(crate) output: Option<PathBuf>,
    /// True when the name of the file asks for gzip.
    pub(crate) is_gzip: bool,
    pub(crate) manifest: bool,
    pub(crate) restart: bool,
    checkpoint_every: Duration,
    pub(crate) quiet: bool,
    pub(crate) json: bool,
    pub(crate) verbose: bool,
    /// True when the output has `apiKeyId`.
    pub(crate) keeps_api_key_id: bool,
    /// True when a column for undocumented fields was asked for.
    pub(crate) wants_other_fields: bool,
    /// The arguments that decide which entries come, as they were typed. A run that continues a file must have the same
    /// ones.
    asked: BTreeMap<&'static str, String>,
}

/// The window as it was typed. If it depends on the present, it is settled when the service has told the time.
#[derive(Clone, Copy)]
pub(crate) struct Times(TypedWindow);

impl Plan {
    pub(crate) fn new(args: &args::Export) -> Result<Self, Failure> {
        let times = Times::new(args)?;
        let format = args.format.map_or_else(|| format_of(args.output.as_deref()), Ok)?;
        let output = file(args.output.as_deref());
        let is_gzip = output.as_deref().is_some_and(|output| has_extension(output, GZIP));
        let plan = Self {
            times,
            note: args.until.as_deref().and_then(last_day),
            endpoint: args.walking.endpoint.into(),
            currency: args.currency.as_deref().map(|name| Currency::from(name.to_uppercase().as_str())),
            page_size: args.walking.page_size,
            concurrency: args.walking.concurrency,
            wire: args.wire,
            format: match format {
                ExportFormat::Csv => Format::Csv(columns(args)),
                ExportFormat::Json => Format::Json,
                ExportFormat::Ndjson => Format::Ndjson,
            },
            output,
            is_gzip,
            manifest: args.manifest,
            restart: args.restart,
            checkpoint_every: Duration::from_secs(args.checkpoint_every),
            quiet: args.quiet,
            json: args.json,
            verbose: args.verbose,
            keeps_api_key_id: args.with_api_key_id || format != ExportFormat::Csv,
            wants_other_fields: args.with_other_fields,
            asked: asked(args, times),
        };
        if plan.manifest && plan.output.is_none() {
            return Err(Failure::usage(anyhow!(
                "a manifest stands beside a file, and this export goes to stdout"
            ))
            .hint("name the file with -o"));
        }
        if plan.restart && plan.output.is_none() {
            return Err(Failure::usage(anyhow!(
                "--restart throws away what is left of a file, and this export goes to stdout"
            ))
            .hint("name the file with -o, or leave --restart out"));
        }
        if args.from_ledger.is_some() {
            return Ok(plan);
        }
        // The query is checked before the key is read, because a wrong query is wrong with any key.
        plan.export(&args.walking.service.base_url, &ApiKey::new("none")?)?;
        Ok(plan)
    }

    /// The export from this service with this key.
    pub(crate) fn export(&self, base_url: &str, key: &ApiKey) -> Result<Export, Failure> {
        let export = Export::of(base_url, key)
            .over_times(self.times.by_any_clock())
            .endpoint(self.endpoint)
            .currency(self.currency.clone())
            .page_size(self.page_size)
            .concurrency(self.concurrency);
        let asked = self.asked.iter().fold(export, |export, (name, value)| export.asked(*name, value));
        asked.build().map_err(|refused| self.refusal(&refused))
    }

    /// The output of the export.
    pub(crate) fn place(&self) -> Result<Output, Failure> {
        let Some(path) = &self.output else { return Output::stdout(self.format) };
        let file = ExportFile::new(path, self.format).gzip(self.is_gzip);
        Ok(Output::File(file.checkpoint_every(self.checkpoint_every)))
    }

    /// The failure for a refused query. Its faults have the names of the flags.
    fn refusal(&self, refused: &QueryError) -> Failure {
        let failure = typed::refused(refused, self.page_size);
        if refused.faults().iter().all(|fault| fault.field != Some("currency")) {
            return failure;
        }
        let others = [billing_http::Endpoint::UsageHistory, billing_http::Endpoint::Usage];
        let taking = others.into_iter().find(|endpoint| {
            Walk::over(TimeWindow::ALL).endpoint(*endpoint).currency(self.currency.clone()).build().is_ok()
        });
        failure.hint(match taking {
            Some(endpoint) => {
                format!("without --currency all entries come; --endpoint {endpoint} takes this one, where there is that")
            }
            None => "without --currency all entries come, whatever they are charged in".to_owned(),
        })
    }
}

impl Times {
    fn new(args: &args::Export) -> Result<Self, Failure> {
        match (&args.month, args.days) {
            (Some(month), _) => typed::month(month),
            (None, Some(days)) => typed::checked(TypedWindow::last_days(days)),
            (None, None) => typed::window(args.since.as_deref(), args.until.as_deref()),
        }
        .map(Self)
    }

    /// True when the window depends on the present.
    pub(crate) fn need_clock(self) -> bool {
        self.0.needs_clock()
    }

    /// The window by a clock. Without an end that was typed it has none.
    pub(crate) fn by_clock(self, now: Timestamp) -> Result<TimeWindow, Failure> {
        let window = self.0.window(now).map_err(Failure::usage)?;
        match self.0.until {
            Some(_) => Ok(window),
            None => TimeWindow::new(window.since(), None).map_err(Failure::usage),
        }
    }

    /// The times, to be settled by any clock. The end is settled before anything is handed out, because a window
    /// without an end has no last entry while entries arrive.
    pub(crate) fn by_any_clock(self) -> billing_http::Times {
        billing_http::Times::from(self.0)
    }
}

/// The note for an end that is the last day of a month. Who means the whole month has typed one day too few.
pub(crate) fn last_day(until: &str) -> Option<String> {
    let Ok(TypedTime::At(at)) = until.parse() else { return None };
    let day = DateTime::<Utc>::from(at);
    let next = day.checked_add_days(Days::new(1))?;
    let is_day = until.len() == "2026-06-30".len();
    // A year has four digits.
    (is_day && next.day() == 1 && next.year() <= 9999).then(|| {
        let next = next.format("%Y-%m-%d");
        format!("{until} itself is not in the window, which ends where that day begins; --until {next} takes it in")
    })
}

/// The arguments that decide which entries come, as they were typed. The format on the wire is one, because text/csv
/// may lack a field.
fn asked(args: &args::Export, Times(window): Times) -> BTreeMap<&'static str, String> {
    let wire = args.wire.to_possible_value().map(|value| value.get_name().to_owned());
    let last_days = args.days.map(|days| format!("{days}d"));
    let since =
        window.since.and_then(|since| one_form(since, args.since.as_deref().or(last_days.as_deref())));
    let all = [
        ("since", since),
        ("until", window.until.and_then(|until| one_form(until, args.until.as_deref()))),
        ("wire", wire),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// The columns of the CSV.
fn columns(args: &args::Export) -> Columns {
    match (args.with_api_key_id, args.with_other_fields) {
        (false, false) => Columns::Documented,
        (true, false) => Columns::WithApiKeyId,
        (false, true) => Columns::WithOtherFields,
        (true, true) => Columns::All,
    }
}

/// A time in one form, however it was typed. A relative time stays as it was typed.
fn one_form(time: TypedTime, typed: Option<&str>) -> Option<String> {
    match time {
        TypedTime::At(at) => Some(at.to_string()),
        TypedTime::Back(_) | TypedTime::Midnight(_) => typed.map(str::to_owned),
    }
}

/// The extension of a file that is to be compressed.
const GZIP: &str = "gz";

/// The format that the name of a file asks for; CSV by default.
fn format_of(output: Option<&Path>) -> Result<ExportFormat, Failure> {
    let inner = output.filter(|output| has_extension(output, GZIP)).map(|output| output.with_extension(""));
    let extension =
        inner.as_deref().or(output).and_then(Path::extension).and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("ndjson" | "jsonl") => Ok(ExportFormat::Ndjson),
        Some("json") => Ok(ExportFormat::Json),
        Some("csv") => Ok(ExportFormat::Csv),
        // The name says that it is compressed, but not what the content is.
        _ if inner.is_some() => Err(unwritable(GZIP)),
        // Programs would not expect plain text in a file of this name.
        Some(other @ ("zst" | "xz" | "bz2" | "zip" | "tsv" | "xlsx" | "xls" | "parquet")) => {
            Err(unwritable(other))
        }
        _ => Ok(ExportFormat::Csv),
    }
}

fn unwritable(extension: &str) -> Failure {
    let hint = match extension {
        GZIP => "say what is in it: name it usage.csv.gz or usage.ndjson.gz, or add --format csv",
        _ => "name it .csv, .json or .ndjson, with .gz behind it for gzip, or say what it is with --format",
    };
    Failure::usage(anyhow!("an export cannot be written as .{extension}")).hint(hint)
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

/// The path of the file; `None` for stdout. stdout is meant without a path, with `-`, and with the path of stdout
/// itself, which would otherwise be opened anew and written from its start.
pub(crate) fn file(output: Option<&Path>) -> Option<PathBuf> {
    output.filter(|path| !["-", "/dev/stdout"].map(Path::new).contains(path)).map(Path::to_owned)
}
