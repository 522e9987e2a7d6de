//! Rows that cannot be read, named so that one can cut around them.

use std::fmt;

use crate::timestamp::Timestamp;

/// The most rows that are named. With more of them the whole input is wrong, and not single rows.
const NAMED: usize = 20;

/// Several rows that cannot be read: the first twenty of them, each as a line, and how many there are.
///
/// It is the last cause in a chain of errors. The error above it says how many rows are bad; its own text is all lines
/// in one.
///
/// ```
/// use billing_model::BadRows;
/// let mut bad = BadRows::default();
/// for line in 1..=21 {
///     bad.add(|| format!("line {line}: is missing"));
/// }
/// assert_eq!((bad.count(), bad.lines().count()), (21, 21));
/// assert_eq!(bad.lines().last().as_deref(), Some("and 1 more"));
/// assert!(bad.to_string().starts_with("line 1: is missing; line 2: is missing; "));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadRows {
    named: Vec<String>,
    count: u64,
}

impl BadRows {
    /// Counts one more, and names it when there is room.
    pub fn add(&mut self, named: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(named());
        }
    }

    /// Counts so many more, of which nothing is known but that they are bad.
    ///
    /// ```
    /// use billing_model::BadRows;
    /// let mut bad = BadRows::default();
    /// bad.add(|| "row 7: is missing".to_owned());
    /// bad.add_unnamed(49);
    /// assert_eq!(bad.to_string(), "row 7: is missing; and 49 more");
    /// ```
    pub fn add_unnamed(&mut self, count: u64) {
        self.count = self.count.saturating_add(count);
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A line for each that is named, and one for the others.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let named = u64::try_from(self.named.len()).unwrap_or(u64::MAX);
        let others = self.count.saturating_sub(named);
        let others = (others > 0).then(|| format!("and {others} more"));
        self.named.iter().cloned().chain(others)
    }
}

impl fmt::Display for BadRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, line) in self.lines().enumerate() {
            let mark = if position == 0 { "" } else { "; " };
            write!(f, "{mark}{line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BadRows {}

/// The timestamp of an entry that cannot be read, by its text alone, whatever is wrong with the rest of it.
///
/// ```
/// let text = r#"{"amount":-0.1O,"timestamp": "2026-06-15T19:05:10.504Z""#;
/// assert_eq!(billing_model::timestamp_in(text), Some("2026-06-15T19:05:10.504Z".parse()?));
/// assert_eq!(billing_model::timestamp_in(r#"{"notes":"\"timestamp\":\"2026-06-15T19:05:10.504Z\""}"#), None);
/// # Ok::<(), billing_model::ValueError>(())
/// ```
pub fn timestamp_in(text: &str) -> Option<Timestamp> {
    const KEY: &str = "\"timestamp\"";
    let is_key = |at: &usize| !text[..*at].ends_with('\\');
    text.match_indices(KEY).map(|(at, _)| at).filter(is_key).find_map(|at| {
        let value = text[at + KEY.len()..].trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
        value.split('"').next()?.parse().ok()
    })
}
