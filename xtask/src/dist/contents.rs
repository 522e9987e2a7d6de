//! The content of a release, for every kind of package.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Release;
use super::third_party;
use crate::{command, workspace};

/// The texts of the project that go with the program.
const TEXTS: [&str; 4] = ["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// The licences of what is linked in.
pub(super) const THIRD_PARTY: &str = "THIRD-PARTY-LICENSES";

/// The shells: the name for `billing completions`, the name of the file, and Debian's directory for it.
const SHELLS: [(&str, &str, Option<&str>); 4] = [
    ("bash", "billing.bash", Some("usr/share/bash-completion/completions/billing")),
    ("fish", "billing.fish", Some("usr/share/fish/vendor_completions.d/billing.fish")),
    ("powershell", "_billing.ps1", None),
    ("zsh", "_billing", Some("usr/share/zsh/vendor-completions/_billing")),
];

pub(super) struct Contents {
    pub(super) version: String,
    pub(super) binary: Vec<u8>,
    /// The file name of the program.
    pub(super) program: &'static str,
    pub(super) completions: Vec<Completion>,
    /// The man pages by their file names, in order.
    pub(super) pages: Vec<(String, Vec<u8>)>,
    /// The texts by their file names, in order.
    pub(super) texts: Vec<(String, String)>,
    pub(super) third_party: (String, String),
}

pub(super) struct Completion {
    pub(super) file: &'static str,
    /// Its path in a Debian package.
    pub(super) vendor_path: Option<&'static str>,
    pub(super) script: String,
}

impl Contents {
    /// Asks the program for its completions and man pages. The man pages are written to the directory for a moment.
    pub(super) fn collect(release: &Release, directory: &Path) -> Result<Self> {
        let version = workspace::version()?;
        let said = ask(&release.binary, &["--version"])?;
        ensure!(
            said == format!("billing {version}"),
            "the project has version {version}, and the program is `{said}`"
        );
        Ok(Self {
            binary: fs::read(&release.binary)
                .with_context(|| format!("cannot read {}", release.binary.display()))?,
            program: if release.target.contains("-windows-") { "billing.exe" } else { "billing" },
            completions: completions(&release.binary)?,
            pages: pages(&release.binary, &directory.join("man1"))?,
            texts: texts()?,
            third_party: (THIRD_PARTY.to_owned(), third_party::text()?),
            version,
        })
    }
}

fn completions(binary: &Path) -> Result<Vec<Completion>> {
    let completions = SHELLS.into_iter().map(|(shell, file, vendor_path)| {
        let script = ask(binary, &["completions", shell])? + "\n";
        Ok(Completion { file, vendor_path, script })
    });
    completions.collect()
}

fn pages(binary: &Path, place: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let path = place.to_str().context("the directory for the archives has a name that is no text")?;
    ask(binary, &["man", path])?;
    let mut pages = Vec::new();
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        pages.push((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?));
    }
    fs::remove_dir_all(place)?;
    pages.sort();
    Ok(pages)
}

fn texts() -> Result<Vec<(String, String)>> {
    let texts = TEXTS.into_iter().map(|name| {
        let path = workspace::root().join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok((name.to_owned(), text))
    });
    texts.collect()
}

/// What the program prints, with an environment that changes nothing.
fn ask(binary: &Path, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(binary);
    command.args(arguments).env_clear();
    command::output(command)
}
