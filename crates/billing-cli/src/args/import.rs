//! The flags of `billing import`.

use std::path::PathBuf;

use clap::ValueEnum;

use super::DEFAULT_ACCOUNT;
use super::named_ledger::NamedLedger;

/// The text below the help: what an import does, and what a failed one leaves.
const IMPORTS: &str = "\
All files are recorded, or none. The ledger keeps the SHA-256 of what is in each
file (decompressed, so usage.csv and usage.csv.gz are the same), its name and
the date; the same content into the same account is refused. So are files of one
call that hold equal entries in the time that both cover: exports of windows
that overlap. --again imports both all the same. Not seen are entries that came
before in a file with other content, or in a batch.

A server of the ledger goes on recording meanwhile, and shows nothing of the
import before its end. Until then it takes up as much space in the ledger as it
will in the end, and some in the directory for temporary files. What a failed or
killed import took is free for what comes next, and the file does not shrink;
after a kill, the next import of 10,000 entries and more, or `serve`, removes
the entries first. A ledger that is not there is made; a killed import can leave
an empty one.

Examples:
  billing import june.csv --ledger ledger.db
  billing import may.csv.gz june.ndjson --ledger ledger.db --dry-run
  billing import - --format ndjson --ledger ledger.db < june.ndjson";

#[derive(Debug, clap::Args)]
#[command(after_help = IMPORTS)]
pub(crate) struct Import {
    /// Files to read, `-` for stdin; gzip and zstd are read as they are
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) ledger: NamedLedger,
    /// Account that the entries belong to; made when it is not there
    #[arg(long, value_name = "NAME", default_value = DEFAULT_ACCOUNT)]
    pub(crate) account: String,
    /// Format of the files; json is arrays, pages as the API answers, and entries of any number of lines
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: ImportFormat,
    /// Import also what the account has already, or what two of the files both hold
    #[arg(long)]
    pub(crate) again: bool,
    /// Read and check everything, say what it comes to, and record nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print one JSON object: what was imported, by file and by currency
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum ImportFormat {
    #[default]
    Auto,
    Ndjson,
    Json,
    Csv,
}
