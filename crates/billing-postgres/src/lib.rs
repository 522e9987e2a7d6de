//! A ledger in a PostgreSQL database, which any number of servers share: an engine of [`Ledger`](billing_ledger::Ledger).
//!
//! Everything stands in the schema `billing` of one database. PostgreSQL 14 or newer is needed, in UTF-8, and no extension. What is
//! stored is durable and exact as in every engine, and the bytes that are lent are the same.
//!
//! ```no_run
//! use billing_ledger::Ledger;
//! use billing_postgres::{PostgresLedger, Settings, Target};
//!
//! let target: Target = "postgres://gateway@db.example.org/billing".parse()?;
//! let ledger = PostgresLedger::open_or_create(target.with_password("…"), Settings::COMMAND)?;
//! let account = ledger.create_account("main")?;
//! assert_eq!(ledger.account("main")?, Some(account));
//! # Ok::<(), billing_ledger::Error>(())
//! ```

mod failure;
mod gate;
mod settings;
mod target;
mod text;
mod tls;

mod schema;
mod session;

mod greeting;
mod watch;

mod connections;

mod ledger;
mod row;

mod counts;
mod strings;

mod blocks;
mod entry_copy;
mod sums;

mod intake;

mod account;
mod batch;
mod change;
mod check;
mod coverage;
mod feed;
mod gathered;
mod import;
mod imported_file;
mod key;
mod page;
mod probe;
mod removal;
mod repair;
mod rollup;
mod size;
mod source;

mod copy_from;
mod copy_into;

mod contract;

pub use copy_into::PostgresCopy;
pub use ledger::PostgresLedger;
pub use settings::Settings;
pub use target::Target;
