//! Blocks of entries, gathered until they are stored.

use std::collections::BTreeMap;
use std::mem;

use billing_ledger::{Block, Position};
use billing_model::{Decimal, EntryDigest, EntrySet, OtherFields, Total, UsageEntry, WholeDigest, WholeSet};

/// The most full blocks that are kept in memory: as many as twenty million entries have.
const MOST_FULL: usize = 1000;

/// What an entry adds to a block.
#[derive(Clone, Copy)]
pub struct Share {
    /// Where the entry is.
    pub position: Position,
    /// The number of its currency.
    pub currency: i64,
    /// Its amount, in its currency.
    pub amount: Decimal,
    /// The digest of what it is, without its API key and its other fields.
    pub entry: EntryDigest,
    /// The digest of all that it has, with API key and other fields.
    pub whole: WholeDigest,
}

impl Share {
    /// The share of an entry, whose currency has this number.
    pub fn of(entry: &UsageEntry, position: Position, currency: i64) -> Self {
        let digest = EntryDigest::of(entry);
        let other_fields = entry.other_fields.as_ref().map(OtherFields::as_str);
        let whole = digest.whole(entry.api_key_id.as_deref(), other_fields);
        Self { position, currency, amount: entry.amount, entry: digest, whole }
    }
}

/// A block that has no number yet.
pub struct Draft {
    first_sequence: u64,
    removed_ns: Option<i64>,
    span_ns: (i64, i64),
    sums: BTreeMap<i64, Total>,
    entry_set: EntrySet,
    whole_set: WholeSet,
}

impl Draft {
    /// An empty block whose entries begin with this number; with an instant, of the removal with this number.
    pub fn new(first_sequence: u64, removed_ns: Option<i64>) -> Self {
        Self {
            first_sequence,
            removed_ns,
            span_ns: (i64::MAX, i64::MIN),
            sums: BTreeMap::new(),
            entry_set: EntrySet::EMPTY,
            whole_set: WholeSet::EMPTY,
        }
    }

    /// Puts an entry into the block.
    pub fn add(&mut self, share: &Share) {
        let at_ns = share.position.timestamp_ns;
        self.span_ns = (self.span_ns.0.min(at_ns), self.span_ns.1.max(at_ns));
        self.sums.entry(share.currency).or_default().add(share.amount);
        self.entry_set.add(share.entry);
        self.whole_set.add(share.whole);
    }

    /// True when it has no entries.
    pub fn is_empty(&self) -> bool {
        self.entry_set.entries() == 0
    }

    /// The sequence number of its first entry, or of its removal.
    pub fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    /// When its entries are taken out, in nanoseconds since 1970; `None` for entries that are recorded.
    pub fn removed_ns(&self) -> Option<i64> {
        self.removed_ns
    }

    /// The instants of its earliest and of its latest entry, in nanoseconds since 1970. Without entries, the latest lies
    /// before the earliest.
    pub fn span_ns(&self) -> (i64, i64) {
        self.span_ns
    }

    /// The sums of its amounts by the numbers of currencies.
    pub fn sums(&self) -> &BTreeMap<i64, Total> {
        &self.sums
    }

    /// The sum of its entries' digests, without API keys and other fields, and how many entries there are.
    pub fn entry_set(&self) -> EntrySet {
        self.entry_set
    }

    /// The sum of the digests of all that its entries have.
    pub fn whole_set(&self) -> WholeSet {
        self.whole_set
    }
}

/// The blocks of what one transaction records, or of what the transactions of an import record.
#[derive(Default)]
pub struct Blocks {
    full: Vec<Draft>,
    open: Option<Draft>,
}

impl Blocks {
    /// Puts an entry into the block that is open. Its number follows that of the entry before.
    pub fn add(&mut self, share: &Share) {
        let open = self.open.get_or_insert_with(|| Draft::new(share.position.sequence, None));
        open.add(share);
        if open.entry_set.entries() == Block::MOST_ENTRIES {
            self.full.extend(self.open.take());
        }
    }

    /// True when so many blocks are full that it is time to store them.
    pub fn is_full(&self) -> bool {
        self.full.len() >= MOST_FULL
    }

    /// The blocks that are full, in the order of their numbers. The open one stays.
    pub fn take_full(&mut self) -> Vec<Draft> {
        mem::take(&mut self.full)
    }

    /// All blocks in the order of their numbers, when no more entries come.
    pub fn take_all(&mut self) -> Vec<Draft> {
        self.full.extend(self.open.take());
        self.take_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(sequence: u64, timestamp_ns: i64) -> Share {
        let json = r#"{"timestamp":"2026-06-14T19:52:45.087Z","units":1,"notes":"","sku":"image",
            "pricePerUnitUsd":0.01,"amount":-0.01,"currency":"USD"}"#;
        let entry = UsageEntry::from_json(json).unwrap();
        Share::of(&entry, Position { timestamp_ns, sequence }, sequence.cast_signed() % 2)
    }

    #[test]
    fn a_block_is_closed_with_its_last_entry_and_the_open_one_stays() {
        let mut blocks = Blocks::default();
        let one = share(0, 0);
        for sequence in 0..Block::MOST_ENTRIES + 2 {
            assert!(sequence >= Block::MOST_ENTRIES || blocks.full.is_empty(), "{sequence}");
            let position = Position { timestamp_ns: -sequence.cast_signed(), sequence: 7 + sequence };
            blocks.add(&Share { position, ..one });
        }
        let numbers = |drafts: Vec<Draft>| -> Vec<_> {
            drafts.iter().map(|draft| (draft.first_sequence(), draft.entry_set().entries())).collect()
        };
        assert_eq!(numbers(blocks.take_full()), [(7, 20_000)]);
        assert_eq!(numbers(blocks.take_full()), []);
        assert_eq!(numbers(blocks.take_all()), [(20_007, 2)]);
        assert_eq!(numbers(blocks.take_all()), []);
    }

    #[test]
    fn a_draft_has_the_span_the_sums_and_the_digests_of_its_entries() {
        let mut draft = Draft::new(9, Some(5));
        assert!(draft.is_empty() && draft.span_ns() == (i64::MAX, i64::MIN));
        let shares = [share(3, 40), share(4, -20), share(6, 30)];
        let (mut entry_set, mut whole_set) = (EntrySet::EMPTY, WholeSet::EMPTY);
        for share in shares {
            draft.add(&share);
            entry_set.add(share.entry);
            whole_set.add(share.whole);
        }
        assert!(!draft.is_empty());
        assert_eq!((draft.first_sequence(), draft.removed_ns(), draft.span_ns()), (9, Some(5), (-20, 40)));
        let sums: Vec<_> = draft.sums().iter().map(|(currency, sum)| (*currency, sum.to_string())).collect();
        assert_eq!(sums, [(0, "-0.02".to_owned()), (1, "-0.01".to_owned())]);
        assert_eq!(draft.entry_set().to_string(), entry_set.to_string());
        assert_eq!(draft.whole_set().to_string(), whole_set.to_string());
    }

    #[test]
    fn a_thousand_full_blocks_are_to_be_stored() {
        let mut blocks = Blocks::default();
        blocks.full.extend((0..999).map(|first| Draft::new(first, None)));
        assert!(!blocks.is_full());
        blocks.full.push(Draft::new(999, None));
        assert!(blocks.is_full());
    }
}
