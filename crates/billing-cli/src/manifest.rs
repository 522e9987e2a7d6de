//! What is said of a file beside it, so that whoever gets it can check it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use billing_http::{Route, Traffic};
use billing_model::{Summary, TimeWindow, Timestamp};
use billing_sink::{AtomicFile, Finished, Target};
use serde::Serialize;

use crate::exit::Failure;

/// The manifest of an export.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest<'a> {
    file: String,
    /// Of the file as it lies there, compressed where it is compressed.
    bytes: u64,
    /// Of those bytes, so that `sha256sum` shows it.
    sha256: String,
    window: Window,
    pub(crate) service: &'a str,
    pub(crate) endpoint: Option<String>,
    pub(crate) currency: Option<String>,
    entries: u64,
    first: Option<String>,
    last: Option<String>,
    amounts: AmountsByCurrency,
    /// Entries as the service counts them. `null` where it does not: `usage-history` has no total.
    pub(crate) service_total: Option<u64>,
    started: String,
    finished: String,
    /// True when the file was written by more than one run. Requests and retries are those of the last.
    pub(crate) resumed: bool,
    requests: u64,
    retries: u64,
    written_by: &'static str,
}

#[derive(Serialize)]
pub(crate) struct Window {
    since: Option<String>,
    until: Option<String>,
}

impl From<TimeWindow> for Window {
    fn from(window: TimeWindow) -> Self {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self { since: text(window.since()), until: text(window.until()) }
    }
}

/// The sums of each currency, by its name. They are text, because readers of JSON make binary floating point of numbers.
pub(crate) type AmountsByCurrency = BTreeMap<String, Amounts>;

#[derive(Serialize)]
pub(crate) struct Amounts {
    entries: u64,
    charged: String,
    credited: String,
    net: String,
}

pub(crate) fn amounts(summary: &Summary) -> AmountsByCurrency {
    let amounts = summary.amounts.iter().map(|(currency, amounts)| {
        let amounts = Amounts {
            entries: amounts.entries,
            charged: amounts.charged.to_string(),
            credited: amounts.credited.to_string(),
            net: amounts.net().to_string(),
        };
        (currency.to_string(), amounts)
    });
    amounts.collect()
}

/// How the walk of this run ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walked {
    pub(crate) endpoint: Option<Route>,
    pub(crate) service_total: Option<u64>,
}

impl<'a> Manifest<'a> {
    pub(crate) fn new(
        path: &Path,
        finished: &Finished,
        window: TimeWindow,
        service: &'a str,
        times: (Timestamp, Timestamp),
        traffic: Traffic,
    ) -> Self {
        let Summary { entries, first, last, .. } = &finished.summary;
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: finished.bytes,
            sha256: finished.sha256_hex(),
            window: Window::from(window),
            service,
            endpoint: None,
            currency: None,
            entries: *entries,
            first: text(*first),
            last: text(*last),
            amounts: amounts(&finished.summary),
            service_total: None,
            started: times.0.to_string(),
            finished: times.1.to_string(),
            resumed: false,
            requests: traffic.requests,
            retries: traffic.retries,
            written_by: concat!("billing ", env!("CARGO_PKG_VERSION")),
        }
    }

    /// Writes it beside the file, whole or not at all, and for the same readers: it tells what the file comes to.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let permissions = fs::metadata(path)
            .with_context(|| format!("`{}` cannot be looked at", path.display()))
            .map_err(Failure::failed)?
            .permissions();
        let path = path_of(path);
        let mut file = AtomicFile::create(&path)
            .and_then(|file| file.with_permissions(permissions))
            .map_err(Failure::failed)?;
        // One call: written as it is made, every word and every comma would be a call of its own.
        serde_json::to_vec_pretty(self)
            .map_err(std::io::Error::from)
            .and_then(|text| file.write_all(&[&text, &b"\n"[..]].concat()))
            .with_context(|| format!("`{}` cannot be written", path.display()))
            .map_err(Failure::failed)?;
        file.commit().map_err(Failure::failed)
    }
}

/// Finds out whether a manifest could be written, before anything is fetched.
pub(crate) fn check_place(path: &Path) -> Result<(), Failure> {
    let file = AtomicFile::create(path_of(path))?;
    match file.takes_back() {
        true => Ok(()),
        false => Err(Failure::failed(anyhow!("`{}` is not a file", path_of(path).display()))),
    }
}

/// Where the manifest of a file stands.
pub(crate) fn path_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".manifest.json");
    name.into()
}
