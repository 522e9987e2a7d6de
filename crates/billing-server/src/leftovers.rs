//! What a killed import has left in the ledger, removed beside the requests.

use std::sync::Arc;

use billing_ledger::Ledger;

use crate::error::describe;

/// Begins to remove what a killed import has left, if there is anything. Nobody sees it, but it takes up space. Nobody
/// waits for this, and a server that is stopped meanwhile goes on when it is started again.
pub(crate) fn remove(ledger: Arc<dyn Ledger>) {
    let work = move || match ledger.remove_unfinished_import() {
        Ok(0) => {}
        Ok(entries) => tracing::info!(entries, "removed what an import had stored that did not end"),
        Err(error) => tracing::warn!(error = describe(&error), "what an import has left was not removed"),
    };
    if let Err(error) = std::thread::Builder::new().name("leftovers".to_owned()).spawn(work) {
        tracing::warn!(%error, "no thread for removing what an import has left");
    }
}
