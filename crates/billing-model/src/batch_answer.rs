//! `POST /billing/usage`, which is ours: what a server answers to a batch of entries.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde::de::Deserializer;

use crate::bad_rows::BadRows;
use crate::decode_error::DecodeError;
use crate::object::{objects, read_object};
use crate::one_line::one_line;

/// Characters of a server's words that are kept.
const MOST_CHARS: usize = 300;

/// The answer to a batch that is stored, all of it: 201.
///
/// ```
/// use billing_model::BatchReceipt;
/// let receipt = BatchReceipt::from_json(r#"{"idempotencyKey":"batch-1","recorded":3}"#)?;
/// assert_eq!((receipt.idempotency_key.as_str(), receipt.recorded), ("batch-1", 3));
/// # Ok::<(), billing_model::DecodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchReceipt {
    /// The key that the batch is known by.
    pub idempotency_key: String,
    /// Entries of the batch.
    pub recorded: u64,
}

/// The answer to a batch with rows that cannot be recorded: 422. Nothing of the batch is stored.
///
/// Its texts are on one line each and of bounded length, fit for a terminal.
///
/// ```
/// use billing_model::RefusedBatch;
/// let refused = RefusedBatch::from_json(r#"{"error":"1 of 3 rows cannot be recorded; nothing was stored","rows":3,
///   "badRows":[[2,2]],"issues":[{"row":2,"field":"amount","message":"is missing"}]}"#)?;
/// assert_eq!(refused.bad_rows, [2..=2]);
/// assert_eq!(refused.issues[0].to_string(), "row 2, field `amount`: is missing");
/// # Ok::<(), billing_model::DecodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RefusedBatch {
    /// What it comes to, in words.
    #[serde(deserialize_with = "line")]
    pub error: String,
    /// Rows of the batch, as far as it could be read.
    pub rows: u64,
    /// Which of them cannot be recorded, from 1, in order: all of them.
    #[serde(deserialize_with = "ranges")]
    pub bad_rows: Vec<RangeInclusive<u64>>,
    /// What is wrong, of the first of them.
    #[serde(deserialize_with = "objects")]
    pub issues: Vec<BatchIssue>,
}

/// The answer to a batch whose idempotency key another batch has, or whose account takes no batches: 409. Nothing of it is
/// stored.
///
/// Only a 409 that names the key is one: a proxy answers 409 too, and knows nothing of what is stored.
///
/// ```
/// use billing_model::ConflictingBatch;
/// let body = r#"{"error":"Another batch was sent with this Idempotency-Key before","idempotencyKey":"batch-1"}"#;
/// assert_eq!(ConflictingBatch::from_json(body)?.idempotency_key, "batch-1");
///
/// let body = r#"{"error":"This account is kept in step with https://api.venice.ai/api/v1 and takes no batches",
///   "idempotencyKey":"batch-1","syncedWith":"https://api.venice.ai/api/v1"}"#;
/// assert_eq!(ConflictingBatch::from_json(body)?.synced_with.as_deref(), Some("https://api.venice.ai/api/v1"));
/// assert!(ConflictingBatch::from_json(r#"{"error":"a request with this key is in progress"}"#).is_err());
/// # Ok::<(), billing_model::DecodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConflictingBatch {
    /// What it comes to, in words.
    #[serde(deserialize_with = "line")]
    pub error: String,
    /// The key of both batches, or of the one that was refused.
    pub idempotency_key: String,
    /// The base URL of the service that the account is kept in step with, when it takes no batches.
    #[serde(default, deserialize_with = "optional_line")]
    pub synced_with: Option<String>,
}

/// What is wrong with a row of a batch, or with its body as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct BatchIssue {
    /// The row, from 1; `None` for the body as a whole.
    pub row: Option<u64>,
    /// The field, as the API names it, where it is one.
    #[serde(default, deserialize_with = "optional_line")]
    pub field: Option<String>,
    /// What is wrong with it.
    #[serde(deserialize_with = "line")]
    pub message: String,
}

impl BatchReceipt {
    /// Reads the JSON that `POST /billing/usage` answers. Unknown fields are ignored.
    ///
    /// # Errors
    /// [`DecodeError`] when the text is not such an answer.
    pub fn from_json(text: &str) -> Result<Self, DecodeError> {
        read_object(text).map_err(|cause| DecodeError::json(cause, text).of("the receipt of a batch"))
    }
}

impl RefusedBatch {
    /// Reads the JSON that `POST /billing/usage` answers when rows cannot be recorded. Unknown fields are ignored.
    ///
    /// # Errors
    /// [`DecodeError`] when the text is not such an answer.
    pub fn from_json(text: &str) -> Result<Self, DecodeError> {
        read_object(text).map_err(|cause| DecodeError::json(cause, text).of("the refusal of a batch"))
    }

    /// The bad rows: the first of them with what is wrong, and how many there are.
    ///
    /// ```
    /// use billing_model::RefusedBatch;
    /// let refused = RefusedBatch::from_json(r#"{"error":"3 of 3 rows cannot be recorded; nothing was stored","rows":3,
    ///   "badRows":[[1,3]],"issues":[{"row":1,"field":null,"message":"is no object"}]}"#)?;
    /// assert_eq!(refused.to_bad_rows().to_string(), "row 1: is no object; and 2 more");
    /// # Ok::<(), billing_model::DecodeError>(())
    /// ```
    pub fn to_bad_rows(&self) -> BadRows {
        let mut bad = BadRows::default();
        self.issues.iter().for_each(|issue| bad.add(|| issue.to_string()));
        // A row may have several issues, and an issue no row.
        let explained: BTreeSet<u64> = self.issues.iter().filter_map(|issue| issue.row).collect();
        let length = |rows: &RangeInclusive<u64>| {
            rows.end().checked_sub(*rows.start()).map_or(0, |more| more.saturating_add(1))
        };
        let all = self.bad_rows.iter().map(length).fold(0, u64::saturating_add);
        bad.add_unnamed(all.saturating_sub(explained.len() as u64));
        bad
    }
}

