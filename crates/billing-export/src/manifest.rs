//! The manifest beside an exported file, by which its receiver can check it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use billing_model::{Summary, TimeWindow, Timestamp};
use billing_sink::{AtomicFile, Finished, Target};
use serde::Serialize;

use crate::exported::Exported;

/// The manifest of an exported file: window, sums, checksum, requests.
///
/// ```
/// use billing_export::{Export, ExportFile, Manifest};
/// use billing_format::Format;
/// use billing_http::{ApiKey, Client};
/// # use billing_model::{TimeWindow, Timestamp};
/// # use billing_testkit::{Book, Upstream, entry_at};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut book = Book::new(vec![entry_at("2026-06-14T19:52:45.087Z".parse()?, "-0.1")]);
/// # let upstream = Upstream::start(move |request| book.answer(request)).await;
/// # let base_url = upstream.base_url();
/// # let june = TimeWindow::new(Some("2026-06-01T00:00:00Z".parse()?), Some("2026-07-01T00:00:00Z".parse()?))?;
/// # let now = || "2026-07-01T08:00:00Z".parse::<Timestamp>().unwrap();
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("june.ndjson");
/// # let key = ApiKey::new("admin-key")?;
/// Manifest::check_place(&path)?;
/// let export = Export::of(&base_url, &key).over(june).build()?;
/// let client = Client::builder(base_url, key).build()?;
/// let job = export.open(ExportFile::new(&path, Format::Ndjson))?;
/// let exported = job.run(&client, now, |_| ()).await?;
/// // Write it before the file is closed. When the program is killed in between, the next run does this step again.
/// Manifest::new(&path, &exported, &exported.output, "my-service 1.0").write(&path)?;
/// exported.output.close()?;
/// let manifest = std::fs::read_to_string(Manifest::path_of(&path))?;
/// assert!(manifest.contains(r#""entries": 1,"#) && manifest.contains(r#""writtenBy": "my-service 1.0""#));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest<'a> {
    file: String,
    /// The size of the file on the disk, compressed if it is compressed.
    bytes: u64,
    /// The SHA-256 of these bytes, which `sha256sum` shows.
    sha256: String,
    window: WindowText,
    /// The base URL of the service, or the path of the ledger.
    service: &'a str,
    /// The account of the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    endpoint: Option<String>,
    currency: Option<String>,
    entries: u64,
    first: Option<String>,
    last: Option<String>,
    amounts: AmountsByCurrency,
    /// Entries by the service's count. `null` where there is none: `usage-history` has no total.
    service_total: Option<u64>,
    started: String,
    finished: String,
    /// True when the file was written by more than one run. Requests and retries are those of the last, as
    /// [`Exported::traffic`] has them.
    resumed: bool,
    requests: u64,
    retries: u64,
    written_by: &'a str,
}

/// A window in JSON. An open end is `null`.
#[derive(Clone, Debug, Serialize)]
pub struct WindowText {
    since: Option<String>,
    until: Option<String>,
}

impl From<TimeWindow> for WindowText {
    fn from(window: TimeWindow) -> Self {
        Self { since: text(window.since()), until: text(window.until()) }
    }
}

/// The sums of each currency in JSON, by its name. They are texts, because readers of JSON turn numbers into binary
/// floating point.
pub type AmountsByCurrency = BTreeMap<String, AmountsText>;

/// The sums of one currency in JSON.
#[derive(Clone, Debug, Serialize)]
pub struct AmountsText {
    entries: u64,
    charged: String,
    credited: String,
    net: String,
}

/// The sums of a summary in JSON.
pub fn amounts_text(summary: &Summary) -> AmountsByCurrency {
    let amounts = summary.amounts.iter().map(|(currency, amounts)| {
        let amounts = AmountsText {
            entries: amounts.entries,
            charged: amounts.charged.to_string(),
            credited: amounts.credited.to_string(),
            net: amounts.net().to_string(),
        };
        (currency.to_string(), amounts)
    });
    amounts.collect()
}

/// A manifest that could not be written. The exported file itself is complete and in its place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The manifest's path cannot be written, or is in use by something else.
    #[error(transparent)]
    Place(billing_sink::Error),
    /// At the manifest's path there is something that is not a regular file.
    #[error("`{}` is not a file", .0.display())]
    NotAFile(PathBuf),
    /// The exported file cannot be looked at. The cause says why.
    #[error("`{}` cannot be looked at", .0.display())]
    Look(PathBuf, #[source] io::Error),
    /// Writing failed. The cause says why.
    #[error("`{}` cannot be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

impl<'a> Manifest<'a> {
    /// The manifest of the file at `path` that an export has written. `written_by` is the name and version of the
    /// program.
    pub fn new<O>(path: &Path, exported: &'a Exported<O>, finished: &Finished, written_by: &'a str) -> Self {
        let Summary { entries, first, last, .. } = finished.summary;
        Self {
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: finished.bytes,
            sha256: finished.sha256_hex(),
            window: exported.window.into(),
            service: &exported.service,
            account: exported.account.as_deref(),
            endpoint: exported.endpoint.map(|endpoint| endpoint.to_string()),
            currency: exported.currency.as_ref().map(ToString::to_string),
            entries,
            first: text(first),
            last: text(last),
            amounts: amounts_text(&finished.summary),
            service_total: exported.service_total,
            started: exported.started.to_string(),
            finished: exported.finished.to_string(),
            resumed: exported.is_resumed,
            requests: exported.traffic.requests,
            retries: exported.traffic.retries,
            written_by,
        }
    }

    /// Writes the manifest beside the file, whole or not at all. It gets the same permissions as the file, because it
    /// has the sums of the file.
    ///
    /// # Errors
    /// [`ManifestError`] when it could not be written. An older manifest stays as it was.
    pub fn write(&self, path: &Path) -> Result<(), ManifestError> {
        let permissions =
            fs::metadata(path).map_err(|error| ManifestError::Look(path.to_owned(), error))?.permissions();
        let path = Self::path_of(path);
        let mut file = AtomicFile::create(&path)
            .and_then(|file| file.with_permissions(permissions))
            .map_err(ManifestError::Place)?;
        // One write for all of it. `to_writer` on the file would make a system call for every token.
        serde_json::to_vec_pretty(self)
            .map_err(io::Error::from)
            .and_then(|text| file.write_all(&[&text, &b"\n"[..]].concat()))
            .map_err(|error| ManifestError::Write(path, error))?;
        file.commit().map_err(ManifestError::Place)
    }

    /// Checks that the manifest of a file could be written. Call it before anything is fetched.
    ///
    /// # Errors
    /// [`ManifestError`] when it could not be written.
    pub fn check_place(path: &Path) -> Result<(), ManifestError> {
        let path = Self::path_of(path);
        match AtomicFile::create(&path).map_err(ManifestError::Place)?.takes_back() {
            true => Ok(()),
            false => Err(ManifestError::NotAFile(path)),
        }
    }

    /// The path of a file's manifest: beside the file, as `<name>.manifest.json`.
    pub fn path_of(path: &Path) -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(".manifest.json");
        name.into()
    }
}

fn text(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
