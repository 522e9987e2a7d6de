//! The Debian package: an `ar` of two archives, one with what dpkg reads and one with what it unpacks.
//!
//! The format is `deb(5)`. No tool of Debian's is needed to make one, so it is made and tested on every Linux.

use anyhow::{Result, bail};

use super::Release;
use super::contents::{Contents, THIRD_PARTY};
use super::glibc;
use super::tree::{Tree, gzip};

/// Debian's revision: how often this version was packed.
const REVISION: u32 = 1;

const DESCRIPTION: &str = "\
Description: gets an AI provider's billing usage out, whole and exact
 billing exports the usage ledger of an account to CSV, JSON or NDJSON, with
 every entry once and every digit of it, and goes on where it was interrupted.
 It also records such ledgers and serves them over the same API.
";

/// The name of the package and its bytes.
pub(super) fn package(contents: &Contents, release: &Release) -> Result<(String, Vec<u8>)> {
    let architecture = architecture(&release.target)?;
    let data = data(contents, release.compression)?;
    let mut control = Tree::default();
    control.add("control", control_file(contents, architecture, data.size_kib()).into_bytes());
    let bytes = ar(
        &[
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", &control.tar_gz("./", release.time_unix_s, release.compression)?),
            ("data.tar.gz", &data.tar_gz("./", release.time_unix_s, release.compression)?),
        ],
        release.time_unix_s,
    );
    Ok((format!("billing_{}-{REVISION}_{architecture}.deb", contents.version), bytes))
}

/// Debian's name of a processor.
fn architecture(target: &str) -> Result<&'static str> {
    Ok(match target.split('-').next() {
        Some("x86_64") => "amd64",
        Some("aarch64") => "arm64",
        _ => bail!("Debian's name of `{target}` is not known: add it to {}", file!()),
    })
}

/// The files that are installed, each where Debian wants its kind.
fn data(contents: &Contents, compression: u32) -> Result<Tree<'_>> {
    let mut tree = Tree::default();
    tree.add_program("usr/bin/billing", &contents.binary);
    for completion in &contents.completions {
        if let Some(path) = completion.vendor_path {
            tree.add(path, completion.script.as_bytes());
        }
    }
    for (name, page) in &contents.pages {
        tree.add(format!("usr/share/man/man1/{name}.gz"), gzip(page, compression)?);
    }
    let mut add_doc = |name: &str, bytes: Vec<u8>| tree.add(format!("usr/share/doc/billing/{name}"), bytes);
    add_doc("copyright", copyright(contents).into_bytes());
    add_doc(&format!("{THIRD_PARTY}.gz"), gzip(contents.third_party.1.as_bytes(), compression)?);
    for (name, text) in &contents.texts {
        match name.as_str() {
            "README.md" => add_doc(name, text.clone().into_bytes()),
            "CHANGELOG.md" => add_doc("changelog.gz", gzip(text.as_bytes(), compression)?),
            // Licences are in `copyright`.
            _ => {}
        }
    }
    Ok(tree)
}

fn control_file(contents: &Contents, architecture: &str, size_kib: usize) -> String {
    // libc6 depends on libgcc_s. The program also looks up the system's certificates.
    let depends = glibc::least_version(&contents.binary);
    let depends =
        depends.map(|least| format!("Depends: libc6 (>= {least}), libgcc-s1\n")).unwrap_or_default();
    format!(
        "Package: billing\nVersion: {}-{REVISION}\nArchitecture: {architecture}\nMaintainer: the billing contributors\n\
         Installed-Size: {size_kib}\n{depends}Recommends: ca-certificates\nSection: utils\nPriority: optional\n{DESCRIPTION}",
        contents.version
    )
}

/// The file `copyright`, in the form of <https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/>.
fn copyright(contents: &Contents) -> String {
    let mit = contents.texts.iter().find(|(name, _)| name == "LICENSE-MIT");
    let mit = mit.map(|(_, text)| text.as_str()).unwrap_or_default();
    // An empty line would end the field.
    let mit: String = mit
        .lines()
        .map(|line| if line.is_empty() { " .\n".to_owned() } else { format!(" {line}\n") })
        .collect();
    format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: billing\n\
         Comment: The licences of the crates that are linked in are in {THIRD_PARTY}.gz beside this file.\n\n\
         Files: *\nCopyright: the billing contributors\nLicense: Expat or Apache-2.0\n\n\
         License: Expat\n{mit}\n\
         License: Apache-2.0\n On Debian systems its text is in /usr/share/common-licenses/Apache-2.0.\n"
    )
}

/// An `ar` archive, as of System V and Debian: each member has a header of 60 characters and begins at an even offset.
fn ar(members: &[(&str, &[u8])], time_unix_s: u64) -> Vec<u8> {
    let mut archive = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        let (owner, group, mode, size) = (0, 0, "100644", bytes.len());
        let head = format!("{name:<16}{time_unix_s:<12}{owner:<6}{group:<6}{mode:<8}{size:<10}`\n");
        archive.extend_from_slice(head.as_bytes());
        archive.extend_from_slice(bytes);
        if size % 2 == 1 {
            archive.push(b'\n');
        }
    }
    archive
}
