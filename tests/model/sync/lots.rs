//! Entries as multisets, and what a sync does to them.

use std::collections::{BTreeMap, HashMap, HashSet};

use billing_ledger::Coverage;
use billing_model::{Currency, EntryDigest, TimeWindow, Timestamp, Total, UsageEntry, WholeSet};

/// Entries that are the same one but for their keys and other fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Alike {
    pub(crate) count: u64,
    wholes: BTreeMap<WholeText, u64>,
}

/// What tells equal entries apart: the API key, and the other fields.
type WholeText = (Option<String>, Option<String>);

/// A multiset of entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lots(HashMap<EntryDigest, (Timestamp, Alike)>);

/// What brings one lot in line with another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Steps {
    pub(crate) added: u64,
    pub(crate) changed: u64,
    pub(crate) vanished: u64,
}

impl Lots {
    pub(crate) fn of<'e>(entries: impl IntoIterator<Item = &'e UsageEntry>) -> Self {
        let mut lots = Self::default();
        for entry in entries {
            let (_, alike) =
                lots.0.entry(EntryDigest::of(entry)).or_insert_with(|| (entry.timestamp, Alike::default()));
            alike.count += 1;
            let fields = entry.other_fields.as_ref().map(|fields| fields.as_str().to_owned());
            *alike.wholes.entry((entry.api_key_id.clone(), fields)).or_default() += 1;
        }
        lots
    }

    pub(crate) fn alike(&self, digest: &EntryDigest) -> Alike {
        self.0.get(digest).map(|(_, alike)| alike.clone()).unwrap_or_default()
    }

    pub(crate) fn count(&self, digest: &EntryDigest) -> u64 {
        self.0.get(digest).map_or(0, |(_, alike)| alike.count)
    }

    /// Every entry that one of them has, with its time.
    pub(crate) fn all<'l>(lots: impl IntoIterator<Item = &'l Self>) -> HashSet<(EntryDigest, Timestamp)> {
        lots.into_iter().flat_map(|lots| lots.0.iter().map(|(digest, (at, _))| (*digest, *at))).collect()
    }
}

impl Steps {
    /// What brings entries that are alike in line.
    pub(crate) fn between(held: &Alike, source: &Alike) -> Self {
        let same: u64 = held
            .wholes
            .iter()
            .map(|(whole, count)| (*count).min(source.wholes.get(whole).copied().unwrap_or(0)))
            .sum();
        Self {
            added: source.count.saturating_sub(held.count),
            changed: held.count.min(source.count) - same,
            vanished: held.count.saturating_sub(source.count),
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.added += other.added;
        self.changed += other.changed;
        self.vanished += other.vanished;
    }
}

pub(crate) fn is_in(window: &TimeWindow, at: Timestamp) -> bool {
    window.since() <= Some(at) && window.until().is_none_or(|until| at < until)
}

pub(crate) fn is_of(record: &Coverage, at: Timestamp) -> bool {
    record.since <= Some(at) && at < record.until
}

/// True for an instant of a record that is final, or that is to be walked again only because it was doubted: then the record is as
/// if it had been walked before all of its time.
pub(crate) fn is_settled(record: &Coverage, at: Timestamp, settle_ns: i64) -> bool {
    let settled = Timestamp::from_unix_ns(record.as_of.unix_ns().unwrap().saturating_sub(settle_ns));
    is_of(record, at) && (is_doubted(record) || at < settled)
}

/// True for a record whose entries were final before it was doubted.
fn is_doubted(record: &Coverage) -> bool {
    record.as_of <= record.since.unwrap_or(Timestamp::from_unix_ns(i64::MIN))
}

/// Records are in order, have what the ledger has in their time, and no entry is in none.
pub(crate) fn assert_recorded(records: &[Coverage], entries: &[UsageEntry]) {
    assert!(records.windows(2).all(|pair| Some(pair[0].until) <= pair[1].since), "{records:?}");
    for record in records {
        let mut sums = BTreeMap::<Currency, Total>::new();
        let inside: Vec<_> = entries.iter().filter(|entry| is_of(record, entry.timestamp)).collect();
        inside.iter().for_each(|entry| sums.entry(entry.currency.clone()).or_default().add(entry.amount));
        assert_eq!(record.whole_set, inside.into_iter().collect::<WholeSet>(), "{record:?}");
        assert_eq!(record.sums, sums.into_iter().collect::<Vec<_>>(), "{record:?}");
    }
    let is_recorded = |entry: &UsageEntry| records.iter().any(|record| is_of(record, entry.timestamp));
    assert!(entries.iter().all(is_recorded), "an entry is in no record");
}

/// Where entries may still arrive as a matter of course.
pub(crate) fn provisional_from(records: &[Coverage], settle_ns: i64) -> Option<Timestamp> {
    let before = |at: Timestamp| Timestamp::from_unix_ns(at.unix_ns().unwrap().saturating_sub(settle_ns));
    let too_soon = records.iter().filter(|record| !is_doubted(record) && record.until > before(record.as_of));
    too_soon.filter_map(|record| record.since.max(Some(before(record.as_of)))).min()
}
