//! Texts of one intake, each of which has a number in memory: sums and blocks are gathered by these numbers.

use std::collections::HashMap;
use std::sync::Arc;

use billing_engine::NO_TEXT;

/// The most bytes of text that an intake keeps. When there are more, what was gathered by their numbers is stored, and they are
/// forgotten.
const MOST_BYTES: usize = 1 << 20;

/// What a text costs beside its bytes, about.
const OVERHEAD_BYTES: usize = 96;

/// The texts of an intake by their numbers, from 1 on.
#[derive(Default)]
pub(crate) struct Strings {
    numbers: HashMap<Arc<str>, i64>,
    texts: Vec<Arc<str>>,
    bytes: usize,
}

impl Strings {
    /// The number of a text. A new one gets the next.
    pub(crate) fn number(&mut self, text: &str) -> i64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let text: Arc<str> = text.into();
        self.bytes += text.len() + OVERHEAD_BYTES;
        self.texts.push(Arc::clone(&text));
        let number = i64::try_from(self.texts.len()).unwrap_or(i64::MAX);
        self.numbers.insert(text, number);
        number
    }

    /// The same, and no text has a number of its own.
    pub(crate) fn number_if_any(&mut self, text: Option<&str>) -> i64 {
        text.map_or(NO_TEXT, |text| self.number(text))
    }

    /// The text with a number; `None` for the number of no text.
    pub(crate) fn text(&self, number: i64) -> Option<&str> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        self.texts.get(place).map(|text| &**text)
    }

    /// True when it is time to store what was gathered by these numbers, and to forget them.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= MOST_BYTES
    }

    /// Forgets all texts.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_number_until_all_are_forgotten() {
        let mut strings = Strings::default();
        assert_eq!([strings.number("USD"), strings.number(""), strings.number("USD")], [1, 2, 1]);
        assert_eq!([strings.number_if_any(None), strings.number_if_any(Some(""))], [NO_TEXT, 2]);
        assert_eq!((strings.text(1), strings.text(2), strings.text(3)), (Some("USD"), Some(""), None));
        assert_eq!(strings.text(NO_TEXT), None);
        assert!(!strings.is_full());
        strings.number(&"a".repeat(MOST_BYTES));
        assert!(strings.is_full());
        strings.clear();
        assert_eq!(strings.number("DIEM"), 1);
    }
}