impl ConflictingBatch {
    /// Reads the JSON that `POST /billing/usage` answers when another batch has the key, or the account takes
    /// none. Unknown fields are ignored.
    ///
    /// # Errors
    /// [`DecodeError`] when the text is not such an answer.
    pub fn from_json(text: &str) -> Result<Self, DecodeError> {
        read_object(text).map_err(|cause| DecodeError::json(cause, text).of("the refusal of a batch"))
    }
}

impl fmt::Display for BatchIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.row, &self.field) {
            (Some(row), Some(field)) => write!(f, "row {row}, field `{field}`: ")?,
            (Some(row), None) => write!(f, "row {row}: ")?,
            (None, Some(field)) => write!(f, "field `{field}`: ")?,
            (None, None) => {}
        }
        f.write_str(&self.message)
    }
}

/// A server's words, fit for one line of a terminal.
fn fit(text: &str) -> String {
    one_line(text, MOST_CHARS).trim().to_owned()
}

fn line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| fit(&text))
}

fn optional_line<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| fit(&text)))
}

fn ranges<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RangeInclusive<u64>>, D::Error> {
    let ranges = Vec::<(u64, u64)>::deserialize(deserializer)?;
    Ok(ranges.into_iter().map(|(first, last)| first..=last).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_which_rows_and_what_is_wrong() {
        let body = r#"{"later":1,"error":"3 of 9 rows","rows":9,"badRows":[[2,3],[9,9]],"issues":[
            {"row":2,"field":"amount","message":"`x` is not a decimal number"},{"row":3,"field":null,"message":"no\nobject"},
            {"row":null,"field":null,"message":"the end is missing"},{"row":null,"field":"sku","message":"\u001b[2Jclear"}]}"#;
        let refused = RefusedBatch::from_json(body).unwrap();
        assert_eq!((refused.error.as_str(), refused.rows), ("3 of 9 rows", 9));
        assert_eq!(refused.bad_rows, [2..=3, 9..=9]);
        let said: Vec<_> = refused.issues.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "row 2, field `amount`: `x` is not a decimal number",
                "row 3: no object",
                "the end is missing",
                "field `sku`: [2Jclear",
            ]
        );
    }

    #[test]
    fn all_bad_rows_are_counted() {
        let check = |bad_rows: &str, issues: std::ops::Range<u64>, expect: &str| {
            let issues: Vec<_> =
                issues.map(|row| format!(r#"{{"row":{row},"field":null,"message":"bad"}}"#)).collect();
            let issues = issues.join(",");
            let body = format!(r#"{{"error":"x","rows":9,"badRows":{bad_rows},"issues":[{issues}]}}"#);
            let bad = RefusedBatch::from_json(&body).unwrap().to_bad_rows();
            assert_eq!(bad.lines().last().as_deref(), Some(expect), "{bad_rows}");
        };
        check("[[1,50000]]", 1..1001, "and 49980 more");
        check("[[1,30],[41,60]]", 1..31, "and 30 more");
        check("[[1,20]]", 1..21, "row 20: bad");
        check("[[1,21]]", 1..21, "and 1 more");
        // Of a service that contradicts itself, what is there is said.
        check("[]", 1..22, "and 1 more");
        check("[[9,2]]", 1..2, "row 1: bad");
        check("[[0,18446744073709551615],[0,18446744073709551615]]", 1..2, "and 18446744073709551614 more");
    }

    #[test]
    fn two_issues_of_a_row_are_one_row() {
        let body = r#"{"error":"x","rows":9,"badRows":[[2,4]],"issues":[{"row":2,"field":"sku","message":"bad"},
            {"row":2,"field":"amount","message":"bad"},{"row":null,"field":null,"message":"cut off"}]}"#;
        let bad = RefusedBatch::from_json(body).unwrap().to_bad_rows();
        let lines: Vec<_> = bad.lines().collect();
        assert_eq!(lines, ["row 2, field `sku`: bad", "row 2, field `amount`: bad", "cut off", "and 2 more"]);
    }

    #[test]
    fn what_is_another_answer_is_neither() {
        for other in [
            r#"{"error":"Authentication failed"}"#,
            "<html>",
            "",
            r#"{"error":"x","rows":1,"badRows":[[1]],"issues":[]}"#,
        ] {
            assert!(RefusedBatch::from_json(other).is_err(), "{other}");
            assert!(BatchReceipt::from_json(other).is_err(), "{other}");
        }
        let receipt = r#"{"later":[],"idempotencyKey":"a","recorded":0}"#;
        assert_eq!(BatchReceipt::from_json(receipt).unwrap().recorded, 0);
        assert!(BatchReceipt::from_json(&receipt[..30]).unwrap_err().is_cut_off());
        assert!(BatchReceipt::from_json(&receipt.replace("0}", "-1}")).is_err());
    }
}
