//! Texts and members as they stand in JSON that is written.

/// Appends a text between quotes.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    // Nearly all texts stand as they are.
    if is_plain(text.as_bytes()) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing a str into a Vec cannot fail.
        let _ = serde_json::to_writer(out, text);
    }
}

pub(crate) fn write_optional_string(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => out.extend_from_slice(b"null"),
        Some(text) => write_string(out, text),
    }
}

/// Appends further members to an object.
pub(crate) fn write_members(out: &mut Vec<u8>, members: &str) {
    if !members.is_empty() {
        out.push(b',');
        out.extend_from_slice(members.as_bytes());
    }
}

/// True when no byte needs an escape.
fn is_plain(text: &[u8]) -> bool {
    match text.last_chunk() {
        None => !text.iter().any(|byte| is_mark(*byte)),
        // The last eight bytes overlap those before.
        Some(last) => {
            !text.as_chunks().0.iter().chain([last]).any(|word| marks(u64::from_le_bytes(*word)) != 0)
        }
    }
}

/// The bytes before the first that a string without escapes cannot hold.
pub(crate) fn plain_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    while let Some(word) = bytes[length..].first_chunk() {
        match marks(u64::from_le_bytes(*word)) {
            0 => length += word.len(),
            marks => return length + marks.trailing_zeros() as usize / 8,
        }
    }
    length + bytes[length..].iter().take_while(|byte| !is_mark(**byte)).count()
}

/// True for a quote, a backslash or a control character.
fn is_mark(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..0x20)
}

/// Which of eight bytes are a quote, a backslash or a control character: their high bits. Zero when none is, and exact up to
/// the first that is.
fn marks(word: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    // Sets the high bit of each ASCII byte below the limit. What it borrows can set one in the bytes above such a byte
    // too, but in none below the first.
    let below = |limit: u64, word: u64| word.wrapping_sub(EACH * limit) & !word;
    let is = |byte: u8| below(1, word ^ (EACH * u64::from(byte)));
    (is(b'"') | is(b'\\') | below(0x20, word)) & (EACH * 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_plain_string_ends_before_the_first_mark(
            bytes in prop::collection::vec(prop_oneof![3 => 0x18u8..=0x7f, 2 => 0x80u8.., 1 => Just(b'"')], 0..40),
        ) {
            let expect = bytes.iter().position(|byte| *byte < 0x20 || b"\"\\".contains(byte));
            prop_assert_eq!(plain_length(&bytes), expect.unwrap_or(bytes.len()));
            prop_assert_eq!(is_plain(&bytes), expect.is_none());
        }
    }

    #[test]
    fn a_text_is_written_as_another_writer_does() {
        for text in ('\0'..='\u{300}').map(|c| format!("{c} before, behind {c}")).chain([String::new()]) {
            let mut out = Vec::new();
            write_string(&mut out, &text);
            assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }
    }
}
