//! Finds the glibc that a program needs by the versions of its symbols.

use memchr::memmem;

/// The start of a version in the program's string table, where each text ends with a zero byte.
const START: &[u8] = b"\0GLIBC_";

/// The least version, `2.34`. `None` for a program without versions, which has its C library linked in.
///
/// The versions are found by their form, and not by the headers of the file. A text that only looks like a version
/// could ask for too new a library, and never for too old a one.
pub(super) fn least_version(binary: &[u8]) -> Option<String> {
    let versions = memmem::find_iter(binary, START).filter_map(|at| version(&binary[at + START.len()..]));
    let newest = versions.max()?;
    Some(newest.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}

/// `2.3.4` as numbers, which compare as versions do.
fn version(rest: &[u8]) -> Option<Vec<u32>> {
    let name = &rest[..memchr::memchr(0, rest)?];
    match std::str::from_utf8(name).ok()? {
        // This is no version but a mark for packed relocations. Older loaders refuse a program with it.
        "ABI_DT_RELR" => Some(vec![2, 36]),
        numbers => numbers.split('.').map(|number| number.parse().ok()).collect(),
    }
}
