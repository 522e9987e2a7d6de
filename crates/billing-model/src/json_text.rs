//! Texts and members as they stand in JSON that is written.

/// Appends a text between quotes.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    // Nearly all texts stand as they are. All bytes are looked at, several at a time, which costs less than to stop at one.
    let is_plain = |byte: &u8| *byte >= b' ' && *byte != b'"' && *byte != b'\\';
    if text.as_bytes().iter().fold(true, |plain, byte| plain & is_plain(byte)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_written_as_another_writer_does() {
        for text in ('\0'..='\u{300}').map(|c| format!("{c} before, behind {c}")).chain([String::new()]) {
            let mut out = Vec::new();
            write_string(&mut out, &text);
            assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }
    }
}
