//! What all text of entries has, whatever its form.

/// The mark that some programs put before UTF-8. It is no part of the text.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Bytes of an entry, at most: ten thousand times the usual, and little enough to hold. Without a bound, a file that is
/// something else would be read into memory whole.
pub(crate) const MAX_ENTRY_BYTES: usize = 16 << 20;
