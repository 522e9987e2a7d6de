//! The right to bring an account in line.

use std::sync::Arc;

use billing_ledger::{AccountId, Ledger, TakenTurn, Turn};

use crate::error::Cause;
use crate::run::blocking;

/// Who has a turn, where nobody says so.
pub(crate) const NOBODY: &str = "a program that does not say its name";

/// Takes the right to bring an account in line, or says who has it.
pub(crate) async fn take(
    ledger: &Arc<dyn Ledger>,
    account: AccountId,
    holder: &str,
) -> Result<Arc<TakenTurn>, Cause> {
    let (ledger, holder) = (Arc::clone(ledger), holder.to_owned());
    match blocking(move || ledger.take_turn(account, &holder)).await? {
        Turn::Taken(turn) => Ok(Arc::new(turn)),
        Turn::HeldBy(holder) => Err(Cause::Held(holder)),
    }
}
