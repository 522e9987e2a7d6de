//! Where the API key comes from: a file or a variable, never a flag, which every process list shows.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::anyhow;
use billing_http::ApiKey;

use crate::exit::{Exit, Failure};

/// More than any key; what is longer is the wrong file.
const MAX_KEY_BYTES: u64 = 16 << 10;

/// The key from the file, or from `BILLING_API_KEY` or `VENICE_API_KEY`.
pub(crate) fn read(file: Option<&Path>) -> Result<ApiKey, Failure> {
    let text = match file {
        Some(path) => read_file(path).map_err(|error| {
            let doing = format!("the API key cannot be read from `{}`", path.display());
            Failure::new(Exit::Key, anyhow::Error::new(error).context(doing))
        })?,
        None => ["BILLING_API_KEY", "VENICE_API_KEY"]
            .iter()
            .filter_map(|name| env::var(name).ok())
            .find(|text| !text.trim().is_empty())
            .ok_or_else(|| {
                Failure::new(Exit::Key, anyhow!("no API key"))
                    .hint("set BILLING_API_KEY or VENICE_API_KEY, or give --api-key-file FILE")
            })?,
    };
    ApiKey::new(&text).map_err(Failure::from)
}

fn read_file(path: &Path) -> io::Result<String> {
    let source: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut text = String::new();
    source.take(MAX_KEY_BYTES).read_to_string(&mut text)?;
    Ok(text)
}
