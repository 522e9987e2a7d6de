//! The suite that holds this engine to the contract of a ledger.

use std::any::Any;

use billing_ledger::Ledger;
use billing_sqlite::SqliteLedger;

fn empty() -> (Box<dyn Ledger>, Box<dyn Any>) {
    let directory = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open_or_create(&directory.path().join("ledger.db")).unwrap();
    (Box::new(ledger), Box::new(directory))
}

billing_testkit::ledger_suite!(empty);
