//! Environment variables that stand for flags.

/// The environment variable that stands for `--ledger`.
pub(super) fn ledger_variable() -> Option<&'static str> {
    variable("BILLING_LEDGER")
}

/// An environment variable that stands for a flag; `None` when it is empty. An empty variable counts as not set,
/// because that is how a script takes one back.
pub(super) fn variable(name: &'static str) -> Option<&'static str> {
    let is_empty = std::env::var_os(name).is_some_and(|text| text.is_empty());
    (!is_empty).then_some(name)
}
