//! Memory that is shared out among batches before it is taken.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit in which memory is shared out: a permit each, so that bytes fit the permits there can be.
const UNIT: usize = 1 << 10;

/// Memory for all batches together.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Semaphore>);

/// Memory that one batch has. It goes back when this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    bytes: usize,
    permits: Option<OwnedSemaphorePermit>,
}

/// There is no more at the moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// A share of nothing, which can grow.
    pub(crate) fn share(&self) -> Share {
        Share { budget: self.clone(), bytes: 0, permits: None }
    }
}

impl Share {
    /// Takes as many bytes more. It does not wait: who holds a share and waits for another may wait for ever.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.bytes = self.bytes.saturating_add(bytes);
        let held = self.permits.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = self.bytes.div_ceil(UNIT).saturating_sub(held);
        let Ok(missing) = u32::try_from(missing) else { return Err(Exhausted) };
        let more = Arc::clone(&self.budget.0).try_acquire_many_owned(missing).map_err(|_| Exhausted)?;
        match &mut self.permits {
            Some(permits) => permits.merge(more),
            None => self.permits = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shared_out_comes_back() {
        let budget = Budget::new(10 * UNIT);
        let (mut ours, mut theirs) = (budget.share(), budget.share());
        for _ in 0..UNIT {
            ours.grow(6).unwrap();
        }
        theirs.grow(4 * UNIT).unwrap();
        assert_eq!(theirs.grow(1), Err(Exhausted));
        drop(ours);
        theirs.grow(5 * UNIT).unwrap();
        assert_eq!(budget.share().grow(UNIT), Err(Exhausted));
        drop(theirs);
        budget.share().grow(10 * UNIT).unwrap();
        assert_eq!(budget.share().grow(usize::MAX), Err(Exhausted));
    }
}
