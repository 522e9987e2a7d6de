//! `billing import`: records entries from files in a ledger, all or none, and the same content only once.

use std::path::Path;
use std::time::Instant;

use anyhow::anyhow;
use billing_format::{Content, InputFormat, Notices, ReadError, read_entries_noting};
use billing_ledger::{
    AccountId, Error, ErrorKind, FileContent, ImportedFile, Ledger, Source, check_account_name,
    check_timestamps,
};
use billing_model::{Sink, Summary, Timestamp, UsageEntry};
use billing_sqlite::{Overlap, Overlaps};
use chrono::Utc;

use crate::args::{self, ImportFormat};
use crate::exit::Failure;
use crate::input::Input;
use crate::ledger_place::LedgerPlace;
use crate::ledgers::LookUp;
use crate::{accounts, ledgers, stdout, terminal, text};

mod report;

use report::{FileReport, Report};

/// The most pairs of files that an error names. One pair is enough to find the mistake.
const NAMED_PAIRS: usize = 5;

const NOTHING: &str = "nothing was imported";

/// The hint for an account that takes nothing from elsewhere.
const ANOTHER_ACCOUNT: &str = "nothing was imported; import into another --account";

pub(crate) fn run(args: &args::Import) -> Result<(), Failure> {
    let start = Instant::now();
    let place = args.ledger.place()?;
    // All files are opened before the ledger is made, so that a wrong name leaves nothing behind.
    let inputs = args.files.iter().map(|path| Input::open(path)).collect::<Result<Vec<_>, _>>()?;
    let report = match args.dry_run {
        true => rehearse(args, &place, inputs)?,
        false => record(args, inputs)?,
    };
    terminal::note(&report.said(&args.account, start.elapsed()));
    if args.json {
        stdout::print(&report.json(args, &place)?)?;
    }
    if report.is_refused {
        return Err(Failure::failed(anyhow!("an import of this would be refused")).hint(again("all of it")));
    }
    Ok(())
}

fn record(args: &args::Import, inputs: Vec<Input>) -> Result<Report, Failure> {
    let ledger = ledgers::open_or_create(&args.ledger.place_to_make()?)?;
    import(args, inputs, &*ledger).inspect_err(|_| ledger.remove_if_unused())
}

/// Imports all or nothing. When it fails, it removes what it has stored before it returns.
fn import(args: &args::Import, inputs: Vec<Input>, ledger: &dyn Ledger) -> Result<Report, Failure> {
    let (account, is_new) = accounts::find_or_create(ledger, &args.account)?;
    if let Some(source) = ledger.source(account)? {
        return Err(of_a_copy(args, &source));
    }
    let mut import = ledger.import(account)?;
    let mut reading = Reading::new(args)?;
    // To hash a file first takes a part of the time of an import. It is done only where it may spare an import.
    let is_worth_a_look = !args.again && (inputs.len() > 1 || ledger.has_imported_files(account)?);
    for (path, mut input) in args.files.iter().zip(inputs) {
        if is_worth_a_look && let Some(sha256) = input.sha256() {
            reading.check_content(path, &sha256, imported_before(ledger, account, &sha256)?.as_ref())?;
        }
        let (read, sha256) = reading.read(path, input, &mut import)?;
        // The digest of what was read is the one that counts, so it is looked up too. stdin could not be hashed before.
        reading.end_file(path, &read, sha256, imported_before(ledger, account, &sha256)?)?;
        import.end_file(FileContent {
            name: path.display().to_string(),
            sha256,
            imported_at: reading.now,
            again: args.again,
        });
    }
    reading.end()?;
    // Another process may have imported the same content meanwhile. The transaction that shows the entries refuses it.
    import.finish().map_err(|error| match error.kind() {
        ErrorKind::AlreadyImported => Failure::failed(error).hint(again("it")),
        // It became a copy of a service meanwhile.
        ErrorKind::SyncedAccount => Failure::failed(error).hint(ANOTHER_ACCOUNT),
        _ => Failure::from(error),
    })?;
    if is_new {
        reading.report.note(format!("account `{}` was not there and was made", args.account));
    }
    Ok(reading.report)
}

fn imported_before(
    ledger: &dyn Ledger,
    account: AccountId,
    sha256: &[u8; 32],
) -> Result<Option<ImportedFile>, Failure> {
    Ok(ledger.imported_file(account, sha256)?)
}

