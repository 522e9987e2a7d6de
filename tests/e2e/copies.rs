//! An account that is a copy of a service, made without one: what a ledger has of it after `billing sync`.

use std::collections::BTreeMap;
use std::path::Path;

use billing_ledger::{AccountId, Change, Coverage, Ledger as _, Source};
use billing_model::{Currency, Total, UsageEntry, WholeSet};
use billing_sqlite::SqliteLedger;

use crate::ledger::{Ledger, at};

/// The service that each copy here is of.
pub(crate) const SERVICE: &str = "https://api.venice.ai/api/v1";

/// A window that was walked: its start, if it has one, its end, and when the walk began.
pub(crate) type Walked<'a> = (Option<&'a str>, &'a str, &'a str);

/// Makes an account of a ledger a copy that has walked these windows and found these entries in them.
pub(crate) fn make(ledger: &Ledger, account: &str, walked: &[Walked<'_>], entries: &[UsageEntry]) {
    make_at(Path::new(&ledger.path()), account, walked, entries);
}

pub(crate) fn make_at(path: &Path, account: &str, walked: &[Walked<'_>], entries: &[UsageEntry]) {
    let ledger = SqliteLedger::open_or_create(path).unwrap();
    let account = ledger.create_account(account).unwrap();
    let last = walked.iter().map(|(_, _, as_of)| at(as_of)).max();
    let source = Source {
        base_url: SERVICE.to_owned(),
        key_fingerprint: "f".to_owned(),
        settle: Source::SETTLE,
        synced_at: last,
    };
    ledger.set_source(account, &source).unwrap();
    for walked in walked {
        change(&ledger, account, *walked, entries);
    }
}

/// Makes one change, as a sync does it for each window.
fn change(
    ledger: &SqliteLedger,
    account: AccountId,
    (since, until, as_of): Walked<'_>,
    entries: &[UsageEntry],
) {
    let (since, until, as_of) = (since.map(at), at(until), at(as_of));
    let is_in = |entry: &&UsageEntry| since <= Some(entry.timestamp) && entry.timestamp < until;
    let entries: Vec<UsageEntry> = entries.iter().filter(is_in).cloned().collect();
    let mut sums = BTreeMap::<Currency, Total>::new();
    entries.iter().for_each(|entry| sums.entry(entry.currency.clone()).or_default().add(entry.amount));
    let whole_set = entries.iter().collect::<WholeSet>();
    let cover = vec![Coverage { since, until, as_of, sums: sums.into_iter().collect(), whole_set }];
    ledger.change(&Change { add: entries.into(), cover, ..Change::of(account, as_of) }).unwrap();
}
