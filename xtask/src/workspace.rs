//! The workspace as data for the rules, separate from how it is read.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::{env, fs};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, TargetKind};

/// Everything the rules look at. Paths are relative to the root, with `/`.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    /// The text of the root `Cargo.toml`.
    pub manifest: String,
    /// The packages that are ours.
    pub members: Vec<Member>,
    /// Every package of the resolved graph, ours and others', for this machine's platform.
    pub resolved: Vec<Resolved>,
    /// Every Rust file.
    pub sources: Vec<Source>,
    /// Every Markdown file.
    pub documents: Vec<Source>,
    /// Every file and directory.
    pub paths: Vec<String>,
}

/// A package of ours.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its directory, `crates/billing-csv`.
    pub directory: String,
    /// Its one-line description.
    pub description: Option<String>,
    /// The Rust version that it promises.
    pub rust_version: Option<String>,
    /// Its features, those that optional dependencies bring among them.
    pub features: Vec<String>,
    /// The dependencies that its manifest names.
    pub dependencies: Vec<Dependency>,
    /// The file of its library, when it has one.
    pub library: Option<String>,
    /// True when a plain `cargo test` in the root covers it.
    pub is_default: bool,
    /// True when a test in its sources would be run by `cargo test --workspace`.
    pub is_tested: bool,
    /// The text of its `Cargo.toml`.
    pub manifest: String,
}

/// A dependency that a manifest names.
#[derive(Clone, Debug)]
pub struct Dependency {
    /// The package, also when it is renamed.
    pub name: String,
    /// True for a dev-dependency: nothing that is shipped knows it.
    pub is_dev: bool,
}

/// A package of the graph and the features that it is built with.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Its name.
    pub name: String,
    /// Its features.
    pub features: Vec<String>,
}

/// A file of text.
#[derive(Clone, Debug)]
pub struct Source {
    /// Where it stands, `crates/billing-csv/src/reader.rs`.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// The root of the project: the directory with the lock file, above the package that cargo is running.
///
/// It is found at run time. The compiled-in path may be that of another checkout, when two share a target directory.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let package = PathBuf::from(package);
        let root = package.ancestors().find(|directory| directory.join("Cargo.lock").is_file());
        root.unwrap_or(&package).to_owned()
    });
    &ROOT
}

/// The directory that cargo builds into.
///
/// # Errors
/// When `cargo metadata` fails.
pub fn target_directory() -> Result<PathBuf> {
    Ok(metadata()?.target_directory.into())
}

/// The Rust version that the packages promise, `1.95`.
///
/// # Errors
/// When `cargo metadata` fails, or no package promises one.
pub fn rust_version() -> Result<String> {
    let metadata = metadata()?;
    let version = metadata.workspace_packages().iter().find_map(|package| package.rust_version.clone());
    let version = version.context("no package says its `rust-version`")?;
    Ok(format!("{}.{}", version.major, version.minor))
}

/// The version of the program.
///
/// # Errors
/// When `cargo metadata` fails, or there is no program.
pub(crate) fn version() -> Result<String> {
    let metadata = metadata()?;
    let program =
        metadata.workspace_packages().into_iter().find(|package| package.name.as_str() == "billing-cli");
    Ok(program.context("the workspace has no package `billing-cli`")?.version.to_string())
}

/// The graph for this machine's platform. For the whole graph, cargo would fetch crates that only other platforms need,
/// and a test could not run without a network.
pub(crate) fn metadata() -> Result<Metadata> {
    let options = ["--locked", "--filter-platform", "host-tuple"].map(str::to_owned);
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(options)
        .exec()
        .context("cargo cannot describe the workspace")
}

impl Workspace {
    /// Reads the project that this was built in.
    ///
    /// # Errors
    /// When cargo cannot describe it, such as with a stale Cargo.lock, or when a file cannot be read.
    pub fn read() -> Result<Self> {
        let metadata = metadata()?;
        let mut workspace = Self::default();
        workspace.collect_files(root(), metadata.target_directory.as_std_path())?;
        Ok(Self {
            manifest: read(&root().join("Cargo.toml"))?,
            members: metadata
                .workspace_packages()
                .into_iter()
                .map(|package| member(package, &metadata))
                .collect::<Result<_>>()?,
            resolved: resolved(&metadata),
            ..workspace
        })
    }

    /// Collects every file below, in order of names. Build output and hidden files (`.git`) are left out.
    fn collect_files(&mut self, directory: &Path, target: &Path) -> Result<()> {
        let entries =
            fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') || name == "target" || path == target {
                continue;
            }
            self.paths.push(relative(&path));
            // A link is neither a file nor a directory here. What it points at is found at its own place.
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.collect_files(&path, target)?;
            } else if kind.is_file() && name.ends_with(".rs") {
                self.sources.push(Source { path: relative(&path), text: read(&path)? });
            } else if kind.is_file() && name.ends_with(".md") {
                self.documents.push(Source { path: relative(&path), text: read(&path)? });
            }
        }
        Ok(())
    }
}

fn member(package: &Package, metadata: &Metadata) -> Result<Member> {
    let manifest = package.manifest_path.as_std_path();
    let library = package.targets.iter().find(|target| target.is_kind(TargetKind::Lib));
    let dependencies = package.dependencies.iter().map(|dependency| Dependency {
        name: dependency.name.clone(),
        is_dev: dependency.kind == DependencyKind::Development,
    });
    Ok(Member {
        name: package.name.to_string(),
        directory: relative(manifest.parent().unwrap_or(manifest)),
        description: package.description.clone(),
        rust_version: package.rust_version.as_ref().map(ToString::to_string),
        features: package.features.keys().cloned().collect(),
        dependencies: dependencies.collect(),
        library: library.map(|target| relative(target.src_path.as_std_path())),
        is_default: metadata.workspace_default_packages().iter().any(|default| default.id == package.id),
        is_tested: package.targets.iter().any(|target| target.test || target.doctest),
        manifest: read(manifest)?,
    })
}

fn resolved(metadata: &Metadata) -> Vec<Resolved> {
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    nodes
        .map(|node| Resolved {
            name: metadata[&node.id].name.to_string(),
            features: node.features.iter().map(ToString::to_string).collect(),
        })
        .collect()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}
