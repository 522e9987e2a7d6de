//! Who asked, and the state of its rate.

use crate::limits::Rate;

/// The caller of a request and the state of its rate. It goes with the answer to where both are counted.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) key_id: String,
    pub(crate) rate: Option<Rate>,
}
