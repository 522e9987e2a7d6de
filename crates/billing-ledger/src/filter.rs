//! Which entries are asked for.

use billing_model::{Currency, TimeWindow};

/// Which of an account's entries are asked for; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of this span.
    pub window: TimeWindow,
    /// Those charged in this currency.
    pub currency: Option<Currency>,
}
