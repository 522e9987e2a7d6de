//! Texts that came with half a character, as far as they are in what was handed out.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use billing_model::{Stretch, Timestamp, UsageEntry};

/// Entries that came so, and how many texts of those that were handed out. A page comes before its entries are handed out,
/// may come twice, and some of its entries may lie outside the window: so only those of them count that are seen again.
#[derive(Debug, Default)]
pub(crate) struct Mended(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// By time, so that those of which no more can come are forgotten.
    came: BTreeMap<Timestamp, Vec<(UsageEntry, u64)>>,
    texts: u64,
}

impl Mended {
    /// Notes entries of a page that came, each with how many of its texts it is.
    pub(crate) fn came(&self, entries: &[(&UsageEntry, u64)]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (entry, texts) in entries {
            let alike = seen.came.entry(entry.timestamp).or_default();
            if !alike.iter().any(|(known, _)| known == *entry) {
                alike.push(((*entry).clone(), *texts));
            }
        }
    }

    /// Counts the texts of entries that are handed out.
    pub(crate) fn count(&self, stretch: &Stretch) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.came.is_empty() {
            return;
        }
        for entry in &stretch.entries {
            let alike = seen.came.get(&entry.timestamp).into_iter().flatten();
            seen.texts += alike.filter(|(came, _)| came == entry).map(|(_, texts)| texts).sum::<u64>();
        }
        if let Some(until) = &stretch.complete_until {
            seen.came = seen.came.split_off(until);
        }
    }

    /// How many were handed out.
    pub(crate) fn texts(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).texts
    }

    /// Begins anew, as the walk does.
    pub(crate) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Seen::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(second: u32, notes: &str) -> UsageEntry {
        let text = format!(
            r#"{{"timestamp":"2026-06-14T19:52:{second:02}Z","sku":"a","pricePerUnitUsd":1,"units":1,"amount":1,"currency":"USD","notes":"{notes}"}}"#
        );
        UsageEntry::from_json(&text).unwrap()
    }

    #[test]
    fn a_text_counts_as_often_as_it_is_handed_out() {
        let mended = Mended::default();
        let (one, two, plain) = (entry(1, "cut \\ud83d"), entry(2, "\\ud83d"), entry(2, "\u{fffd}!"));
        let stretch = |entries: &[&UsageEntry], until: Option<u32>| {
            let entries = entries.iter().map(|entry| (*entry).clone()).collect();
            mended
                .count(&Stretch { entries, complete_until: until.map(|second| entry(second, "").timestamp) });
        };
        stretch(&[&one], None);
        assert_eq!(mended.texts(), 0, "it did not come so");
        // The page comes twice, and the entry is on it twice.
        mended.came(&[(&one, 1), (&one, 1), (&two, 3)]);
        mended.came(&[(&one, 1)]);
        stretch(&[&one, &one], Some(2));
        assert_eq!(mended.texts(), 2);
        stretch(&[&plain], None);
        assert_eq!(mended.texts(), 2);
        stretch(&[&two, &plain], Some(3));
        assert_eq!(mended.texts(), 5);
        assert!(mended.0.lock().unwrap().came.is_empty(), "nothing is kept that cannot come again");
        mended.clear();
        assert_eq!(mended.texts(), 0);
    }
}
