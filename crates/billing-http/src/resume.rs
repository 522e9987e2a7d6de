//! The place from which a walk can go on when its paging broke: exact without ids, in constant memory.

use billing_model::{EntryDigest, Timestamp, UsageEntry, WholeDigest, WholeSet};

use crate::error::{Error, ErrorKind};

/// Where a walker stands. What lies before it in the window was handed out, or is not there; what lies behind it is still to
/// come.
///
/// Entries have no id, so "the next one" can only be said so: begin again at the last timestamp and leave out the
/// first `k` entries, after making sure that they are the same `k`. That place is the last entry. A span behind it may have
/// been walked without finding anything; then the place is the end of that span, and nothing is to be left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchor {
    /// Up to here there is nothing but what was handed out: the start of the window, or the end of a span of it that was
    /// walked by itself. Earlier than the last entry as soon as there is one behind it.
    from: Option<Timestamp>,
    /// The timestamp of the last entry that was handed out; `None` before the first one.
    last: Option<Timestamp>,
    /// The entries at it that were handed out.
    at_last: WholeSet,
}

impl Anchor {
    /// The start of a window.
    pub(crate) fn at(from: Option<Timestamp>) -> Self {
        Self { from, last: None, at_last: WholeSet::EMPTY }
    }

    /// The instant to go on at; `None` for the beginning of a ledger that nobody knows.
    pub(crate) fn instant(&self) -> Option<Timestamp> {
        self.last.max(self.from)
    }

    /// What a pass that begins at that instant has to leave out.
    pub(crate) fn overlap(&self) -> Overlap {
        match self.has_gap() {
            true => Overlap::default(),
            false => Overlap { expected: self.at_last, seen: WholeSet::EMPTY },
        }
    }

    /// The timestamp of the last entry that was handed out.
    pub(crate) fn last_entry(&self) -> Option<Timestamp> {
        self.last
    }

    /// How many entries were handed out at it.
    pub(crate) fn entries_at_last(&self) -> u64 {
        self.at_last.entries()
    }

    /// True when a span behind the last entry was walked by itself, and had nothing in it.
    pub(crate) fn has_gap(&self) -> bool {
        self.last.is_some() && self.last < self.from
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

    /// Goes to an instant, before which everything was handed out.
    pub(crate) fn go_to(&mut self, instant: Option<Timestamp>) {
        self.from = instant;
    }

    /// Goes back over a gap to the last entry, in a window that begins at `start`.
    pub(crate) fn go_back_to_last_entry(&mut self, start: Option<Timestamp>) {
        self.from = start;
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
        let mut anchor = Anchor::at(None);
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
    fn a_span_without_entries_moves_the_anchor_and_the_last_entry_is_still_known() {
        let at = |second: i64| row(second, "-1").timestamp;
        let mut anchor = Anchor::at(Some(at(1)));
        assert_eq!((anchor.instant(), anchor.last_entry(), anchor.has_gap()), (Some(at(1)), None, false));
        anchor.advance(&[row(2, "-1"), row(3, "-2")]);
        assert_eq!((anchor.instant(), anchor.has_gap()), (Some(at(3)), false));
        // Up to 5 there is nothing more: a pass from there has nothing to leave out.
        anchor.go_to(Some(at(5)));
        assert_eq!(
            (anchor.instant(), anchor.last_entry(), anchor.has_gap()),
            (Some(at(5)), Some(at(3)), true)
        );
        assert!(anchor.overlap().is_over());
        // From the last entry on it has one.
        let mut back = anchor;
        back.go_back_to_last_entry(Some(at(1)));
        assert_eq!((back.instant(), back.has_gap()), (Some(at(3)), false));
        assert!(!back.overlap().is_over());
        // An entry at the very end of the span is behind it.
        anchor.advance(&[row(5, "-3")]);
        assert_eq!((anchor.instant(), anchor.has_gap()), (Some(at(5)), false));
        assert!(!anchor.overlap().is_over());
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
        let mut anchor = Anchor::at(None);
        anchor.advance(&[row(2, "-2"), row(2, "-3")]);
        let mut overlap = anchor.overlap();
        overlap.remove(&mut vec![row(2, "-2")]).unwrap();
        assert!(!overlap.is_over());
    }
}
