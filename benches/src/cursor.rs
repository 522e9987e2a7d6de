//! Where a page says what follows it.

/// The cursor that stands at the end of a page of `usage-history`; `None` on the last one.
///
/// The page is not read: what looks for the cursor must cost next to nothing.
pub fn next_cursor(page: &[u8]) -> Option<&str> {
    // Behind the entries, whose texts could hold anything: a cursor has at most 512 characters.
    let tail = &page[page.len().saturating_sub(600)..];
    let key = b"\"nextCursor\":\"";
    let start = tail.windows(key.len()).rposition(|window| window == key)? + key.len();
    let cursor = tail[start..].split(|byte| *byte == b'"').next()?;
    std::str::from_utf8(cursor).ok()
}
