//! Patterns of the texts that requests hold. Each matches only what the server reads, and is written out rather than
//! shortened with `\d`, which for some readers of a pattern has every digit of Unicode.

/// Every fourth year but whole centuries, and every fourth century: what follows the first two digits, and the centuries.
const LEAP_IN_CENTURY: &str = "(?:0[48]|[2468][048]|[13579][26])";

/// A date that the calendar has, `2026-06-15`, as answers have it.
pub(super) fn date() -> String {
    format!("^{}$", any_date())
}

/// A date from the year 1 on: there is no year 0 to sum up.
pub(super) fn date_of_our_era() -> String {
    let year = "(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)";
    let leap = format!("(?:[0-9]{{2}}{LEAP_IN_CENTURY}|(?:0[48]|[2468][048]|[13579][26])00)");
    format!("^{}$", calendar(year, &leap))
}

/// A date-time in UTC, written with `Z`, to the nanosecond: 40 characters at most.
pub(super) fn utc_instant() -> String {
    // There are 20 characters without a fraction, then 9 digits that count, and zeros up to the limit.
    format!("^{}{TIME}(?:\\.[0-9]{{1,9}}0{{0,10}})?Z$", any_date())
}

/// A date-time of any offset, to the nanosecond.
pub(super) fn instant() -> String {
    format!("^{}{TIME}{FRACTION}{OFFSET}$", any_date())
}

/// A date-time of any offset that a ledger can hold. It counts nanoseconds in 64 bits, which is from 1677 to 2262; whole
/// centuries say that in a pattern that can still be read.
pub(super) fn recordable_instant() -> String {
    let centuries = "(?:1[7-9]|2[01])";
    let date = calendar(&format!("{centuries}[0-9]{{2}}"), &format!("(?:{centuries}{LEAP_IN_CENTURY}|2000)"));
    format!("^{date}{TIME}{FRACTION}{OFFSET}$")
}

/// A date-time as answers have it.
pub(super) const WRITTEN_INSTANT: &str =
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}(?:[0-9]{3}){0,2}Z$";

/// A decimal number in plain or exponent form. No pattern can say whether it can be kept exactly.
pub(super) const DECIMAL: &str = r"^-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$";

/// A whole decimal number from 0.
pub(super) const COUNT: &str = r"^(?:[0-9]+(?:\.0+)?(?:[eE]\+?[0-9]+)?|-0+(?:\.0+)?)$";

/// The characters of a sku: all but control characters.
pub(super) const SKU: &str = r"^[^\x00-\x1f\x7f-\x9f]+$";

/// The name of a currency.
pub(super) const CURRENCY: &str = "^[A-Z][A-Z0-9_]*$";

/// The characters of a cursor.
pub(super) const CURSOR: &str = "^[A-Za-z0-9_-]+$";

/// A span of whole days back from now.
pub(super) const LOOKBACK: &str = "^[1-9][0-9]*d$";

/// Visible ASCII: what a header carries unchanged.
pub(super) const IDEMPOTENCY_KEY: &str = "^[!-~]+$";

const TIME: &str = "T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]";
const FRACTION: &str = r"(?:\.[0-9]{1,9}0*)?";
const OFFSET: &str = "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])";

fn any_date() -> String {
    let leap = format!("(?:[0-9]{{2}}{LEAP_IN_CENTURY}|(?:[02468][048]|[13579][26])00)");
    calendar("[0-9]{4}", &leap)
}

/// Dates of the calendar, of the given years.
fn calendar(year: &str, leap_year: &str) -> String {
    let months = [
        "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])",
        "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)",
        "02-(?:0[1-9]|1[0-9]|2[0-8])",
    ];
    format!("(?:{year}-(?:{})|{leap_year}-02-29)", months.join("|"))
}
