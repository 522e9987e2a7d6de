//! Where the API key comes from: a file or a variable, never a flag, which every process list shows.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::anyhow;
use billing_http::ApiKey;

use crate::exit::{Exit, Failure};
use crate::input;

/// More than any key; what is longer is the wrong file.
const MAX_KEY_BYTES: u64 = 16 << 10;

/// Characters of its end by which a person knows a key, and how many a key has at least of which they are shown.
const SHOWN: usize = 6;
const LEAST_TO_SHOW: usize = 20;

/// The variable with a key of Venice.
const VENICE: &str = "VENICE_API_KEY";

/// The kind of key that a command needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Needed {
    /// One that reads the ledger.
    Admin,
    /// One that records in it.
    Ingest,
}

impl Needed {
    /// The variables that may have it, the first one before the other. A key of Venice, which reads somebody's ledger there, is
    /// sent to nobody who takes batches: Venice takes none.
    fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Admin => &["BILLING_API_KEY", VENICE],
            Self::Ingest => &["BILLING_API_KEY"],
        }
    }

    /// What is said to who gave none.
    fn hints(self) -> [&'static str; 2] {
        match self {
            Self::Admin => [
                "put an admin key in BILLING_API_KEY or VENICE_API_KEY, or in a file for --api-key-file",
                // The page is named in the provider's guide,
                // <https://docs.venice.ai/guides/getting-started/generating-api-key>.
                "Venice makes keys at https://venice.ai/settings/api, `billing serve` with `billing keys create`",
            ],
            Self::Ingest => [
                "put an ingest key of the service in BILLING_API_KEY, or in a file for --api-key-file",
                "whoever runs the service makes one with `billing keys create --kind ingest`",
            ],
        }
    }
}

/// A key, and where it is from.
pub(crate) struct Key {
    pub(crate) key: ApiKey,
    source: String,
    /// How it ends. Nothing of a short one.
    end: Option<String>,
}

impl Key {
    /// What tells a person which of several keys it is.
    pub(crate) fn described(&self) -> String {
        match &self.end {
            Some(end) => format!("the key is that of {}, which ends in `{end}`", self.source),
            None => format!("the key is that of {}", self.source),
        }
    }
}

/// The key from the file, or from one of the variables that may have it.
pub(crate) fn read(needed: Needed, file: Option<&Path>) -> Result<Key, Failure> {
    let (text, source) = match file {
        Some(path) => {
            let text = read_file(path).map_err(|error| {
                let doing = format!("the API key cannot be read from `{}`", path.display());
                Failure::new(Exit::Key, anyhow::Error::new(error).context(doing))
            })?;
            (text, input::quoted(path))
        }
        None => {
            let variables = needed.variables();
            variables.iter().find_map(|name| Some((variable(name)?, (*name).to_owned()))).ok_or_else(
                || {
                    let error = match variable(VENICE) {
                        Some(_) => anyhow!("no API key: that of {VENICE} is for Venice, and was not sent"),
                        None => anyhow!("no API key"),
                    };
                    needed.hints().into_iter().fold(Failure::new(Exit::Key, error), Failure::hint)
                },
            )?
        }
    };
    let key = ApiKey::new(&text)?;
    let text = text.trim();
    let end = (text.len() >= LEAST_TO_SHOW).then(|| text.get(text.len() - SHOWN..).map(str::to_owned));
    Ok(Key { key, source, end: end.flatten() })
}

/// What a variable holds, if it holds anything.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.trim().is_empty())
}

fn read_file(path: &Path) -> io::Result<String> {
    let source: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut text = String::new();
    source.take(MAX_KEY_BYTES).read_to_string(&mut text)?;
    Ok(text)
}
