//! A file as the place of an export, which a later run can continue.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use billing_format::Format;
use billing_sink::{Error, FileSink, Finished, Opened, ResumableFile, Target};

use crate::place::{Found, Place};

/// A file that is whole or not there. When a run is killed or stopped, the next run continues it. It is a
/// [`ResumableFile`], whose documentation says what is kept when.
///
/// The export returns its [`Finished`]. Call [`Finished::close`] when nothing more is to be written about the file,
/// such as a manifest.
#[derive(Clone, Debug)]
pub struct ExportFile {
    path: PathBuf,
    format: Format,
    is_gzip: bool,
    checkpoint_every: Option<Duration>,
}

impl ExportFile {
    /// The file at `path`, in a format.
    pub fn new(path: impl Into<PathBuf>, format: Format) -> Self {
        Self { path: path.into(), format, is_gzip: false, checkpoint_every: None }
    }

    /// Compresses the file. See [`ResumableFile::gzip`].
    #[must_use]
    pub fn gzip(mut self, is_gzip: bool) -> Self {
        self.is_gzip = is_gzip;
        self
    }

    /// The time between two moments at which the file is made durable; one second by default. With [`Duration::ZERO`]
    /// every mark is made durable.
    #[must_use]
    pub fn checkpoint_every(mut self, interval: Duration) -> Self {
        self.checkpoint_every = Some(interval);
        self
    }

    /// Like [`Place::open`], with a wrapper around the file, such as one that counts bytes or one that a test kills.
    ///
    /// # Errors
    /// Those of [`ResumableFile::open`].
    pub fn open_within<T>(
        &self,
        asked: &BTreeMap<String, String>,
        restart: bool,
        around: impl FnOnce(ResumableFile) -> T + Send + 'static,
    ) -> Result<Found<FileSink<T>>, Error>
    where
        T: Target<Done: From<Finished>>,
    {
        let mut asked = asked.clone();
        asked.extend(self.asked().map(|(name, value)| (name.to_owned(), value.to_owned())));
        let Self { format, is_gzip, checkpoint_every, .. } = *self;
        let sink = move |file: ResumableFile| {
            let file = match checkpoint_every {
                Some(interval) => file.checkpoint_every(interval),
                None => file,
            };
            FileSink::new(format, around(if is_gzip { file.gzip() } else { file }))
        };
        Ok(match ResumableFile::open(&self.path, &asked, restart)? {
            Opened::New(file) => {
                let takes_back = file.takes_back();
                let found = Found::new(|settled, started| Ok(sink(file.begin(settled, started)?)));
                if takes_back { found } else { found.passing() }
            }
            Opened::Begun(file) => Found::begun(file.begun().clone(), || Ok(sink(file.go_on()?))),
            Opened::Written(file) => Found::written(file.begun().clone(), || Ok(file.commit()?.into())),
        })
    }

    /// The arguments that decide the bytes of the file, beside those that decide its entries.
    fn asked(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let has = |name: &str| match self.format {
            Format::Csv(columns) => columns.names().any(|column| column == name),
            Format::Json | Format::Ndjson => false,
        };
        let format = match self.format {
            Format::Csv(_) => "csv",
            Format::Json => "json",
            Format::Ndjson => "ndjson",
        };
        let all = [
            ("format", Some(format)),
            ("with-api-key-id", has("apiKeyId").then_some("yes")),
            ("with-other-fields", has("otherFields").then_some("yes")),
            // The name does not tell whether the file is compressed: two names may be links to the same file.
            ("compression", self.is_gzip.then_some("gzip")),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

impl Place for ExportFile {
    type Sink = FileSink<ResumableFile>;

    fn open(&self, asked: &BTreeMap<String, String>, restart: bool) -> Result<Found<Self::Sink>, Error> {
        self.open_within(asked, restart, |file| file)
    }
}