/// A dry run: reads and checks everything that an import would, and changes no ledger.
fn rehearse(args: &args::Import, place: &LedgerPlace, inputs: Vec<Input>) -> Result<Report, Failure> {
    let look_up = LookUp::of(place, &args.account)?;
    if let Err(error) = check_account_name(&args.account)
        && !look_up.is_there()?
    {
        return Err(accounts::refused(error));
    }
    let mut rehearsal = Rehearsal;
    if let Some(source) = look_up.source()? {
        return Err(of_a_copy(args, &source));
    }
    // A file that is no ledger is found before anything is read.
    look_up.files(&[])?;
    let mut reading = Reading::new(args)?;
    for (path, input) in args.files.iter().zip(inputs) {
        let (read, sha256) = reading.read(path, input, &mut rehearsal)?;
        reading.end_file(path, &read, sha256, look_up.files(&[sha256])?.pop().flatten())?;
    }
    reading.end()?;
    Ok(reading.report)
}

/// The failure for an account that has what a service says, and nothing else.
fn of_a_copy(args: &args::Import, source: &Source) -> Failure {
    let (account, base_url) = (&args.account, &source.base_url);
    Failure::failed(anyhow!("the account `{account}` is kept in step with {base_url} by `billing sync`"))
        .hint(ANOTHER_ACCOUNT)
}

/// The files of one call while they are read, and what was found so far.
struct Reading<'a> {
    args: &'a args::Import,
    now: Timestamp,
    report: Report,
    notices: Notices,
    /// Looks for equal entries; `None` when there is only one file.
    overlaps: Option<Overlaps>,
}

impl<'a> Reading<'a> {
    fn new(args: &'a args::Import) -> Result<Self, Failure> {
        let overlaps = if args.files.len() > 1 { Some(Overlaps::new()?) } else { None };
        let now = Timestamp::from(Utc::now()).floor_ms();
        Ok(Self { args, now, report: Report::new(args.dry_run), notices: Notices::default(), overlaps })
    }

    /// Reads a file into the sink. Returns the sums of its entries and the SHA-256 of its content.
    fn read(
        &mut self,
        path: &Path,
        input: Input,
        sink: &mut impl Sink<Error = Error>,
    ) -> Result<(Summary, [u8; 32]), Failure> {
        let unreadable = |error: anyhow::Error| {
            Failure::failed(error)
                .context(format!("`{}`", path.display()))
                .hint(format!("{NOTHING}; mend the file and import it again"))
        };
        let format = match self.args.format {
            ImportFormat::Auto => InputFormat::Auto,
            ImportFormat::Ndjson => InputFormat::Ndjson,
            ImportFormat::Json => InputFormat::Json,
            ImportFormat::Csv => InputFormat::Csv,
        };
        let mut content = Content::open(input).map_err(|error| unreadable(error.into()))?;
        let file = self.report.files.len();
        let mut noted = Noted { sink, overlaps: self.overlaps.as_mut(), file };
        self.notices.begin(path.display());
        let read =
            read_entries_noting(&mut content, format, &mut noted, &mut self.notices).map_err(|error| {
                match error {
                    ReadError::Input(error) => unreadable(error.into()),
                    ReadError::Sink(error) => Failure::from(error).hint(NOTHING),
                }
            })?;
        if may_be_cut(content.last()) {
            self.report.warn(format!(
                "`{}` does not end with a line break; if it was cut off there, its last entry is wrong",
                path.display()
            ));
        }
        let sha256 = content.finish().map_err(|error| unreadable(error.into()))?;
        Ok((read, sha256))
    }

    /// Adds a file that was read to the report. Refuses content that was imported before.
    fn end_file(
        &mut self,
        path: &Path,
        read: &Summary,
        sha256: [u8; 32],
        before: Option<ImportedFile>,
    ) -> Result<(), Failure> {
        // A file without entries is never refused, because nothing of it can be there twice.
        match read.entries {
            0 => self.report.warn(format!("`{}` has no entries", path.display())),
            _ => self.check_content(path, &sha256, before.as_ref())?,
        }
        self.report.summary.merge(read);
        self.report.files.push(FileReport::new(path, read, sha256, before));
        Ok(())
    }

