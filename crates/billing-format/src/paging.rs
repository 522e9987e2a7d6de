//! What a page in a file says of the pages around it.

use serde::Deserialize;

/// Where a page stands, as far as it says so. What cannot be read is ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PagePlace {
    /// True when it has a cursor for the next one.
    pub(crate) is_followed: bool,
    /// Entries on a page, its number from 1, and pages in the whole.
    pub(crate) numbers: Option<(u64, u64, u64)>,
}

impl PagePlace {
    /// Takes what a member of the page says.
    pub(crate) fn note(&mut self, name: &str, value: &[u8]) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Numbers {
            #[serde(default)]
            limit: u64,
            page: u64,
            total_pages: u64,
        }
        match name {
            "nextCursor" => self.is_followed = !matches!(value, b"null" | b"\"\""),
            "pagination" => {
                let numbers = serde_json::from_slice::<Numbers>(value).ok();
                self.numbers = numbers
                    .filter(|numbers| (1..=numbers.total_pages).contains(&numbers.page))
                    .map(|Numbers { limit, page, total_pages }| (limit, page, total_pages));
            }
            _ => {}
        }
    }
}
