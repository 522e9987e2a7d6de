//! An import into memory: it is held until it ends.

use billing_ledger::{AccountId, Error, ErrorKind, FileContent, Import, check_timestamps};
use billing_model::UsageEntry;

use super::MemoryLedger;
use super::account::File;

#[derive(Debug)]
pub(super) struct MemoryImport {
    ledger: MemoryLedger,
    account: AccountId,
    entries: Vec<UsageEntry>,
    files: Vec<File>,
    has_failed: bool,
}

impl MemoryImport {
    pub(super) fn new(ledger: MemoryLedger, account: AccountId) -> Self {
        Self { ledger, account, entries: Vec::new(), files: Vec::new(), has_failed: false }
    }
}

impl Import for MemoryImport {
    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        if self.has_failed {
            return Err(aborted());
        }
        check_timestamps(entries).inspect_err(|_| self.has_failed = true)?;
        self.entries.extend_from_slice(entries);
        Ok(())
    }

    fn end_file(&mut self, content: FileContent) {
        let named: u64 = self.files.iter().map(|file| file.entries).sum();
        let entries = self.entries.len() as u64 - named;
        if entries > 0 {
            self.files.push(File { content, entries });
        }
    }

    fn finish(self: Box<Self>) -> Result<u64, Error> {
        if self.has_failed {
            return Err(aborted());
        }
        let mut state = self.ledger.state();
        let account = state.account(self.account)?;
        account.refuse_synced()?;
        account.add_files(&self.files)?;
        state.add(self.account, &self.entries)?;
        Ok(self.entries.len() as u64)
    }
}

fn aborted() -> Error {
    Error::new(ErrorKind::Aborted, "the import failed and stores nothing: import again")
}
