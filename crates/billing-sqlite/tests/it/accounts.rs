//! Accounts: none sees the entries of another one.

use billing_ledger::{ErrorKind, Ledger as _};
use billing_sample::History;

use crate::house::House;

#[test]
fn an_account_of_an_import_that_has_not_ended_stays() {
    let House { ledger, account, .. } = &House::new();
    let mut running = ledger.import(*account).unwrap();
    running.write(&History::new(1, 12_000).collect::<Vec<_>>()).unwrap();
    let error = ledger.remove_account(*account).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AccountInUse);
    assert_eq!(error.to_string(), "the account `ours` cannot be removed: it has 1 import that has not ended");
    drop(running);
    ledger.remove_account(*account).unwrap();
}
