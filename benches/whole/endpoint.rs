//! The endpoints from which the benchmarks export.

/// An endpoint, and the most entries on one of its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) name: &'static str,
    pub(super) page_entries: u64,
}

pub(super) const BY_CURSOR: Endpoint = Endpoint { name: "usage-history", page_entries: 1000 };
pub(super) const BY_NUMBER: Endpoint = Endpoint { name: "usage", page_entries: 500 };
