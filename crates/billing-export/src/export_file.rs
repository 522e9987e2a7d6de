//! The file that an export goes to, and goes on with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use billing_format::Format;
use billing_sink::{Error, FileSink, Finished, Opened, ResumableFile, Target};

use crate::place::{Found, Place};

/// A file that is whole or not there, and that the next run goes on with when one was killed or stopped: a
/// [`ResumableFile`], whose page says what is kept when.
///
/// The export gives its [`Finished`] back: whoever has no more to write about the file calls [`Finished::close`].
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

    /// Compresses it. See [`ResumableFile::gzip`].
    #[must_use]
    pub fn gzip(mut self, is_gzip: bool) -> Self {
        self.is_gzip = is_gzip;
        self
    }

    /// How much time passes until what came is made durable once more: a second unless said otherwise, and
    /// [`Duration::ZERO`] makes every mark durable.
    #[must_use]
    pub fn checkpoint_every(mut self, interval: Duration) -> Self {
        self.checkpoint_every = Some(interval);
        self
    }

    /// As [`Place::open`], with something around the file: a target that counts, or one that a test kills.
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

    /// What decides the bytes of the file, beside its entries.
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
            // Two names may be links to the same file, so the name does not tell.
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
