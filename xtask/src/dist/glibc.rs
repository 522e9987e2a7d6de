//! Which glibc a program needs, by the versions of the symbols that it names.

use memchr::memmem;

/// How the name of a version begins in the program's table of names, where each ends with a zero.
const START: &[u8] = b"\0GLIBC_";

/// The least version, `2.34`. `None` for a program that names none, because it has its C library in it.
///
/// The table is looked for by its form and not by the headers that lead to it. What else had the form of a version could
/// only ask for too much.
pub(super) fn least_version(binary: &[u8]) -> Option<String> {
    let versions = memmem::find_iter(binary, START).filter_map(|at| version(&binary[at + START.len()..]));
    let newest = versions.max()?;
    Some(newest.iter().map(u32::to_string).collect::<Vec<_>>().join("."))
}

/// `2.3.4` as numbers, which compare as versions do.
fn version(rest: &[u8]) -> Option<Vec<u32>> {
    let name = &rest[..memchr::memchr(0, rest)?];
    match std::str::from_utf8(name).ok()? {
        // Relocations that are packed: not a version, and older loaders refuse it by this name.
        "ABI_DT_RELR" => Some(vec![2, 36]),
        numbers => numbers.split('.').map(|number| number.parse().ok()).collect(),
    }
}
