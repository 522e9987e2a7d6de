//! The output of an export that reads everything at once: a file that is whole or not there, or stdout. Nothing is kept for
//! another run to go on with.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use billing_sink::{FileSink, NewFile, Opened as Found, Plain, ResumableFile};

use crate::clock::now;
use crate::exit::Failure;
use crate::output::{self, Opened};
use crate::plan::Plan;

/// The output of an export that goes on with nothing: what an earlier run of the same export left is begun anew.
pub(crate) struct WholeOutput<'a> {
    plan: &'a Plan,
    asked: BTreeMap<String, String>,
    takes_back: bool,
    /// The file that was opened, until it is begun. A pipe is opened once: its reader has gone when it is closed.
    first: Option<NewFile>,
}

impl<'a> WholeOutput<'a> {
    /// Checks that it can be written, and that nothing of another export is left there. `asked` is what tells exports apart.
    pub(crate) fn open(plan: &'a Plan, asked: [(&str, &String); 2]) -> Result<Self, Failure> {
        let asked = asked.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        let first = match plan.output.as_deref() {
            Some(path) => Some(match ResumableFile::open(path, &asked, plan.restart)? {
                Found::New(file) => file,
                Found::Begun(left) => anew(left, path, &asked)?,
                Found::Written(left) => anew(left, path, &asked)?,
            }),
            None => None,
        };
        let takes_back = first.as_ref().is_some_and(NewFile::takes_back);
        Ok(Self { plan, asked, takes_back, first })
    }

    /// True when what was written can be taken back.
    pub(crate) fn takes_back(&self) -> bool {
        self.takes_back
    }

    /// Begins it. Nothing is left of it when the sink is dropped before its first mark.
    pub(crate) fn begin(&mut self) -> Result<FileSink<Opened>, Failure> {
        let Plan { format, is_gzip, .. } = *self.plan;
        let Some(path) = self.plan.output.as_deref() else {
            return Ok(FileSink::new(format, Opened::Stdout(Plain(output::stdout()?))));
        };
        let file = match self.first.take() {
            Some(file) => file,
            None => anew((), path, &self.asked)?,
        };
        let file = file.begin(BTreeMap::new(), now())?;
        let file = if is_gzip { file.gzip() } else { file };
        Ok(FileSink::new(format, Opened::File(Box::new(file))))
    }
}

/// The file once more, without what is there. `left` has its lock, so it goes first.
fn anew<T>(left: T, path: &Path, asked: &BTreeMap<String, String>) -> Result<NewFile, Failure> {
    drop(left);
    match ResumableFile::open(path, asked, true)? {
        Found::New(file) => Ok(file),
        _ => Err(Failure::failed(anyhow!("`{}` cannot be begun anew", path.display()))),
    }
}
