//! A ledger, its keys and batches for it: what servers get that are killed or disturbed at their calls.

use crate::ledger::Ledger;

use super::batches::Batch;

/// More calls than any of these servers makes.
pub(crate) const ENDLESS: usize = 400;

/// A ledger to begin with, and what is sent to it.
pub(crate) struct Workload {
    pub(crate) ledger: Ledger,
    pub(crate) ingest: String,
    pub(crate) admin: String,
    pub(crate) batches: Vec<Batch>,
}

impl Workload {
    /// Small batches of these names.
    pub(crate) fn new(names: &[&str], seed: u64) -> Self {
        let ledger = Ledger::of(&[]);
        let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
        let mut random = fastrand::Rng::with_seed(seed);
        let batches = names.iter().map(|name| Batch::random(name, &mut random, 3)).collect();
        Self { ledger, ingest, admin, batches }
    }
}
