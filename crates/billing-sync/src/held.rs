//! What the ledger itself has in a span: its entries, read one by one, and what they come to.

use std::collections::BTreeMap;

use billing_ledger::{AccountId, Coverage, Error, ErrorKind, Filter, Ledger, WalkQuery};
use billing_model::{Currency, Decimal, EntryDigest, Timestamp, Total, UsageEntry, WholeDigest, WholeSet};

use crate::days::DayCharges;
use crate::difference::HeldEntry;
use crate::span::Span;

/// Entries that are read at a time.
const PAGE: u32 = 1_000;

/// How often a span is read, when entries of it are taken out meanwhile.
const MAX_READS: u32 = 3;

/// The entries of a span.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) entries: Vec<HeldEntry>,
    pub(crate) content: Content,
    /// Their charges by day.
    pub(crate) days: DayCharges,
    /// The state of the account that was read, for [`Change::seen`](billing_ledger::Change::seen).
    pub(crate) seen: u64,
}

/// What entries come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) sums: BTreeMap<Currency, Total>,
    pub(crate) whole_set: WholeSet,
}

impl Content {
    pub(crate) fn add(&mut self, currency: &Currency, amount: Decimal, whole: WholeDigest) {
        self.whole_set.add(whole);
        match self.sums.get_mut(currency) {
            Some(sum) => sum.add(amount),
            None => self.sums.entry(currency.clone()).or_default().add(amount),
        }
    }

    /// What several records come to.
    pub(crate) fn of(records: &[Coverage]) -> Self {
        let mut content = Self::default();
        for record in records {
            content.put(record.whole_set, record.sums.iter().map(|(currency, sum)| (currency, sum)));
        }
        content
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.put(other.whole_set, &other.sums);
    }

    fn put<'s>(&mut self, whole_set: WholeSet, sums: impl IntoIterator<Item = (&'s Currency, &'s Total)>) {
        self.whole_set.merge(whole_set);
        for (currency, sum) in sums {
            self.sums.entry(currency.clone()).or_default().merge(sum);
        }
    }

    /// The record of a span that has this content.
    pub(crate) fn record(self, span: Span, as_of: Timestamp) -> Coverage {
        let Self { sums, whole_set } = self;
        Coverage { since: span.since, until: span.until, as_of, sums: sums.into_iter().collect(), whole_set }
    }
}

/// The digests of entries, and what they come to.
pub(crate) fn weigh(entries: &[UsageEntry]) -> (Vec<(EntryDigest, WholeDigest)>, Content) {
    let mut content = Content::default();
    let digests = entries.iter().map(|entry| {
        let digest = EntryDigest::of(entry);
        let whole = whole(digest, entry);
        content.add(&entry.currency, entry.amount, whole);
        (digest, whole)
    });
    (digests.collect(), content)
}

fn whole(digest: EntryDigest, entry: &UsageEntry) -> WholeDigest {
    digest.whole(entry.api_key_id.as_deref(), entry.other_fields.as_ref().map(|other| other.as_str()))
}

/// Reads a span as it is at one moment.
pub(crate) fn read(ledger: &dyn Ledger, account: AccountId, span: Span) -> Result<Held, Error> {
    let mut reads = 1;
    loop {
        match read_once(ledger, account, span) {
            // A sync beside a proof took entries out that were still to come.
            Err(error) if error.kind() == ErrorKind::WalkOutdated && reads < MAX_READS => reads += 1,
            read => return read,
        }
    }
}

fn read_once(ledger: &dyn Ledger, account: AccountId, span: Span) -> Result<Held, Error> {
    let mut held = Held::default();
    let filter = Filter { window: span.window(), currency: None };
    let (mut snapshot, mut after) = (None, None);
    loop {
        let query = WalkQuery { account, filter: &filter, snapshot, after, limit: PAGE };
        let page = ledger.page_by_position(&query, &mut |position, lent| {
            let entry = lent.to_entry()?;
            held.days.add(&entry);
            let digest = EntryDigest::of(&entry);
            let whole = whole(digest, &entry);
            held.content.add(&entry.currency, entry.amount, whole);
            held.entries.push(HeldEntry { position, digest, whole });
            Ok(())
        })?;
        held.seen = page.snapshot.end;
        snapshot = Some(page.snapshot);
        after = page.next;
        if after.is_none() {
            return Ok(held);
        }
    }
}
