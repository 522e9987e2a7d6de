//! `billing import`: entries from files into a ledger, all of them or none.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use anyhow::anyhow;
use billing_model::Summary;
use billing_sink::{InputFormat, Notices, ReadError, read_entries_noting};
use billing_store::{Ledger, Sink};

use crate::args::{self, ImportFormat};
use crate::exit::Failure;
use crate::{terminal, text};

pub(crate) fn run(args: &args::Import) -> Result<(), Failure> {
    let start = Instant::now();
    let format = match args.format {
        ImportFormat::Auto => InputFormat::Auto,
        ImportFormat::Ndjson => InputFormat::Ndjson,
        ImportFormat::Json => InputFormat::Json,
        ImportFormat::Csv => InputFormat::Csv,
    };
    // All are opened before the ledger is touched: a slip in a name leaves no trace.
    let inputs = args.files.iter().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
    let ledger = Ledger::open_or_create(&args.ledger)?;
    let summary = match import(args, format, inputs, &ledger) {
        Ok(summary) => summary,
        Err(failure) => {
            // What cannot be removed is an empty ledger; what failed before says why.
            let _ = ledger.remove_if_unused();
            return Err(failure);
        }
    };
    let pace = text::pace(&summary, summary.entries, start.elapsed());
    terminal::note(
        format!("imported into account `{}`: {pace}\n{}", args.account, text::amounts(&summary)).trim_end(),
    );
    Ok(())
}

/// Imports all, or nothing. What it had stored when it failed is removed before it returns.
fn import(
    args: &args::Import,
    format: InputFormat,
    inputs: Vec<Box<dyn Read>>,
    ledger: &Ledger,
) -> Result<Summary, Failure> {
    let mut import = ledger.import(ledger.create_account(&args.account)?)?;
    let (mut summary, mut notices) = (Summary::default(), Notices::default());
    for (path, input) in args.files.iter().zip(inputs) {
        let ending = Rc::new(Cell::new(Ending::default()));
        let watched = Watched { input, ending: Rc::clone(&ending) };
        notices.begin(path.display());
        let read =
            read_entries_noting(watched, format, &mut import, &mut notices).map_err(|error| match error {
                ReadError::Input(error) => Failure::failed(error)
                    .context(format!("`{}`", path.display()))
                    .hint("nothing was imported; mend the file and import it again"),
                ReadError::Sink(error) => Failure::from(error).hint("nothing was imported"),
            })?;
        if ending.get().may_be_cut() {
            terminal::note(&format!(
                "warning: `{}` does not end with a line break; if it was cut off there, its last entry is wrong",
                path.display()
            ));
        }
        summary.merge(&read);
    }
    import.finish()?;
    for notice in notices.list().iter().filter(|notice| notice.kind.is_warning()) {
        terminal::note(&format!("warning: {notice}"));
    }
    Ok(summary)
}

fn open(path: &Path) -> Result<Box<dyn Read>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin()));
    }
    let failed = |error: anyhow::Error| Failure::failed(error.context(format!("`{}`", path.display())));
    let file = File::open(path).map_err(|error| failed(error.into()))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_dir() => Err(failed(anyhow!("is a directory"))),
        _ => Ok(Box::new(file)),
    }
}

/// How an input begins and ends.
#[derive(Clone, Copy, Default)]
struct Ending {
    first: Option<u8>,
    last: Option<u8>,
}

impl Ending {
    /// True for text that is neither JSON nor ends with a line: the last field of a CSV file has no other end.
    /// A file in gzip or zstd, which begins with 0x1f or 0x28, has a check of its own.
    fn may_be_cut(self) -> bool {
        !matches!(self.first, Some(0x1f | 0x28))
            && !matches!(self.last, None | Some(b'\n' | b'\r' | b'}' | b']' | b' '))
    }
}

/// Notes how an input begins and ends while it is read.
struct Watched {
    input: Box<dyn Read>,
    ending: Rc<Cell<Ending>>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        if let [first, ..] = buffer[..count] {
            let seen = self.ending.get();
            self.ending.set(Ending { first: seen.first.or(Some(first)), last: Some(buffer[count - 1]) });
        }
        Ok(count)
    }
}
