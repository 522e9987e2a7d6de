//! Files to be packed, and their archive. The same files always make the same archive.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Result, ensure};
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// Files by their paths, which are in order, and the directories above them, whose paths end with `/`.
#[derive(Default)]
pub(super) struct Tree<'a> {
    files: BTreeMap<String, Packed<'a>>,
}

struct Packed<'a> {
    bytes: Cow<'a, [u8]>,
    mode: u32,
}

impl<'a> Tree<'a> {
    /// Adds a file that is read.
    pub(super) fn add(&mut self, path: impl Into<String>, bytes: impl Into<Cow<'a, [u8]>>) {
        self.insert(path.into(), bytes.into(), 0o644);
    }

    /// Adds a file that is run.
    pub(super) fn add_program(&mut self, path: impl Into<String>, bytes: impl Into<Cow<'a, [u8]>>) {
        self.insert(path.into(), bytes.into(), 0o755);
    }

    fn insert(&mut self, path: String, bytes: Cow<'a, [u8]>, mode: u32) {
        for (end, _) in path.match_indices('/') {
            let directory = Packed { bytes: Cow::Borrowed(&[]), mode: 0o755 };
            self.files.entry(path[..=end].to_owned()).or_insert(directory);
        }
        self.files.insert(path, Packed { bytes, mode });
    }

    /// What the files take up on a disk, in KiB, by blocks of one.
    pub(super) fn size_kib(&self) -> usize {
        self.files.values().map(|packed| packed.bytes.len().div_ceil(1024).max(1)).sum()
    }

    /// All of it under `top`, which ends with `/`, as a compressed archive.
    pub(super) fn tar_gz(&self, top: &str, time_unix_s: u64, compression: u32) -> Result<Vec<u8>> {
        let mut tar = Builder::new(gzip_encoder(compression));
        let first = Packed { bytes: Cow::Borrowed(&[]), mode: 0o755 };
        let all = [(String::new(), &first)].into_iter();
        for (path, packed) in all.chain(self.files.iter().map(|(path, packed)| (path.clone(), packed))) {
            let header = header(&format!("{top}{path}"), packed, time_unix_s)?;
            tar.append(&header, &*packed.bytes)?;
        }
        Ok(tar.into_inner()?.finish()?)
    }
}

/// A file compressed, without a name and a time of its own.
pub(super) fn gzip(bytes: &[u8], compression: u32) -> Result<Vec<u8>> {
    let mut encoder = gzip_encoder(compression);
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn gzip_encoder(compression: u32) -> flate2::write::GzEncoder<Vec<u8>> {
    GzBuilder::new().write(Vec::new(), Compression::new(compression))
}

/// Everything that could differ between two machines is fixed: the owner of a file, its mode, and its time.
fn header(path: &str, packed: &Packed<'_>, time_unix_s: u64) -> Result<Header> {
    let mut header = Header::new_ustar();
    let is_directory = path.ends_with('/');
    header.set_entry_type(if is_directory { EntryType::Directory } else { EntryType::Regular });
    header.set_size(packed.bytes.len() as u64);
    header.set_mode(packed.mode);
    header.set_mtime(time_unix_s);
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root")?;
    header.set_groupname("root")?;
    // The name is written as it is. The library would remove the `./` with which names in a Debian package begin.
    let name = &mut header.as_old_mut().name;
    ensure!(path.len() <= name.len(), "the path `{path}` is too long for a plain archive");
    name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_cksum();
    Ok(header)
}
