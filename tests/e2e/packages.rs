//! Releases, unpacked or installed, and run from there.
//!
//! The program that is packed is the one that these tests are run with. `cargo xtask dist` packs another build of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use billing_testkit::need;
use flate2::read::GzDecoder;
use xtask::dist::{Release, pack};

use crate::billing::{Run, commands, finish};
use crate::place::Place;

/// A moment in 2026.
const TIME: u64 = 1_780_000_000;

fn release(binary: impl Into<PathBuf>) -> Release {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    // The program of a test run is large. How hard gzip tries changes nothing else.
    Release { binary: binary.into(), target, time_unix_s: TIME, compression: 1 }
}

/// Packs the program of the test run, and gives the paths of the tarball and of the Debian package.
fn pack_program(place: &Place) -> [PathBuf; 2] {
    let packed = pack(&release(env!("CARGO_BIN_EXE_billing")), Path::new(&place.path("dist"))).unwrap();
    let [tarball, package, sums] = <[PathBuf; 3]>::try_from(packed).unwrap();
    assert_eq!(sums.file_name().unwrap(), "SHA256SUMS");
    [tarball, package]
}

/// A program that hands everything on to the one of the test run: small, so that packing it takes no time. A shell writes
/// it, because a file that this process has open for writing, if only in a child that is about to begin, cannot be run.
fn stand_in(place: &Place) -> String {
    let path = place.path("stand-in");
    let mut sh = Command::new("sh");
    sh.args(["-c", r#"printf '#!/bin/sh\nexec %s "$@"\n' "$1" > "$0" && chmod +x "$0""#, &path]);
    sh.arg(env!("CARGO_BIN_EXE_billing"));
    finish(sh, b"").done();
    path
}

/// Runs a program of the machine's.
fn call(program: &Path, directory: &str, arguments: &[&str]) -> Run {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory);
    finish(command, b"").done()
}

/// Asserts that the program prints its version and works, without any file of its build.
fn check_runs(program: &str) {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        finish(command, b"").done()
    };
    assert_eq!(run(&["--version"]).text(), format!("billing {}\n", env!("CARGO_PKG_VERSION")));
    let place = Place::new();
    run(&["demo", "--entries", "1000", "--dir", &place.path("demo")]);
    assert!(place.read("demo/usage.csv").len() > 10_000);
}

#[test]
fn a_tarball_is_unpacked_and_its_program_runs() {
    let how = "install it, as with `apt-get install tar coreutils`";
    let (Some(tar), Some(sha256sum)) = (need("tar", how), need("sha256sum", how)) else { return };
    let place = Place::new();
    let [tarball, package] = pack_program(&place);
    let named = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let checked = call(&sha256sum, &place.path("dist"), &["--check", "--strict", "SHA256SUMS"]);
    assert_eq!(checked.text(), format!("{}: OK\n{}: OK\n", named(&tarball), named(&package)));

    call(&tar, &place.path(""), &["-xzf", tarball.to_str().unwrap()]);
    let top = named(&tarball).strip_suffix(".tar.gz").unwrap().to_owned();
    assert_eq!(
        top,
        format!("billing-{}-{}-unknown-linux-gnu", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH)
    );
    check_runs(&place.path(&format!("{top}/billing")));

    let listed = files_below(Path::new(&place.path(&top)));
    let pages =
        commands().iter().map(|words| format!("man/man1/billing-{}.1", words.join("-"))).collect::<Vec<_>>();
    let others = [
        "CHANGELOG.md",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "THIRD-PARTY-LICENSES",
        "billing",
        "completions/_billing",
        "completions/_billing.ps1",
        "completions/billing.bash",
        "completions/billing.fish",
        "man/man1/billing.1",
    ];
    let mut expect: Vec<_> = others.map(str::to_owned).into_iter().chain(pages).collect();
    expect.sort();
    assert_eq!(listed, expect);
    for (file, starts) in [("_billing", "#compdef billing\n"), ("billing.bash", "_billing() {\n")] {
        let script = place.read(&format!("{top}/completions/{file}"));
        assert!(script.starts_with(starts.as_bytes()), "{file}");
    }
}

#[test]
fn a_debian_package_is_installed_and_its_program_runs() {
    let how = "install it, as with `apt-get install dpkg binutils`";
    let (Some(dpkg), Some(readelf)) = (need("dpkg-deb", how), need("readelf", how)) else { return };
    let place = Place::new();
    let [_, package] = pack_program(&place);
    let package = package.to_str().unwrap();
    let field = |name: &str| call(&dpkg, "/", &["--field", package, name]).text().trim_end().to_owned();
    assert_eq!(field("Package"), "billing");
    assert_eq!(field("Version"), format!("{}-1", env!("CARGO_PKG_VERSION")));
    assert!(["amd64", "arm64"].contains(&field("Architecture").as_str()));
    check_depends(&field("Depends"), &readelf);
    assert!(field("Installed-Size").parse::<u64>().unwrap() > 10_000);
    let info = call(&dpkg, "/", &["--info", package]);
    assert!(
        info.text().contains("new Debian package, version 2.0") && info.stderr.is_empty(),
        "{}",
        info.stderr
    );

    let root = place.path("root");
    call(&dpkg, "/", &["--extract", package, &root]);
    check_runs(&format!("{root}/usr/bin/billing"));
    let listed = files_below(Path::new(&root));
    for path in [
        "usr/bin/billing",
        "usr/share/bash-completion/completions/billing",
        "usr/share/doc/billing/THIRD-PARTY-LICENSES.gz",
        "usr/share/doc/billing/changelog.gz",
        "usr/share/doc/billing/copyright",
        "usr/share/fish/vendor_completions.d/billing.fish",
        "usr/share/man/man1/billing-keys-create.1.gz",
        "usr/share/man/man1/billing.1.gz",
        "usr/share/zsh/vendor-completions/_billing",
    ] {
        assert!(listed.iter().any(|file| file == path), "{path} is not in {listed:?}");
    }
    let copyright = fs::read_to_string(format!("{root}/usr/share/doc/billing/copyright")).unwrap();
    assert!(copyright.contains("\n .\n Permission is hereby granted"), "{copyright}");
    let page = File::open(format!("{root}/usr/share/man/man1/billing.1.gz")).unwrap();
    assert!(std::io::read_to_string(GzDecoder::new(page)).unwrap().contains("\n.TH billing 1 "));
}

