//! Who asked, and where it stands.

use crate::limits::Rate;

/// Who turned out to have made a request, and where it stands with its rate. It travels with the answer.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) key_id: String,
    pub(crate) rate: Option<Rate>,
}
