//! Texts as the database holds them. PostgreSQL has no text with the character U+0000, and a ledger has every text.
//!
//! U+0000 is kept as U+0001 U+0001, and U+0001 as U+0001 U+0002. All other texts are kept as they are. The order of kept texts by
//! their bytes is the order of the texts, because no other character is as low.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

const ESCAPE: char = '\u{1}';

/// The most bytes of a text that is part of an index. The database refuses rows of about 2,700 bytes there.
const MOST_INDEXED: usize = 500;

/// The text as it is kept.
pub(crate) fn kept(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte <= 1) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => kept.extend([ESCAPE, ESCAPE]),
            ESCAPE => kept.extend([ESCAPE, '\u{2}']),
            other => kept.push(other),
        }
    }
    Cow::Owned(kept)
}

/// The text that is kept so.
pub(crate) fn read(kept: &str) -> Cow<'_, str> {
    if !kept.contains(ESCAPE) {
        return Cow::Borrowed(kept);
    }
    let (mut text, mut characters) = (String::with_capacity(kept.len()), kept.chars());
    while let Some(character) = characters.next() {
        match character {
            ESCAPE => text.push(if characters.next() == Some(ESCAPE) { '\0' } else { ESCAPE }),
            other => text.push(other),
        }
    }
    Cow::Owned(text)
}

/// What stands for a text in an index: the kept text or, of a long one, its digest in a form that no kept text has.
pub(crate) fn indexed(text: &str) -> Cow<'_, str> {
    let kept = kept(text);
    if kept.len() <= MOST_INDEXED {
        return kept;
    }
    let digest = Sha256::digest(text.as_bytes());
    Cow::Owned(digest.iter().fold(format!("{ESCAPE}\u{3}"), |text, byte| format!("{text}{byte:02x}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_come_back_and_keep_their_order(one in "[\0-\u{3}a-bé]{0,6}", other in "[\0-\u{3}a-bé]{0,6}") {
            prop_assert!(!kept(&one).contains('\0'));
            let kept_one = kept(&one);
            prop_assert_eq!(&*read(&kept_one), &*one);
            prop_assert_eq!(kept(&one).as_bytes().cmp(kept(&other).as_bytes()), one.as_bytes().cmp(other.as_bytes()));
        }
    }

    #[test]
    fn long_texts_stand_in_an_index_by_their_digest() {
        let (long, longer) = ("a".repeat(501), "a".repeat(502));
        assert_eq!(indexed("USD"), "USD");
        assert_eq!(indexed(&long).len(), 66);
        assert_ne!(indexed(&long), indexed(&longer));
    }
}