/// What the package depends on is what the loader will ask for.
fn check_depends(depends: &str, readelf: &Path) {
    let binary = env!("CARGO_BIN_EXE_billing");
    let said = call(readelf, "/", &["--wide", "--version-info", binary]);
    let versions = said.text().split("GLIBC_").skip(1).filter_map(|rest| {
        let number = rest.split(|c: char| !(c.is_ascii_digit() || c == '.')).next()?;
        number.split('.').map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<_>>>()
    });
    let newest = versions.max().unwrap().iter().map(u32::to_string).collect::<Vec<_>>().join(".");
    assert_eq!(depends, format!("libc6 (>= {newest}), libgcc-s1"));
    // All that it is linked with is in these two packages.
    let said = call(readelf, "/", &["--dynamic", binary]);
    let libraries = said.text().lines().filter(|line| line.contains("(NEEDED)"));
    let libraries: Vec<_> = libraries.map(|line| line.split(['[', ']']).nth(1).unwrap()).collect();
    assert!(libraries.contains(&"libc.so.6"), "{libraries:?}");
    for library in libraries {
        let known = ["libc.", "libm.", "libgcc_s.", "ld-linux", "libdl.", "libpthread.", "librt."];
        assert!(known.iter().any(|start| library.starts_with(start)), "in which package is {library}?");
    }
}

#[test]
fn the_same_files_make_the_same_archives() {
    let place = Place::new();
    let binary = stand_in(&place);
    let packed = ["once", "again"].map(|name| {
        let packed = pack(&release(&binary), Path::new(&place.path(name))).unwrap();
        assert_eq!(fs::read_dir(place.path(name)).unwrap().count(), 3);
        packed.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(packed[0], packed[1]);

    let mut names = Vec::new();
    for entry in tar::Archive::new(GzDecoder::new(&*packed[0][0])).entries().unwrap() {
        let entry = entry.unwrap();
        let header = entry.header();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let is_run = name.ends_with('/') || name.ends_with("/billing");
        assert_eq!(header.mode().unwrap(), if is_run { 0o755 } else { 0o644 }, "{name}");
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, TIME));
        names.push(name);
    }
    assert!(names.is_sorted(), "{names:?}");
}

#[test]
fn a_program_of_another_version_is_not_packed() {
    let place = Place::new();
    let error = pack(&release("/bin/echo"), Path::new(&place.path("dist"))).unwrap_err();
    assert!(error.to_string().starts_with("the project has version "), "{error:#}");
}

/// The licences of what is linked in, and of nothing else.
#[test]
fn every_crate_that_is_linked_in_is_named_with_its_licence() {
    let place = Place::new();
    let packed = pack(&release(stand_in(&place)), Path::new(&place.path("dist"))).unwrap();
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(GzDecoder::new(File::open(&packed[0]).unwrap())).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let mut bytes = Vec::new();
        std::io::copy(&mut entry, &mut bytes).unwrap();
        files.insert(name, bytes);
    }
    let text = String::from_utf8(files.remove("THIRD-PARTY-LICENSES").unwrap()).unwrap();
    let (list, texts) = text.split_once("\n\n---").unwrap();
    // Before the list stand two paragraphs about it.
    let list = list.split("\n\n").nth(2).unwrap();
    let names: Vec<_> = list.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    let is_named = |name: &str| names.iter().any(|named| named.split(' ').next() == Some(name));
    for name in ["clap", "libsqlite3-sys", "reqwest", "ring", "rustls", "tokio", "zstd-sys"] {
        assert!(is_named(name), "{name} is not in {names:?}");
    }
    for name in ["billing-cli", "cc", "clap_derive", "insta", "proptest", "serde_derive", "tar", "wiremock"] {
        assert!(!is_named(name), "{name} is in {names:?}");
    }
    for name in &names {
        assert!(texts.contains(name), "there is no text of {name}");
    }
}

/// The files below a directory, by their paths from there, in order.
fn files_below(directory: &Path) -> Vec<String> {
    fn collect(directory: &Path, top: &Path, files: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, top, files);
            } else {
                files.push(path.strip_prefix(top).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    let mut files = Vec::new();
    collect(directory, directory, &mut files);
    files.sort();
    files
}
