//! What it means for the caller that a walk was stopped: the failure of an interrupt.

use anyhow::anyhow;

use crate::exit::Failure;
use crate::interrupt::{Cause, Stopped};

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self::new(cause.exit(), anyhow!(cause))
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Interrupted(cause) => cause.into(),
            Stopped::Failed(error) => error.into(),
        }
    }
}
