//! What a copy tells while it runs.

/// Something that happened in a copy. Numbers are those of this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It goes on with what an earlier run began, which has so many blocks.
    GoesOn {
        /// How many blocks are there.
        blocks: u64,
    },
    /// So many blocks were read, without their entries.
    Blocks {
        /// How many.
        blocks: u64,
    },
    /// So many entries were copied.
    Entries {
        /// How many.
        entries: u64,
        /// How many there are to copy, as far as is known: some may have been copied by an earlier run.
        of: u64,
    },
    /// So many receipts were copied.
    Receipts {
        /// How many.
        receipts: u64,
    },
    /// So many entries were read back and compared.
    Compared {
        /// How many.
        entries: u64,
        /// How many there are.
        of: u64,
    },
}