    /// Refuses content that the account or an earlier file of this call has.
    fn check_content(
        &mut self,
        path: &Path,
        sha256: &[u8; 32],
        before: Option<&ImportedFile>,
    ) -> Result<(), Failure> {
        let path = path.display();
        if let Some(same) = self.report.same_content(sha256) {
            let told = format!("`{path}` has the same content as `{same}`, which comes before it");
            self.refuse(told, again("it"))?;
        }
        if let Some(before) = before {
            let account = &self.args.account;
            let told = format!("`{path}` was imported into account `{account}` before: {before}");
            self.refuse(told, again("it"))?;
        }
        Ok(())
    }

    /// Tells the notices of all files. Refuses files that have equal entries in the time that they share.
    fn end(&mut self) -> Result<(), Failure> {
        // Only after the last file is it known which pages are missing, because a page may be in any file.
        for notice in self.notices.list() {
            match notice.kind.is_warning() {
                true => self.report.warn(notice.to_string()),
                false => self.report.note(notice.to_string()),
            }
        }
        self.report.unknown = self.notices.unknown();
        let unknown: Vec<_> = self.report.unknown.iter().map(ToString::to_string).collect();
        unknown.into_iter().for_each(|unknown| self.report.note(unknown));
        self.check_overlaps()
    }

    /// Refuses files that have equal entries in the time that they share.
    fn check_overlaps(&mut self) -> Result<(), Failure> {
        let Some(overlaps) = &self.overlaps else { return Ok(()) };
        let (borders, overlaps): (Vec<_>, Vec<_>) =
            overlaps.find()?.into_iter().partition(|overlap| overlap.is_border);
        for Overlap { files, entries, first, .. } in borders {
            let (one, other) = (self.report.name(files.0), self.report.name(files.1));
            self.report.warn(format!(
                "`{one}` and `{other}` meet at {first}, and both have {} there: right where a batch was cut in two, \
                 and doubled where both windows hold that instant",
                equal(entries)
            ));
        }
        let told: Vec<_> = overlaps.iter().map(|overlap| self.report.told(overlap)).collect();
        self.report.overlaps = overlaps;
        if told.is_empty() {
            return Ok(());
        }
        let more = match told.len() - told.len().min(NAMED_PAIRS) {
            0 => String::new(),
            more => format!("; and {more} more pairs of files"),
        };
        let told = told.into_iter().take(NAMED_PAIRS).collect::<Vec<_>>().join("; ");
        self.refuse(
            told + &more,
            format!("{NOTHING}; leave out what is there twice, or --again imports all of it"),
        )
    }

    /// Returns an error, or only a warning with `--again` or in a dry run.
    fn refuse(&mut self, told: String, hint: String) -> Result<(), Failure> {
        match (self.args.again, self.args.dry_run) {
            (true, _) => self.report.warn(told),
            (false, true) => {
                self.report.warn(format!("{told}; without --again an import refuses that"));
                self.report.is_refused = true;
            }
            (false, false) => return Err(Failure::failed(anyhow!(told)).hint(hint)),
        }
        Ok(())
    }
}

fn again(what: &str) -> String {
    format!("{NOTHING}; --again imports {what} once more")
}

/// `1 equal entry`, `1,204 equal entries`.
fn equal(entries: u64) -> String {
    text::entries(entries).replace(' ', " equal ")
}

/// A sink whose entries are also compared with those of other files.
struct Noted<'a, S> {
    sink: &'a mut S,
    overlaps: Option<&'a mut Overlaps>,
    file: usize,
}

impl<S: Sink<Error = Error>> Sink for Noted<'_, S> {
    type Output = ();
    type Error = Error;

    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        if let Some(overlaps) = &mut self.overlaps {
            overlaps.add(self.file, entries)?;
        }
        self.sink.write(entries)
    }

    /// Does nothing: the inner sink also takes the next file.
    fn finish(self) -> Result<(), Error> {
        Ok(())
    }
}

/// The sink of a dry run. It refuses the entries that an import would refuse, and stores nothing.
struct Rehearsal;

impl Sink for Rehearsal {
    type Output = ();
    type Error = Error;

    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        check_timestamps(entries)
    }

    fn finish(self) -> Result<(), Error> {
        Ok(())
    }
}

/// True when the last byte neither ends a line nor JSON. Then the last field of a CSV file may be cut.
fn may_be_cut(last: Option<u8>) -> bool {
    !matches!(last, None | Some(b'\n' | b'\r' | b'}' | b']' | b' '))
}
