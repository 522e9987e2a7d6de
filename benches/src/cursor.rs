//! Finds the cursor in the bytes of a page.

/// The cursor at the end of a page of `usage-history`; `None` on the last page.
///
/// The page is not parsed, because finding the cursor must cost next to nothing.
pub fn next_cursor(page: &[u8]) -> Option<&str> {
    // Only the end of the page is searched, because texts of entries may hold anything. A cursor has at most 512
    // characters.
    let tail = &page[page.len().saturating_sub(600)..];
    let key = b"\"nextCursor\":\"";
    let start = tail.windows(key.len()).rposition(|window| window == key)? + key.len();
    let cursor = tail[start..].split(|byte| *byte == b'"').next()?;
    std::str::from_utf8(cursor).ok()
}
