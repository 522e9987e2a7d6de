//! What an account keeps beside its entries, row by row: itself, its receipts, its files.

use std::ops::Range;

use billing_ledger::DifferenceKind;
use billing_model::Decimal;

use super::findings::{DIGEST_BYTES, Findings, Values};
use super::numbers::Numbers;
use super::words::length;

/// Looks at the row of an account: the number that its next entry gets, and its allocation, which is given in words when it is no
/// number.
pub fn look_at_account<F: Findings>(
    next_sequence: i64,
    diem_allocation: (Option<String>, Result<Option<Decimal>, ()>),
    findings: &mut F,
) {
    let mut wrong = |field, held: Option<String>, expected: &str| {
        let values = Values::new(field, held, Some(expected.to_owned()));
        findings.add(DifferenceKind::Account, |_| "the account".to_owned(), values);
    };
    if next_sequence < 0 {
        wrong("next_sequence", Some(next_sequence.to_string()), "0 or more");
    }
    let (held, allocation) = diem_allocation;
    if !allocation.is_ok_and(|amount| amount.is_none_or(|amount| !amount.is_negative())) {
        wrong("diem_allocation", held, "a decimal number, 0 or more");
    }
}

/// Notes that an account is not there to which something belongs.
pub fn is_no_account<F: Findings>(id: i64, findings: &mut F) {
    findings.notes().account = Some(id.to_string());
    let values = Values::new("id", None, Some(id.to_string()));
    findings.add(DifferenceKind::Account, |_| "the account".to_owned(), values);
}

/// Looks at an API key, which is shown by its id.
pub fn look_at_key<F: Findings>(id: &str, account: (i64, bool), digest_bytes: i64, findings: &mut F) {
    findings.notes().report.checked.keys += 1;
    let (account, is_there) = account;
    if !is_there {
        let held = format!("account {account}");
        let values = Values::new("account", Some(held), Some("an account that is there".to_owned()));
        findings.add(DifferenceKind::Key, |_| id.to_owned(), values);
    }
    look_at_length("digest", digest_bytes, DifferenceKind::Key, id, findings);
}

fn look_at_length<F: Findings>(
    field: &'static str,
    bytes: i64,
    kind: DifferenceKind,
    place: &str,
    findings: &mut F,
) {
    if bytes != DIGEST_BYTES {
        let values = Values::new(field, Some(length(bytes)), Some(length(DIGEST_BYTES)));
        findings.add(kind, |_| place.to_owned(), values);
    }
}

/// Notes what is wrong with the source of a synced account.
pub fn is_wrong_source<F: Findings>(field: &'static str, held: String, expected: &str, findings: &mut F) {
    let values = Values::new(field, Some(held), Some(expected.to_owned()));
    findings.add(DifferenceKind::Source, |_| "the source".to_owned(), values);
}

/// The receipts of an account. Each is about other entries than the next one, and none about entries of files. So together
/// they cannot have more entries than are there or were taken out.
pub struct Receipts {
    entries: u64,
    which: &'static str,
    together: u128,
}

impl Receipts {
    /// Of an account into which so many entries came, of which so many in files.
    pub fn of(came: u64, filed: u64) -> Self {
        let which = if filed == 0 { "that came" } else { "that came in no file" };
        Self { entries: came.saturating_sub(filed), which, together: 0 }
    }

    /// Looks at a receipt, which is shown by its key.
    pub fn look_at<F: Findings>(&mut self, key: &str, digest_bytes: i64, received: i64, findings: &mut F) {
        findings.notes().report.checked.receipts += 1;
        look_at_length("digest", digest_bytes, DifferenceKind::Receipt, key, findings);
        match u64::try_from(received) {
            Ok(received) if received <= self.entries => self.together += u128::from(received),
            _ => self.is_too_much(key, received.to_string(), findings),
        }
    }

    /// Looks at all of them together.
    pub fn close<F: Findings>(self, findings: &mut F) {
        if self.together > u128::from(self.entries) {
            self.is_too_much("all receipts", self.together.to_string(), findings);
        }
    }

    fn is_too_much<F: Findings>(&self, place: &str, received: String, findings: &mut F) {
        let expected = format!("from 0 to {}, the entries {}", self.entries, self.which);
        let values = Values::new("entries", Some(received), Some(expected));
        findings.add(DifferenceKind::Receipt, |_| place.to_owned(), values);
    }
}

/// A file that was imported, as it is kept.
pub struct HeldFile {
    /// Its name, as it is shown.
    pub name: String,
    /// What its name is instead of a text.
    pub no_name: Option<String>,
    /// Bytes of its digest.
    pub sha256_bytes: i64,
    /// How many entries came in it.
    pub entries: i64,
    /// The number of the first one.
    pub first_sequence: i64,
    /// How many times the same was imported before.
    pub copy: i64,
    /// True when the time before is there too, or it is the first one.
    pub is_next_copy: bool,
}

/// The files of an account, in the order in which their entries were stored: each has entries, and each entry is of one at most.
#[derive(Default)]
pub struct Files {
    end: i64,
    filed: u64,
}

impl Files {
    /// Looks at a file. `has_removal` says whether one of these numbers is that of a removal.
    ///
    /// # Errors
    /// When that cannot be said.
    pub fn look_at<F: Findings>(
        &mut self,
        file: &HeldFile,
        numbers: &Numbers,
        has_removal: impl FnOnce(Range<i64>) -> Result<bool, F::Error>,
        findings: &mut F,
    ) -> Result<(), F::Error> {
        findings.notes().report.checked.files += 1;
        let name = || file.name.clone();
        if let Some(held) = &file.no_name {
            let values = Values::new("name", Some(held.clone()), Some("a text in UTF-8".to_owned()));
            findings.add(DifferenceKind::File, |_| name(), values);
        }
        look_at_length("sha256", file.sha256_bytes, DifferenceKind::File, &file.name, findings);
        if !file.is_next_copy {
            let expected = "the number of times that the same was imported before".to_owned();
            let values = Values::new("copy", Some(file.copy.to_string()), Some(expected));
            findings.add(DifferenceKind::File, |_| name(), values);
        }
        let (entries, first) = (file.entries, file.first_sequence);
        let stretch = first..first.saturating_add(entries);
        let values = match u64::try_from(entries) {
            Err(_) | Ok(0) => Values::new("entries", Some(entries.to_string()), Some("1 or more".to_owned())),
            // Each of its numbers is that of an entry that came, even if it was taken out since.
            Ok(entries)
                if first >= self.end && numbers.are_seen(&stretch) && !has_removal(stretch.clone())? =>
            {
                self.filed += entries;
                self.end = stretch.end;
                return Ok(());
            }
            Ok(_) => {
                let expected = "the first number of so many entries of this file alone".to_owned();
                Values::new("first_sequence", Some(format!("{first}, of {entries} entries")), Some(expected))
            }
        };
        findings.add(DifferenceKind::File, |_| name(), values);
        Ok(())
    }

    /// How many entries came in files.
    pub fn entries(&self) -> u64 {
        self.filed
    }
}
