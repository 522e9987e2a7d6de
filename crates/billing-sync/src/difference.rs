//! What two lots of entries differ in, as multisets. Everything here is pure.

use std::collections::HashMap;

use billing_ledger::{Amendment, Position};
use billing_model::{EntryDigest, UsageEntry, WholeDigest};

/// An entry of the ledger: its place, and which one it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldEntry {
    pub(crate) position: Position,
    pub(crate) digest: EntryDigest,
    pub(crate) whole: WholeDigest,
}

/// What brings a lot that is held in line with the source's.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Entries that the source does not have.
    pub(crate) remove: Vec<Position>,
    /// Entries whose key or other fields differ.
    pub(crate) amend: Vec<Amendment>,
    /// Which of the source's entries are not held, in the source's order.
    pub(crate) add: Vec<usize>,
}

impl Difference {
    /// Compares what is held with what the source has. Of equal entries as many stay as the source has, the first ones.
    pub(crate) fn between(
        held: &[HeldEntry],
        source: &[UsageEntry],
        digests: &[(EntryDigest, WholeDigest)],
    ) -> Self {
        if held.is_empty() {
            return Self { add: (0..source.len()).collect(), ..Self::default() };
        }
        let whole = |(_, whole): &(EntryDigest, WholeDigest)| *whole;
        let (held_rest, source_rest) =
            pair(held.iter().map(|entry| entry.whole), digests.iter().map(whole), |_, _| ());
        let mut amend = Vec::new();
        let held_digests = held_rest.iter().filter_map(|at| Some(held.get(*at)?.digest));
        let source_digests = source_rest.iter().filter_map(|at| Some(digests.get(*at)?.0));
        let (gone, new) = pair(held_digests, source_digests, |ours, theirs| {
            let held = held_rest.get(ours).and_then(|at| held.get(*at));
            let entry = source_rest.get(theirs).and_then(|at| source.get(*at));
            if let (Some(held), Some(entry)) = (held, entry) {
                amend.push(Amendment {
                    position: held.position,
                    api_key_id: entry.api_key_id.clone(),
                    other_fields: entry.other_fields.clone(),
                });
            }
        });
        Self {
            remove: gone.into_iter().filter_map(|at| Some(held.get(*held_rest.get(at)?)?.position)).collect(),
            amend,
            add: new.into_iter().filter_map(|at| source_rest.get(at).copied()).collect(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.amend.is_empty() && self.add.is_empty()
    }
}

/// Pairs what is equal, one by one, and tells each pair by its numbers. Returns the numbers of what is left on either side, in order.
fn pair<D: Copy + Eq + std::hash::Hash>(
    ours: impl Iterator<Item = D>,
    theirs: impl Iterator<Item = D>,
    mut paired: impl FnMut(usize, usize),
) -> (Vec<usize>, Vec<usize>) {
    let mut waiting: HashMap<D, Vec<usize>> = HashMap::new();
    let mut theirs_rest = Vec::new();
    let mut is_ours_left: Vec<bool> = Vec::new();
    for (at, digest) in ours.enumerate() {
        waiting.entry(digest).or_default().push(at);
        is_ours_left.push(true);
    }
    // The first of equal ones is the first to be taken.
    waiting.values_mut().for_each(|places| places.reverse());
    for (at, digest) in theirs.enumerate() {
        match waiting.get_mut(&digest).and_then(Vec::pop) {
            Some(our) => {
                if let Some(is_left) = is_ours_left.get_mut(our) {
                    *is_left = false;
                }
                paired(our, at);
            }
            None => theirs_rest.push(at),
        }
    }
    let ours_rest =
        is_ours_left.iter().enumerate().filter_map(|(at, is_left)| is_left.then_some(at)).collect();
    (ours_rest, theirs_rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::held::weigh;
    use billing_testkit::entry_at;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// An entry of a few kinds, with one of a few keys.
    type Kind = (u8, u8);

    fn entry((kind, key): Kind) -> UsageEntry {
        let at = "2026-06-14T19:52:45.087Z".parse().unwrap();
        let api_key_id = (key > 0).then(|| format!("key-{key}"));
        UsageEntry { api_key_id, ..entry_at(at, &format!("-{kind}")) }
    }

    fn held(kinds: &[Kind]) -> Vec<HeldEntry> {
        let entries: Vec<_> = kinds.iter().copied().map(entry).collect();
        let placed = (0..).zip(weigh(&entries).0);
        let place = |sequence| Position { timestamp_ns: 0, sequence };
        placed.map(|(at, (digest, whole))| HeldEntry { position: place(at), digest, whole }).collect()
    }

    fn between(ours: &[Kind], theirs: &[Kind]) -> Difference {
        let source: Vec<_> = theirs.iter().copied().map(entry).collect();
        Difference::between(&held(ours), &source, &weigh(&source).0)
    }

    fn counts<T: Ord>(of: impl IntoIterator<Item = T>) -> BTreeMap<T, usize> {
        let mut counts = BTreeMap::new();
        of.into_iter().for_each(|one| *counts.entry(one).or_default() += 1);
        counts
    }

    fn places(difference: &Difference) -> (Vec<u64>, Vec<u64>, Vec<usize>) {
        let removed = difference.remove.iter().map(|position| position.sequence).collect();
        let amended = difference.amend.iter().map(|amendment| amendment.position.sequence).collect();
        (removed, amended, difference.add.clone())
    }

    #[test]
    fn as_many_equal_entries_stay_as_the_source_has() {
        let check = |ours: &[Kind], theirs: &[Kind], removed: &[u64], amended: &[u64], added: &[usize]| {
            let expect = (removed.to_vec(), amended.to_vec(), added.to_vec());
            assert_eq!(places(&between(ours, theirs)), expect, "{ours:?} {theirs:?}");
        };
        let (one, other, two) = ((1, 1), (1, 2), (2, 0));
        check(&[], &[], &[], &[], &[]);
        check(&[], &[one, one], &[], &[], &[0, 1]);
        check(&[one, one], &[], &[0, 1], &[], &[]);
        check(&[one, one, one], &[one, two], &[1, 2], &[], &[1]);
        check(&[one], &[one, one, one], &[], &[], &[1, 2]);
        // The order of equal instants is no difference.
        check(&[one, two], &[two, one], &[], &[], &[]);
        check(&[one], &[other], &[], &[0], &[]);
        // What is the same to the last field is paired first.
        check(&[other, one, other], &[one, one], &[2], &[0], &[]);
        check(&[one, one], &[other, one, other], &[], &[1], &[2]);
    }

    #[test]
    fn an_amendment_has_what_the_source_has() {
        let mut source = entry((1, 0));
        source.other_fields = billing_model::OtherFields::from_json(r#"{"region":"eu"}"#).unwrap();
        let sources = [source.clone()];
        let difference = Difference::between(&held(&[(1, 1)]), &sources, &weigh(&sources).0);
        let position = Position { timestamp_ns: 0, sequence: 0 };
        let amendment = Amendment { position, api_key_id: None, other_fields: source.other_fields };
        assert_eq!(difference, Difference { amend: vec![amendment], ..Difference::default() });
    }

    proptest! {
        #[test]
        fn it_brings_any_lot_in_line_with_any_other_and_does_no_more(
            ours in prop::collection::vec((0u8..4, 0u8..3), 0..30),
            theirs in prop::collection::vec((0u8..4, 0u8..3), 0..30),
        ) {
            let difference = between(&ours, &theirs);
            prop_assert_eq!(difference.is_empty(), counts(&ours) == counts(&theirs));
            let (removed, amended, added) = places(&difference);
            let mut brought: BTreeMap<u64, Kind> = (0..).zip(ours.iter().copied()).collect();
            for (place, amendment) in amended.iter().zip(&difference.amend) {
                let key = amendment.api_key_id.as_deref().map_or(0, |key| key[4..].parse().unwrap());
                let (kind, was) = brought[place];
                prop_assert_ne!(key, was);
                brought.insert(*place, (kind, key));
            }
            for place in &removed {
                prop_assert!(brought.remove(place).is_some() && !amended.contains(place), "once, and not amended");
            }
            let all = brought.into_values().chain(added.iter().map(|at| theirs[*at]));
            prop_assert_eq!(counts(all), counts(theirs.iter().copied()));

            // As few as there can be.
            let kinds = |lot: &[Kind]| counts(lot.iter().map(|(kind, _)| *kind));
            let (our_kinds, their_kinds) = (kinds(&ours), kinds(&theirs));
            let of = |counts: &BTreeMap<u8, usize>, kind| counts.get(&kind).copied().unwrap_or(0);
            let too_many = |one: &BTreeMap<u8, usize>, other: &BTreeMap<u8, usize>| {
                (0..4).map(|kind| of(one, kind).saturating_sub(of(other, kind))).sum::<usize>()
            };
            prop_assert_eq!(removed.len(), too_many(&our_kinds, &their_kinds));
            prop_assert_eq!(added.len(), too_many(&their_kinds, &our_kinds));
            let (our_counts, their_counts) = (counts(&ours), counts(&theirs));
            let same: usize =
                our_counts.iter().map(|(kind, count)| (*count).min(their_counts.get(kind).copied().unwrap_or(0))).sum();
            prop_assert_eq!(amended.len(), ours.len() - removed.len() - same);
            prop_assert!(added.is_sorted());
        }
    }
}
