//! Counts the texts with half a character among the entries that were handed out.

use std::collections::BTreeMap;

use billing_model::{Stretch, Timestamp, UsageEntry};

/// Entries with half a character, and the number of such texts that were handed out.
///
/// The client tells of a page before its entries are handed out. The page may be read twice, and some of its entries
/// may lie outside the window. So the entries of pages are kept, and count only when they are handed out.
#[derive(Debug, Default)]
pub(crate) struct Mended {
    /// Entries of pages, by time, so that those that cannot come any more are dropped.
    came: BTreeMap<Timestamp, Vec<(UsageEntry, u64)>>,
    texts: u64,
}

impl Mended {
    /// Notes entries of a page, each with the number of its texts that had half a character.
    pub(crate) fn came(&mut self, entries: &[(&UsageEntry, u64)]) {
        for (entry, texts) in entries {
            let alike = self.came.entry(entry.timestamp).or_default();
            if !alike.iter().any(|(known, _)| known == *entry) {
                alike.push(((*entry).clone(), *texts));
            }
        }
    }

    /// Counts the texts of the entries in a stretch that is handed out.
    pub(crate) fn count(&mut self, stretch: &Stretch) {
        if self.came.is_empty() {
            return;
        }
        for entry in &stretch.entries {
            let alike = self.came.get(&entry.timestamp).into_iter().flatten();
            self.texts += alike.filter(|(came, _)| came == entry).map(|(_, texts)| texts).sum::<u64>();
        }
        if let Some(until) = &stretch.complete_until {
            self.came = self.came.split_off(until);
        }
    }

    /// The number of such texts that were handed out.
    pub(crate) fn texts(&self) -> u64 {
        self.texts
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
        let mut mended = Mended::default();
        let (one, two, plain) = (entry(1, "cut \\ud83d"), entry(2, "\\ud83d"), entry(2, "\u{fffd}!"));
        let stretch = |entries: &[&UsageEntry], until: Option<u32>| {
            let entries = entries.iter().map(|entry| (*entry).clone()).collect();
            Stretch { entries, complete_until: until.map(|second| entry(second, "").timestamp) }
        };
        mended.count(&stretch(&[&one], None));
        assert_eq!(mended.texts(), 0, "it did not come so");
        // The page comes twice, and the entry is on it twice.
        mended.came(&[(&one, 1), (&one, 1), (&two, 3)]);
        mended.came(&[(&one, 1)]);
        mended.count(&stretch(&[&one, &one], Some(2)));
        assert_eq!(mended.texts(), 2);
        mended.count(&stretch(&[&plain], None));
        assert_eq!(mended.texts(), 2);
        mended.count(&stretch(&[&two, &plain], Some(3)));
        assert_eq!(mended.texts(), 5);
        assert!(mended.came.is_empty(), "nothing is kept that cannot come again");
    }
}
