//! What is typed for a batch.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::Resettable;

use super::ledger::WIDTH;
use super::service::AskedOnce;

const RECORD: &str = "\
The file is one batch. It is sent in one piece: 16 MiB at most, unless the
service takes more. gzip and zstd are decompressed before, and nothing else is
changed. The batch is recorded whole, or nothing of it is; each row that is
refused is named, the first one being 1 (a header of CSV is none). It goes to a
`billing serve`, with a key of kind ingest. Venice takes no batches.

A page of a service's answer, {\"data\":[...]}, is no batch: import reads it.

A batch is recorded once under its key, however often it is sent. So when
nothing is known of what came of it (exit code 6), run the same command again.
Another file under the same key is refused (2). The entries of the first one are
recorded: send only those that are new, under another key.

Examples:
  billing record day.csv --idempotency-key day1 --base-url localhost:8787/api/v1
      Records a file; the key is what the file is known by.
  billing record b.csv.gz --idempotency-key b --base-url billing.example/api/v1
      Records a compressed file, at a service on another machine.
  billing record - --idempotency-key b --base-url localhost:8787/api/v1 < b.csv
      Records what comes on stdin.";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = RECORD)]
// The default service takes no batches, and rows of somebody's users are nobody else's business.
#[command(mut_arg("base_url", |url| url.default_value(Resettable::Reset).required(true)))]
// Nor does a key of Venice go there.
#[command(mut_arg("api_key_file", |file| file.help("File with the API key, `-` for stdin; otherwise BILLING_API_KEY")))]
pub(crate) struct Record {
    /// File to record, `-` for stdin; in gzip or zstd too
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Key that the batch is known by, of the caller's choice: 1 to 255 visible ASCII characters, another for each batch
    #[arg(long, value_name = "K", allow_hyphen_values = true)]
    pub(crate) idempotency_key: String,
    /// Format of the file: an array is json, an object a line is ndjson
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: BatchFormat,
    #[command(flatten)]
    pub(crate) asked: AskedOnce,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum BatchFormat {
    /// As its first character says: `[` is json, `{` ndjson, anything else csv
    #[default]
    Auto,
    Ndjson,
    Json,
    Csv,
}
