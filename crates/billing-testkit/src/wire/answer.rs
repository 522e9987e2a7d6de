//! What came back.

use std::borrow::Cow;

/// An answer: its status, its head as it came, and its body without chunks.
///
/// It borrows the connection's buffer until [`Answer::into_owned`] copies it.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The three digits of the first line.
    pub status: u16,
    pub(crate) head: Cow<'a, str>,
    pub(crate) body: Cow<'a, [u8]>,
}

impl Answer<'_> {
    /// The first line and the headers as they came, up to the empty line behind them.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// The body. A compressed one stays compressed.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body, which is text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }

    /// The value of a header, whatever the case of its name.
    ///
    /// # Panics
    /// When it comes twice: no header of this API may.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers(name);
        let value = values.next();
        assert!(values.next().is_none(), "{name} comes twice: {}", self.head);
        value
    }

    /// Every value of a header, in order.
    pub fn headers<'h, 'n>(&'h self, name: &'n str) -> impl Iterator<Item = &'h str> + use<'h, 'n> {
        values(&self.head, name)
    }

    /// The same with a copy of everything, so that the connection may go on.
    pub fn into_owned(self) -> Answer<'static> {
        let Self { status, head, body } = self;
        Answer { status, head: Cow::Owned(head.into_owned()), body: Cow::Owned(body.into_owned()) }
    }
}

/// Every value of a header of a head, in order.
pub(crate) fn values<'h, 'n>(head: &'h str, name: &'n str) -> impl Iterator<Item = &'h str> + use<'h, 'n> {
    let fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.filter(move |(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
