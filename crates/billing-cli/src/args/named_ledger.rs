//! Which ledger a command works on: the one that is named, or the user's own.

use std::fs::DirBuilder;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};

use super::variable::ledger_variable;
use crate::exit::Failure;
use crate::ledger_place::LedgerPlace;

/// The user's own ledger, in the user's data directory.
const OWN: &str = "billing/ledger.db";

/// The flag that names a ledger. Without it the ledger is the user's own.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct NamedLedger {
    /// Path of the ledger, or postgres://USER@HOST/DATABASE [default: billing/ledger.db in your data directory]
    #[arg(long, value_name = "PATH", env = ledger_variable(), hide_env_values = true)]
    ledger: Option<PathBuf>,
}

impl NamedLedger {
    /// The ledger of a flag that may have no value: then it is that of `BILLING_LEDGER`, else the user's own.
    pub(crate) fn of(flag: Option<&Path>) -> Self {
        let variable = || ledger_variable().and_then(std::env::var_os).map(PathBuf::from);
        Self { ledger: flag.map(Path::to_owned).or_else(variable) }
    }

    /// Where the ledger is. Nothing is made.
    ///
    /// # Errors
    /// Wrong usage, when no ledger is named and the user has no home directory, and for a URL that cannot be read.
    pub(crate) fn place(&self) -> Result<LedgerPlace, Failure> {
        match &self.ledger {
            Some(named) => LedgerPlace::of(named),
            None => own().map(LedgerPlace::File),
        }
    }

    /// Where the ledger is, for a command that makes one. The directories of the user's own ledger are made, for the
    /// user alone. Those of a path that was typed are not, because it may have been mistyped.
    ///
    /// # Errors
    /// As [`NamedLedger::place`]; and when a directory cannot be made.
    pub(crate) fn place_to_make(&self) -> Result<LedgerPlace, Failure> {
        let place = self.place()?;
        if let (None, Some(directory)) = (&self.ledger, place.file().and_then(Path::parent)) {
            make(directory)?;
        }
        Ok(place)
    }
}

fn own() -> Result<PathBuf, Failure> {
    let strategy = choose_native_strategy().ok();
    // A home that is no absolute path would put the ledger below wherever the command is called.
    let data = strategy.map(|strategy| strategy.data_dir()).filter(|data| data.is_absolute());
    data.map(|data| data.join(OWN)).ok_or_else(|| {
        Failure::usage(anyhow!("no ledger is named, and there is no home directory to look for one in"))
            .hint("name it with --ledger, or in BILLING_LEDGER")
    })
}

/// Makes the directories of a path that are missing. Those that are there stay as they are.
fn make(directory: &Path) -> Result<(), Failure> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory).map_err(|error| {
        let what = format!("the directory `{}` of the ledger cannot be made", directory.display());
        Failure::failed(anyhow::Error::new(error).context(what))
            .hint("name a ledger elsewhere with --ledger, or in BILLING_LEDGER")
    })
}
