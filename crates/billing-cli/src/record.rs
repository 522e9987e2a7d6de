//! `billing record`: a file as one batch, to a service that takes them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::anyhow;
use billing_format::Content;
use billing_http::{Batch, ErrorKind, IdempotencyKey, Recorded};

use crate::args::{self, BatchFormat};
use crate::asking::{Question, ask};
use crate::exit::Failure;
use crate::{input, terminal, text};

/// Bytes of a batch, at most: no server can be told to take more.
const MAX_BYTES: u64 = 1 << 30;

/// How a text may begin that some other system wrote.
const BOM: &[u8] = b"\xef\xbb\xbf";

pub(crate) fn run(args: &args::Record) -> Result<(), Failure> {
    let key = IdempotencyKey::new(args.idempotency_key.as_str())?;
    let is_stdin = |path: &Path| path == Path::new("-");
    if is_stdin(&args.file) && args.asked.service.api_key_file.as_deref().is_some_and(is_stdin) {
        return Err(Failure::usage(anyhow!("stdin is the file and the key, and can be one of them alone")));
    }
    let shown = input::quoted(&args.file);
    let body = read(&args.file).map_err(|failure| failure.context(shown.clone()))?;
    if matches!(args.format, BatchFormat::Auto) && is_page(&body) {
        let error = anyhow!("{shown} is a page of a service's answer and no batch, so nothing was sent");
        return Err(Failure::failed(error).hint(
            "`billing import` reads it; `jq -c '.data[]'` makes NDJSON of it, and may round long numbers",
        ));
    }
    let format = format_of(args.format, &body);
    let batch = Batch::of_text(key, format, body);
    let recorded =
        ask(&args.asked, Question::Batch, async |client| client.record(&batch).await).map_err(|failure| {
            match failure.of_service() {
                Some(
                    ErrorKind::BatchRefused
                    | ErrorKind::BatchTooLarge
                    | ErrorKind::IdempotencyConflict
                    | ErrorKind::AccountSynced
                    | ErrorKind::OutcomeUnknown,
                ) => failure.context(shown.clone()),
                // Found before anything was sent, and not about the file.
                Some(
                    ErrorKind::InvalidUrl | ErrorKind::InsecureUrl | ErrorKind::InvalidKey | ErrorKind::Setup,
                )
                | None => failure,
                Some(_) => failure.context(format!("{shown} was not recorded")),
            }
        })?;
    let key = &args.idempotency_key;
    terminal::note(&match recorded {
        Recorded::Stored(entries) => format!("{shown}: recorded {} as batch `{key}`", text::entries(entries)),
        Recorded::Repeated(entries) => format!(
            "{shown}: batch `{key}` of {} was recorded before; nothing was recorded twice",
            text::entries(entries)
        ),
    });
    Ok(())
}

/// The text of the file, decompressed.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(Failure::failed)?)
    };
    let mut body = Vec::new();
    let content = Content::open(input).map_err(Failure::failed)?;
    content.take(MAX_BYTES + 1).read_to_end(&mut body).map_err(Failure::failed)?;
    if body.len() as u64 > MAX_BYTES {
        return Err(Failure::failed(anyhow!("a batch has 1 GiB at the most"))
            .hint("record it as several files, each under a key of its own"));
    }
    if body.trim_ascii().is_empty() {
        return Err(Failure::failed(anyhow!("there is nothing in it, so nothing was sent")));
    }
    Ok(body)
}

/// What stands behind a byte order mark and white space.
fn start(body: &[u8]) -> &[u8] {
    body.strip_prefix(BOM).unwrap_or(body).trim_ascii_start()
}

/// True for what begins as a page does, `{"data":[{`: as NDJSON it would be an entry in which everything is missing. A file of
/// entries is read the same way, whatever else such an object holds.
fn is_page(body: &[u8]) -> bool {
    let mut rest = start(body);
    let expected: [&[u8]; 4] = [b"{", b"\"data\"", b":", b"["];
    for token in expected {
        let Some(behind) = rest.strip_prefix(token) else { return false };
        rest = behind.trim_ascii_start();
    }
    matches!(rest.first(), Some(b'{' | b']'))
}

/// The form of a text, as it was said or as its first character says.
fn format_of(said: BatchFormat, body: &[u8]) -> billing_http::BatchFormat {
    match (said, start(body).first()) {
        (BatchFormat::Json, _) | (BatchFormat::Auto, Some(b'[')) => billing_http::BatchFormat::Json,
        (BatchFormat::Ndjson, _) | (BatchFormat::Auto, Some(b'{')) => billing_http::BatchFormat::Ndjson,
        (BatchFormat::Csv | BatchFormat::Auto, _) => billing_http::BatchFormat::Csv,
    }
}
