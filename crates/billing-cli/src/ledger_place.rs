//! Where a ledger is: in a file, or in a database of PostgreSQL.

use std::fmt;
use std::path::{Path, PathBuf};

use billing_postgres::Target;

use crate::exit::Failure;
use crate::redaction::without_passwords;

/// The hint for a URL that is none.
const URL: &str =
    "a database is named as postgres://USER@HOST/DATABASE; the password may be in PGPASSWORD or in ~/.pgpass";

/// Where a ledger is. Displayed, it has no password.
#[derive(Clone, Debug)]
pub(crate) enum LedgerPlace {
    File(PathBuf),
    Database {
        target: Box<Target>,
        /// The URL as it was typed, with its parameters and without its password.
        url: String,
    },
}

impl LedgerPlace {
    /// The place that a text names: a URL that begins with `postgres:` or `postgresql:`, else a path.
    ///
    /// # Errors
    /// Wrong usage, for a URL that cannot be read or that would let the password pass over a network in plain text.
    pub(crate) fn of(named: &Path) -> Result<Self, Failure> {
        let Some(url) = named.to_str().filter(|text| Target::is_meant(text)) else {
            return Ok(Self::File(named.to_owned()));
        };
        let target = url.parse::<Target>().map_err(|error| Failure::usage(error).hint(URL))?;
        Ok(Self::Database { target: Box::new(target), url: without_passwords(url) })
    }

    /// The path of a ledger that is in a file.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Database { .. } => None,
        }
    }

    /// What names it in a command that is to be typed again.
    pub(crate) fn typed(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Database { url, .. } => url.clone(),
        }
    }

    /// The same for PostgreSQL's own programs, which know no parameter of ours, and would use plain text where we never do.
    pub(crate) fn for_tools(&self) -> String {
        let typed = self.typed();
        let (place, parameters) = typed.split_once('?').unwrap_or((&typed, ""));
        let mut parameters: Vec<_> = parameters
            .split('&')
            .filter(|parameter| !parameter.is_empty() && !parameter.starts_with("connections="))
            .collect();
        let has_tls = matches!(self, Self::Database { target, .. } if target.has_tls());
        if has_tls && !parameters.iter().any(|parameter| parameter.starts_with("sslmode=")) {
            parameters.push("sslmode=verify-full");
        }
        match parameters.is_empty() {
            true => place.to_owned(),
            false => format!("{place}?{}", parameters.join("&")),
        }
    }
}

impl fmt::Display for LedgerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Database { target, .. } => target.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_database_and_all_else_is_a_path() {
        for path in ["ledger.db", "./postgres:/x", "./postgres://u@localhost/b", "postgres.db"] {
            assert_eq!(LedgerPlace::of(Path::new(path)).unwrap().file(), Some(Path::new(path)));
        }
        let place = LedgerPlace::of(Path::new("postgres://u:s3cret@db.example.org/b?sslmode=verify-full"));
        let place = place.unwrap();
        assert_eq!(place.file(), None);
        assert_eq!(place.to_string(), "postgres://u@db.example.org/b");
        assert_eq!(place.typed(), "postgres://u@db.example.org/b?sslmode=verify-full");
        assert!(!format!("{place:?}").contains("s3cret"));
        let refused = LedgerPlace::of(Path::new("postgres://u:s3cret@db.example.org/b?sslmode=disable"));
        let refused = format!("{:?}", refused.unwrap_err());
        for (typed, for_tools) in [
            ("postgres://u:s3cret@db.example.org/b", "postgres://u@db.example.org/b?sslmode=verify-full"),
            ("postgres://u@db/b?connections=9&sslmode=require", "postgres://u@db/b?sslmode=require"),
            ("postgres://u@localhost/b?connections=9", "postgres://u@localhost/b"),
            ("postgres:///b?host=/tmp", "postgres:///b?host=/tmp"),
        ] {
            assert_eq!(LedgerPlace::of(Path::new(typed)).unwrap().for_tools(), for_tools);
        }
        assert!(refused.contains("plain text") && !refused.contains("s3cret"), "{refused}");
    }
}
