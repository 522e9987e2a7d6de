//! Files that are no text of entries, by how they begin.

/// Bytes of a file that are looked at: as many as are needed to recognise a tar archive.
pub(crate) const HEAD_BYTES: usize = 512;

/// What a file that begins so is, and what to do about it; `None` when it may be read.
pub(crate) fn foreign(head: &[u8]) -> Option<&'static str> {
    const OLE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
    let begins = |magic: &[u8]| head.starts_with(magic);
    Some(match () {
        () if begins(b"PK\x03\x04") => zip(head),
        () if begins(b"PK\x05\x06") => "is a zip archive with nothing in it",
        () if begins(OLE) => "is a spreadsheet (xls): save it as CSV",
        () if is_utf16(head) => "is UTF-16 text: save it as UTF-8",
        () if begins(b"BZh") => "is compressed with bzip2: decompress it first",
        () if begins(b"\xfd7zXZ\0") => "is compressed with xz: decompress it first",
        () if begins(b"7z\xbc\xaf\x27\x1c") => "is a 7z archive: unpack it first",
        () if head.get(257..262) == Some(b"ustar") => "is a tar archive: unpack it first",
        () if begins(b"SQLite format 3\0") => {
            "is an SQLite database, such as a ledger, and no file of entries"
        }
        () if begins(b"PAR1") => "is a Parquet file: write it as CSV or NDJSON first",
        () if begins(b"%PDF-") => "is a PDF document",
        () if head.trim_ascii_start().starts_with(b"<") => {
            "is an HTML or XML page: where it says what went wrong, fetch the file again"
        }
        () => return None,
    })
}

/// A zip archive, by the name of the first file in it, which stands 30 bytes behind its start.
fn zip(head: &[u8]) -> &'static str {
    let first = head.get(30..).unwrap_or_default();
    let begins = |names: &[&str]| names.iter().any(|name| first.starts_with(name.as_bytes()));
    match () {
        () if begins(&["[Content_Types].xml", "_rels/", "docProps/", "xl/"]) => {
            "is a spreadsheet (xlsx): save it as CSV"
        }
        () if begins(&["mimetypeapplication/vnd.oasis.opendocument"]) => {
            "is a spreadsheet (ods): save it as CSV"
        }
        () => "is a zip archive: unpack it first",
    }
}

/// UTF-16 begins with a mark of its own, or has a zero in each pair of bytes where the text is ASCII, as entries begin.
fn is_utf16(head: &[u8]) -> bool {
    let pairs = || head.chunks_exact(2).take(4);
    let are_ascii = |zero: usize| pairs().all(|pair| pair[zero] == 0 && matches!(pair[1 - zero], 9..=0x7e));
    matches!(head, [0xff, 0xfe, ..] | [0xfe, 0xff, ..])
        || (pairs().len() >= 2 && (are_ascii(0) || are_ascii(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        let utf16 = |text: &str, big: bool| {
            let bytes = text
                .encode_utf16()
                .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() });
            bytes.collect::<Vec<u8>>()
        };
        let zip = |name: &str| [b"PK\x03\x04".as_slice(), &[0; 26], name.as_bytes()].concat();
        let tar = [[0x61; 257].as_slice(), b"ustar\0"].concat();
        for (head, what) in [
            (zip("usage.csv"), "is a zip archive: unpack"),
            (zip(""), "is a zip archive"),
            (zip("[Content_Types].xml"), "is a spreadsheet (xlsx)"),
            (zip("xl/workbook.xml"), "is a spreadsheet (xlsx)"),
            (zip("mimetypeapplication/vnd.oasis.opendocument.spreadsheet"), "is a spreadsheet (ods)"),
            (b"PK\x05\x06".to_vec(), "is a zip archive with nothing"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), "is a spreadsheet (xls)"),
            (utf16("\u{feff}timestamp,", false), "is UTF-16"),
            (utf16("\u{feff}timestamp,", true), "is UTF-16"),
            (utf16("\u{feff}", false), "is UTF-16"),
            (utf16("timestamp,", false), "is UTF-16"),
            (utf16("timestamp,", true), "is UTF-16"),
            (utf16("{\n \"a\":", false), "is UTF-16"),
            (utf16("[]", true), "is UTF-16"),
            (b"BZh91AY".to_vec(), "is compressed with bzip2"),
            (b"\xfd7zXZ\0".to_vec(), "is compressed with xz"),
            (tar, "is a tar archive"),
            (b"SQLite format 3\0".to_vec(), "is an SQLite database"),
            (b"PAR1".to_vec(), "is a Parquet file"),
            (b"\r\n <!doctype html>".to_vec(), "is an HTML or XML page"),
        ] {
            assert!(
                foreign(&head).is_some_and(|found| found.starts_with(what)),
                "{what}: {:?}",
                foreign(&head)
            );
        }
        for text in
            ["", "P", "PK", "\0", "\0\0\0\0", "{}", "[]", "timestamp,sku", "\u{feff}timestamp", "é", "a\0b\0"]
        {
            let is_known = text == "a\0b\0";
            assert_eq!(foreign(text.as_bytes()).is_some(), is_known, "{text:?}");
        }
    }
}
