//! Formats numbers, times and amounts for people.

use std::collections::BTreeSet;
use std::time::Duration;

use billing_model::{Currency, Summary, one_line};
use billing_report::table::table;

use crate::terminal;

/// The most characters of a currency in a table.
const MOST_OF_A_CURRENCY: usize = 40;

/// A number with a comma between groups of three digits: `43,635`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 entry`, `43,635 entries`.
pub(crate) fn entries(count: u64) -> String {
    format!("{} {}", grouped(count), if count == 1 { "entry" } else { "entries" })
}

/// A currency as a cell of a table. An unknown one may be any text.
pub(crate) fn short_currency(currency: &Currency) -> String {
    one_line(currency.as_str(), MOST_OF_A_CURRENCY)
}

/// Names of other amounts that are listed.
const MOST_OF_OTHERS: usize = 5;

/// Says what an answer has that is in no table, where there is something.
pub(crate) fn not_shown<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let names: BTreeSet<&str> = names.into_iter().collect();
    let listed = names.iter().take(MOST_OF_OTHERS).map(|name| one_line(name, MOST_OF_A_CURRENCY));
    let mut listed: Vec<String> = listed.collect();
    match names.len().saturating_sub(MOST_OF_OTHERS) {
        0 => {}
        more => listed.push(format!("{more} more")),
    }
    let listed = listed.join(", ");
    (!names.is_empty()).then(|| format!("The answer has more than is shown here: {listed}. See --json.\n"))
}

/// Entries a second, in whole ones.
pub(crate) fn rate(entries: u64, elapsed: Duration) -> u64 {
    let ns = elapsed.as_nanos().max(1);
    u64::try_from(u128::from(entries) * 1_000_000_000 / ns).unwrap_or(u64::MAX)
}

/// Seconds with one decimal place: `3.2 s`.
pub(crate) fn seconds(elapsed: Duration) -> String {
    format!("{}.{} s", elapsed.as_secs(), elapsed.subsec_millis() / 100)
}

/// Count, time range and rate, each on a line. The rate is that of the entries that were added in the elapsed time.
pub(crate) fn pace(summary: &Summary, added: u64, elapsed: Duration) -> String {
    let mut pace = format!("{}, {} entries/s", seconds(elapsed), grouped(rate(added, elapsed)));
    if added < summary.entries {
        pace = format!("{} of them in {pace}", grouped(added));
    }
    match (summary.first, summary.last) {
        (Some(first), Some(last)) => {
            format!("{}, {pace}\nfirst {first}, last {last}", entries(summary.entries))
        }
        _ => entries(0),
    }
}

/// The sums of each currency with all digits: entries, spend (the charges as money out), credits, and net (credits less
/// spend). A currency has one line if the terminal is wide enough, and otherwise one line for each number. The text is
/// empty when there are no entries.
pub(crate) fn amounts(summary: &Summary) -> String {
    amounts_within(summary, terminal::columns())
}

fn amounts_within(summary: &Summary, columns: usize) -> String {
    if summary.amounts.is_empty() {
        return String::new();
    }
    const HEAD: [&str; 5] = ["", "entries", "spend", "credits", "net"];
    let mut rows = vec![HEAD.map(str::to_owned)];
    for (currency, amounts) in &summary.amounts {
        rows.push([
            short_currency(currency),
            grouped(amounts.entries),
            amounts.spend().to_string(),
            amounts.credited.to_string(),
            amounts.net().to_string(),
        ]);
    }
    let wide = table(&rows);
    if wide.lines().all(|line| line.chars().count() <= columns) {
        return wide;
    }
    let mut tall = vec![["", "", ""].map(str::to_owned)];
    for [currency, figures @ ..] in rows.into_iter().skip(1) {
        let names = std::iter::once(currency).chain(std::iter::repeat(String::new()));
        let lines = names.zip(HEAD.into_iter().skip(1)).zip(figures);
        tall.extend(lines.map(|((currency, name), figure)| [currency, name.to_owned(), figure]));
    }
    table(&tall).trim_start().to_owned()
}

/// The text quoted as one word of a shell, so that the command can be copied.
pub(crate) fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_never_lose_a_digit_to_a_narrow_terminal() {
        let mut summary = Summary::default();
        for (at, amount) in
            [("2026-06-01T00:00:00Z", "-34.2430983650000000176"), ("2026-06-02T00:00:00Z", "0.5")]
        {
            summary.add(&billing_testkit::entry_at(at.parse().unwrap(), amount));
        }
        assert_eq!(
            amounts_within(&summary, 70),
            "     entries                   spend  credits                      net\n\
             USD        2  34.2430983650000000176      0.5  -33.7430983650000000176\n"
        );
        assert_eq!(
            amounts_within(&summary, 69),
            "USD  entries                        2\n     \
                  spend     34.2430983650000000176\n     \
                  credits                      0.5\n     \
                  net      -33.7430983650000000176\n"
        );
    }

    #[test]
    fn figures_are_readable() {
        assert_eq!(
            ["0", "999", "1,000", "43,635", "1,234,567"].map(str::to_owned),
            [0, 999, 1000, 43635, 1234567].map(grouped)
        );
        assert_eq!(rate(100, Duration::from_millis(200)), 500);
        assert_eq!(rate(1, Duration::ZERO), 1_000_000_000);
        assert_eq!(seconds(Duration::from_millis(3290)), "3.2 s");
    }
}
