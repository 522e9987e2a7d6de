//! What is typed for a batch.

use std::path::PathBuf;

use clap::ValueEnum;

use super::ledger::WIDTH;
use super::service::AskedOnce;

const RECORD: &str = "\
The file is sent as it is, decompressed if it is gzip or zstd, and in one piece:
16 MiB at most, unless the service takes more. It is recorded whole, or nothing
of it is; each row that is refused is named, the first one being 1 (a header of
CSV is none). Services that take batches are those of `billing serve`, and their
key is of kind ingest. Venice takes none.

A batch is recorded once under its key, however often it is sent. So when
nothing is known of what came of it (exit code 6), run the same command again.
Another file under the same key is refused (2).

Examples:
  billing record day.ndjson --idempotency-key gateway-1:2026-06-14
      Records a file; the key is what the file is known by.
  billing record usage.csv.gz --idempotency-key june --api-key-file ingest-key
      Records a compressed file, with the key of a file.
  billing record - --format ndjson --idempotency-key batch-17 < batch.ndjson
      Records what comes on stdin.";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = RECORD)]
pub(crate) struct Record {
    /// File to record, `-` for stdin; gzip and zstd are read as they are
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
