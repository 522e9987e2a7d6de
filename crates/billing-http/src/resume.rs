//! The place from which a walk can go on when its paging broke: exact without ids, in constant memory.

use billing_model::{EntryDigest, Timestamp, UsageEntry, WholeDigest, WholeSet};

use crate::error::{Error, ErrorKind};

/// The last timestamp that was handed out, and which entries at it were.
///
/// Entries have no id, so "the next one" can only be said so: begin again at the last timestamp and leave out the
/// first `k` entries, after making sure that they are the same `k`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Anchor {
    last: Option<Timestamp>,
    at_last: WholeSet,
}

impl Anchor {
    /// The timestamp to begin at; `None` before the first entry.
    pub(crate) fn timestamp(&self) -> Option<Timestamp> {
        self.last
    }

    /// How many entries were handed out at it.
    pub(crate) fn entries(&self) -> u64 {
        self.at_last.entries()
    }

    /// Notes entries that are handed out, in order.
    pub(crate) fn advance(&mut self, entries: &[UsageEntry]) {
        let Some(last) = entries.last() else { return };
        let tail = entries.iter().rev().take_while(|entry| entry.timestamp == last.timestamp);
        if self.last != Some(last.timestamp) {
            self.at_last = WholeSet::EMPTY;
        }
        tail.for_each(|entry| self.at_last.add(known_by(entry)));
        self.last = Some(last.timestamp);
    }

    /// What a pass that begins at this anchor has to leave out.
    pub(crate) fn overlap(&self) -> Overlap {
        Overlap { expected: self.at_last, seen: WholeSet::EMPTY }
    }
}

/// By what an entry is known again: all that is documented of it. What else the service says may change from one answer to the
/// next, and must not end a walk.
fn known_by(entry: &UsageEntry) -> WholeDigest {
    EntryDigest::of(entry).whole(entry.api_key_id.as_deref(), None)
}

/// The entries at the start of a pass that were handed out before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Overlap {
    expected: WholeSet,
    seen: WholeSet,
}

impl Overlap {
    /// True when all of the overlap went by.
    pub(crate) fn is_over(&self) -> bool {
        self.seen.entries() == self.expected.entries()
    }

    /// Takes the overlap off the front of a page.
    ///
    /// # Errors
    /// [`ErrorKind::Moved`] when other entries stand where the known ones were.
    pub(crate) fn remove(&mut self, entries: &mut Vec<UsageEntry>) -> Result<(), Error> {
        if self.is_over() {
            return Ok(());
        }
        let left = usize::try_from(self.expected.entries() - self.seen.entries()).unwrap_or(usize::MAX);
        let known = left.min(entries.len());
        entries.drain(..known).for_each(|entry| self.seen.add(known_by(&entry)));
        if self.is_over() && self.seen != self.expected {
            let message = "the entries at the last timestamp are not those that were there before";
            return Err(Error::of(ErrorKind::Moved).with_message(message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_model::OtherFields;
    use billing_testkit::entry_at;

    fn row(second: i64, amount: &str) -> UsageEntry {
        entry_at(Timestamp::from_unix_ns(second * 1_000_000_000), amount)
    }

    /// Hands out `before`, then a new pass from the anchor in pages of `size`: what is left of it.
    fn resumed(before: &[UsageEntry], pass: &[UsageEntry], size: usize) -> Result<Vec<UsageEntry>, Error> {
        let mut anchor = Anchor::default();
        before.chunks(size).for_each(|page| anchor.advance(page));
        let mut overlap = anchor.overlap();
        let mut left = Vec::new();
        for page in pass.chunks(size) {
            let mut page = page.to_vec();
            overlap.remove(&mut page)?;
            left.extend(page);
        }
        Ok(left)
    }

    #[test]
    fn exactly_the_known_entries_are_left_out() {
        let all = [row(1, "-1"), row(2, "-2"), row(2, "-2"), row(2, "-3"), row(2, "-2"), row(3, "-1")];
        for taken in 0..=all.len() {
            let from = all[..taken]
                .last()
                .map_or(0, |last| all.iter().position(|entry| entry.timestamp == last.timestamp).unwrap());
            for size in 1..=all.len() {
                let left = resumed(&all[..taken], &all[from..], size).unwrap();
                assert_eq!(left, all[taken..], "{taken} taken, pages of {size}");
            }
        }
    }

    #[test]
    fn other_entries_at_the_border_are_an_error() {
        let error = resumed(&[row(2, "-2"), row(2, "-3")], &[row(2, "-2"), row(2, "-2")], 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Moved);
    }

    #[test]
    fn entries_are_known_again_without_what_nobody_documented() {
        let other = |text| UsageEntry { other_fields: OtherFields::from_json(text).unwrap(), ..row(2, "-2") };
        let key = |key: &str| UsageEntry { api_key_id: Some(key.to_owned()), ..row(2, "-2") };
        let pass = [other(r#"{"asked":2}"#), row(3, "-3")];
        assert_eq!(resumed(&[other(r#"{"asked":1}"#)], &pass, 1).unwrap(), [row(3, "-3")]);
        let error = resumed(&[key("k")], &[key("l")], 1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Moved);
    }

    #[test]
    fn a_pass_that_ends_within_the_overlap_is_seen() {
        let mut anchor = Anchor::default();
        anchor.advance(&[row(2, "-2"), row(2, "-3")]);
        let mut overlap = anchor.overlap();
        overlap.remove(&mut vec![row(2, "-2")]).unwrap();
        assert!(!overlap.is_over());
    }
}
